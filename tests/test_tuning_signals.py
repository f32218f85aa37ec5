"""Which signals a tier's answers are found to have."""

import json
from collections.abc import Callable, Sequence

import pytest

from cascade.recordings import RecordedAnswer, Recording
from cascade.tuning._catalogue import FEW, SAMPLE, signals_of
from cascade.types import Response, Usage
from gates import (
    AnswerProbability,
    FirstTokenMargin,
    InTask,
    Learned,
    LogprobArrays,
    Logprobs,
    MeanProbability,
    MinProbability,
    OutputTokens,
    Passed,
    QuantileProbability,
    Scorer,
    StatedConfidence,
    TextLength,
    ValidJson,
)
from gates.learned import Feature

Make = Callable[[int], Response]


def found(make: Make, *, count: int = 60, tasks: Sequence[str | None] = (None,)) -> list[Scorer]:
    recordings = [
        Recording(
            str(number),
            ({"role": "user", "content": "Where?"},),
            {"cheap": RecordedAnswer(make(number))},
            tasks[number % len(tasks)],
        )
        for number in range(count)
    ]
    return list(signals_of(recordings, "cheap"))


def plain(number: int) -> Response:
    return Response("word " * (number % 7 + 1), "stop")


def weighed(number: int) -> Response:
    """Two tokens a text, each with an alternative."""
    tokens, values = ["a", "b"], [-0.1 - number % 5 / 10, -0.2 - number % 3 / 10]
    top = [[(token, value), ("c", -4.0)] for token, value in zip(tokens, values, strict=True)]
    return Response("ab", "stop", Logprobs(tokens, values, top))


def stated(number: int, sure: object, **more: object) -> Response:
    return Response(json.dumps({"answer": "AB"[number % 2], "confidence": sure} | more), "stop")


def test_a_text_has_its_length() -> None:
    assert found(plain) == [TextLength()]


def test_log_probabilities_have_their_signals() -> None:
    assert found(weighed) == [
        MeanProbability(),
        QuantileProbability(0.1),
        FirstTokenMargin(),
    ], "of two tokens the other quantiles and the minimum are the same again"


def test_of_one_token_the_mean_says_it_all() -> None:
    def one(number: int) -> Response:
        return Response("B", "stop", Logprobs(["B"], [-0.1 - number % 5]))

    assert found(one) == [MeanProbability()]
    assert MinProbability() not in found(one)


def test_the_tokens_of_each_json_value_are_a_signal() -> None:
    def spelled(number: int) -> Response:
        tokens = ['{"', "answer", '":', ' "', "AB"[number % 2], '"', "}"]
        values = [-2.0, -3.0 - number % 3, -0.01, -0.01, -0.1 - number % 5 / 10, -0.01, -0.01]
        return Response("".join(tokens), "stop", Logprobs(tokens, values))

    assert AnswerProbability("answer") in found(spelled)


@pytest.mark.parametrize(
    ("make", "scorer"),
    [
        pytest.param(lambda n: stated(n, 0.5 + n % 5 / 10), StatedConfidence(), id="a share"),
        pytest.param(
            lambda n: stated(n, 50 + n % 5 * 10), StatedConfidence(scale=100.0), id="per cent"
        ),
        pytest.param(lambda n: stated(n, f"{50 + n % 5}%"), StatedConfidence(), id="with a sign"),
        pytest.param(lambda n: stated(n, 5 + n % 5), StatedConfidence(scale=10.0), id="of ten"),
        pytest.param(
            lambda n: stated(n, None, A=0.1 + n % 5 / 10, B=0.9 - n % 5 / 10),
            StatedConfidence(of="answer"),
            id="for each option",
        ),
    ],
)
def test_stated_confidence_is_found_on_its_scale(make: Make, scorer: Scorer) -> None:
    assert scorer in found(make)
    assert sum(isinstance(each, StatedConfidence) for each in found(make)) == 1


def test_a_number_that_is_no_confidence_is_no_signal_of_it() -> None:
    def priced(number: int) -> Response:
        return Response(json.dumps({"price": number % 5 / 5}), "stop")

    assert not any(isinstance(each, StatedConfidence) for each in found(priced))


def test_a_key_in_few_answers_is_not_looked_at() -> None:
    def seldom(number: int) -> Response:
        return stated(number, number % 5 / 5) if number % 3 == 0 else plain(number)

    assert not any(isinstance(each, StatedConfidence) for each in found(seldom))


def test_counted_tokens_and_valid_json_are_signals_where_they_vary() -> None:
    def counted(number: int) -> Response:
        text = '{"a": 1}' if number % 4 else '{"a": 1'
        return Response(text, "stop", usage=Usage(9, number % 9))

    assert {OutputTokens(), Passed(ValidJson())} <= set(found(counted))


def test_a_signal_that_nearly_always_says_the_same_tells_nothing() -> None:
    def nearly(number: int) -> Response:
        return Response("short" if number else "longer", "stop")

    assert found(nearly, count=300) == []


def test_tasks_with_enough_requests_are_signals() -> None:
    def signals(*tasks: str | None) -> list[Scorer]:
        return found(lambda _: Response("x"), count=4 * FEW, tasks=tasks)

    assert signals("law", "maths") == [InTask("law"), InTask("maths")]
    assert signals("law", "law", "law", None) == []
    assert signals("law", "law", *["other", "law"] * 10) == [InTask("law"), InTask("other")]
    assert signals(*["law"] * 9, "few") == [InTask("law")]


def test_only_so_many_answers_are_looked_at() -> None:
    asked: list[int] = []

    def noted(number: int) -> Response:
        def read() -> LogprobArrays:
            asked.append(number)
            return LogprobArrays(("x",), (-0.5,))

        return Response("x", logprobs=Logprobs.deferred(read))

    found(noted, count=4 * SAMPLE)
    assert len(asked) == SAMPLE
    assert asked[:3] == [0, 4, 8]


def test_every_signal_can_be_written_and_read_back() -> None:
    def every(number: int) -> Response:
        tokens = ['{"answer": "', "AB"[number % 2], '", "confidence": 0.', str(number % 7), "}"]
        values = [-0.1 - (number * prime) % 10 / 10 for prime in (1, 3, 7, 11, 13)]
        top = [[(token, v), ("c", v - 1)] for token, v in zip(tokens, values, strict=True)]
        usage = Usage(9, number % 9)
        return Response("".join(tokens), "stop", Logprobs(tokens, values, top), usage=usage)

    signals = found(every, tasks=("law", "maths"))
    assert len(signals) >= 10
    learned = Learned(tuple(Feature(signal, 1.0) for signal in signals))
    assert Learned.from_json(learned.to_json()) == learned
