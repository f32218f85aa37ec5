"""`cascade init`: writes a settings file to start from.

Asks on a terminal for what no option says; anywhere else, and with --yes, the defaults hold. Exit
codes: 0 written; 2 a mistake in the options, or the file is there already; 130 interrupted.

`--json` prints {"version": 1, "file": path, "next": [commands]}.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer
from rich.console import Console

from cascade.app.inspection import inspection_of
from cascade.app.outline import print_line, shown
from cascade.app.starter import FREE, VENDORS, Vendor, starter
from cascade.config import parse
from cascade.errors import ConfigError
from cascade.prices import listed_price
from cascade.types import Price

VERSION: Final = 1

DEFAULT = Path("cascade.toml")

HOMES = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
"""Where the providers go that are told no other place."""

Ask = Callable[[str, str], str]
"""A question and its default to the answer."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; `prices` are those of the cheap and of the strong model."""

    provider: str | None = None
    cheap: str | None = None
    strong: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    prices: tuple[str | None, str | None] = (None, None)


def init(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = DEFAULT,
    provider: Annotated[
        str | None, typer.Option(help=f"Where the models are: {', '.join(VENDORS)}.")
    ] = None,
    cheap: Annotated[str | None, typer.Option(help="The model that is asked first.")] = None,
    strong: Annotated[str | None, typer.Option(help="The model for the rest.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="An endpoint of your own: http://127.0.0.1:8000/v1.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="The environment variable with the key.")
    ] = None,
    cheap_price: Annotated[
        str | None, typer.Option(help="Where no list has it: 0.1,0.4 (USD per million tokens).")
    ] = None,
    strong_price: Annotated[str | None, typer.Option(help="The same of the other model.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a commented settings file to start from."""
    ask = by_default if yes or not _on_terminal() else _prompt
    try:
        _require_free(output, force)
        prices = (cheap_price, strong_price)
        vendor = chosen(Options(provider, cheap, strong, base_url, api_key_env, prices), ask)
        text = starter(vendor)
        # What init writes must load; an option may hold what no file can.
        inspection_of(parse(text, str(output)))
        _write(output, text, force)
    except (ConfigError, ValueError) as error:
        for line in str(error).splitlines():
            print_line(Console(stderr=True), f"error: {shown(line)}", "red")
        raise typer.Exit(2) from None
    _tell(output, vendor, as_json)


def by_default(question: str, default: str) -> str:
    """Answers every question with its default.

    Raises:
        ValueError: it has none.
    """
    if not default:
        raise ValueError(f"{question}: say it with an option; see cascade init --help")
    return default


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _prompt(question: str, default: str) -> str:
    try:
        answer: str = typer.prompt(question, default=default or None, err=True)
    except typer.Abort:
        raise typer.Exit(130) from None
    return answer.strip()


def chosen(options: Options, ask: Ask) -> Vendor:
    """The vendor with the models, as options or answers have it.

    Raises:
        ValueError: an option will not do, or something has neither an option nor a default.
    """
    vendor = _vendor(options, ask)
    url = options.base_url
    if url is None and vendor.prices is not None:
        url = ask("URL of the server (--base-url)", vendor.base_url or "")
    if url and not url.startswith(("http://", "https://")):
        raise ValueError(f"base_url must look like https://host/v1 or http://host/v1, not {url}")
    vendor = replace(
        vendor,
        base_url=url or vendor.base_url,
        api_key_env=options.api_key_env or _key_of(vendor, url, ask),
        cheap=options.cheap or ask("Model to ask first (--cheap)", vendor.cheap),
        strong=options.strong or ask("Model for the rest (--strong)", vendor.strong),
    )
    return replace(vendor, prices=_prices(vendor, options.prices, ask))


def _vendor(options: Options, ask: Ask) -> Vendor:
    if options.provider is None and options.base_url is not None:
        return Vendor("openai", logprobs=True)
    name = options.provider or ask(f"Provider ({', '.join(VENDORS)})", "openai")
    if name not in VENDORS:
        raise ValueError(f"--provider is one of {', '.join(VENDORS)}; got {name}")
    return VENDORS[name]


def _key_of(vendor: Vendor, own_url: str | None, ask: Ask) -> str | None:
    """The variable with the key; a vendor's own key is for the vendor's own endpoint."""
    if own_url is None:
        return vendor.api_key_env
    if _on_this_machine(own_url):
        return None
    return ask("Environment variable with the key (--api-key-env)", "")


def _prices(
    vendor: Vendor, given: tuple[str | None, str | None], ask: Ask
) -> tuple[Price, Price] | None:
    """The prices of the two models; None where a list has them."""
    if not any(given) and _on_this_machine(vendor.base_url or ""):
        return FREE
    if not any(given) and _listed(vendor):
        return None
    cheap, strong = (
        text or ask(f"USD per million tokens of the {word} model, in and out (--{word}-price)", "")
        for text, word in zip(given, ("cheap", "strong"), strict=True)
    )
    return price_of(cheap), price_of(strong)


def _listed(vendor: Vendor) -> bool:
    """Whether the price tables have both models."""
    url = vendor.base_url or HOMES[vendor.provider]
    return all(listed_price(model, url) for model in (vendor.cheap, vendor.strong))


def price_of(text: str) -> Price:
    """The price that "0.1,0.4" says.

    Raises:
        ValueError: it says none.
    """
    with suppress(ValueError):
        rates = [float(part) for part in text.split(",")]
        if len(rates) == 2:
            return Price(*rates)
    raise ValueError(f"a price is two numbers, such as 0.1,0.4; got {text}")


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _require_free(output: Path, force: bool) -> None:
    if output.exists() and not force:
        raise ConfigError(f"{output} is there already: --force overwrites it, -o names another")


def _write(output: Path, text: str, force: bool) -> None:
    try:
        with output.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{output}: {error.strerror or error}") from error


def _tell(output: Path, vendor: Vendor, as_json: bool) -> None:
    commands = _commands(output)
    if as_json:
        shape = {"version": VERSION, "file": str(output), "next": commands}
        sys.stdout.write(json.dumps(shape, indent=2) + "\n")
        return
    console = Console()
    print_line(console, f"wrote {shown(str(output))}")
    variable = vendor.api_key_env or _own_variable(vendor)
    if variable is not None and not os.environ.get(variable, "").strip():
        print_line(console, f"set {variable} to your key, then:")
    for command in commands:
        print_line(console, f"  {shown(command)}")


def _own_variable(vendor: Vendor) -> str | None:
    """The variable that a provider reads of itself at its own endpoint."""
    return f"{vendor.provider.upper()}_API_KEY" if vendor.base_url is None else None


def _commands(output: Path) -> list[str]:
    with_file = "" if output == DEFAULT else f" -c {quote(str(output))}"
    return [
        f"cascade check{with_file}",
        f"cascade check{with_file} --ping",
        f'cascade run{with_file} "What is the capital of France?"',
    ]
