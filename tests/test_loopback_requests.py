from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.app.loopback.requests import MAX_HEAD, BadRequestError, HttpRequest, RequestReader

COUNTED = b"POST /a?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"PUT /b HTTP/1.1\r\ntransfer-encoding: Chunked\r\nconnection: close\r\n\r\n"
    b"3\r\nabc\r\n0A;ext=1\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\n"
)
BARE = b"\r\nGET /c HTTP/1.0\r\nX-Two: 1\r\nx-two:\t2 \r\n\r\n"
STREAM = COUNTED + CHUNKED + BARE
REQUESTS = [
    HttpRequest("POST", "/a", {"host": "x", "content-length": "5"}, b"hello", True),
    HttpRequest(
        "PUT",
        "/b",
        {"transfer-encoding": "Chunked", "connection": "close"},
        b"abc0123456789",
        False,
    ),
    HttpRequest("GET", "/c", {"x-two": "1, 2"}, b"", False),
]


def read(*parts: bytes, max_body: int = 1000) -> list[HttpRequest]:
    reader, requests = RequestReader(max_body), []
    for part in parts:
        reader.feed(part)
        while (request := reader.next_request()) is not None:
            requests.append(request)
    return requests


def test_every_single_cut_of_the_stream_gives_the_same_requests() -> None:
    for cut in range(len(STREAM) + 1):
        assert read(STREAM[:cut], STREAM[cut:]) == REQUESTS


def test_single_bytes_give_the_same_requests() -> None:
    assert read(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == REQUESTS


@given(st.lists(st.integers(0, len(STREAM))))
def test_any_cuts_give_the_same_requests(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    parts = [STREAM[a:b] for a, b in pairwise(edges)]
    assert read(*parts) == REQUESTS


FRAGMENTS = [
    b"GET / HTTP/1.1\r\n",
    b"content-length: 5",
    b"transfer-encoding: chunked",
    b"\r\n",
    b"\r\n\r\n",
    b"5",
]


@given(st.lists(st.binary(max_size=20) | st.sampled_from(FRAGMENTS)))
def test_any_bytes_are_read_or_refused(parts: list[bytes]) -> None:
    with suppress(BadRequestError):
        assert all(request.path.startswith("/") for request in read(*parts))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01", 400, id="a TLS hello"),
        pytest.param(b"get / HTTP/1.1\r\n\r\n", 400, id="a method in lower case"),
        pytest.param(b"GET  / HTTP/1.1\r\n\r\n", 400, id="two spaces"),
        pytest.param(b"GET / HTTP/2.0\r\n\r\n", 505, id="another version"),
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, id="a header without colon"),
        pytest.param(b"GET / HTTP/1.1\r\na : b\r\n\r\n", 400, id="a space before the colon"),
        pytest.param(b"GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n", 400, id="a bare line feed"),
        pytest.param(b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400, id="negative length"),
        pytest.param(
            b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            400,
            id="two lengths",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n",
            400,
            id="a length of 5,000 digits",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
            id="length and coding",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501, id="an unknown coding"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400, id="no chunk size"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
            400,
            id="a chunk that is too long",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n",
            413,
            id="a chunk over the limit",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * MAX_HEAD,
            431,
            id="an endless chunk size",
        ),
        pytest.param(b"GET / HTTP/1.1\r\ncontent-length: 1001\r\n\r\n", 413, id="a large body"),
        pytest.param(b"GET /" + b"a" * MAX_HEAD, 431, id="an endless head"),
    ],
)
def test_what_is_no_request_is_refused_with_its_status(data: bytes, status: int) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(data)
    assert caught.value.status == status


def test_chunks_are_limited_by_their_sum() -> None:
    chunk = b"1f4\r\n" + b"x" * 500 + b"\r\n"
    head = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    assert len(read(head + 2 * chunk + b"0\r\n\r\n")[0].body) == 1000
    with pytest.raises(BadRequestError, match="larger than 1000"):
        read(head + 3 * chunk)


def test_continue_is_wanted_once_and_only_before_the_body() -> None:
    head = b"POST / HTTP/1.1\r\nexpect: 100-Continue\r\ncontent-length: 2\r\n\r\n"
    reader = RequestReader()
    reader.feed(head)
    assert reader.next_request() is None
    assert [reader.wants_continue(), reader.wants_continue()] == [True, False]
    reader.feed(b"ok" + head + b"ok")
    assert [reader.next_request() is None, reader.next_request() is None] == [False, False]
    assert not reader.wants_continue()
