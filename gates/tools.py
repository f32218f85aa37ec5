"""`ValidToolCalls`: the model calls tools that it was given, with arguments that they take."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gates.compose import Gate
from gates.strict import MAX_ITEMS, Broken, JsonError, whole
from gates.validation import SchemaError, TooCostlyError, compile_schema
from gates.verdict import MAX_CHARS, Bounds, Candidate, Status, ToolCall, Verdict

_ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


@dataclass(frozen=True, slots=True)
class ValidToolCalls(Gate):
    """Passes when every tool call names a known tool and its arguments match the tool's schema.

    Tools are read from `Candidate.tools`, as OpenAI writes them (`{"type": "function", "function":
    {"name", "parameters"}}` or `{"type": "function", "name", "parameters"}`) or as Anthropic does
    (`{"name", "input_schema"}`). Arguments must be a strict JSON object; a tool without a schema
    takes any. `Verdict.value` is the tuple of parsed arguments, one object a call. A tool whose
    schema cannot be used makes the gate abstain.

    Args:
        required: fail an answer that calls no tool; by default it passes.
        max_chars: characters of arguments read, over all calls; the gate abstains beyond.

    Raises:
        ValueError: `max_chars` is not positive.
    """

    required: bool = False
    max_chars: int = MAX_CHARS

    def __post_init__(self) -> None:
        if self.max_chars < 1:
            raise ValueError(f"ValidToolCalls: max_chars must be positive, got {self.max_chars}")

    def check(self, candidate: Candidate) -> Verdict:
        if not candidate.tool_calls:
            return self.fails("calls no tool") if self.required else self.passes("no tool calls")
        values = []
        worst = self.passes()
        for verdict in self._verdicts(candidate):
            values.append(verdict.value)
            if verdict.status < worst.status:
                worst = verdict
        if worst.passed:
            plural = "s" if len(values) > 1 else ""
            return self.passes(f"{len(values)} valid tool call{plural}", value=tuple(values))
        return worst

    def bounds(self, candidate: Candidate) -> Bounds:
        """Further calls may follow and the last may still grow: only those before it can settle."""
        verdicts = list(self._verdicts(candidate))[: len(candidate.tool_calls) - 1]
        high = min((verdict.status for verdict in verdicts), default=Status.PASS)
        return Bounds(Status.FAIL, high)

    def _verdicts(self, candidate: Candidate) -> Iterator[Verdict]:
        schemas = dict(_named_schemas(candidate.tools))
        left = self.max_chars
        for number, call in enumerate(candidate.tool_calls, 1):
            left -= len(call.arguments)
            if left < 0:
                yield self.abstains(f"arguments are longer than {self.max_chars} characters")
                return
            yield self._judge(f"call {number}", call, schemas)

    def _judge(self, label: str, call: ToolCall, schemas: Mapping[str, Any]) -> Verdict:
        if call.name not in schemas:
            return self.fails(f"{label}: there is no such tool")
        where = f"{label} of {call.name!r}"
        try:
            compiled = compile_schema(schemas[call.name])
            found = whole(call.arguments, max_items=MAX_ITEMS)
            if isinstance(found, Broken) or found.flaw:
                reason = found.message if isinstance(found, Broken) else found.flaw
                return self.fails(f"{where}: the arguments are not strict JSON: {reason}")
            if not isinstance(found.value, dict):
                return self.fails(f"{where}: the arguments are not a JSON object")
            if compiled.is_valid(found.value):
                return self.passes(value=found.value)
            return self.fails(f"{where}: {compiled.describe(found.value)}")
        except (SchemaError, JsonError, TooCostlyError) as error:
            return self.abstains(f"{where}: {error}")


def _named_schemas(tools: tuple[Mapping[str, Any], ...]) -> Iterator[tuple[str, Any]]:
    """Name and schema of each tool; the first of several with one name comes last and so wins."""
    for tool in reversed(tools):
        inner = tool.get("function", tool)
        if isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
            schema = inner.get("parameters", inner.get("input_schema"))
            yield inner["name"], _ANY_OBJECT if schema is None else schema
