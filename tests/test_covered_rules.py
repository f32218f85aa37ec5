"""Which rules `cascade check` takes to be covered by an earlier one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import Request, Rule
from cascade.app.hints.routes import covers
from cascade.policy.rules import Rulebook

texts = st.lists(st.sampled_from(["x", "y", "z"]), max_size=2)
flags = st.sampled_from([None, True, False])
rule = st.builds(
    Rule,
    st.just("r"),
    tasks=st.none() | texts,
    contains=texts,
    system_contains=texts,
    matches=st.sampled_from([None, "x", "y"]),
    min_prompt_tokens=st.sampled_from([None, 0, 1]),
    max_prompt_tokens=st.sampled_from([None, 1, 2]),
    tools=flags,
    schema=flags,
    tags=st.sampled_from([{}, {"a": "1"}, {"a": "1", "b": "2"}, {"b": "1"}]),
    latency=st.sampled_from([None, "batch"]),
)
asked = st.builds(
    Request,
    st.tuples(
        st.builds(lambda t: {"role": "user", "content": " ".join(t)}, texts),
        st.builds(lambda t: {"role": "system", "content": " ".join(t)}, texts),
    ),
    tools=st.sampled_from([(), ({"type": "function"},)]),
    schema=st.sampled_from([None, {}]),
    task=st.sampled_from([None, "x", "y"]),
    tags=st.sampled_from([{}, {"a": "1"}, {"a": "1", "b": "2"}]),
    latency=st.sampled_from(["batch", "interactive"]),
)


@given(rule, rule, asked)
def test_a_rule_that_covers_another_takes_all_of_its_requests(
    wide: Rule, narrow: Rule, request: Request
) -> None:
    if covers(wide, narrow) and Rulebook([narrow]).first_match(request):
        assert Rulebook([wide]).first_match(request)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (Rule("r", tasks=["x", "y"]), Rule("r", tasks=["x"]), True),
        (Rule("r", tasks=["x"]), Rule("r", tasks=["x", "y"]), False),
        (Rule("r", tasks=["x"]), Rule("r", tasks=[]), False),
        (Rule("r", tasks=["x"]), Rule("r"), False),
        (Rule("r", max_prompt_tokens=9), Rule("r", max_prompt_tokens=5), True),
        (Rule("r", max_prompt_tokens=9), Rule("r", min_prompt_tokens=5), False),
        (Rule("r", min_prompt_tokens=5), Rule("r", min_prompt_tokens=9), True),
        (Rule("r", contains=["x"]), Rule("r", contains=["x", "y"]), False),
    ],
)
def test_the_narrower_rule_is_the_one_covered(wide: Rule, narrow: Rule, covered: bool) -> None:
    assert covers(wide, narrow) is covered


@given(rule)
def test_every_rule_covers_itself_and_is_covered_by_one_without_conditions(each: Rule) -> None:
    assert covers(each, each)
    assert covers(Rule("all"), each)
