"""The learned router: what it reads, what it names and refuses, its weight file, and drift."""

import json
import logging
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import ConfigError
from cascade.routers import Guess, LearnedRouter
from cascade.routers._drift import MIN_CALLS, WINDOW, DriftWatch
from cascade.routers._ngrams import MAX_WORDS, READ, clipped, excerpt, ngrams
from cascade.routers._weights import MAX_SIZE
from cascade.types import Request


def one(word: str) -> int:
    (found,) = ngrams(word)
    return found


WORDS = sorted(["bake", "bread", "compile", "linker"], key=one)
HASHES = [one(word) for word in WORDS]


def column(values: Mapping[str, int]) -> list[int]:
    return [values.get(word, 0) for word in WORDS]


def weights(**changes: Any) -> dict[str, Any]:
    """A valid weight file that tells kitchen from code by two words each, changed."""
    label = {"intercept": 0, "least_probability": 0.8, "least_similarity": 0.3}
    return {
        "format": "cascade.router/1",
        "labels": [{"name": "code", **label}, {"name": "kitchen", **label}],
        "held_out": {"texts": 100, "refused": 2},
        "ngrams": HASHES,
        "weights": [
            column({"compile": 4000, "linker": 4000, "bake": -4000, "bread": -4000}),
            column({"compile": -4000, "linker": -4000, "bake": 4000, "bread": 4000}),
        ],
        "shares": [column({"compile": 900, "linker": 500}), column({"bake": 900, "bread": 500})],
    } | changes


def asked(*contents: str, role: str = "user") -> Request:
    return Request(tuple({"role": role, "content": content} for content in contents))


ROUTER = LearnedRouter.load(weights())


def test_a_text_of_known_words_is_named_with_its_probability() -> None:
    assert ROUTER.classify("Compile, linker!") == Guess("code", "code at 1.000")
    assert ROUTER.classify("bake bread").task == "kitchen"


def test_a_text_between_two_tasks_is_uncertain() -> None:
    guess = ROUTER.classify("compile bread")
    assert guess.task is None
    assert guess.reason == "uncertain: code at 0.500, 0.800 needed"


def test_a_text_of_other_words_is_unlike_the_training_texts() -> None:
    guess = ROUTER.classify("compile a poem about the sea and the wind over green hills")
    assert guess.task is None
    assert guess.reason == "unlike the training texts: code at similarity 0.186, 0.300 needed"


@pytest.mark.parametrize("text", ["", " \n", "?!", "\x00"])
def test_a_text_without_words_is_not_named(text: str) -> None:
    assert ROUTER.classify(text) == Guess(None, "no words to read")


def test_a_request_without_messages_is_not_named() -> None:
    assert LearnedRouter.load(weights())(Request(())).task is None


def test_reasons_hold_no_word_of_the_prompt() -> None:
    for text in ("compile secret", "secret words only", "compile bread secret"):
        assert "secret" not in ROUTER.classify(text).reason


def test_the_labels_are_public() -> None:
    assert ROUTER.labels == ("code", "kitchen")
    assert repr(ROUTER) == "LearnedRouter(['code', 'kitchen'])"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_gets_a_guess_and_always_the_same(text: str) -> None:
    guess = ROUTER.classify(text)
    assert guess == ROUTER.classify(text)
    assert guess.task in {None, *ROUTER.labels}
    assert len(ngrams(text)) < 2 * MAX_WORDS


@given(st.text())
def test_capitals_digits_and_marks_between_words_make_no_difference(text: str) -> None:
    assert ngrams(f"Room 12, {text}") == ngrams(f"room 98 {text}")


def test_hashes_are_of_words_and_of_neighbours_in_their_order() -> None:
    assert ngrams("may be") != ngrams("be may")
    assert ngrams("may be") > {one("may"), one("be")}
    assert one("maybe") not in ngrams("may be")


def test_hashes_are_the_same_in_every_process() -> None:
    """The values are part of the weight file's format."""
    assert sorted(ngrams("Grüße, 42 Welt")) == [
        126934908, 765520527, 879643117, 3091600544, 3841397138,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("你好世界", 4, id="Chinese"),
        pytest.param("ไทย", 3, id="Thai"),
        pytest.param("“wörld” – ça", 2, id="curly-marks"),
        pytest.param("안녕 하세요", 2, id="Korean-has-spaces"),
    ],
)
def test_scripts_without_spaces_are_read_by_character(text: str, words: int) -> None:
    assert len(ngrams(text)) == 2 * words - 1


def test_only_both_ends_of_a_long_text_are_read() -> None:
    middle = "x" * 10 * READ
    assert len(clipped(middle)) <= READ
    assert ROUTER.classify(f"compile {middle} linker") == ROUTER.classify(
        f"compile {2 * middle} linker"
    )
    wide = "世" * 10 * READ
    assert ngrams(clipped(f"compile {wide} linker")) > {one("compile"), one("linker")}


def test_of_a_conversation_the_opening_and_the_last_question_are_read() -> None:
    system = {"role": "system", "content": "be brief"}
    early = {"role": "user", "content": "compile it"}
    answer = {"role": "assistant", "content": "done"}
    last = {"role": "user", "content": [{"type": "text", "text": "bake bread"}]}
    assert excerpt([system, early, answer, last, answer]) == "be brief\nbake bread"
    assert excerpt([last]) == "bake bread"
    assert excerpt([answer]) == "done"


@given(st.lists(st.text(max_size=2 * READ), min_size=1, max_size=4))
def test_an_excerpt_is_bounded_and_not_cut_again(contents: Sequence[str]) -> None:
    found = excerpt(asked(*contents).messages)
    assert len(found) <= READ
    assert clipped(found) == found


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "router.json"
    path.write_text(json.dumps(weights()))
    assert LearnedRouter.load(path).classify("bake bread").task == "kitchen"
    assert LearnedRouter.load(str(path)).labels == ROUTER.labels


LABEL = weights()["labels"][0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"format": "other"}, "format: must be 'cascade.router/1'", id="format"),
        pytest.param({"extra": 1}, "the file: has ['extra']", id="unknown-member"),
        pytest.param({"labels": {}}, "labels: must be a list, is dict", id="no-list"),
        pytest.param({"labels": []}, "labels: 2 to 100 of different names", id="no-labels"),
        pytest.param({"labels": [LABEL, LABEL]}, "of different names", id="name-twice"),
        pytest.param({"labels": [1, LABEL]}, "labels[0]: must be a dict", id="label-is-a-number"),
        pytest.param({"labels": [{}, LABEL]}, "labels[0]: lacks ['intercept'", id="label-lacks"),
        pytest.param(
            {"labels": [LABEL | {"name": ""}, LABEL]}, "labels[0].name: must be 1", id="no-name"
        ),
        pytest.param(
            {"labels": [LABEL | {"name": "a\nb"}, LABEL]}, "printable", id="name-in-two-lines"
        ),
        pytest.param(
            {"labels": [LABEL | {"intercept": 0.5}, LABEL]},
            "labels[0].intercept: must be whole numbers",
            id="intercept-not-whole",
        ),
        pytest.param(
            {"labels": [LABEL | {"least_probability": 1.1}, LABEL]},
            "labels[0].least_probability: must be from 0 to 1",
            id="probability-over-1",
        ),
        pytest.param(
            {"labels": [LABEL | {"least_similarity": True}, LABEL]},
            "labels[0].least_similarity: must be a number",
            id="similarity-is-true",
        ),
        pytest.param({"held_out": {"texts": 0, "refused": 0}}, "held_out.texts", id="none-held"),
        pytest.param({"held_out": {"texts": 5, "refused": 6}}, "held_out.refused", id="refused"),
        pytest.param({"held_out": {"texts": 5}}, "held_out: lacks ['refused']", id="held-lacks"),
        pytest.param({"ngrams": HASHES[::-1]}, "ngrams: must be ascending", id="descending"),
        pytest.param({"ngrams": [*HASHES[:3], 1 << 32]}, "ngrams: must be from", id="no-hash"),
        pytest.param({"ngrams": HASHES[:3]}, "weights[0]: must have a number", id="too-few"),
        pytest.param({"ngrams": list(range(100_001))}, "more than 500,000", id="too-many"),
        pytest.param({"weights": [[0] * 4]}, "weights: must be one list a label", id="one-row"),
        pytest.param({"weights": [[0] * 4, "none"]}, "weights[1]: must be a list", id="no-row"),
        pytest.param({"weights": [[0] * 4, [1e9] * 4]}, "weights[1]: must be whole", id="float"),
        pytest.param({"weights": [[0] * 4, [10**10] * 4]}, "weights[1]: must be from", id="huge"),
        pytest.param({"shares": [[0] * 4, [-1] * 4]}, "shares[1]: must be from 0", id="negative"),
        pytest.param({"shares": [[0] * 4, [True] * 4]}, "shares[1]: must be whole", id="truths"),
    ],
)
def test_weights_of_another_shape_are_refused_by_name(
    changes: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        LearnedRouter.load(weights(**changes))
    assert str(raised.value).startswith("the router's weights: ")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"{", "no router's weight file", id="cut-off"),
        pytest.param(b"[]", "the file: must be a dict, is list", id="array"),
        pytest.param(b"{}", "the file: lacks ['format'", id="empty"),
        pytest.param(b'{"format": NaN}', "not finite", id="nan"),
        pytest.param(b'{"format": 1, "format": 2}', "duplicate keys", id="twice"),
        pytest.param(b"\xff", "not UTF-8", id="bytes"),
        pytest.param(b" " * (MAX_SIZE + 9), f"longer than {MAX_SIZE}", id="too-long"),
    ],
)
def test_a_file_that_is_no_strict_json_is_refused_by_path(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "router.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        LearnedRouter.load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert words in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: No such file"):
        LearnedRouter.load(tmp_path / "none.json")


def test_nothing_but_plain_python_is_loaded() -> None:
    code = "import sys, cascade.routers; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert not {"numpy", "scipy", "sklearn", "pydantic"} & set(loaded.split())


def test_drift_is_told_once_until_it_has_passed(caplog: pytest.LogCaptureFixture) -> None:
    router = LearnedRouter.load(weights())
    like, unlike = asked("compile with the linker"), asked("a secret poem")
    with caplog.at_level(logging.WARNING, logger="cascade"):
        for request in [*[like] * 500, *[unlike] * 200, *[like] * 500, *[unlike] * 200]:
            router(request)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert messages[0].startswith("traffic drifts from what the router was trained on: ")
    assert "of the held-out texts 2.0%, at most 7.0%" in messages[0]
    assert "secret" not in caplog.text


def test_the_reading_tells_how_it_stands() -> None:
    router = LearnedRouter.load(weights())
    assert router.drift.rate is None
    for text in ["bake bread"] * 3 + ["a poem"]:
        router(asked(text))
    reading = router.drift
    assert (reading.calls, reading.refused, reading.rate) == (4, 1, 0.25)
    assert (reading.expected, reading.drifting) == (0.02, False)
    assert reading.at_most == pytest.approx(0.070, abs=0.001)


def test_classifying_a_text_is_not_traffic() -> None:
    router = LearnedRouter.load(weights())
    router.classify("a poem")
    assert router.drift.calls == 0


@given(st.lists(st.booleans(), max_size=2 * WINDOW), st.integers(0, 20))
def test_the_memory_holds_the_last_requests(refusals: Sequence[bool], expected: int) -> None:
    watch = DriftWatch(expected, 20)
    for refused in refusals:
        watch.record(refused)
    last = refusals[-WINDOW:]
    assert (watch.reading.calls, watch.reading.refused) == (len(last), sum(last))


def test_nothing_is_judged_by_a_few_requests() -> None:
    watch = DriftWatch(0, 100)
    assert [watch.record(True) for _ in range(MIN_CALLS - 1)] == [None] * (MIN_CALLS - 1)
    reading = watch.record(True)
    assert reading is not None
    assert reading.drifting


def alarmed(chance: random.Random, rate: float, held_out: int, calls: int, live: float) -> bool:
    refused = sum(chance.random() < rate for _ in range(held_out))
    watch = DriftWatch(refused, held_out)
    return any(watch.record(chance.random() < live) is not None for _ in range(calls))


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.1])
def test_traffic_like_the_held_out_texts_rarely_alarms(rate: float) -> None:
    """Of 50 seeded runs of 2,000 requests one at most; about 1 in 200 is to be expected."""
    runs = [alarmed(random.Random(seed), rate, 200, 2_000, rate) for seed in range(50)]
    assert sum(runs) <= 1


def test_traffic_of_which_a_third_is_new_is_found_within_300_requests() -> None:
    runs = [alarmed(random.Random(seed), 0.03, 200, 300, 0.33) for seed in range(50)]
    assert sum(runs) == 50
