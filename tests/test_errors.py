"""The tree of errors: as drawn, as built, and fit to travel."""

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

import cascade  # noqa: F401  loads every module that adds to the tree
from cascade import errors
from cascade.errors import (
    BadRequest,
    CascadeError,
    ConfigError,
    ProviderError,
    QueueFull,
    RateLimited,
    RecordingError,
    Remedy,
    ServerFailed,
    Unaffordable,
)
from cascade.logprobs import logprobs_of
from cascade.result import (
    Aborted,
    BudgetExceeded,
    Exhausted,
    Overloaded,
    StreamBroken,
    Unanswered,
)
from cascade.trace import Decision, Outcome, Step, Trace
from cascade.types import Response

BRANCH = re.compile(r"^ {4}(?P<indent>[│ ]*)[├└]── (?P<name>\w+) +(?P<rest>.*)$")
ROOT = "CascadeError"

Drawn = dict[str, tuple[str, Remedy | None]]
"""Name to parent and remedy; None where an error has none."""


def drawn() -> Drawn:
    """The tree in the docstring."""
    tree: Drawn = {}
    path = [ROOT]
    for line in (errors.__doc__ or "").splitlines():
        if branch := BRANCH.match(line):
            depth = len(branch["indent"]) // 4
            path[depth + 1 :] = [branch["name"]]
            word = branch["rest"].split()[0]
            remedy = Remedy(word) if depth and path[depth] == "ProviderError" else None
            tree[branch["name"]] = path[depth], remedy
    return tree


Kind = TypeVar("Kind", bound=CascadeError)


def descendants(root: type[Kind]) -> Iterator[type[Kind]]:
    for child in root.__subclasses__():
        if child.__module__.startswith("cascade."):
            yield child
            yield from descendants(child)


def built() -> Drawn:
    """The tree of the classes."""
    return {
        kind.__name__: (kind.__bases__[0].__name__, remedy_of(kind))
        for kind in descendants(CascadeError)
    }


def remedy_of(kind: type[CascadeError]) -> Remedy | None:
    own = issubclass(kind, ProviderError) and kind is not ProviderError
    return getattr(kind(""), "remedy", None) if own else None


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    assert len(drawn()) > 15
    assert drawn() == built()


def test_every_error_but_those_that_carry_a_trace_stands_in_the_module() -> None:
    elsewhere = {kind for kind in descendants(CascadeError) if kind.__module__ != errors.__name__}
    assert elsewhere == {
        Aborted,
        BudgetExceeded,
        Exhausted,
        Overloaded,
        StreamBroken,
        Unanswered,
    }


def test_every_error_says_in_a_docstring_what_it_is() -> None:
    assert not [kind for kind in descendants(CascadeError) if not kind.__doc__]


@pytest.mark.parametrize("kind", list(descendants(ProviderError)))
def test_a_remedy_of_its_own_goes_before_that_of_the_class(kind: type[ProviderError]) -> None:
    assert kind("m").remedy is kind.default_remedy
    for remedy in Remedy:
        assert kind("m", remedy=remedy).remedy is remedy


def test_an_error_of_no_kind_is_a_failover() -> None:
    assert ProviderError("m").remedy is Remedy.FAILOVER


@pytest.mark.parametrize(
    ("error", "label"),
    [
        pytest.param(RateLimited("m", status=429), "RateLimited 429", id="with-a-status"),
        pytest.param(RateLimited("m"), "RateLimited", id="without"),
    ],
)
def test_the_label_is_the_class_and_the_status(error: ProviderError, label: str) -> None:
    assert error.label == label


TRACE = Trace(
    "7f", "chat", "", None, Outcome.EXHAUSTED, (Step("weak", Decision.SKIP, "bypassed"),), 0.0, 1.0
)


def detailed(kind: type[ProviderError]) -> ProviderError:
    return kind("m", status=429, code="slow", retry_after=1.5, remedy=Remedy.ESCALATE)


TRAVELLERS: list[CascadeError] = [
    CascadeError("m"),
    ConfigError("m"),
    RecordingError("m"),
    detailed(ProviderError),
    *map(detailed, descendants(ProviderError)),
    Exhausted("gates", TRACE, Response("draft")),
    Exhausted(
        "gates",
        TRACE,
        Response("draft", logprobs=logprobs_of([{"token": "draft", "logprob": -0.5}])),
    ),
    Exhausted("errors", TRACE),
    BudgetExceeded("budget", TRACE, None, Unaffordable("no money")),
    Overloaded("overload", TRACE, None, QueueFull("two wait already")),
    StreamBroken("ServerFailed 500", TRACE, "half", ServerFailed("down", status=500)),
    Aborted(BadRequest("no such role", status=400), TRACE),
]


def through_pickle(error: CascadeError) -> CascadeError:
    sent: CascadeError = pickle.loads(pickle.dumps(error))
    return sent


def shown(error: object) -> object:
    """An error as type, text and attributes, so that two of them can be compared."""
    if not isinstance(error, BaseException):
        return error
    return type(error), str(error), {name: shown(value) for name, value in vars(error).items()}


@pytest.mark.parametrize("travel", [through_pickle, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", TRAVELLERS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_whole_in_another_process_or_copy(
    error: CascadeError, travel: Callable[[CascadeError], CascadeError]
) -> None:
    arrived = travel(error)
    assert arrived is not error
    assert shown(arrived) == shown(error)
