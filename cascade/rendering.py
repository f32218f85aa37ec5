"""Traces, results and monitors for a terminal: plain data in, something that rich can print out.

No text is read as markup, and no control characters get through: they may come from an endpoint.
Rich is loaded when something is first shown.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import floor, log10
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text
    from rich.tree import Tree

GOOD, BAD, WARNING, FAINT = "green", "red", "yellow", "dim"

STYLES = {
    "accept": GOOD,
    "accepted": GOOD,
    "answered": GOOD,
    "pass": GOOD,
    "cascading": GOOD,
    "escalate": WARNING,
    "abstain": WARNING,
    "best": WARNING,
    "cut": WARNING,
    "probing": WARNING,
    "skip": FAINT,
    "cancelled": FAINT,
}
"""Of the words for how something went; all others are bad news."""

_CONTROLS: dict[int, str | None] = dict.fromkeys((*range(32), *range(127, 160)), "\ufffd")
_CONTROLS |= {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): None}


def printable(text: str) -> str:
    """The text without what a terminal would obey instead of showing it."""
    return text.translate(_CONTROLS)


def dollars(cost: float, *, unpriced: bool = False) -> str:
    """USD with six decimals, or as many as two digits need: "$0.000125", "$0.0000012".

    `unpriced` says that a call without a known price comes on top.
    """
    decimals = 6 if cost <= 0 else max(6, 1 - floor(log10(cost)))
    return f"${cost:.{decimals}f}" + (" and calls without a known price" if unpriced else "")


def cut(text: str, limit: int) -> str:
    """The text, shortened to `limit` characters where it is longer."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def answer(text: str, accepted: bool, trace: Mapping[str, Any]) -> "RenderableType":
    """An answer and, under it, how it came about."""
    from rich.console import Group
    from rich.text import Text

    unaccepted = [] if accepted else [Text("not accepted, the best there was", style=WARNING)]
    return Group(Text(printable(text)), *unaccepted, trace_tree(trace))


def trace_tree(trace: Mapping[str, Any]) -> "Tree":
    """A trace, as `Trace.to_dict` gives it: its steps with every call and verdict."""
    from rich.tree import Tree

    tree = Tree(_line(*_head(trace)))
    if trace["routing"]:
        _add(tree, [(FAINT, "routing")], map(_attempt, trace["routing"]))
    for step in trace["steps"]:
        branch = _add(tree, _step(step), map(_attempt, step["attempts"]))
        if step["verdict"] is not None:
            _add_verdict(branch, step["verdict"])
    if trace["audit"] is not None:
        _add(tree, _audit(trace["audit"]))
    return tree


def monitor_line(phase: str, rest: str) -> "Text":
    """A monitor's phase and what it saw."""
    return _line((_style(phase), phase), ("", f": {rest}"))


Piece = tuple[str, str]
"""A style and the text that has it."""


def _head(trace: Mapping[str, Any]) -> Iterator[Piece]:
    yield _style(trace["outcome"]), trace["outcome"]
    yield "bold", f" {trace['tier']}" if trace["tier"] else ""
    yield "", f" on {trace['route']} ({trace['route_reason']})"
    yield "", f": {dollars(trace['cost'], unpriced=trace['unpriced'])}"
    yield "", f", {trace['seconds']:.3f} s"
    if trace["error"]:
        yield BAD, f", {trace['error']}"
    yield FAINT, f"  {trace['id']}"


def _step(step: Mapping[str, Any]) -> Iterator[Piece]:
    yield "bold", step["tier"]
    yield _style(step["decision"]), f" {step['decision']}"
    yield "", f": {step['reason']}"
    if any(attempt["cost"] is not None for attempt in step["attempts"]):
        yield FAINT, f", {dollars(step['cost'])}"
    if step["attempts"]:
        yield FAINT, f", {step['seconds']:.3f} s"


def _attempt(attempt: Mapping[str, Any]) -> Iterator[Piece]:
    deployment, model = attempt["deployment"], attempt["model"]
    yield "", deployment if deployment == model else f"{deployment} ({model})"
    yield _style(attempt["outcome"]), f" {attempt['outcome'].replace('_', ' ')}"
    yield "", f", {1000 * attempt['seconds']:.0f} ms"
    if attempt["waited"]:
        yield FAINT, f" after a wait of {1000 * attempt['waited']:.0f} ms"
    if attempt["cost"] is not None:
        yield "", f", {dollars(attempt['cost'])}"
    if attempt["error"]:
        yield BAD, f", {attempt['error']}"


def _verdict(verdict: Mapping[str, Any]) -> Iterator[Piece]:
    yield FAINT, f"{verdict['gate']} "
    yield _style(verdict["status"]), verdict["status"]
    if verdict["score"] is not None:
        yield "", f", score {verdict['score']:.3g}"
    if verdict["reason"]:
        yield "", f": {verdict['reason']}"


def _audit(audit: Mapping[str, Any]) -> Iterator[Piece]:
    agrees = {True: "agrees with", False: "contradicts", None: "cannot be compared with"}
    style = {True: GOOD, False: BAD, None: FAINT}[audit["agrees"]]
    yield "", "this answer "
    yield style, agrees[audit["agrees"]]
    yield "", f" that of {audit['tier']} to {audit['of']}"


def _add(tree: "Tree", line: Iterable[Piece], leaves: Iterable[Iterable[Piece]] = ()) -> "Tree":
    branch = tree.add(_line(*line))
    for leaf in leaves:
        branch.add(_line(*leaf))
    return branch


def _add_verdict(tree: "Tree", verdict: Mapping[str, Any]) -> None:
    branch = _add(tree, _verdict(verdict))
    for part in verdict["parts"]:
        _add_verdict(branch, part)


def _line(*pieces: Piece) -> "Text":
    from rich.text import Text

    return Text.assemble(*((printable(text), style) for style, text in pieces))


def _style(word: str) -> str:
    return STYLES.get(word, BAD)
