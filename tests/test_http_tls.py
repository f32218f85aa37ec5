import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import anyio
import httpcore2
import httpx2
import pytest

from cascade.providers._pool import Pool
from cascade.providers._transport import PooledTransport
from tests.pooling import Handler, ask, closing, echo, peer, pooled, saying, silent
from tests.raw_http import until

BIG = bytes(range(256)) * (8 << 10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for "localhost", with its key in one file."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("no openssl to make a certificate with")
    found = tmp_path_factory.mktemp("tls") / "both.pem"
    what = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    out = ["-keyout", str(found), "-out", str(found.with_suffix(".crt"))]
    subprocess.run([openssl, *what.split(), *names, *out], check=True, capture_output=True)
    found.write_bytes(found.read_bytes() + found.with_suffix(".crt").read_bytes())
    return found


@pytest.fixture(scope="module")
def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


@pytest.mark.asyncio
async def test_an_encrypted_connection_is_kept_for_the_next_call(
    serving: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with peer(echo, serving) as (server, url), pooled(trusting) as pool:
        assert [await ask(pool, url, body) for body in (b"one", BIG, b"two")] == [
            b"one",
            BIG,
            b"two",
        ]
        assert server.opened == 1
        (link,) = pool._links
        encrypted = link.wire.get_extra_info("ssl_object")
        assert encrypted.selected_alpn_protocol() == "http/1.1"


@pytest.mark.asyncio
async def test_a_certificate_for_another_name_is_refused(
    serving: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with peer(echo, serving) as (_, url), pooled(trusting) as pool:
        with pytest.raises(httpcore2.ConnectError, match="certificate is not valid for"):
            await ask(pool, url.replace("localhost", "127.0.0.1"), connect=5.0)


@pytest.mark.asyncio
@pytest.mark.parametrize("context", [ssl.create_default_context, lambda: None])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    serving: ssl.SSLContext, context: Callable[[], ssl.SSLContext | None]
) -> None:
    async with peer(echo, serving) as (_, url):
        pool = Pool(context())
        with pytest.raises(httpcore2.ConnectError, match="self-signed certificate"):
            await ask(pool, url)
        assert (pool.busy, pool.open) == (0, 0)
        async with httpx2.AsyncClient(transport=PooledTransport(context())) as client:
            with pytest.raises(httpx2.ConnectError, match="self-signed certificate"):
                await client.get(url)


async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 No\r\n\r\n")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("handle", "error"),
    [
        pytest.param(plain, httpcore2.ConnectError, id="says something else"),
        pytest.param(closing, httpcore2.ConnectError, id="closes"),
        pytest.param(silent, httpcore2.ConnectTimeout, id="says nothing"),
    ],
)
async def test_a_server_that_does_not_speak_tls_is_a_failed_connection(
    trusting: ssl.SSLContext, handle: Handler, error: type[Exception]
) -> None:
    async with peer(handle) as (_, url), pooled(trusting) as pool:
        seconds = 0.005 if error is httpcore2.ConnectTimeout else 5.0
        with pytest.raises(error):
            await ask(pool, url.replace("http", "https"), connect=seconds)


@pytest.mark.asyncio
async def test_an_encrypted_connection_that_the_server_closed_is_not_used_again(
    serving: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    async with peer(saying(said, then=closing), serving) as (server, url):
        async with pooled(trusting) as pool:
            for _ in range(3):
                assert await ask(pool, url) == b"hi"
                await until(lambda: server.connections == 0)
        assert server.opened == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"hi", BIG], ids=["short", "long"])
async def test_an_encrypted_call_cancelled_at_any_tick_leaves_nothing_open(
    serving: ssl.SSLContext, trusting: ssl.SSLContext, body: bytes
) -> None:
    cancelled = 0
    async with peer(echo, serving) as (server, url), pooled(trusting, keepalive=0.0) as pool:
        for ticks in range(40):
            call = asyncio.create_task(ask(pool, url, body, connect=5.0))
            for _ in range(ticks):
                await asyncio.sleep(0)
            cancelled += call.cancel()
            await asyncio.wait([call])
            assert (pool.busy, pool.open) == (0, 0)
        assert cancelled >= 10
        with anyio.fail_after(5):
            assert await ask(pool, url, body) == body
        await until(lambda: server.connections == 0)
