"""Hypothesis strategies for answers, for how they grow, and for gates; see `gates.laws`."""

import math
from dataclasses import replace

from hypothesis import strategies as st

from gates import _samples as samples
from gates.compose import AllOf, AnyOf, Gate, Not
from gates.verdict import Candidate, Logprobs, ToolCall

Texts = st.SearchStrategy[str]
Candidates = st.SearchStrategy[Candidate]


# Strategies that need no argument are built once: building them costs more than drawing.
_FRAGMENTS = st.sampled_from(
    samples.PROSE
    + samples.MARKUP
    + samples.JSON
    + samples.BROKEN_JSON
    + samples.ODDITIES
    + samples.PATTERN_BOMBS
)
_REPEATED = st.builds(str.__mul__, _FRAGMENTS, st.integers(2, 12))
_TEXTS = st.lists(_FRAGMENTS | _REPEATED | st.text(max_size=20), max_size=4).map("".join)
_CALLS = st.lists(
    st.builds(
        ToolCall,
        st.sampled_from(["", "call_1"]),
        st.sampled_from(["weather", "now", "bare", "loop", "unknown", ""]),
        st.sampled_from(samples.ARGUMENTS) | _TEXTS,
    ),
    max_size=2,
).map(tuple)
_FINISH = st.none() | st.sampled_from(("stop", "length")) | st.sampled_from(samples.FINISH_REASONS)
_REFUSALS = st.none() | _TEXTS
_SOME_CALLS = st.just(()) | _CALLS
_TOOLS = st.lists(st.sampled_from(samples.TOOLS), max_size=3).map(tuple)
_SCHEMAS = st.none() | st.sampled_from(samples.SCHEMAS)
_ARGUMENTS = st.none() | st.sampled_from(samples.ARGUMENTS)
_COUNTS = st.integers(1, 12)
_TASKS = st.none() | st.sampled_from(samples.TASKS)
_OUTPUT_TOKENS = st.none() | st.integers(0, 10**6)
_WIDTHS = st.integers(0, 3)
_LIKELY = st.floats(-20.0, 0.0) | st.just(1e-6)
_VALUES = st.sampled_from([_LIKELY, _LIKELY | st.sampled_from(samples.PLACEHOLDER_LOGPROBS)])


def texts() -> Texts:
    """Answers' texts: prose in eight languages, Markdown, JSON whole and broken, odd Unicode."""
    return _TEXTS


@st.composite
def logprobs(draw: st.DrawFn, text: str) -> Logprobs:
    """Log probabilities of at most 12 tokens that spell `text`, placeholders among them."""
    step = max(1, math.ceil(len(text) / draw(_COUNTS)))
    tokens = [text[at : at + step] for at in range(0, len(text), step)]
    value = draw(_VALUES)
    values = [draw(value) for _ in tokens]
    if draw(st.booleans()):
        return Logprobs(tokens, values)
    top = [[(" AB"[rank], draw(value)) for rank in range(draw(_WIDTHS))] for _ in tokens]
    return Logprobs(tokens, values, top)


@st.composite
def candidates(draw: st.DrawFn, answers: Texts | None = None) -> Candidate:
    """Answers, finished or not, realistic and hostile, with everything that a gate may read.

    Args:
        answers: the texts; `texts()` unless given.
    """
    text = draw(_TEXTS if answers is None else answers)
    scored, echoed = draw(st.booleans()), draw(st.booleans())
    return Candidate(
        text,
        draw(_FINISH),
        draw(logprobs(text)) if scored else None,
        draw(_SOME_CALLS),
        draw(_REFUSALS),
        text if echoed else draw(_TEXTS),
        draw(_TOOLS),
        draw(_SCHEMAS),
        draw(_TASKS),
        draw(_OUTPUT_TOKENS),
    )


@st.composite
def extensions(draw: st.DrawFn, candidate: Candidate) -> Candidate:
    """Answers that begin with `candidate`; one that has a finish reason is only itself."""
    if candidate.finish_reason is not None:
        return candidate
    text, calls = draw(_TEXTS), candidate.tool_calls
    more = draw(logprobs(text)) if draw(st.booleans()) else None
    if calls and (arguments := draw(_ARGUMENTS)):
        calls = (*calls[:-1], _grown(calls[-1], arguments))
    return replace(
        candidate,
        text=candidate.text + text,
        finish_reason=draw(_FINISH),
        logprobs=_joined(candidate.logprobs, more),
        tool_calls=calls + draw(_SOME_CALLS),
        refusal=_appended(candidate.refusal, draw(_REFUSALS)),
        output_tokens=draw(_OUTPUT_TOKENS),
    )


def _grown(call: ToolCall, more: str) -> ToolCall:
    """The last call of an unfinished answer may itself be unfinished."""
    return replace(call, arguments=call.arguments + more)


def _appended(first: str | None, second: str | None) -> str | None:
    return second if first is None else first + (second or "")


def _joined(first: Logprobs | None, second: Logprobs | None) -> Logprobs | None:
    """Both in a row; alternatives as in the first, since one answer has them all along or never."""
    if first is None or second is None:
        return second if first is None else first
    top = None if first.top is None else first.top + (second.top or ((),) * len(second))
    return Logprobs(first.tokens + second.tokens, first.values + second.values, top)


@st.composite
def streams(draw: st.DrawFn, candidate: Candidate) -> tuple[Candidate, ...]:
    """`candidate` as it arrives: growing prefixes, itself, and, while open, an extension."""
    tokens, calls = len(candidate.logprobs or ()), len(candidate.tool_calls)
    sizes = (len(candidate.text), tokens, calls, len(candidate.refusal or ""))
    count = draw(st.integers(0, 3))
    cuts = [sorted(draw(st.integers(0, size)) for _ in range(count)) for size in sizes]
    prefixes = [_prefix(candidate, *cut) for cut in zip(*cuts, strict=True)]
    open_ended = replace(candidate, finish_reason=None, output_tokens=None)
    return (*prefixes, open_ended, candidate, draw(extensions(candidate)))


def _prefix(candidate: Candidate, chars: int, tokens: int, calls: int, refusal: int) -> Candidate:
    whole, first = candidate.logprobs, None
    if whole is not None and tokens:
        top = None if whole.top is None else whole.top[:tokens]
        first = Logprobs(whole.tokens[:tokens], whole.values[:tokens], top)
    return replace(
        candidate,
        text=candidate.text[:chars],
        finish_reason=None,
        logprobs=first,
        tool_calls=candidate.tool_calls[:calls],
        refusal=(candidate.refusal or "")[:refusal] or None,
        output_tokens=None,
    )


def gate_trees(leaves: st.SearchStrategy[Gate]) -> st.SearchStrategy[Gate]:
    """`leaves` combined by AllOf, AnyOf and Not to trees of at most eight leaves."""

    def grow(parts: st.SearchStrategy[Gate]) -> st.SearchStrategy[Gate]:
        several = st.lists(parts, max_size=3)
        both = several.map(lambda gates: AllOf(*gates)) | several.map(lambda gates: AnyOf(*gates))
        return both | parts.map(Not)

    return st.recursive(leaves, grow, max_leaves=8)
