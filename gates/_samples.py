"""Fragments of answers that gates meet, plain and hostile, for the strategies of `gates.laws`."""

from typing import Any

from gates.verdict import Candidate, Logprobs, ToolCall

CANARY = "zq93vkx7"
"""A word of no language: a reason that holds it quotes the answer or the prompt."""

PROSE = (
    "The capital of France is Paris. ",
    "Let me think step by step: 17 is prime, so the answer is 4.\n",
    "Sorry for the confusion! It is 42.",
    "I'm sorry, but I can't help with that request.",
    "I cannot recommend this book enough; I can’t wait for the next one. ",
    "As an AI language model, I am unable to provide medical advice.",
    "Lo siento, pero no puedo ayudar con eso. ",
    "Je suis désolé, mais je ne peux pas vous aider. ",
    "Es tut mir leid, dabei kann ich nicht helfen. ",
    "Desculpe, não posso ajudar com isso. ",
    "Mi dispiace, non posso aiutarti. ",
    "很抱歉，我无法协助您完成这个请求。",
    "申し訳ありませんが、そのご要望にはお応えできません。",
    "Dear [insert name], thank you. TODO: lorem ipsum dolor sit amet. ",
    'He wrote: "I cannot help you" and left. ',
    "> I cannot assist with that.\n\nThat was a quotation. ",
    f"The secret word is {CANARY}. ",
    "The sea covers most of the earth. It is deep and never still. " * 5,
)

MARKUP = (
    "```json\n",
    "```python\nraise ValueError('I cannot assist')\n```\n",
    "```",
    "~~~",
    "# Title\n\n- one\n- two\n",
    "[text](https://example.com) and `code`, T<K>, a[i]. ",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "<think>maybe B</think>",
)

JSON = (
    '{"answer": "B", "confidence": 0.9}',
    '{"Answer": "C", "A": 0.1, "C": "80%"}',
    '{"city": "Paris", "size": 2.1e6, "tags": ["a", "b"]}',
    f'{{"answer": "{CANARY}"}}',
    "[1, 2, 3]",
    '"text"',
    "null",
    "-0",
)

BROKEN_JSON = (
    '{"answer": "say "B" now"}',
    "{'answer': 'B',}",
    '{"answer": "B", "answer": "C"}',
    '{"answer": NaN, "b": -Infinity}',
    '{"answer": "B", "steps": [1, 2',
    '{"answer": "\\ud800"}',
    '{"n": 1' + "0" * 5_000 + "}",
    '{"n": 1e400}',
    "\ufeff{}",
    "{" * 70,
    "[" * 70 + "]" * 70,
    '{"a":' * 30,
    '"\\',
)

ODDITIES = (
    "\x00",
    "\u200b\u200d\ufeff",
    "\u202eabc\u2066",
    "e\u0301" * 3,
    "👩‍👩‍👧‍👦",
    "\ud800",
    "\u2028",
    "\r\n\t ",
    "ß" * 20,
    "ﷺ",
    "\U0010ffff",
    '"“”‘’«»„',
)

PATTERN_BOMBS = ("a" * 40 + "!", "a b " * 20 + "?", "((((((((((", "x" * 200, "0" * 100, "'\"" * 30)

FINISH_REASONS = (
    "stop",
    "length",
    "content_filter",
    "tool_calls",
    "end_turn",
    "max_tokens",
    "refusal",
    "load",
    "",
)

PLACEHOLDER_LOGPROBS = (-9999.0, float("-inf"), float("nan"), float("inf"), -1000.0, 5.0)

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}

TOOLS: tuple[dict[str, Any], ...] = (
    WEATHER,
    {"type": "function", "function": {"name": "now"}},
    {"name": "bare", "input_schema": {"type": "object"}},
    {"type": "function", "function": {"name": "loop", "parameters": {"$ref": "#"}}},
    {},
)

ARGUMENTS = ('{"city": "Paris"}', "{}", "", '{"city": 1, "x": 2}', "[]", "{", "null", "{'city': 1}")

SCHEMAS: tuple[dict[str, Any] | bool, ...] = (
    {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}},
    {"type": "array", "uniqueItems": True},
    {"type": "object", "additionalProperties": False},
    {"$ref": "#"},
    {"$ref": "file:///nowhere.json"},
    {"type": "no such type"},
    {"pattern": "(a+)+$"},
    True,
    False,
)

TASKS = ("support", "law")

_DEEP = "[" * 10_000

_SECRET = f'{{"answer": "{CANARY}"}}'
_SECRET_CALL = (ToolCall("1", "weather", f'{{"city": ["{CANARY}"]}}'),)

HOSTILE = (
    Candidate(f"I cannot say {CANARY}. " * 20, "stop", prompt=f"Say {CANARY}. ", refusal=CANARY),
    Candidate(f"Dear [insert {CANARY}],\n{CANARY} " * 2, "length", prompt=CANARY),
    Candidate(f"```json\n{_SECRET[:-1]}", "stop", schema={"properties": {"answer": {"enum": [1]}}}),
    Candidate(
        _SECRET, "stop", None, _SECRET_CALL, tools=(WEATHER,), schema={"items": {}, "not": {}}
    ),
    Candidate(_SECRET, "stop", schema={"properties": {"answer": {"pattern": "^a$"}}}),
    Candidate(""),
    Candidate("", "stop", tool_calls=(ToolCall("", "", ""),)),
    Candidate("", "tool_calls", None, (ToolCall("1", "weather", _DEEP),), tools=(WEATHER,)),
    Candidate(_DEEP, "stop"),
    Candidate('{"a":' * 10_000 + "1" + "}" * 10_000, "stop", schema={"$ref": "#"}),
    Candidate("9" * 20_000, "stop", schema={"multipleOf": 0.1}),
    Candidate('"' + '\\"' * 20_000, "stop"),
    Candidate("```" * 10_000, None),
    Candidate("a" * 50_000 + "!", "length", prompt="a" * 50_000),
    Candidate("[" + ",".join('{"a": 1}' for _ in range(2_000)) + "]", schema={"uniqueItems": True}),
    Candidate("\ud800" * 100, "stop", prompt="\udfff", refusal=""),
    Candidate("yes", "stop", Logprobs((), ())),
    Candidate("yes", "stop", Logprobs(("yes",), (float("nan"),), ((),))),
    Candidate("yes", "stop", Logprobs(("y", "es"), (-0.1, float("-inf")), ((("y", -9999.0),), ()))),
)
"""Answers that every gate is tried on, whatever candidates are drawn."""

SPEED_TEXTS = (
    "The quick brown fox jumps over the lazy dog, number 17. ",
    '{"answer": "B", "list": [1, 2, 3]}, ',
    "```\nx = [i for i in y]\n```\n",
    "a",
    "[{",
    '"',
)
"""Units that are repeated to a text of a given size to time a gate."""
