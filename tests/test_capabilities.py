"""What a deployment can do, and what a request needs of it."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import (
    Capabilities,
    Cascade,
    Deployment,
    Exhausted,
    Limits,
    OpenAI,
    Request,
    Route,
    Scripted,
    Tier,
)
from cascade.capabilities import UNKNOWN, tokens_needed
from cascade.errors import Unsupported
from gates import AtLeast, Gate, MeanProbability, NotEmpty

BOOLS = st.none() | st.booleans()
CAPABILITIES = st.builds(
    Capabilities, BOOLS, BOOLS, BOOLS, BOOLS, st.none() | st.integers(1, 10**7)
)
TOOL = {"type": "function", "function": {"name": "look"}}
NOTHING = Capabilities(tools=False, vision=False, json_schema=False, logprobs=False, context=1)


def user(content: object) -> tuple[dict[str, Any], ...]:
    return ({"role": "user", "content": content},)


def picture(kind: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": "what is it?"}, {"type": kind}]


@given(CAPABILITIES, CAPABILITIES)
def test_what_is_said_goes_before_what_is_known(said: Capabilities, known: Capabilities) -> None:
    merged = said.over(known)
    for field in fields(Capabilities):
        own, other = getattr(said, field.name), getattr(known, field.name)
        assert getattr(merged, field.name) == (other if own is None else own)


@given(CAPABILITIES, CAPABILITIES, CAPABILITIES)
def test_it_does_not_matter_how_they_are_put_together(
    one: Capabilities, two: Capabilities, three: Capabilities
) -> None:
    assert one.over(two).over(three) == one.over(two.over(three))
    assert one.over(UNKNOWN) == UNKNOWN.over(one) == one


@pytest.mark.parametrize("context", [0, -1])
def test_a_context_holds_at_least_one_token(context: int) -> None:
    with pytest.raises(ValueError, match=r"context is in tokens, 1 or more"):
        Capabilities(context=context)


@pytest.mark.parametrize(
    ("request_", "can", "lacks"),
    [
        pytest.param(
            Request(user("x"), tools=(TOOL,)), Capabilities(tools=False), "tools", id="tools"
        ),
        pytest.param(
            Request(user(picture("image_url"))), Capabilities(vision=False), "images", id="image"
        ),
        pytest.param(
            Request(user(tuple(picture("image")))), Capabilities(vision=False), "images", id="tuple"
        ),
        pytest.param(
            Request(user(picture("input_image"))), Capabilities(vision=False), "images", id="input"
        ),
        pytest.param(
            Request(user("x"), parameters={"logprobs": True}),
            Capabilities(logprobs=False),
            "log probabilities",
            id="logprobs-by-the-caller",
        ),
        pytest.param(
            Request(user("x" * 404)), Capabilities(context=100), "about 101 are needed", id="prompt"
        ),
        pytest.param(
            Request(user("x" * 40), parameters={"max_tokens": 91}),
            Capabilities(context=100),
            "holds 100 tokens, about 101 are needed",
            id="prompt-and-answer",
        ),
    ],
)
def test_what_is_lacking_is_said(request_: Request, can: Capabilities, lacks: str) -> None:
    assert lacks in (can.lacking(request_) or "")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request(user("x" * 4)), id="it-fits-just-so"),
        pytest.param(Request(user("x"), top_logprobs=5), id="a-gate-wants-log-probabilities"),
        pytest.param(Request(user("x"), schema={"type": "object"}), id="a-schema"),
        pytest.param(Request(user("x"), parameters={"logprobs": False}), id="logprobs-off"),
        pytest.param(Request(user(picture("input_audio"))), id="another-kind-of-part"),
        pytest.param(Request(user(["image", None])), id="parts-of-no-known-shape"),
        pytest.param(Request(user(None)), id="no-content"),
    ],
)
def test_what_can_be_served_without_is_not_lacking(request_: Request) -> None:
    without = Capabilities(tools=False, vision=False, json_schema=False, logprobs=False, context=3)
    assert without.lacking(request_) is None


@given(st.booleans(), st.text(max_size=50), st.dictionaries(st.text(), st.integers()))
def test_what_is_not_known_is_taken_for_a_yes(
    tools: bool, text: str, parameters: dict[str, int]
) -> None:
    asked = Request(user(text), tools=(TOOL,) * tools, parameters=parameters)
    assert UNKNOWN.lacking(asked) is None


@pytest.mark.parametrize(
    ("parameters", "tokens"),
    [
        pytest.param({}, 10, id="no-limit"),
        pytest.param({"max_tokens": 5}, 15, id="max_tokens"),
        pytest.param({"max_completion_tokens": 7}, 17, id="max_completion_tokens"),
        pytest.param({"max_tokens": "many", "max_completion_tokens": 7}, 17, id="no-number"),
    ],
)
def test_tokens_are_a_fourth_of_the_characters_and_the_answers_limit(
    parameters: dict[str, Any], tokens: int
) -> None:
    assert tokens_needed(Request(user("x" * 40), parameters=parameters)) == tokens


class Limited(Scripted):
    """A provider that knows what it cannot do."""

    capabilities = Capabilities(logprobs=False, context=4_000)


def test_a_deployment_can_what_is_said_of_it_else_what_its_provider_knows() -> None:
    assert Deployment(Limited([])).can == Capabilities(logprobs=False, context=4_000)
    said = Capabilities(logprobs=True, tools=False)
    assert Deployment(Limited([]), capabilities=said).can == Capabilities(
        tools=False, logprobs=True, context=4_000
    )
    assert Deployment(Scripted([])).can == UNKNOWN


def test_the_context_of_a_well_known_model_is_known() -> None:
    known = Deployment(OpenAI("gpt-4.1", api_key="k"))
    assert known.can.context is not None
    assert known.can.context >= 1_000_000
    own = Deployment(OpenAI("gpt-4.1", api_key="k"), capabilities=Capabilities(context=9))
    assert own.can.context == 9


def test_the_first_thing_that_is_lacking_is_enough() -> None:
    asked = Request(user(picture("image")), tools=(TOOL,), parameters={"logprobs": True})
    assert NOTHING.lacking(asked) == "cannot call tools"


def blind(answer: str, name: str) -> Deployment:
    """A deployment that cannot call tools."""
    return Deployment(Scripted([answer], model=name), capabilities=Capabilities(tools=False))


@pytest.mark.simulated
@pytest.mark.asyncio
async def test_a_tier_that_lacks_what_is_needed_is_skipped_with_the_reason_in_the_trace() -> None:
    cascade = Cascade(
        Tier("weak", blind("a", "d1"), blind("b", "d2")), Tier("strong", Scripted(["yes"]))
    )
    result = await cascade.run("?", tools=[TOOL])
    skipped, answered = result.trace
    assert (skipped.tier, skipped.decision.value) == ("weak", "skip")
    assert skipped.reason == "d1 cannot call tools; d2 cannot call tools"
    assert not skipped.attempts
    assert (answered.tier, result.text) == ("strong", "yes")
    assert (await cascade.run("?")).tier == "weak"


@pytest.mark.simulated
@pytest.mark.asyncio
async def test_a_skipped_tier_is_no_event_for_its_monitor() -> None:
    cascade = Cascade(Tier("weak", blind("a", "d1")), Tier("strong", Scripted(["yes"])))
    await cascade.run("?", tools=[TOOL])
    assert cascade.monitors()["default", "weak"].events == 0


@pytest.mark.simulated
@pytest.mark.asyncio
async def test_when_nobody_can_the_reason_is_errors() -> None:
    cascade = Cascade(Tier("weak", blind("a", "d1")), Tier("strong", blind("b", "d2")))
    with pytest.raises(Exhausted) as caught:
        await cascade.run("?", tools=[TOOL])
    assert caught.value.reason == "errors"
    assert [step.decision.value for step in caught.value.trace] == ["skip", "skip"]
    assert isinstance(caught.value.__cause__, Unsupported)
    assert str(caught.value.__cause__) == "d2 cannot call tools"


SURE = AtLeast(0.9, MeanProbability())
NO_LOGPROBS = Capabilities(logprobs=False)


def silent(*capabilities: Capabilities | None) -> list[Deployment]:
    return [Deployment(Scripted([]), capabilities=each) for each in capabilities]


@pytest.mark.parametrize(
    ("gate", "capabilities", "warned"),
    [
        pytest.param(SURE, [NO_LOGPROBS, NO_LOGPROBS], True, id="none-gives-them"),
        pytest.param(NotEmpty() & SURE, [NO_LOGPROBS], True, id="a-part-needs-them"),
        pytest.param(SURE, [NO_LOGPROBS, None], False, id="one-may"),
        pytest.param(SURE, [Capabilities(logprobs=True)], False, id="one-does"),
        pytest.param(NotEmpty(), [NO_LOGPROBS], False, id="none-are-needed"),
    ],
)
def test_a_gate_that_needs_log_probabilities_nobody_gives_is_warned_about(
    gate: Gate,
    capabilities: list[Capabilities | None],
    warned: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    route = Route("faq", gates={"weak": gate})
    Cascade(Tier("weak", *silent(*capabilities)), Tier("strong", Scripted([])), routes=[route])
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    words = "its gate needs log probabilities, which none of its deployments gives"
    assert said == ([f"route faq, tier weak: {words}"] if warned else [])


@pytest.mark.simulated
@pytest.mark.asyncio
async def test_log_probabilities_are_asked_of_those_that_give_them_only() -> None:
    mute, able = Scripted(["x"], model="mute"), Scripted(["x"], model="able")
    for provider, given_capabilities in ((mute, NO_LOGPROBS), (able, None)):
        deployment = Deployment(provider, capabilities=given_capabilities)
        weak = Tier("weak", deployment, gate=SURE)
        await Cascade(weak, Tier("strong", Scripted(["y"]))).run("?")
    assert mute.requests[0].top_logprobs is None
    assert able.requests[0].top_logprobs is not None


@pytest.mark.simulated
@pytest.mark.asyncio
async def test_a_request_too_long_for_a_rate_is_still_served() -> None:
    limits = Limits(tokens_per_minute=60_000)
    cascade = Cascade(Tier("t", Deployment(Scripted(["yes"]), limits=limits)))
    result = await cascade.run("x" * 4 * 15_000)
    assert result.text == "yes"
    assert result.seconds == pytest.approx(10.0)
