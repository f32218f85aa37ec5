"""Answers taken from a recording, for a model server."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from cascade.app.loopback import (
    Answer,
    ChatRequest,
    Reply,
    TokenLogprob,
    Usage,
    error_reply,
    last_user_text,
)
from cascade.recordings import RecordedAnswer, Recording, read_recordings
from cascade.types import Message
from gates import Logprobs

_Recorded = dict[str, list[tuple[list[Message], Answer]]]
"""A model's answers with their messages, by the text of the last user message."""


def recorded_answers(path: Path) -> dict[str, Callable[[ChatRequest], Answer | Reply]]:
    """For each model of the recording a function from requests to its answers.

    Raises RecordingError.
    """
    models: dict[str, _Recorded] = {}
    for recording in read_recordings(path):
        _add(models, recording)
    return {name: partial(_recall, known) for name, known in models.items()}


def _add(models: dict[str, _Recorded], recording: Recording) -> None:
    messages = list(recording.messages)
    text = last_user_text({"messages": messages})
    for name, recorded in recording.answers.items():
        known = models.setdefault(name, {}).setdefault(text, [])
        known.append((messages, _answer(recorded)))


def _answer(recorded: RecordedAnswer) -> Answer:
    said = recorded.response
    usage = said.usage
    return Answer(
        said.text,
        said.finish_reason,
        None if said.logprobs is None else _rows(said.logprobs),
        said.tool_calls,
        said.refusal,
        None if usage is None else Usage(usage.input_tokens, usage.output_tokens),
        recorded.seconds or 0.0,
    )


def _rows(logprobs: Logprobs) -> tuple[TokenLogprob, ...]:
    top = logprobs.top or ((),) * len(logprobs)
    return tuple(map(TokenLogprob, logprobs.tokens, logprobs.values, top))


def _recall(known: _Recorded, request: ChatRequest) -> Answer | Reply:
    found = known.get(last_user_text(request), [])
    if not found:
        return error_reply(404, "The recording does not have this request.", "not_recorded")
    alike = (answer for messages, answer in found if messages == request["messages"])
    return next(alike, found[0][1])
