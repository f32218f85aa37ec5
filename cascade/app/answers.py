"""What answers hold, as the commands' JSON outputs give it."""

import json
from typing import Any

from gates import ToolCall


def json_or_none(value: object) -> object:
    """What a gate parsed: one of a user's own may parse anything."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return value


def tool_call_object(call: ToolCall) -> dict[str, Any]:
    """A tool call in OpenAI's shape."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
