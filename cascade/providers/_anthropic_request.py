"""The body of a call to Anthropic's Messages API, made of a request in OpenAI's shape."""

from collections.abc import Callable, Mapping
from typing import Any

from cascade.providers._anthropic_messages import instructs, system_of, tool_of, turns_of
from cascade.providers._anthropic_schema import output_schema
from cascade.structured import in_words
from cascade.types import Request

EFFORTS = ("low", "medium", "high", "xhigh", "max")
CHOICES = {"auto": {"type": "auto"}, "none": {"type": "none"}, "required": {"type": "any"}}
"""OpenAI's words for the choice of tools."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


RENAMED: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "max_completion_tokens": ("max_tokens", lambda count: count),
    "stop": ("stop_sequences", _as_list),
    "user": ("metadata", lambda user: {"user_id": user}),
}
"""OpenAI's parameters with a plain counterpart: its name, and what the value becomes."""


def body_of(model: str, request: Request, max_tokens: int) -> dict[str, Any]:
    """The JSON body of a Messages call.

    Parameters with a counterpart in the Messages API are translated, unless the caller gave the
    counterpart, too; all others go in unchanged, for the endpoint to take or to refuse.

    Args:
        model: the model's name at the endpoint.
        request: what is asked; not its log probabilities, which do not exist there.
        max_tokens: for a request that does not say.

    Raises:
        BadRequest: the schema is no JSON.
    """
    body = _parameters(request.parameters)
    body.setdefault("max_tokens", max_tokens)
    body["model"] = model
    body["messages"] = list(turns_of(m for m in request.messages if not instructs(m)))
    if request.tools:
        body["tools"] = [tool_of(tool) for tool in request.tools]
    words = _ask_for_schema(body, request.schema)
    instructions = [message.get("content") for message in request.messages if instructs(message)]
    if system := system_of([body.get("system"), *instructions, words]):
        body["system"] = system
    return body


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """A null of OpenAI's means that nothing is said."""
    body = dict(given)
    if body.get("max_tokens", 0) is None:
        del body["max_tokens"]
    for name, (counterpart, translate) in RENAMED.items():
        if name in body and counterpart not in body:
            value = body.pop(name)
            if value is not None:
                body[counterpart] = translate(value)
    _choose_tools(body)
    return body


def _choose_tools(body: dict[str, Any]) -> None:
    choice = _tool_choice(body.pop("tool_choice", None))
    several = body.get("parallel_tool_calls")
    if several is None or several is True:
        body.pop("parallel_tool_calls", None)  # as it is without saying so
    elif several is False and (choice is None or isinstance(choice, Mapping)):
        del body["parallel_tool_calls"]
        choice = _one_at_most(choice or CHOICES["auto"])
    if choice is not None:
        body["tool_choice"] = choice


def _tool_choice(choice: object) -> object:
    if isinstance(choice, str):
        return CHOICES.get(choice, choice)
    function = choice.get("function") if isinstance(choice, Mapping) else None
    if isinstance(function, Mapping):
        return {"type": "tool", "name": function.get("name")}
    return choice


def _one_at_most(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    if choice.get("type") == "none":
        return choice
    return {**choice, "disable_parallel_tool_use": True}


def _ask_for_schema(body: dict[str, Any], schema: Mapping[str, Any] | None) -> str | None:
    """Ask for an answer by the schema in `output_config`, or in the words that are returned."""
    given = body.get("output_config") or {}
    if not isinstance(given, Mapping):
        return None
    config, words = dict(given), None
    if body.get("reasoning_effort") in EFFORTS and "effort" not in config:
        config["effort"] = body.pop("reasoning_effort")
    wanted = None if "format" in config or "output_format" in body else _wanted(body, schema)
    if wanted is not None:
        expressed = output_schema(wanted)
        config |= {} if expressed is None else _json_format(expressed)
        words = in_words(wanted) if expressed is None else None
    if config:
        body["output_config"] = config
    return words


def _json_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


def _wanted(body: dict[str, Any], schema: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The schema of the caller's `response_format`, which wins, or that of the request."""
    if "response_format" not in body:
        return schema
    form = body["response_format"]
    if form is None or form == {"type": "text"}:
        del body["response_format"]  # as it is without saying so
        return None
    inner = form.get("json_schema") if isinstance(form, Mapping) else None
    wanted = inner.get("schema") if isinstance(inner, Mapping) else None
    if not isinstance(wanted, Mapping):
        return None
    del body["response_format"]
    return wanted
