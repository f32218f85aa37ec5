"""Messages and tools in OpenAI's shape as those of Anthropic's Messages API."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from cascade.types import Message

Block = Mapping[str, Any]

BESIDE_CONTENT = frozenset(
    {"content", "tool_calls", "tool_call_id", "refusal", "name", "annotations"}
)
"""Fields of a message that are read into its content, or that have no counterpart."""

NO_ID = re.compile(r"[^a-zA-Z0-9_-]")


def instructs(message: Message) -> bool:
    """Whether the message belongs to the system prompt."""
    return message.get("role") in ("system", "developer")


def system_of(contents: Iterable[object]) -> object:
    """The system prompt of these contents: a text where there are only texts, else blocks."""
    said = [content for content in contents if content]
    if len(said) == 1:
        return said[0]
    if all(isinstance(content, str) for content in said):
        return "\n\n".join(map(str, said))
    return [block for content in said for block in _blocks(content)]


def turns_of(messages: Iterable[Message]) -> Iterator[dict[str, Any]]:
    """The turns of a conversation; results of tools in a row are one turn of the user's.

    What is Anthropic's own already is left as it is. Left out are the names of participants,
    annotations and the `detail` of images, as in Anthropic's own layer for OpenAI's format.
    """
    for are_results, run in groupby(messages, lambda message: message.get("role") == "tool"):
        if are_results:
            yield {"role": "user", "content": [_tool_result(message) for message in run]}
        else:
            yield from map(_turn, run)


def tool_of(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's definition; one that is no function of OpenAI's goes out unchanged."""
    function = tool.get("function", tool)
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        return dict(tool)
    schema = function.get("parameters") or {}
    if not isinstance(schema, Mapping):
        return dict(tool)
    made = _said({**tool, **function}, without=("type", "function", "parameters"))
    return {**made, "input_schema": {"type": "object", **schema}}


def _said(mapping: Mapping[str, Any], without: Iterable[str]) -> dict[str, Any]:
    """What is not null and not left out."""
    return {name: v for name, v in mapping.items() if v is not None and name not in without}


def _turn(message: Message) -> dict[str, Any]:
    kept = _said(message, BESIDE_CONTENT)
    content, refusal = message.get("content"), message.get("refusal")
    content = content or refusal or content
    calls = message.get("tool_calls")
    if isinstance(calls, list | tuple) and calls:
        return {**kept, "content": [*_blocks(content), *map(_tool_use, calls)]}
    return kept if content is None else {**kept, "content": _content(content)}


def _tool_result(message: Message) -> dict[str, Any]:
    result = {"type": "tool_result", "tool_use_id": _tool_id(message.get("tool_call_id"))}
    if message.get("content") is not None:
        result["content"] = _content(message["content"])
    return {**_said(message, BESIDE_CONTENT | {"role"}), **result}


def _content(content: object) -> object:
    return _blocks(content) if isinstance(content, list | tuple) else content


def _blocks(content: object) -> list[object]:
    """Content as blocks; an empty text is none, since the endpoint refuses those."""
    if isinstance(content, list | tuple):
        return [_block(part) for part in content]
    return [{"type": "text", "text": content}] if content else []


def _block(part: object) -> object:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or not isinstance(kind, str):
        return part
    if kind == "refusal":
        return {"type": "text", "text": part.get("refusal")}
    if kind == "image_url":
        return _image(part)
    return _document(part) if kind == "file" else part


def _image(part: Block) -> Block:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else image
    if not isinstance(url, str):
        return part
    return {**_said(part, ("image_url",)), "type": "image", "source": _source(url)}


def _document(part: Block) -> Block:
    file = part.get("file")
    data = file.get("file_data") if isinstance(file, Mapping) else None
    if not isinstance(file, Mapping) or not isinstance(data, str):
        return part
    title = {"title": file["filename"]} if file.get("filename") else {}
    return {**_said(part, ("file",)), "type": "document", "source": _source(data), **title}


def _source(url: str) -> Block:
    """Where an image or a document is: in a data URL, or at another one."""
    head, _, data = url.partition(",")
    if head.startswith("data:") and head.endswith(";base64"):
        media_type = head.removeprefix("data:").partition(";")[0]
        return {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "url", "url": url}


def _tool_use(call: object) -> object:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        return call
    return {
        "type": "tool_use",
        "id": _tool_id(call.get("id")),
        "name": function.get("name"),
        "input": _input(function.get("arguments")),
    }


def _tool_id(value: object) -> object:
    """Other vendors' ids have characters that the endpoint refuses."""
    return NO_ID.sub("_", value) if isinstance(value, str) else value


def _input(arguments: object) -> object:
    """What is no JSON object is wrapped in one, as Anthropic's guide to tool streaming advises.

    https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming
    """
    if isinstance(arguments, Mapping):
        return arguments
    if arguments is None or arguments == "":
        return {}
    found = _parsed(arguments) if isinstance(arguments, str) else None
    return found if isinstance(found, dict) else {"INVALID_JSON": arguments}


def _parsed(arguments: str) -> object:
    try:
        found = json.loads(arguments)
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return found
