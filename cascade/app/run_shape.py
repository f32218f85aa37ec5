"""What `cascade run --json` prints.

One object when all is over, answered or not, and nothing after an interrupt. Its shape is
version 1:

    version     1
    answered    whether there is an answer
    accepted    whether a gate accepted it: false for the draft of `--on-exhausted best`
    text        the answer, null without one
    parsed      what the gates parsed of it, null where none does
    tool_calls  [{id, type: "function", function: {name, arguments}}]
    finish_reason, model, tier    text, or null where it is unknown or there is no answer
    cost        USD for the whole request
    unpriced    whether `cost` lacks a call
    seconds     for the whole request
    usage       {input_tokens, output_tokens, cached_tokens, cache_write_tokens, estimated}
    error       null, or {kind, reason, message}: kind is the class, such as "Exhausted"; reason is
                its `reason`, null for "Aborted"
    trace       the whole trace: `Trace.to_dict`
"""

from dataclasses import asdict
from typing import Any

from cascade.app.answers import json_or_none, tool_call_object
from cascade.result import Result, Unanswered
from cascade.trace import Trace

VERSION = 1


def answer(result: Result) -> dict[str, Any]:
    """What is printed of an answer."""
    return {
        "version": VERSION,
        "answered": True,
        "accepted": result.accepted,
        "text": result.text,
        "parsed": json_or_none(result.parsed),
        "tool_calls": list(map(tool_call_object, result.tool_calls)),
        "finish_reason": result.response.finish_reason,
        "model": result.model,
        **_facts(result.trace),
        "error": None,
        "trace": result.trace.to_dict(),
    }


def failure(error: Unanswered) -> dict[str, Any]:
    """What is printed where there is no answer."""
    reason = getattr(error, "reason", None)
    message = str(error).partition("\n")[0]
    return {
        "version": VERSION,
        "answered": False,
        "accepted": False,
        "text": None,
        "parsed": None,
        "tool_calls": [],
        "finish_reason": None,
        "model": None,
        **_facts(error.trace),
        "error": {"kind": type(error).__name__, "reason": reason, "message": message},
        "trace": error.trace.to_dict(),
    }


def _facts(trace: Trace) -> dict[str, Any]:
    return {
        "tier": trace.tier,
        "cost": trace.cost,
        "unpriced": trace.unpriced,
        "seconds": trace.seconds,
        "usage": asdict(trace.usage),
    }
