"""The HTTP session against a loopback server that misbehaves: sizes, redirects, cookies, cuts, and what errors tell."""

from __future__ import annotations

import asyncio
import gzip
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.gateway import HttpTransport
from crypto_dt_source.gateway.guard import check_base_url
from crypto_dt_source.gateway.transport import MAX_BODY_BYTES
from crypto_dt_source.model import errors
from crypto_dt_source.providers.kit import Reply, Request

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "s3cret-key"


@asynccontextmanager
async def served(handler: Handler, *, per_provider: int = 32) -> AsyncIterator[tuple[HttpTransport, str]]:
    """A transport and the address of a server that answers every request with `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app, host="127.0.0.1")
    transport = HttpTransport(SystemClock(), per_provider=per_provider)
    await server.start_server(shutdown_timeout=0.1)
    try:
        yield transport, f"http://127.0.0.1:{server.port}/base"
    finally:
        await transport.close()
        await server.close()


async def get(
    transport: HttpTransport, url: str, request: Request | None = None, timeout_s: float = 5.0
) -> Reply:
    return await transport.send("toy", url, request or Request("/x"), {}, timeout_s)


async def test_a_reply_is_whole_whatever_its_status() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(status=503, body=b"sorry", headers={"Retry-After": "7", "X-Other": "1"})

    async with served(handler) as (transport, url):
        reply = await get(transport, url, Request("/a/b", (("pair", "BTC/USD"), ("q", "a b&c"))))
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (503, b"sorry", "7")
    assert "x-other" not in reply.headers
    assert seen == ["/base/a/b?pair=BTC%2FUSD&q=a+b%26c"]


async def test_redirects_are_not_followed() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with served(handler) as (transport, url):
        reply = await get(transport, url)
    assert (reply.status, seen) == (302, ["/base/x"])


async def test_nothing_of_one_call_shows_in_the_next() -> None:
    seen: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append({name.lower(): value for name, value in request.headers.items()})
        response = web.Response(body=b"{}")
        response.set_cookie("session", "tracked")
        return response

    async with served(handler) as (transport, url):
        await transport.send("keyed", url, Request("/x"), {"X-Key": SECRET}, 5.0)
        await transport.send("plain", url, Request("/x"), {}, 5.0)
    assert seen[0]["x-key"] == SECRET
    assert set(seen[1]) == {"host", "user-agent", "accept", "accept-encoding"}


async def test_an_announced_giant_is_not_read() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(MAX_BODY_BYTES + 1)})
        await response.prepare(request)
        return response

    async with served(handler) as (transport, url):
        with pytest.raises(errors.BodyTooLarge):
            await get(transport, url)


async def test_a_body_without_end_is_cut_at_the_cap() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        block = bytes(1 << 20)
        while True:
            await response.write(block)
            sent += len(block)

    async with served(handler) as (transport, url):
        with pytest.raises(errors.BodyTooLarge):
            await get(transport, url, timeout_s=20.0)
    assert sent < 2 * MAX_BODY_BYTES


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_bomb_is_cut_at_the_cap_and_never_unpacked(coding: str) -> None:
    plain = bytes(4 * MAX_BODY_BYTES)
    bomb = gzip.compress(plain) if coding == "gzip" else zlib.compress(plain)
    assert len(bomb) < MAX_BODY_BYTES / 100
    size = len(plain)
    del plain

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": coding})

    async with served(handler) as (transport, url):
        tracemalloc.start()
        try:
            with pytest.raises(errors.BodyTooLarge):
                await get(transport, url, timeout_s=20.0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 3 * MAX_BODY_BYTES < size


async def test_a_body_that_is_not_what_its_encoding_says_is_unreachable() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"not gzip at all", headers={"Content-Encoding": "gzip"})

    async with served(handler) as (transport, url):
        with pytest.raises(errors.UpstreamUnreachable):
            await get(transport, url)


async def test_a_compressed_body_arrives_plain() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b'{"a":1}'), headers={"Content-Encoding": "gzip"})

    async with served(handler) as (transport, url):
        assert (await get(transport, url)).body == b'{"a":1}'


async def test_a_body_that_drips_ends_at_the_whole_calls_timeout() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"1")
            await SystemClock().sleep(0.01)

    async with served(handler) as (transport, url):
        begun = asyncio.get_running_loop().time()
        with pytest.raises(errors.UpstreamTimeout):
            await get(transport, url, timeout_s=0.3)
        assert asyncio.get_running_loop().time() - begun < 2.0


async def test_a_hang_ends_at_the_timeout() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with served(handler) as (transport, url):
        with pytest.raises(errors.UpstreamTimeout):
            await get(transport, url, timeout_s=0.1)


async def test_a_connection_cut_in_the_body_is_unreachable() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with served(handler) as (transport, url):
        with pytest.raises(errors.UpstreamUnreachable):
            await get(transport, url)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 banana\r\n\r\n", b"\x16\x03\x01\x00\x00", b"SSH-2.0-x\r\n"]
)
async def test_what_does_not_speak_http_is_unreachable(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    transport = HttpTransport(SystemClock())
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(errors.UpstreamUnreachable):
            await get(transport, f"http://127.0.0.1:{port}")
        await transport.close()


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("base", "header"),
    [
        (None, SECRET),
        ("http://127.0.0.1:1", SECRET),
        (None, f"{SECRET}\r\nX-Other: 1"),
        (None, f"{SECRET}é✓"),
    ],
)
async def test_no_error_tells_the_key(base: str | None, header: str) -> None:
    transport = HttpTransport(SystemClock())
    url = base or f"http://127.0.0.1:{_closed_port()}"
    request = Request("/x", (("api_key", SECRET),))
    with pytest.raises(errors.UpstreamUnreachable) as caught:
        await transport.send("toy", url, request, {"X-Key": header}, 2.0)
    await transport.close()
    shown = f"{caught.value} {caught.value.message} {caught.value.details} {caught.value!r}"
    assert SECRET not in shown
    assert caught.value.__suppress_context__


async def test_a_provider_that_hangs_leaves_the_others_their_connections() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/hang"):
            await asyncio.Event().wait()
        return web.Response(body=b"{}")

    async with served(handler, per_provider=2) as (transport, url):
        stuck = [
            asyncio.ensure_future(transport.send("stuck", url, Request("/hang"), {}, 5.0)) for _ in range(6)
        ]
        replies = await asyncio.gather(
            *(transport.send("well", url, Request("/x"), {}, 2.0) for _ in range(20))
        )
        assert [r.status for r in replies] == [200] * 20
        assert not any(task.done() for task in stuck)
        for task in stuck:
            task.cancel()
        await asyncio.wait(stuck)
        begun = asyncio.get_running_loop().time()
        queued = (transport.send("stuck", url, Request("/hang"), {}, 0.1) for _ in range(6))
        ends = await asyncio.gather(*queued, return_exceptions=True)
        assert {type(end) for end in ends} == {errors.UpstreamTimeout}
        assert asyncio.get_running_loop().time() - begun < 0.3
        assert (await transport.send("stuck", url, Request("/x"), {}, 2.0)).status == 200


async def test_a_closed_transport_opens_nothing_anew() -> None:
    transport = HttpTransport(SystemClock())
    await transport.close()
    with pytest.raises(errors.UpstreamUnreachable):
        await get(transport, "http://127.0.0.1:1")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host",
        "file:///etc/passwd",
        "//host",
        "https://",
        "https://user:pass@host",
        "https://host?key=1",
        "https://host#part",
        "https://host:99999999",
        "http://[::1",
        "",
    ],
)
def test_an_address_that_can_never_be_right_is_refused(url: str) -> None:
    with pytest.raises(errors.AddressRefused):
        check_base_url(url)


def test_an_operator_may_point_anywhere() -> None:
    assert check_base_url("http://127.0.0.1:9000/binance/") == "http://127.0.0.1:9000/binance"
    assert check_base_url("https://api.binance.com") == "https://api.binance.com"
