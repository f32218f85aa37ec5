"""What choosing a route costs: beside json.loads, with many rules, with many routes.

    python benchmarks/routing.py [--json] [--quick]

Times are medians of CPU time over rounds that go through everything compared in turn, so that both
sides of a ratio drift together. The requests are OpenAI chat requests with a system prompt and some
turns. Bounds, and exit code 1 when one is missed:
  - beside json.loads: choosing by 20 mixed rules of which the last one or none matches takes at
    most twice json.loads of the request's body, of 2 KB and of 20 KB;
  - rules: time per rule with 100 and 1,000 rules is at most 1.5 times that with 10;
  - routes: choosing among 100 and 10,000 routes takes at most 1.5 times as long as among one;
  - classifier: naming the task of a text by a `LearnedRouter` takes at most 20 times json.loads of
    the body that the text came in. Left out, with a word, where scikit-learn is not installed.

--json prints {"version": 1, "quick", "met", "microseconds": {"<what>": time}, "figures":
[{"bound", "name", "measured", "limit", "met"}]}; measured and limit are ratios.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, Final

# A script's folder stands first in sys.path, where benchmarks/gates.py hides the package `gates`.
FOLDER: Final = str(Path(__file__).resolve().parent)
if FOLDER in sys.path:
    sys.path.remove(FOLDER)
    sys.path += [FOLDER, str(Path(FOLDER).parent)]

from benchmarks.gates import Effort, Figure, medians  # noqa: E402
from cascade.errors import ConfigError  # noqa: E402
from cascade.policy.routing import Choice, Route, Router  # noqa: E402
from cascade.policy.rules import Rule  # noqa: E402
from cascade.tuning.router import train_router  # noqa: E402
from cascade.types import Request  # noqa: E402

RULES: Final = (
    Rule("vision", images=True),
    Rule("long", min_prompt_tokens=30_000),
    Rule("code", tasks=("code", "review")),
    Rule("batch", latency="batch", max_prompt_tokens=8_000),
    Rule("free", tags={"plan": "free"}, tools=False),
    Rule("trial", tags={"flag.new-models": "on"}, min_prompt_tokens=200),
    Rule("form", schema=True, contains=("invoice", "order form", "delivery note")),
    Rule(
        "billing", contains=("refund", "charge back", "invoice", "billed twice", "cancel my plan")
    ),
    Rule("security", contains=("password", "two-factor", "phishing", "leaked", "locked out")),
    Rule("legal", contains=("lawyer", "gdpr", "lawsuit", "terms of service", "subpoena")),
    Rule("outage", contains=("outage", "503", "status page", "is it down", "unreachable")),
    Rule("code", contains=("stack trace", "traceback", "unit test", "refactor", "null pointer")),
    Rule("code", matches=r"```(?:python|js|ts|go|rust)\b"),
    Rule("data", matches=r"(?i)\bselect\b.{1,80}\bfrom\b"),
    Rule("orders", matches=r"\b[A-Z]{2}-\d{6,8}\b"),
    Rule("japanese", contains=("返金", "請求書", "キャンセル")),
    Rule("triage", system_contains=("triage assistant", "sort tickets")),
    Rule("agent", system_matches=r"(?i)you may call (?:tools|functions)", tools=True),
    Rule(
        "writing",
        contains=("essay", "blog post", "press release", "slogan"),
        max_prompt_tokens=2_000,
    ),
    Rule("goodbye", contains=("unsubscribe", "close my account", "delete my data"), tasks=()),
)
"""Of many kinds; the requests here are for none of them but, where they say goodbye, the last."""

SENTENCES: Final = (
    "The kettle arrived on Tuesday in a box that had been opened and taped shut again.",
    "I followed the leaflet, filled it to the line and waited, but the light stayed off.",
    "My sister has the older model, which boils 1.5 litres in about four minutes.",
    'The label underneath says "220-240 V, 50 Hz, 2200 W"; our sockets give 230 V.',
    "Could you tell me whether the base has a fuse, and how I would get at it?",
    "We drink a lot of tea here, so I'd rather not wait for three weeks.",
)
GOODBYE: Final = "Otherwise please close my account."
LAST: Final = {"none matches": "", "the last matches": GOODBYE}
SIZES: Final = (2_000, 20_000)
MANY_RULES: Final = (10, 100, 1_000)
MANY_ROUTES: Final = (1, 100, 10_000)

ASKS: Final = {
    "help": ("How do I", "Could you tell me how to", "What must I do to", "Is there a way to"),
    "complaint": ("I am angry that I cannot", "It is a shame that I cannot", "Nobody lets me"),
    "translation": ("Say in German that I want to", "What is the French for", "Translate:"),
}
DOINGS: Final = tuple(
    f"{verb} the {thing}"
    for verb, thing in product(
        ("open", "clean", "fill", "return", "replace"), ("kettle", "base", "lid", "fuse", "box")
    )
)
"""What three kinds of requests are made of, for a classifier to learn."""


def body(size: int, last: str = "") -> str:
    """A chat request of about `size` bytes."""
    fixed: dict[str, Any] = {"model": "gpt-4.1-mini", "temperature": 0.2, "max_tokens": 400}
    roles = ("system", "user", "assistant", "user", "assistant", "user")
    share = (size - 330) // len(roles)
    messages = [{"role": role, "content": said(share)} for role in roles]
    messages[-1]["content"] += f" {last}"
    return json.dumps(fixed | {"messages": messages})


def said(size: int) -> str:
    """Prose of `size` characters."""
    prose = " ".join(SENTENCES)
    return (prose * (size // len(prose) + 1))[:size]


def request_of(text: str) -> Request:
    return Request(tuple(json.loads(text)["messages"]))


def chooser(rules: Sequence[Rule], routes: Sequence[Route] = ()) -> Callable[[Request], Choice]:
    """What chooses a route by rules, each of which has its own, or goes to one of `routes`."""
    targets = {rule.route for rule in rules} - {route.name for route in routes}
    return Router([*routes, *map(Route, sorted(targets))], rules=rules).choose


def rules_beside_json(effort: Effort) -> tuple[dict[str, float], list[Figure]]:
    """Twenty rules as multiples of json.loads."""
    choose = chooser(RULES)
    times: dict[str, float] = {}
    figures = []
    for size, (name, last) in product(SIZES, LAST.items()):
        text = body(size, last)
        pair = {"rules": _choosing(choose, request_of(text)), "json": _loading(text)}
        found = medians(pair, effort)
        what = f"{size // 1_000} KB, {name}"
        times |= {f"{side}, {what}": time for side, time in found.items()}
        figures.append(_figure("beside json.loads", what, found["rules"] / found["json"], 2.0))
    return times, figures


def many_rules(effort: Effort) -> tuple[dict[str, float], list[Figure]]:
    """Time per rule, with more and more of them."""
    request = request_of(body(SIZES[0]))
    books = {count: chooser(_repeated(count)) for count in MANY_RULES}
    found = medians({str(n): _choosing(choose, request) for n, choose in books.items()}, effort)
    least = MANY_RULES[0]
    return {f"{count} rules": found[str(count)] for count in MANY_RULES}, [
        _figure("rules", f"{count}", found[str(count)] / count / (found[str(least)] / least), 1.5)
        for count in MANY_RULES[1:]
    ]


def _repeated(count: int) -> list[Rule]:
    """Rules as the twenty, with phrases of their own."""
    rules = []
    for number in range(count):
        rule = RULES[number % len(RULES)]
        phrases = tuple(f"{phrase} {number}" for phrase in rule.contains)
        rules.append(Rule(rule.route, **_conditions(rule) | {"contains": phrases}))
    return rules


def _conditions(rule: Rule) -> dict[str, Any]:
    names = [name for name in Rule.__dataclass_fields__ if name != "route"]
    return {name: getattr(rule, name) for name in names}


def many_routes(effort: Effort) -> tuple[dict[str, float], list[Figure]]:
    """The twenty rules, and as many routes besides as can be."""
    request = request_of(body(SIZES[0], GOODBYE))
    choosers = {
        count: chooser(RULES, [Route(f"route {n}") for n in range(count)]) for count in MANY_ROUTES
    }
    found = medians({str(n): _choosing(choose, request) for n, choose in choosers.items()}, effort)
    least = found[str(MANY_ROUTES[0])]
    return {f"{count} routes": found[str(count)] for count in MANY_ROUTES}, [
        _figure("routes", f"{count}", found[str(count)] / least, 1.5) for count in MANY_ROUTES[1:]
    ]


def _choosing(choose: Callable[[Request], object], request: Request) -> Callable[[], object]:
    return lambda: choose(request)


def _loading(text: str) -> Callable[[], object]:
    return lambda: json.loads(text)


def _figure(bound: str, name: str, measured: float, limit: float) -> Figure:
    return Figure(bound, name, round(measured, 2), limit)


def classifier(effort: Effort) -> tuple[dict[str, float], list[Figure]]:
    """A learned router as multiples of json.loads."""
    pairs = [(ask, task) for task, asks in ASKS.items() for ask in asks]
    rows = [(f"{ask} {doing}.", task) for (ask, task), doing in product(pairs, DOINGS)]
    try:
        classify = train_router(rows).router.classify
    except ConfigError as error:
        print(f"classifier: left out, {error}", file=sys.stderr)
        return {}, []
    times, figures = {}, []
    for size in SIZES:
        text, what = body(size), f"{size // 1_000} KB"
        asked = request_of(text).text
        found = medians({"it": _classifying(classify, asked), "json": _loading(text)}, effort)
        times[f"classifier, {what}"] = found["it"]
        figures.append(_figure("classifier", what, found["it"] / found["json"], 20.0))
    return times, figures


def _classifying(classify: Callable[[str], object], text: str) -> Callable[[], object]:
    return lambda: classify(text)


def run(effort: Effort) -> dict[str, Any]:
    """Measure everything; the versioned shape of --json, but for `quick`."""
    times: dict[str, float] = {}
    figures: list[Figure] = []
    for measure in (rules_beside_json, many_rules, many_routes, classifier):
        found_times, found_figures = measure(effort)
        times |= found_times
        figures += found_figures
    return {
        "met": all(figure.met for figure in figures),
        "microseconds": {what: round(time * 1e6, 2) for what, time in times.items()},
        "figures": [asdict(figure) | {"met": figure.met} for figure in figures],
    }


def show(report: Mapping[str, Any]) -> None:
    for what, time in report["microseconds"].items():
        print(f"{what:48}{time:>12,.2f} us of CPU")
    print()
    for figure in report["figures"]:
        mark = "" if figure["met"] else "  MISSED"
        name = f"{figure['bound']}: {figure['name']}"
        print(f"{name:48}{figure['measured']:>12g} <= {figure['limit']:g}{mark}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args(arguments)
    effort = Effort(5, 0.001) if options.quick else Effort(41, 0.003)
    report = {"version": 1, "quick": options.quick} | run(effort)
    if options.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0 if report["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
