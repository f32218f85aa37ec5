"""Answers of a given size for benchmarks/gates.py: ordinary ones, and hostile ones."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from random import Random
from threading import Thread
from typing import Any, Final

from gates import AtLeast, Candidate, Feature, Gate, Learned, Logprobs, ToolCall
from gates.confidence import (
    AnswerProbability,
    FirstTokenMargin,
    InTask,
    MeanProbability,
    MinProbability,
    OutputTokens,
    QuantileProbability,
    StatedConfidence,
    TextLength,
    TopEntropy,
)
from gates.expressions import Forbids, Matches
from gates.json import ValidJson
from gates.language import SameLanguage
from gates.placeholder import NoPlaceholder
from gates.refusal import NotRefusal
from gates.repetition import NotEcho, NotRepetitive
from gates.schema import MatchesSchema
from gates.text import Complete, Length, NotEmpty
from gates.tools import ValidToolCalls

Make = Callable[[int], Candidate]

_COMMON: Final = """
the of and to in a is that for it was on are as with his they at be this from have or by one
had not but what all were when we there can an your which their said if do will each about how
up out them then she many some so these would other into has more her two like him see time
could no make than first been its who now people my made over did down only way find use may
water long little very after words called just where most know get through back much before go
good new write our used me man too any day same right look think also around another came come
work three word must because does part even place well such here take why things help put
years different away again off went old number great tell men say small every found still
between name should home big give air line set own under read last never us left end along
while might next sound below saw something thought both few those always looked show large
often together asked house world going want school important until form food keep children
feet land side without boy once animals life enough took sometimes four head above kind began
almost live page got earth need far hand high year mother light parts country father let night
following picture being study second eyes soon times story boys since white days ever paper
hard near sentence better best across during today others however sure means knew try told
young miles sun ways thing whole hear example heard several change answer room sea against top
turned learn point city play toward five using himself usually
"""
WORDS: Final = _COMMON.split()

ITEMS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["answer", "items"],
    "properties": {
        "answer": {"type": "string"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "name"],
                "properties": {
                    "id": {"type": "integer", "minimum": 0},
                    "name": {"type": "string", "maxLength": 200},
                    "price": {"type": "number"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}
TOOL: Final = {"type": "function", "function": {"name": "store", "parameters": ITEMS_SCHEMA}}


def prose(size: int, seed: int = 0) -> str:
    """English words in sentences and paragraphs, `size` characters."""
    random, sentences, total = Random(seed), list[str](), 0
    while total < size:
        words = " ".join(random.choices(WORDS, k=random.randint(6, 18)))
        sentences.append(words.capitalize() + random.choice([". ", ". ", "? ", ".\n\n"]))
        total += len(sentences[-1])
    return "".join(sentences)[:size]


def document(size: int) -> str:
    """A JSON object with a list of records, at most `size` characters and nearly so many."""
    random, items = Random(0), list[dict[str, Any]]()
    total = len('{"answer": "four", "items": []}')
    for number in count():
        name = " ".join(random.choices(WORDS, k=random.randint(3, 9)))
        tags = random.choices(WORDS, k=2)
        record = {"id": number, "name": name, "price": round(random.random() * 100, 2)}
        items.append(record | {"tags": tags})
        total += len(json.dumps(items[-1])) + 2
        if total > size + 2:
            break
    return json.dumps({"answer": "four", "items": items[:-1]})


def said(size: int) -> Candidate:
    return Candidate(prose(size), "stop", prompt="Tell me about the sea.")


def asked_at_length(size: int) -> Candidate:
    return Candidate(prose(size), "stop", prompt=prose(size, seed=1))


def structured(size: int) -> Candidate:
    return Candidate(document(size), "stop", schema=ITEMS_SCHEMA)


def calling(size: int) -> Candidate:
    return Candidate(
        "", "tool_calls", tool_calls=(ToolCall("1", "store", document(size)),), tools=(TOOL,)
    )


def weighed(size: int) -> Candidate:
    """A JSON answer with log probabilities, one token for four characters, at most 25,000."""
    text, random = document(size), Random(0)
    width = max(4, len(text) // 25_000)
    tokens = [text[at : at + width] for at in range(0, len(text), width)]
    top = [[(token, -random.random() * (rank + 1)) for rank in range(5)] for token in tokens]
    return Candidate(text, "stop", Logprobs(tokens, [each[0][1] for each in top], top))


def unread(candidate: Candidate) -> Candidate:
    """The same answer, nothing of whose log probabilities was looked at."""
    assert candidate.logprobs is not None
    arrays = candidate.logprobs.arrays
    return replace(candidate, logprobs=Logprobs.deferred(lambda: arrays))


def weights(tokens: int) -> list[float]:
    """Log probabilities of so many tokens."""
    random = Random(0)
    return [-random.expovariate(3.0) for _ in range(tokens)]


def spelled(tokens: int) -> Candidate:
    """An answer of so many tokens with five alternatives each."""
    values = weights(tokens)
    top = [[("a", value - rank) for rank in range(5)] for value in values]
    return Candidate("a" * tokens, "stop", Logprobs(["a"] * tokens, values, top))


_OF_TOKENS: Final = (
    MeanProbability(),
    *map(QuantileProbability, (0.1, 0.25, 0.5)),
    MinProbability(),
    FirstTokenMargin(),
)
LEARNED: Final = Learned(
    tuple(
        Feature(signal, 0.5, 0.5, 0.25, step=step)
        for signal in _OF_TOKENS
        for step in (None, 0.25, 0.5, 0.75)
    )
)
"""As `cascade tune` learns it: each signal by itself and with a step at every quartile."""

CASES: Final[Mapping[str, tuple[Gate, Make]]] = {
    "NotEmpty": (NotEmpty(), said),
    "Length": (Length(at_least=1, at_most=1_000_000), said),
    "Complete": (Complete(), said),
    "NotRefusal": (NotRefusal(), said),
    "NotRefusal(whole)": (NotRefusal(whole=True), said),
    "NotRepetitive": (NotRepetitive(), said),
    "NoPlaceholder": (NoPlaceholder(), said),
    "NotEcho": (NotEcho(), asked_at_length),
    "SameLanguage": (SameLanguage(), asked_at_length),
    "Matches": (Matches(r"(?i)\bnowhere to be found\b"), said),
    "Forbids": (Forbids(r"(?i)\b(visa|amex) [0-9]{4}\b"), said),
    "ValidJson": (ValidJson(), structured),
    "MatchesSchema": (MatchesSchema(ITEMS_SCHEMA), structured),
    "ValidToolCalls": (ValidToolCalls(), calling),
    "MeanProbability": (AtLeast(0.5, MeanProbability()), weighed),
    "MinProbability": (AtLeast(0.5, MinProbability()), weighed),
    "QuantileProbability": (AtLeast(0.5, QuantileProbability()), weighed),
    "FirstTokenMargin": (AtLeast(0.5, FirstTokenMargin()), weighed),
    "TopEntropy": (AtLeast(0.5, TopEntropy()), weighed),
    "AnswerProbability": (AtLeast(0.5, AnswerProbability("answer")), weighed),
    "StatedConfidence": (AtLeast(0.5, StatedConfidence("answer")), weighed),
    "TextLength": (AtLeast(0.5, TextLength()), weighed),
    "OutputTokens": (AtLeast(0.5, OutputTokens()), weighed),
    "InTask": (AtLeast(0.5, InTask("law")), weighed),
}
"""Each gate with the ordinary answer that it is timed on."""

CHAIN: Final = NotEmpty() & NotRefusal() & NotRepetitive() & NoPlaceholder()

UNITS: Final = {
    "one letter": "a",
    "letter and blank": "a ",
    "quotes": '"',
    "escaped quotes": '\\"',
    "apostrophes": "I can't ",
    "fences": "```\n",
    "backticks": "`",
    "block quotes": "> ",
    "open objects": '{"a":',
    "open arrays": "[",
    "open and closed": "[]{}",
    "angles": "<a ",
    "gaps": "[insert ",
    "refusals": "I am sorry, but ",
    "blanks": " \n",
    "digits": "9",
    "pipes": "| a ",
    "wide": "\u3042\U0001f600",
    "confidence": '{"answer": "',
}
"""Repeated to any size; none is in itself long."""


def hostile(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def bombs(trap: str) -> dict[str, tuple[Gate | None, Candidate]]:
    """Single inputs that stall or break validators; None stands for the request's own schema.

    Args:
        trap: the address of a server that must not be asked.
    """
    deep = "[" * 10_000 + "]" * 10_000
    objects = json.dumps([{"id": n, "tags": [n]} for n in range(3_000)])
    huge = "1" + "0" * 400
    call = (ToolCall("1", "store", deep),)
    words = {"properties": {"a": {"pattern": r"^(a+)+$"}, "b": {"pattern": r"(\w+\s?)+[.!]$"}}}
    text = json.dumps({"a": "a" * 30_000 + "!", "b": "a" * 30_000})
    remote = {"$ref": f"{trap}/schema.json"}
    return {
        "regular expression on re2": (Matches(r"^(a+)+$"), Candidate("a" * 60_000 + "!")),
        "pattern of a schema": (MatchesSchema(words), Candidate(text)),
        "deep array": (ValidJson(), Candidate(deep)),
        "deep array, repaired": (ValidJson(repair=True), Candidate(deep[:-1])),
        "deep array, schema": (MatchesSchema(ITEMS_SCHEMA), Candidate(deep)),
        "deep arguments": (ValidToolCalls(), Candidate("", tool_calls=call, tools=(TOOL,))),
        "3,000 unique objects": (MatchesSchema({"uniqueItems": True}), Candidate(objects)),
        "multipleOf 0.01 of 10^400": (
            MatchesSchema({"items": {"multipleOf": 0.01}}),
            Candidate(f"[{huge}]"),
        ),
        "multipleOf 10^400": (None, Candidate("[7]", schema={"items": {"multipleOf": 10**400}})),
        "remote reference": (None, Candidate("[7]", schema=remote)),
        "remote reference of a tool": (
            ValidToolCalls(),
            Candidate(
                "",
                tool_calls=(ToolCall("1", "f", "{}"),),
                tools=({"type": "function", "function": {"name": "f", "parameters": remote}},),
            ),
        ),
        "reference to itself": (None, Candidate("[7]", schema={"$ref": "#"})),
    }


@contextmanager
def trap() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that only remembers who asked."""
    hits: list[str] = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Trap)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", hits
    finally:
        server.shutdown()
        server.server_close()
