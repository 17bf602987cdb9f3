"""Over a real socket: what a client gets that does not speak HTTP, and that HEAD and keep-alive hold up."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from in_process import Service
from uvicorn.server import ServerState

from crypto_dt_source.api.edge import MAX_BODY_BYTES
from crypto_dt_source.api.protocol import HEAD_S, MAX_HEAD_BYTES, Protocol

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port(api: Service) -> AsyncIterator[int]:
    """The application behind uvicorn on a free port of the loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(api.edge, lifespan="off", http=Protocol, log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def said(port: int, sent: bytes) -> bytes:
    """Everything the server answers before it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()


def error_in(raw: bytes) -> tuple[int, Any]:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    parsed = json.loads(body)
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    assert parsed["request_id"] == headers["x-request-id"]
    assert set(parsed) == {"error", "code", "details", "request_id"}
    return int(lines[0].split()[1]), parsed


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"FETCH / HTTP/1.1\r\n\r\n",
        b"GET /api/market HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /api/market HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"GET /api/market HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET /api/market HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_the_one_shape(port: int, sent: bytes) -> None:
    status, body = error_in(await said(port, sent))
    assert (status, body["code"]) == (400, "bad_request")


@pytest.mark.parametrize("piece", [b"X-%d: y\r\n", b"x%d"])
async def test_headers_without_end_are_cut_off(port: int, piece: bytes) -> None:
    flood = b"".join(piece % number for number in range(MAX_HEAD_BYTES))[:MAX_HEAD_BYTES]
    status, body = error_in(await said(port, b"GET /api/health/live HTTP/1.1\r\nA: " + flood))
    assert (status, body["code"]) == (431, "too_large")
    assert body["details"] == {"allowed_bytes": MAX_HEAD_BYTES}


async def test_headers_that_come_whole_have_the_same_bound(port: int) -> None:
    head = b"GET /api/health/live HTTP/1.1\r\nConnection: close\r\nA: "
    status, body = error_in(await said(port, head + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n"))
    assert (status, body["code"]) == (431, "too_large")
    short = await said(port, head + b"x" * (MAX_HEAD_BYTES - len(head) - 100) + b"\r\n\r\n")
    assert short.startswith(b"HTTP/1.1 200")
    large_body = b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000
    other = await said(port, b"POST /api/market HTTP/1.1\r\nConnection: close\r\n" + large_body)
    assert other.startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize(
    "flood", [b"0\r\n" + b"x: y\r\n" * 30_000, b"0\r\nx: " + b"y" * 180_000, b"1;a=" + b"b" * 180_000]
)
async def test_what_is_no_content_of_a_body_has_a_bound_and_is_not_kept(flood: bytes) -> None:
    """Trailers, and extensions of chunks: 120 MB of them were gigabytes of memory."""
    waiting = asyncio.Event()
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            waiting.set()
        told.append(message["type"])

    protocol, pipe, _ = connect(uvicorn.Config(app, lifespan="off", http=Protocol), state := ServerState())
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    await waiting.wait()
    headers = protocol.scope["headers"]
    pieces = [flood[at : at + 1000] for at in range(0, len(flood), 1000)]
    taken = 0
    for piece in pieces:
        if pipe.closed:
            break
        protocol.data_received(piece)
        taken += len(piece)
    assert MAX_HEAD_BYTES < taken <= MAX_HEAD_BYTES + 2000
    assert error_in(pipe.said)[0] == 431
    assert [name for name, _ in headers] == [b"host", b"transfer-encoding"]
    assert len(protocol.headers) == 2
    protocol.connection_lost(None)
    await asyncio.gather(*state.tasks)
    assert told == ["http.disconnect"]


async def test_a_body_in_small_chunks_and_a_trailer_are_read() -> None:
    """What stands around the content is more than the bound, but never at one place."""
    bodies: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        bodies.append(body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    protocol, pipe, _ = connect(uvicorn.Config(app, lifespan="off", http=Protocol), state := ServerState())
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(2):
        protocol.data_received(head)
        for _ in range(100):
            protocol.data_received(b"1;" + b"e" * 1000 + b"\r\na\r\n")
        protocol.data_received(b"0\r\nSum: 1\r\n\r\n")
        await asyncio.gather(*state.tasks)
    assert bodies == [b"a" * 100] * 2
    assert pipe.said.count(b"HTTP/1.1 204") == 2
    assert not pipe.closed


async def test_head_and_get_take_turns_on_one_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for method in (b"HEAD", b"GET", b"HEAD", b"GET"):
        writer.write(method + b" /api/prices?symbols=BTC HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
        if method == b"GET":
            assert json.loads(await reader.readexactly(length))["data"][0]["symbol"] == "BTC"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("path", "size", "status", "code"),
    [
        ("/api/analyze/text", MAX_BODY_BYTES + 1, 413, "too_large"),
        ("/api/hf/run-sentiment", 4 * MAX_BODY_BYTES, 413, "too_large"),
        ("/api/analyze/batch", 8 * MAX_BODY_BYTES, 401, "unauthenticated"),
        ("/api/market", MAX_BODY_BYTES, 405, "method_not_allowed"),
    ],
)
async def test_who_sends_too_much_and_leaves_reads_why(
    port: int, path: str, size: int, status: int, code: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    answered, body = error_in(await said(port, head.encode() + b"x" * size))
    assert (answered, body["code"]) == (status, code)


async def test_a_body_without_announcement_is_refused_where_it_passes_its_bound(port: int) -> None:
    head = b"POST /api/analyze/text HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    status, body = error_in(
        await said(port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 40 + b"0\r\n\r\n")
    )
    assert (status, body["details"]) == (413, {"allowed_bytes": MAX_BODY_BYTES})


async def test_a_client_that_asks_before_it_sends_is_told_no(port: int) -> None:
    head = f"POST /api/analyze/text HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {10**9}\r\n"
    status, _ = error_in(await said(port, head.encode() + b"Expect: 100-continue\r\n\r\n"))
    assert status == 413


class Pipe(asyncio.Transport):
    """A connection in memory: what was written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.said += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Later:
    """A loop whose timers fire when the test says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.timers: list[tuple[float, Any]] = []

    def call_later(self, delay: float, callback: Any, *_: Any) -> Any:
        self.timers.append((delay, callback))
        timer = self._loop.call_later(3600, callback)
        timer.cancel()
        return timer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def connect(config: uvicorn.Config, state: ServerState) -> tuple[Protocol, Pipe, Later]:
    loop = Later(asyncio.get_running_loop())
    protocol = Protocol(config, state, {}, _loop=loop)  # type: ignore[arg-type]
    pipe = Pipe()
    protocol.connection_made(pipe)
    return protocol, pipe, loop


async def test_a_client_that_never_ends_its_headers_is_closed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("no request came")

    config = uvicorn.Config(app, lifespan="off", http=Protocol)
    protocol, pipe, loop = connect(config, ServerState())
    ((delay, close),) = loop.timers
    assert delay == HEAD_S
    for byte in b"GET /":
        protocol.data_received(bytes([byte]))
    # Each byte does not buy more time.
    assert len(loop.timers) == 1
    close()
    assert pipe.closed
    protocol.connection_lost(None)
    assert protocol._timer is None


async def test_a_connection_too_many_is_refused_and_the_others_are_served() -> None:
    served: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        served.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(app, lifespan="off", http=Protocol, limit_concurrency=2)
    state = ServerState()
    first, first_pipe, _ = connect(config, state)
    connect(config, state)
    third, third_pipe, _ = connect(config, state)
    assert third_pipe.closed
    assert third_pipe.said.startswith(b"HTTP/1.1 503")
    assert b'"code":"overloaded"' in third_pipe.said
    first.data_received(b"GET /here HTTP/1.1\r\nHost: x\r\n\r\n")
    assert first._timer is None
    await asyncio.gather(*state.tasks)
    assert served == ["/here"]
    assert first_pipe.said.startswith(b"HTTP/1.1 204")
    third.connection_lost(None)
    assert len(state.connections) == 2
