import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.errors import ProviderError, Remedy, ServerFailed
from cascade.providers._failures import MOST_WORDS, SHOWN, cleaned, error_of_status, retry_after
from tests.error_table import NONE, TABLE, openai

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def same(text: str) -> str:
    return text


def failure(status: int, body: object = None, headers: Mapping[str, str] = NONE) -> ProviderError:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_of_status("host", status, headers, sent, same)


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "remedy", "asked"), TABLE.values(), ids=TABLE
)
def test_an_error_has_the_class_and_remedy_of_its_cause(
    status: int,
    headers: Mapping[str, str],
    body: object,
    kind: type[ProviderError],
    remedy: Remedy,
    asked: float | None,
) -> None:
    error = failure(status, body, headers)
    assert (type(error), error.remedy, error.retry_after) == (kind, remedy, asked)
    assert error.status == status


def test_the_table_has_rows_enough() -> None:
    assert len(TABLE) >= 40


def test_an_error_says_who_answered_what() -> None:
    error = failure(404, openai("No such model", code="model_not_found"))
    assert str(error) == "host answered 404: model_not_found: No such model"
    assert error.code == "model_not_found"


def test_words_of_a_fault_that_no_status_is_vague_about_do_not_matter() -> None:
    assert type(failure(500, openai("maximum context length"))) is ServerFailed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ERRORS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("error", "message", "code", "type"), JSON)
)


@given(
    st.integers(100, 999),
    JSON | ERRORS | st.builds(lambda inner: {"error": inner}, ERRORS),
    st.dictionaries(st.sampled_from(["retry-after", "x-should-retry"]), st.text()),
)
def test_every_body_becomes_an_error_on_one_short_line(
    status: int, body: object, headers: Mapping[str, str]
) -> None:
    error = failure(status, body, headers)
    assert not set(str(error)) & set(map(chr, range(32)))
    assert len(str(error)) <= 2 * SHOWN + 40


@given(st.integers(100, 999), st.binary())
def test_every_byte_string_becomes_an_error(status: int, body: bytes) -> None:
    assert failure(status, body).status == status


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("Incorrect API key provided: sk-proj-abc*******wxyz.", id="masked"),
        pytest.param("key gsk_0123456789abcdef of Groq", id="Groq"),
        pytest.param("AIzaSyA0123456789abcdef", id="Google"),
        pytest.param("header was 'Bearer abc.def.ghi'", id="bearer"),
        pytest.param("in organization org-0123456789AB on tokens", id="organisation"),
    ],
)
def test_what_looks_like_a_key_is_cut_out(words: str) -> None:
    error = failure(401, openai(words, code=words))
    shown = f"{error} {error.code}"
    assert "[key]" in shown
    assert not any(part in shown for part in ("abc", "0123456789"))


def test_a_known_secret_is_cut_out_before_the_words_are() -> None:
    secret = "s" * 50
    assert "sss" not in cleaned("x" * (MOST_WORDS - 20) + secret, lambda t: t.replace(secret, ""))


def test_control_characters_do_not_reach_the_log() -> None:
    assert "\x1b" not in (text := str(failure(500, openai("a\x1b[31m\r\nb\u2028c"))))
    assert text.endswith("a [31m b c")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"retry-after": "2"}, 2.0, id="seconds"),
        pytest.param({"retry-after": "0.25"}, 0.25, id="float"),
        pytest.param({"retry-after": " 3 "}, 3.0, id="blanks"),
        pytest.param({"retry-after": "0"}, 0.0, id="zero"),
        pytest.param({"retry-after": "-1"}, None, id="negative"),
        pytest.param({"retry-after": "nan"}, None, id="nan"),
        pytest.param({"retry-after": "inf"}, None, id="inf"),
        pytest.param({"retry-after": "1e999"}, None, id="overflow"),
        pytest.param({"retry-after": "soon"}, None, id="garbage"),
        pytest.param({"retry-after": ""}, None, id="empty"),
        pytest.param({"retry-after-ms": "120"}, 0.12, id="milliseconds"),
        pytest.param({"retry-after-ms": "x", "retry-after": "4"}, 4.0, id="broken milliseconds"),
        pytest.param({"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30.0, id="date"),
        pytest.param({"retry-after": "Sun, 01 Mar 2026 12:00:30 -0000"}, 30.0, id="no zone"),
        pytest.param({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0.0, id="past date"),
        pytest.param({"retry-after": "Sun, 99 Mar 2026 11:00:00 GMT"}, None, id="broken date"),
        pytest.param(
            {
                "retry-after": "Sun, 01 Mar 2026 10:00:05 GMT",
                "date": "Sun, 01 Mar 2026 10:00:00 GMT",
            },
            5.0,
            id="date by the endpoint's clock",
        ),
    ],
)
def test_retry_after_in_all_its_forms(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_a_date_counts_from_now_where_nothing_better_is_known() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    asked = retry_after({"retry-after": date})
    assert asked is not None
    assert 3500 < asked <= 3600


DATES = st.datetimes(timezones=st.timezones() | st.none()).map(format_datetime)
NUMBERS = st.floats().map(str) | st.integers().map(str)


@settings(max_examples=300)
@given(
    st.text() | NUMBERS | DATES | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z]\w+ \d+ [\d:]+ \S+"),
    st.sampled_from(["retry-after", "retry-after-ms", "date"]),
)
def test_no_header_raises_or_asks_for_the_impossible(text: str, name: str) -> None:
    asked = retry_after({"retry-after": text, name: text})
    assert asked is None or 0 <= asked < float("inf")
