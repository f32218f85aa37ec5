"""Answers as they arrive, made of pieces that mean something to the gates under test."""

from collections.abc import Sequence

from hypothesis import strategies as st

from gates import Candidate, Gate, Status, ToolCall

CALL = ToolCall("1", "weather", "{}")


@st.composite
def growing(
    draw: st.DrawFn, pieces: Sequence[str], prompts: Sequence[str] = ("",)
) -> list[Candidate]:
    """An answer cut anywhere, its tool call and refusal coming late, its finish reason last."""
    text = draw(st.lists(st.sampled_from(pieces), max_size=12).map("".join))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    late = draw(st.integers(0, len(cuts)))
    reason = draw(st.sampled_from([None, "stop", "length", "unheard-of"]))
    refusal = draw(st.sampled_from([None, None, "", "I can't help with that."]))
    prompt = draw(st.sampled_from(prompts))
    calls = draw(st.sampled_from([(), (CALL,)]))
    return [
        Candidate(
            text[:cut],
            finish_reason=reason if number > len(cuts) else None,
            tool_calls=calls if number > late else (),
            refusal=refusal if number >= late else None,
            prompt=prompt,
        )
        for number, cut in enumerate([*cuts, len(text), len(text)])
    ]


def hold_bounds(gate: Gate, stream: Sequence[Candidate]) -> None:
    """Assert that the bounds only narrow and hold every status on the way and the last one."""
    final = gate.check(stream[-1])
    low, high = Status.FAIL, Status.PASS
    for candidate in stream:
        found = gate.bounds(candidate)
        assert low <= found.low <= final.status <= found.high <= high
        assert found.low <= gate.check(candidate).status <= found.high
        low, high = found.low, found.high
    assert final == gate.check(stream[-1])
