"""The story of one request, from the audit log, and how it is told to people."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cascade.app.outline import Node
from cascade.rendering import dollars
from cascade.sinks._reading import AuditReader
from cascade.sinks._tables import RequestRow
from cascade.trace import Attempt, Step, Trace, cost_of
from gates import Verdict


@dataclass(frozen=True, slots=True)
class Content:
    """What was captured: the messages as plain JSON, and the answer's text."""

    messages: Any
    answer: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """What the log has of one request: its trace, audit samples of its answer, its content."""

    trace: Trace
    samples: tuple[RequestRow, ...]
    content: Content | None


@dataclass(frozen=True, slots=True)
class Costs:
    """What a request cost and what for, in USD; as `cascade.app.explain` says."""

    total: float
    answer: float
    routing: float
    unused: float
    strongest: float | None
    saved: float | None


def read(reader: AuditReader, id: str) -> Story:  # noqa: A002
    """The story of the request that the id, or its beginning, means.

    Raises:
        LookupError: there is none, or several.
    """
    row = reader.request(id)
    captured = reader.contents(row.number)
    content = None if captured is None else Content(json.loads(captured.messages), captured.answer)
    return Story(reader.trace_of(row.id), tuple(reader.samples_of(row.id)), content)


def costs_of(trace: Trace) -> Costs:
    """What the calls of a request were good for."""
    answer = next((s.attempts[-1].cost or 0.0 for s in _answering(trace) if s.attempts), 0.0)
    routing = cost_of(trace.routing)
    strongest = trace.strongest_cost
    saved = None if strongest is None or trace.unpriced else strongest - trace.cost
    unused = max(0.0, trace.cost - answer - routing)
    return Costs(trace.cost, answer, routing, unused, strongest, saved)


def _answering(trace: Trace) -> Iterator[Step]:
    """The turns of the tier whose answer was handed out, the last one first."""
    return (step for step in reversed(trace.steps) if step.tier == trace.tier)


def outline_of(story: Story, with_content: bool) -> Node:
    """The story as people read it."""
    trace = story.trace
    by = f" by {trace.tier}" if trace.tier else ""
    ended = f", {trace.error}" if trace.error else ""
    cost = dollars(trace.cost, unpriced=trace.unpriced)
    what = "request" if trace.audit is None else "audit sample"
    title = f"{what} {trace.id}: {trace.outcome}{by}, {trace.seconds:.3f} s, {cost}{ended}"
    steps = (_step(step) for step in trace.steps)
    rest = (_costs(trace), *map(_sample, story.samples), *_content(story.content, with_content))
    return Node(title, (Node(_asked(trace)), _route(trace), *steps, *rest))


def _asked(trace: Trace) -> str:
    task = f", task {trace.task}" if trace.task else ""
    tags = "".join(f", {name}={value}" for name, value in trace.tags.items())
    return f"asked {when(trace.started_at)}{task}{tags}"


def _route(trace: Trace) -> Node:
    audit, calls = trace.audit, tuple(map(_attempt, trace.routing))
    if audit is None:
        return Node(f"route {trace.route}: {trace.route_reason}", calls)
    what = f"an audit sample of {audit.of}, answered by {audit.tier}"
    return Node(f"route {trace.route}: {what}: {_agreement(audit.agrees)}", calls)


def _step(step: Step) -> Node:
    facts = [f"tier {step.tier}: {step.decision}, {step.reason}"]
    if step.attempts:
        facts += [f"{step.seconds:.3f} s", dollars(step.cost, unpriced=step.unpriced)]
    phase = (Node(f"monitor: {step.phase}"),) if step.phase else ()
    calls, judged = map(_attempt, step.attempts), step.verdict
    verdict = () if judged is None else (_verdict(judged, judged.decisive()),)
    return Node(", ".join(facts), (*phase, *calls, *verdict))


def _attempt(call: Attempt) -> Node:
    model = "" if call.model == call.deployment else f" ({call.model})"
    facts = [f"{call.outcome.replace('_', ' ')}, {1000 * call.seconds:.0f} ms"]
    if call.waited:
        facts.append(f"after a wait of {1000 * call.waited:.0f} ms")
    if call.error:
        facts.append(call.error)
    if call.remedy:
        facts.append(f"so {call.remedy}")
    if call.usage:
        about = "about " if call.usage.estimated else ""
        facts.append(f"{about}{call.usage.input_tokens:,} tokens in")
        facts.append(f"{call.usage.output_tokens:,} out")
        facts.append("no price known" if call.cost is None else dollars(call.cost))
    return Node(f"call {call.deployment}{model}: {', '.join(facts)}")


def _verdict(verdict: Verdict, decisive: Verdict) -> Node:
    """A verdict with its parts; the one that turned the answer down is marked."""
    facts = [verdict.status.name.lower()]
    score = "" if verdict.score is None else f"{verdict.score:.4g}"
    if score and not verdict.reason.startswith(f"{score} "):  # AtLeast's reason has it
        facts.append(f"score {score}")
    if verdict.reason:
        facts.append(verdict.reason)
    parts = tuple(_verdict(part, decisive) for part in verdict.parts)
    mark = " (decisive)" if verdict is decisive and not verdict.passed else ""
    return Node(f"gate {verdict.gate}: {', '.join(facts)}{mark}", parts)


def _costs(trace: Trace) -> Node:
    costs = costs_of(trace)
    total = dollars(costs.total, unpriced=trace.unpriced)
    if trace.audit is not None:
        return Node(f"cost {total}, on top of that of the request")
    parts = {
        "the answer": costs.answer,
        "finding the route": costs.routing,
        "calls whose answer was not used": costs.unused,
    }
    spent = tuple(Node(f"{dollars(usd)} for {what}") for what, usd in parts.items() if usd)
    return Node(f"cost {total}; {_alternative(costs)}", spent if len(spent) > 1 else ())


def _alternative(costs: Costs) -> str:
    if costs.strongest is None:
        return "what always asking the strongest tier would have cost is not known"
    asked = f"always asking the strongest tier would have cost {dollars(costs.strongest)}"
    if not costs.saved:
        return asked
    share = f" ({abs(costs.saved) / costs.strongest:.1%})" if costs.strongest else ""
    return f"{asked}: {dollars(abs(costs.saved))}{share} {'saved' if costs.saved > 0 else 'lost'}"


def _sample(row: RequestRow) -> Node:
    agrees = None if row.audit_agrees is None else bool(row.audit_agrees)
    by = "" if row.tier is None else f" by {row.tier}"
    return Node(f"audit sample {row.id}{by}: {_agreement(agrees)}, {dollars(row.cost)}")


def _agreement(agrees: bool | None) -> str:
    said = {True: "agrees with", False: "contradicts", None: "cannot be compared with"}[agrees]
    return f"the strongest tier {said} that answer"


def _content(content: Content | None, wanted: bool) -> Iterator[Node]:
    if content is None:
        if wanted:
            yield Node("content: none was captured; AuditLog(capture=...) does that")
    elif not wanted:
        yield Node("content was captured: --content shows it")
    else:
        yield from map(_message, content.messages)
        if content.answer is not None:
            yield _said("answer", content.answer)


def _message(message: Mapping[str, Any]) -> Node:
    rest = {name: value for name, value in message.items() if name != "role"}
    text = rest.pop("content", None)
    if isinstance(text, str) and not rest:
        return _said(str(message.get("role")), text)
    shown = json.dumps({**rest, "content": text}, ensure_ascii=False)
    return _said(str(message.get("role")), shown)


def _said(who: str, text: str) -> Node:
    return Node(who, tuple(map(Node, text.splitlines())))


def when(seconds: float) -> str:
    """A time since the epoch."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
