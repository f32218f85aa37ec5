"""`cascade tune`: thresholds and tiers from recordings, with a statement that holds.

Tables and sentences go to stdout; the settings, and the weights of learned scorers beside them, to
the file after -o. Exit codes: 0 done, "do not cascade this route" included; 1 the labels suffice
for no route, and no file was written; 2 a mistake in the arguments or a file.

`--json` prints one object on stdout, whose shape is version 1: what `cascade.tuning.results.Tuning`
holds, under the same names, costs in USD a request and shares from 0 to 1, and on top:

    version        1
    files          paths of the files that were written
    writable        whether any route got a threshold, or the answer to do without: exit code 0
    certified      whether all that was asked for is certified of every route that is not just the
                   strongest tier's; false for an aim, and where there is no such route
    saving_per_day USD at --requests-per-day, null without it
    total          {requests, accuracy, cost, accuracy_strongest, cost_strongest} over all routes
    routes         each with advice and promise_words (for people), shortfall_words (or null),
                   cascades, relative_cost (to the strongest tier alone; null where that is free)
                   as replayed with fallback monitors, relative_cost_on_paper without any

A scorer is {name, signal} as weight files write it, a learned one {name, weights}.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from cascade.app.job_view import told
from cascade.app.outline import print_line, shown
from cascade.app.tier_names import named_tiers
from cascade.app.tune_sources import Wanted, from_audit, from_recordings, require_tiers
from cascade.app.tune_tables import print_tuning
from cascade.config import load
from cascade.errors import ConfigError
from cascade.tuning._plain import plain
from cascade.tuning.plot import write_plot
from cascade.tuning.results import Tuning
from cascade.tuning.wording import writable
from cascade.tuning.writing import configuration, write

T = TypeVar("T")

VERSION = 1


def tune(
    recordings: Annotated[
        Path | None, typer.Argument(help="Recordings, .jsonl or .jsonl.gz.")
    ] = None,
    tiers: Annotated[
        str,
        typer.Option(
            help="Recorded models, cheapest first: small,large; or, for a configuration with tiers"
            " of other names, cheap=small,strong=large. The last one is the strongest."
        ),
    ] = "",
    max_loss: Annotated[
        float | None, typer.Option(help="Certify: accuracy lost against the strongest, at most.")
    ] = None,
    aim_loss: Annotated[
        float | None, typer.Option(help="The same as a best estimate, without a promise.")
    ] = None,
    max_error: Annotated[
        float | None, typer.Option(help="Certify: wrong ones among accepted answers, at most.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="With which a promise holds.")] = 0.9,
    by: Annotated[str, typer.Option(help='"task": each task is a route of its own.')] = "",
    labels: Annotated[
        str,
        typer.Option(
            help="What is right: recorded; exact, number, json or choice against the reference;"
            " agreement with the strongest tier (agreement:choice and so on)."
        ),
    ] = "recorded",
    requests_per_day: Annotated[
        float | None, typer.Option(min=0, help="Your volume, for the saving in USD.")
    ] = None,
    latency_objective: Annotated[
        float | None,
        typer.Option(help="Seconds within which an answer is wanted, where times are recorded."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings to keep but for what is tuned.")
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(
            "--from-audit",
            help="An audit log instead of recordings: test the gates of --config on it.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Plot the frontier: a file .svg, or .png (extra plot).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The settings file to write.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that are there already.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Choose gates, thresholds and tiers on recorded traffic, and say what that promises."""
    wanted = Wanted(
        max_loss=max_loss,
        aim_loss=aim_loss,
        max_error=max_error,
        confidence=confidence,
        by=by,
        labels=labels,
        requests_per_day=requests_per_day,
        latency_objective=latency_objective,
        seed=seed,
    )
    with told():
        wanted.check()
        spared = Spared(tuple(filter(None, (recordings, config, audit))), force)
        spared.require_free(*filter(None, (output, plot)))
        _require_plottable(plot)
        settings = None if config is None else load(config)
        if audit is None:
            models = _models(tiers)
            require_tiers(settings, models)
            source = _given(recordings, "recordings")
            with _busy("tuning"):
                found = from_recordings(source, models, settings, wanted)
        else:
            models, source = {}, audit
            _refuse({"recordings": recordings, "--tiers": tiers, "--by": by, "--plot": plot})
            found = from_audit(audit, _given(settings, "--config"), wanted)
        files = [] if plot is None else [plot]
        if plot is not None:
            write_plot(found, plot)
        files += _written(
            found,
            output,
            spared,
            settings=settings,
            models=models,
            source=source.name,
            latency_objective=latency_objective,
        )
    _print(found, files, as_json)
    raise typer.Exit(0 if writable(found) else 1)


def _models(text: str) -> dict[str, str]:
    models = named_tiers(text)
    if len(models) < 2:
        raise ValueError("--tiers names two recorded models or more, the strongest last")
    return models


def _given(value: T | None, name: str) -> T:
    if value is None:
        raise ValueError(f"{name} is needed here")
    return value


def _refuse(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value:
            raise ValueError(f"--from-audit takes no {name}: it tests the gates of --config")


@dataclass(frozen=True, slots=True)
class Spared:
    """Files that are not to be overwritten: what is read, always; others unless `force` is set."""

    read: tuple[Path, ...]
    force: bool

    def require_free(self, *files: Path) -> None:
        """Raise ConfigError where one of these files may not be written, or two are one."""
        places = [file.resolve() for file in files]
        if len(set(places)) < len(places):
            raise ConfigError(f"{files[-1]} cannot be both --output and --plot")
        for file, place in zip(files, places, strict=True):
            if place in [each.resolve() for each in self.read]:
                raise ConfigError(f"{file} is read here: name another file to write")
            if file.exists() and not self.force:
                raise ConfigError(f"{file} is there already: --force overwrites it")


def _require_plottable(plot: Path | None) -> None:
    if plot is not None and plot.suffix.lower() not in {".svg", ".png"}:
        raise ConfigError(f"--plot writes .svg or .png, not {plot.name}")


def _written(found: Tuning, path: Path | None, spared: Spared, **given: Any) -> tuple[Path, ...]:
    """The settings with their weights; none where the labels suffice for no route."""
    if path is None:
        return ()
    if not writable(found):
        words = f"the labels suffice for no route: {shown(str(path))} is not written"
        print_line(Console(stderr=True), words)
        return ()
    made = configuration(found, name=path.stem, folder=path.parent, **given)
    spared.require_free(*map(path.with_name, made.weights))
    return write(made, path)


@contextmanager
def _busy(what: str) -> Iterator[None]:
    """A moving sign on stderr, where that is a terminal."""
    console = Console(stderr=True)
    with console.status(f"{what} ...") if console.is_interactive else nullcontext():
        yield


def _print(found: Tuning, files: Sequence[Path], as_json: bool) -> None:
    if as_json:
        shape = {"version": VERSION, **plain(found), "files": [str(path) for path in files]}
        sys.stdout.write(json.dumps(shape, indent=2, allow_nan=False) + "\n")
    else:
        print_tuning(Console(), found, files)
