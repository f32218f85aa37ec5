"""Rules: each condition, their precedence, and what they say."""

import copy
import re
import subprocess
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.policy import phrases
from cascade.policy.rules import Rule, Rulebook
from cascade.types import CHARS_PER_TOKEN, Request, texts

TOOL = {"type": "function", "function": {"name": "f"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:,"}}


def asked(*contents: Any, role: str = "user", **fields: Any) -> Request:
    return Request(tuple({"role": role, "content": each} for each in contents), **fields)


def matches(rule: Rule, request: Request) -> bool:
    return rule.reason(request) is not None


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        pytest.param("refund", "a REFUND, please", True, id="case"),
        pytest.param("refund", "refunds", False, id="amid-a-word"),
        pytest.param("refund", "prefund", False, id="at-the-end-of-a-word"),
        pytest.param("refund", "refund_id", False, id="underscore"),
        pytest.param("refund", "refund2", False, id="digit"),
        pytest.param("refund", "non-refund", True, id="hyphen"),
        pytest.param("charge back", "charge \n\tback", True, id="white-space"),
        pytest.param("charge back", "charge\u00a0back", True, id="no-break-space"),
        pytest.param(" charge  back ", "charge back", True, id="its-own-space"),
        pytest.param("charge back", "chargeback", False, id="no-space"),
        pytest.param("c++", "C++ or C", True, id="ends-in-a-sign"),
        pytest.param("c++", "objc++", False, id="begins-in-a-letter"),
        pytest.param("a.c", "abc", False, id="not-a-pattern"),
        pytest.param("élan", "ÉLAN!", True, id="accent"),
        pytest.param("lan", "élan", False, id="after-an-accent"),
        pytest.param("cafe", "cafe\u0301", False, id="combining-accent"),
        pytest.param("договор", "Мой ДОГОВОР.", True, id="cyrillic"),
        pytest.param("договор", "договоры", False, id="amid-a-cyrillic-word"),
        pytest.param("रद्द", "इसे रद्द करो", True, id="devanagari"),
        pytest.param("किताब", "किताबें", False, id="before-a-vowel-sign"),
        pytest.param("退款", "我要退款吗", True, id="chinese"),
        pytest.param("退款", "退 款", False, id="chinese-apart"),
        pytest.param("返金", "返金してください", True, id="japanese"),
        pytest.param("환불", "환불을 원해요", True, id="korean"),
        pytest.param("คืนเงิน", "ขอคืนเงินด้วย", True, id="thai"),
        pytest.param("refund", "请refund我", True, id="latin-amid-chinese"),
        pytest.param("refund", "サーバーrefund", True, id="latin-after-a-long-vowel"),
        pytest.param("refund", "\ud800refund\udfff", True, id="surrogates"),
        pytest.param("a a", "xa a a", True, id="overlap"),
        pytest.param("\u212a", "as\u212a", False, id="kelvin-sign-amid-a-word"),
        pytest.param("\u212a", "ask", False, id="kelvin-sign-in-ascii"),
        pytest.param("refund", "", False, id="nothing"),
    ],
)
def test_a_phrase_stands_for_whole_words_in_any_case(phrase: str, text: str, found: bool) -> None:
    assert matches(Rule("r", contains=(phrase,)), asked(text)) is found
    assert matches(Rule("r", system_contains=(phrase,)), asked(text, role="system")) is found


@pytest.mark.parametrize("role", ["system", "developer"])
def test_user_and_system_conditions_read_their_own_messages(role: str) -> None:
    user = [Rule("r", contains=("now",)), Rule("r", matches="now")]
    system = [Rule("r", system_contains=("now",)), Rule("r", system_matches="now")]
    for rule in user:
        assert matches(rule, asked("now"))
        assert not matches(rule, asked("now", role=role))
    for rule in system:
        assert matches(rule, asked("now", role=role))
        assert not matches(rule, asked("now"))
    for rule in user + system:
        assert not matches(rule, asked("now", role="assistant"))


def test_no_phrase_reaches_from_one_message_or_part_into_the_next() -> None:
    rule = Rule("r", contains=("charge back",))
    parts = [{"type": "text", "text": "charge"}, {"type": "text", "text": "back"}]
    assert not matches(rule, asked("charge", "back"))
    assert not matches(rule, asked(parts))
    assert matches(rule, asked("charge", "a charge back"))


def test_a_pattern_reads_lines_and_keeps_case_unless_told() -> None:
    assert matches(Rule("r", matches="(?m)^import "), asked("see:\nimport os"))
    assert not matches(Rule("r", matches="Import"), asked("import os"))
    assert matches(Rule("r", matches="(?i)Import"), asked("import os"))
    assert matches(Rule("r", matches="^$"), asked("import os", role="system"))


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        pytest.param(
            Rule("r", tasks=("a", "b")),
            [asked("", task="a"), asked("", task="b")],
            [asked(""), asked("", task="c")],
            id="tasks",
        ),
        pytest.param(Rule("r", tasks=()), [asked("")], [asked("", task="a")], id="no-task"),
        pytest.param(
            Rule("r", contains=("a", "b")), [asked("a"), asked("so, b")], [asked("c")], id="any-of"
        ),
        pytest.param(
            Rule("r", contains=("a",), matches="b"), [asked("ab a")], [asked("a"), asked("b")],
            id="phrase-and-pattern",
        ),
        pytest.param(
            Rule("r", min_prompt_tokens=2), [asked("x" * 8)], [asked("x" * 7), asked()], id="least"
        ),
        pytest.param(
            Rule("r", max_prompt_tokens=2), [asked("x" * 11), asked()], [asked("x" * 12)], id="most"
        ),
        pytest.param(
            Rule("r", tools=True), [asked("", tools=(TOOL,))], [asked("")], id="tools"
        ),
        pytest.param(
            Rule("r", tools=False), [asked("")], [asked("", tools=(TOOL,))], id="no-tools"
        ),
        pytest.param(
            Rule("r", images=True), [asked([PICTURE]), asked((PICTURE,))],
            [asked("a"), asked([{"text": "a"}]), asked(None), asked([{"type": []}])],
            id="images",
        ),
        pytest.param(Rule("r", images=False), [asked("a")], [asked([PICTURE])], id="no-images"),
        pytest.param(Rule("r", schema=True), [asked("", schema={})], [asked("")], id="schema"),
        pytest.param(Rule("r", schema=False), [asked("")], [asked("", schema={})], id="no-schema"),
        pytest.param(
            Rule("r", tags={"plan": "free", "beta": "on"}),
            [asked("", tags={"plan": "free", "beta": "on", "more": ""})],
            [asked(""), asked("", tags={"plan": "free"}), asked("", tags={"beta": "on"})],
            id="tags",
        ),
        pytest.param(
            Rule("r", latency="batch"), [asked("", latency="batch")],
            [asked(""), asked("", latency="some day")], id="latency",
        ),
        pytest.param(Rule("r"), [asked(""), asked(), asked("", latency="some day")], [], id="none"),
    ],
)  # fmt: skip
def test_a_condition_holds_for(rule: Rule, yes: list[Request], no: list[Request]) -> None:
    assert [matches(rule, request) for request in yes + no] == [True] * len(yes) + [False] * len(no)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        pytest.param(Rule("r"), 'rule "r": any request', id="no-condition"),
        pytest.param(Rule("r", name="mine"), 'rule "mine": any request', id="named"),
        pytest.param(
            Rule("r", contains=("No", "Pay", "back", "it")),
            'rule "r": says "Pay", says "back"',
            id="two-phrases",
        ),
        pytest.param(
            Rule("r", contains=("pay",), matches="b.ck", system_contains=("be",)),
            'rule "r": matches b.ck, says "pay", system prompt says "be"',
            id="texts",
        ),
        pytest.param(
            Rule("r", system_matches="[a-e]" + "s?" * 40),
            f'rule "r": system prompt matches [a-e]{"s?" * 26}...',
            id="long-pattern",
        ),
        pytest.param(
            Rule(
                "r",
                tasks=("a", "b"),
                min_prompt_tokens=1,
                max_prompt_tokens=2000,
                tools=False,
                images=True,
            ),
            "rule \"r\": the task is 'a' or 'b', at least 1 tokens, at most 2,000 tokens, no tools,"
            " has images",
            id="facts",
        ),
        pytest.param(
            Rule("r", schema=False, tags={"plan": "free"}, latency="interactive"),
            'rule "r": no schema, plan is free, interactive',
            id="more-facts",
        ),
    ],
)
def test_a_reason_is_made_of_the_rules_own_words(rule: Rule, reason: str) -> None:
    user = {"role": "user", "content": ["PAY me back", {"text": "pay it back"}, PICTURE]}
    system = {"role": "system", "content": "be brief"}
    request = Request((user, system), task="b", tags={"plan": "free"})
    assert rule.reason(request) == reason
    assert rule.reason(replace(request, task="c", messages=(), tags={})) in {None, reason}


def test_a_reason_says_that_there_was_no_task() -> None:
    assert Rule("r", tasks=()).reason(asked("")) == 'rule "r": no task given'


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"route": ""}, "route must be the name", id="no-route"),
        pytest.param({"contains": "abc"}, "contains must be a list", id="one-phrase"),
        pytest.param({"tasks": "abc"}, "tasks must be a list", id="one-task"),
        pytest.param({"system_contains": 3}, "system_contains must be a list", id="number"),
        pytest.param({"contains": (3,)}, "takes texts, got 3", id="phrase-type"),
        pytest.param({"contains": (" ",)}, "needs a word, got ' '", id="blank"),
        pytest.param({"contains": ("a\ud800",)}, "half a character", id="surrogate"),
        pytest.param({"matches": 3}, "takes a pattern as text", id="pattern-type"),
        pytest.param({"matches": "(a"}, r"refuses the pattern '\(a'", id="pattern"),
        pytest.param({"system_matches": r"(a)\1"}, "no back-references", id="back-reference"),
        pytest.param({"matches": "\ud800"}, "refuses the pattern", id="half-pattern"),
        pytest.param(
            {"min_prompt_tokens": -1}, "min_prompt_tokens must be 0 or more", id="negative"
        ),
        pytest.param(
            {"min_prompt_tokens": 3, "max_prompt_tokens": 2},
            "is over max_prompt_tokens, 2",
            id="crossed",
        ),
        pytest.param({"tools": "no"}, "tools must be True, False", id="tools"),
        pytest.param({"latency": "now"}, '"interactive" or "batch"', id="latency"),
    ],
)
def test_what_can_never_hold_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Rule(**{"route": "r"} | fields)


def test_an_error_names_the_rule() -> None:
    with pytest.raises(ValueError, match=r'^rule "mine": matches: re2 refuses'):
        Rule("r", name="mine", matches="(")


@pytest.mark.parametrize("memory", [50_000, 200_000], ids=["for-re2", "for-a-set"])
def test_a_pattern_too_large_is_refused(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(phrases, "_SET_MEMORY", memory)
    with pytest.raises(ValueError, match="refuses the pattern"):
        Rule("r", matches="(?:a.{300}b){3}")


def test_what_does_not_fit_into_one_set_is_put_into_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(phrases, "_SET_MEMORY", 100_000)
    words = [f"{n * 7919 % 1000} is no {n}" for n in range(300)]
    book = Rulebook(Rule("r", name=str(n), contains=(word,)) for n, word in enumerate(words))
    assert len(book._user._sets) > 1
    for n in (0, 150, 299):
        found = book.first_match(asked(f"so {words[n]}."))
        assert found is not None
        assert found[1] == f'rule "{n}": says "{words[n]}"'


def test_importing_rules_does_not_load_re2_and_neither_do_rules_without_text() -> None:
    code = (
        "import sys; from cascade.policy.rules import Rule, Rulebook;"
        "from cascade.types import Request;"
        "Rulebook([Rule('r', tools=True)]).first_match(Request(()));"
        "print('re2' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_a_rulebook_lists_its_rules_and_a_rule_keeps_what_it_was_given() -> None:
    given_phrases = ["a"]
    rule = Rule("r", contains=given_phrases)
    given_phrases.append("b")
    assert rule == Rule("r", contains=("a",))
    assert (len(Rulebook([rule])), list(Rulebook([rule]))) == (1, [rule])
    assert not Rulebook()
    assert Rulebook().first_match(asked("a")) is None


def word_ends(before: str, after: str) -> bool:
    """Whether words may part between two neighbouring characters, one of them of a phrase."""
    return not (inside_word(before) and inside_word(after))


def inside_word(char: str) -> bool:
    script = unicodedata.name(char, "").partition(" ")[0] if char else ""
    spaced = script not in {"CJK", "HIRAGANA", "KATAKANA", "THAI", "HANGUL"}
    return bool(char) and spaced and (char == "_" or unicodedata.category(char)[0] in "LMN")


def has_phrase(phrase: str, text: str) -> bool:
    pattern = re.compile(r"\s+".join(map(re.escape, phrase.split())), re.IGNORECASE)
    found = (pattern.match(text, start) for start in range(len(text)))
    spans = [each.span() for each in found if each]
    return any(
        word_ends(text[begin - 1 : begin], text[begin]) and word_ends(text[end - 1], text[end:][:1])
        for begin, end in spans
    )


def said_by(request: Request, *roles: str) -> list[str]:
    return [
        "".join("?" if "\ud800" <= char <= "\udfff" else char for char in text)
        for message in request.messages
        if message.get("role") in roles
        for text in texts(message)
    ]


def has_images(request: Request) -> bool:
    contents = [message.get("content") for message in request.messages]
    return any(PICTURE in content for content in contents if isinstance(content, list))


def naive(rule: Rule, request: Request) -> bool:
    """Whether a rule's conditions hold, said plainly, without any of its means."""
    user, system = said_by(request, "user"), said_by(request, "system", "developer")
    tokens = len(request.text) // CHARS_PER_TOKEN
    at_most = tokens if rule.max_prompt_tokens is None else rule.max_prompt_tokens
    return all([
        rule.tasks is None or request.task in (rule.tasks or (None,)),
        not rule.contains or any(has_phrase(p, text) for p in rule.contains for text in user),
        not rule.system_contains
        or any(has_phrase(p, text) for p in rule.system_contains for text in system),
        rule.matches is None or any(re.search(rule.matches, text) for text in user),
        rule.system_matches is None or any(re.search(rule.system_matches, t) for t in system),
        (rule.min_prompt_tokens or 0) <= tokens <= at_most,
        rule.tools is None or rule.tools == bool(request.tools),
        rule.images is None or rule.images == has_images(request),
        rule.schema is None or rule.schema == (request.schema is not None),
        rule.tags.items() <= request.tags.items(),
        rule.latency in (None, request.latency),
    ])  # fmt: skip


def naive_first(rules: Sequence[Rule], request: Request) -> Rule | None:
    return next((rule for rule in rules if naive(rule, request)), None)


LETTERS = "aAbé_1 \n-退の\u0301"
said = st.text(LETTERS + "\ud800", max_size=8)
phrase = st.text(LETTERS, min_size=1, max_size=3).filter(str.strip)
phrase_lists = st.lists(phrase, max_size=2)
patterns = st.none() | st.sampled_from(["a", "b+1", "[A-C] ", "(?m)^a$", "\\d"])
whether = st.sampled_from([None, None, True, False])
tag_maps = st.dictionaries(st.sampled_from("xy"), st.sampled_from("01"))
parts = st.fixed_dictionaries({"type": st.just("text"), "text": said}) | st.sampled_from(
    [PICTURE, {"type": ["text"]}, {"type": "text", "text": None}, {}, "a", None, 3]
)
messages: st.SearchStrategy[Mapping[str, Any]] = st.fixed_dictionaries({
    "role": st.sampled_from(["user", "user", "system", "developer", "assistant", None, []]),
    "content": said | st.none() | st.integers() | st.lists(parts, max_size=3),
}) | st.just({})  # fmt: skip
requests = st.builds(
    Request,
    messages=st.lists(messages, max_size=4).map(tuple),
    tools=st.sampled_from([(), (TOOL,)]),
    schema=st.sampled_from([None, {}]),
    task=st.sampled_from([None, "a", "b", "c"]),
    tags=tag_maps,
    latency=st.sampled_from(["interactive", "batch"]),
)
token_bounds = st.lists(st.integers(0, 6), min_size=2, max_size=2).map(sorted)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """A rule with few conditions, so that some match."""
    least, most = draw(token_bounds)
    conditions: dict[str, Any] = {
        "tasks": draw(st.lists(st.sampled_from("ab"), max_size=2)),
        "contains": draw(phrase_lists),
        "matches": draw(patterns),
        "system_contains": draw(phrase_lists),
        "system_matches": draw(patterns),
        "min_prompt_tokens": least,
        "max_prompt_tokens": most,
        "tools": draw(whether),
        "images": draw(whether),
        "schema": draw(whether),
        "tags": draw(tag_maps),
        "latency": draw(st.sampled_from(["interactive", "batch"])),
    }
    kept = draw(st.sets(st.sampled_from(sorted(conditions)), max_size=3))
    return Rule("r", **{name: conditions[name] for name in kept})


@given(st.lists(rules(), max_size=6), requests)
def test_the_first_rule_whose_conditions_hold_is_taken(given: list[Rule], request: Request) -> None:
    found = Rulebook(given).first_match(request)
    expected = naive_first(given, request)
    assert (found and found[0]) == expected
    assert found is None or found[1] == found[0].reason(request)


@given(st.lists(rules(), max_size=4), st.lists(requests, min_size=1, max_size=3))
def test_asking_changes_nothing(given: list[Rule], asked_for: list[Request]) -> None:
    before, book = copy.deepcopy(asked_for), Rulebook(given)
    first = [book.first_match(request) for request in asked_for]
    assert [book.first_match(request) for request in reversed(asked_for)] == first[::-1]
    assert asked_for == before


@given(phrase, said)
def test_a_phrase_is_found_where_a_plain_search_finds_it(phrase: str, text: str) -> None:
    plain = text.replace("\ud800", "?")
    assert matches(Rule("r", contains=(phrase,)), asked(text)) == has_phrase(phrase, plain)
