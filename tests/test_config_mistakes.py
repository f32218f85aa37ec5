"""What broken settings files are told: line, key, what is allowed, the nearest known name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import ConfigError
from cascade.config import parse
from tests.broken_settings import DEPLOYMENT, DEPLOYMENTS, GATE_TABLES, GATES, ROUTES, SHAPES, TIER

SYNTAX = [
    pytest.param("a = 1\nb = \nc = 2", "c.toml:2: no valid TOML: Invalid value", id="no value"),
    pytest.param("a = 1\n[b\n", "c.toml:2: no valid TOML: ", id="no bracket"),
    pytest.param('a = 1\nb = "x\n', "c.toml:2: no valid TOML: ", id="no quote"),
    pytest.param("a = 1\nb = [1,\n", "c.toml:2: no valid TOML: Invalid value", id="cut off"),
    pytest.param("a = [" + "9" * 5000 + "]", "c.toml:1: no valid TOML: ", id="a huge number"),
    pytest.param("a = " + "[" * 9000, "c.toml: nested too deeply", id="nested too deeply"),
    pytest.param(
        TIER + "[tiers.gates" + ".of" * 500 + "]",
        "c.toml:3: tiers[0].gates: must be an array of",
        id="a deep header",
    ),
    pytest.param(
        GATES + '{ gate = "Not", of = ' * 250 + "{}" + "}" * 250 + "]",
        "c.toml: nested too deeply",
        id="gates nested too deeply",
    ),
]


def told(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.toml")
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "message"), [*SHAPES, *GATE_TABLES, *DEPLOYMENTS, *ROUTES, *SYNTAX]
)
def test_a_mistake_is_told_in_one_line(text: str, message: str) -> None:
    (line,) = told(text)
    assert line.startswith(message)


@pytest.mark.parametrize("text", [case.values[0] for case in DEPLOYMENTS[:4]])
def test_no_message_repeats_a_key(text: object) -> None:
    assert "very-secret" not in "".join(told(str(text)))


def test_all_mistakes_are_told_those_on_earlier_lines_first() -> None:
    lines = told(
        '[[routes]]\nname = "faq"\ntiers = ["chep"]\ntimeout = -1\nparameters = { n = 2 }\n'
        + DEPLOYMENT
        + 'api_key = "x"\nprovider = "b"\n[[tiers.gates]]\ngate = "AtLeast"\ntreshold = 1\n'
    )
    assert [line.rpartition(": ")[0].split(": ")[:2] for line in lines] == [
        ["c.toml:3", "routes[0].tiers[0]"],
        ["c.toml:4", "routes[0].timeout"],
        ["c.toml:5", "routes[0].parameters.n"],
        ["c.toml:10", "tiers[0].deployments[0].api_key"],
        ["c.toml:11", "tiers[0].deployments[0].provider"],
        ["c.toml:12", "tiers[0].gates[0]"],
        ["c.toml:14", "tiers[0].gates[0].treshold"],
    ]


def test_names_cannot_break_the_line() -> None:
    (line,) = told('"a\\n\\u001b[31mb" = 1')
    assert line.startswith(r'c.toml:1: "a\n\u001b[31mb": unknown key "a\n\u001b[31mb": ')


GOOD = """timeout = 60
routes = [ { name = "faq", tasks = ["a"], tiers = ["cheap"], parameters = { seed = 1 } } ]
[monitor]
threshold = 0.4
[[tiers]]
name = "cheap"
[[tiers.deployments]]
model = "small"
headers = { x-team = "search" }
price = { input = 1, output = 2 }
[tiers.retry]
max_retries = 2
[[tiers.gates]]
gate = "AtLeast"
threshold = 0.9
scorer = { scorer = "AnswerProbability", field = "Answer" }
[[tiers.gates]]
gate = "AnyOf"
gates = [ { gate = "Not", of = { gate = "NotEmpty" } }, { gate = "Complete" } ]
""".splitlines()

ODD = ("3", "-1", "inf", "true", '""', '"x"', "[]", "[3]", "{}", "{ x = 1 }", "[{ gate = 1 }]",
       "1979-05-27", '["cheap", "cheap"]', '"\\u0000"', "9" * 400)  # fmt: skip


PLACED = re.compile(r"c\.toml:\d+: .")


def messages(text: str) -> list[str]:
    """What a text is told, nothing where it will do; anything but ConfigError is a failure."""
    try:
        parse(text, "c.toml")
    except ConfigError as error:
        return str(error).splitlines()
    return []


def test_the_text_that_is_varied_below_will_do() -> None:
    assert messages("\n".join(GOOD)) == []


@given(st.integers(0, len(GOOD) - 1), st.sampled_from(ODD), st.sampled_from(["=", "x =", ".x ="]))
def test_whatever_stands_there_each_message_has_its_line(row: int, odd: str, sign: str) -> None:
    name = GOOD[row].partition("=")[0].rstrip()
    lines = [*GOOD[:row], f"{name}{sign}{odd}", *GOOD[row + 1 :]]
    assert all(PLACED.match(line) for line in messages("\n".join(lines)))


@given(st.text(st.sampled_from("a[]{}=.,#\"'\\\n 1-"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert all(PLACED.match(line) for line in messages(text))
