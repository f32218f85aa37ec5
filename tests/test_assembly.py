"""An answer put together of its pieces: the same, however it was cut."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import Assembly, Response, Usage
from gates import Logprobs, ToolCall
from tests.speaking import Calling, Piece, Refusing, Scored, add


def assembled(*pieces: Piece) -> Assembly:
    assembly = Assembly()
    for piece in pieces:
        add(assembly, piece)
    return assembly


def test_an_answer_of_which_nothing_came_is_empty() -> None:
    assert (Assembly().response(), Assembly().chars, Assembly().pieces) == (Response(""), 0, [])


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(("ab", "", "c"), Response("abc"), id="text"),
        pytest.param((Refusing("I "), Refusing("won't")), Response("", refusal="I won't"), id="no"),
        pytest.param((Refusing(""),), Response(""), id="an-empty-refusal-is-none"),
        pytest.param(
            (
                Calling(0, id="1", name="f", arguments='{"a"'),
                Calling(0, arguments=": 1}"),
                Calling(1, id="2", name="g"),
            ),
            Response("", tool_calls=(ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "g", ""))),
            id="calls",
        ),
        pytest.param(
            (Calling(1, id="2", name="g"), Calling(0, id="1", name="f")),
            Response("", tool_calls=(ToolCall("1", "f", ""), ToolCall("2", "g", ""))),
            id="calls-come-by-index",
        ),
        pytest.param(
            (Calling(7, id="1", name="f", arguments="{"), Calling(7, id="9", name="h")),
            Response("", tool_calls=(ToolCall("1", "f", "{"),)),
            id="an-id-and-a-name-come-once",
        ),
        pytest.param(
            (Calling(0), Calling(0, id="1"), Calling(0, name="f")),
            Response("", tool_calls=(ToolCall("1", "f", ""),)),
            id="an-id-and-a-name-may-come-late",
        ),
        pytest.param(
            (
                Scored(({"token": "a", "logprob": -0.5},)),
                Scored(()),
                Scored(({"token": "b", "logprob": -1.0},)),
            ),
            Response("", logprobs=Logprobs(["a", "b"], [-0.5, -1.0])),
            id="log-probabilities",
        ),
    ],
)
def test_pieces_make_an_answer(pieces: Sequence[Piece], expected: Response) -> None:
    assert assembled(*pieces).response() == expected


def test_its_length_is_that_of_the_text_and_the_arguments() -> None:
    assembly = assembled("abc", "", Calling(0, id="123", name="f", arguments="{}"), Refusing("no"))
    assert (assembly.chars, assembly.pieces) == (5, ["abc"])


def test_what_is_known_of_the_answer_is_handed_on() -> None:
    assembly = assembled("a")
    assembly.finish_reason, assembly.model, assembly.id = "stop", "m", "7"
    assembly.usage = Usage(1, 2)
    assert assembly.response() == Response(
        "a", finish_reason="stop", model="m", id="7", usage=Usage(1, 2)
    )


def test_a_draft_stays_as_it_was_when_more_comes() -> None:
    entry, calls = {"token": "a", "logprob": -0.5}, Calling(0, id="1", name="f", arguments="{")
    assembly = assembled("a", Scored((entry,)), calls, Refusing("no"))
    draft = assembly.response()
    for piece in ("b", Scored((entry,)), Calling(0, arguments="}"), Calling(1), Refusing("!")):
        add(assembly, piece)
    assert draft == assembled("a", Scored((entry,)), calls, Refusing("no")).response()


TEXT = st.text(max_size=8)
ENTRY = st.builds(lambda token, value: {"token": token, "logprob": value}, TEXT, st.floats(-9, 0))
CALL = st.builds(ToolCall, st.sampled_from(["1", "2"]), st.sampled_from(["f", "g"]), TEXT)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def merged(draw: st.DrawFn, channels: Sequence[Sequence[Piece]]) -> list[Piece]:
    """The pieces of all channels, those of each in their order."""
    left = [list(channel) for channel in channels if channel]
    pieces: list[Piece] = []
    while left:
        channel = draw(st.sampled_from(left))
        pieces.append(channel.pop(0))
        left = [each for each in left if each]
    return pieces


@given(st.data(), TEXT, TEXT, st.lists(ENTRY, max_size=4), st.lists(CALL, max_size=3))
def test_the_answer_does_not_depend_on_how_it_was_cut(
    data: st.DataObject,
    text: str,
    refusal: str,
    entries: list[dict[str, object]],
    calls: list[ToolCall],
) -> None:
    channels: list[Sequence[Piece]] = [
        data.draw(cut(text)),
        [Refusing(part) for part in data.draw(cut(refusal))],
        [Scored((entry,)) for entry in entries],
    ]
    for n, call in enumerate(calls):
        parts = [Calling(n, arguments=part) for part in data.draw(cut(call.arguments))]
        channels.append([Calling(n, id=call.id, name=call.name), *parts])
    found = assembled(*data.draw(merged(channels)))
    expected = assembled(text, Refusing(refusal), Scored(tuple(entries)))
    assert found.response() == Response(
        text,
        logprobs=expected.response().logprobs,
        tool_calls=tuple(calls),
        refusal=refusal or None,
    )
    assert found.chars == len(text) + sum(len(call.arguments) for call in calls)
