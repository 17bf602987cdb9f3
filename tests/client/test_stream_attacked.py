"""The package's client against a server that drops, restarts, lies and closes with each code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from crypto_dt_source.client import Client, Ended, Frame, Stream, Unreachable, Wanted
from crypto_dt_source.client import stream as stream_module
from crypto_dt_source.client.key import base_of, headers_of

LIMIT_S = 10.0
Say = Callable[[ServerConnection, int], Awaitable[None]]


class Waits:
    """Notes how long the client would have waited; `there_s` is how long each connection seems to last."""

    def __init__(self, there_s: float = 0.0) -> None:
        self.slept: list[float] = []
        self.at = 0.0
        self.there_s = there_s

    def now_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        self.at += self.there_s
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Server:
    """`said` are the clients' messages, connection by connection; `keys` what each handshake showed."""

    def __init__(self) -> None:
        self.said: list[list[dict[str, Any]]] = []
        self.keys: list[str | None] = []
        self.url = ""


@asynccontextmanager
async def server(*scripts: Say | Response, heartbeat: object = 10) -> AsyncIterator[Server]:
    """Each connection in turn goes as its script says, the last one's over and over. A script begins after the welcome and
    the first message; an answer refuses the handshake."""
    made = Server()

    def turn() -> Say | Response:
        return scripts[min(len(made.said), len(scripts)) - 1]

    def handshake(_: ServerConnection, request: Request) -> Response | None:
        made.said.append([])
        made.keys.append(request.headers.get("X-API-Key") or request.headers.get("Authorization"))
        script = turn()
        return script if isinstance(script, Response) else None

    async def handler(socket: ServerConnection) -> None:
        number, script = len(made.said), turn()
        assert not isinstance(script, Response)
        try:
            data = {"epoch": "0badcafe", "heartbeat_seconds": heartbeat}
            await tell(socket, type="welcome", data=data)
            made.said[number - 1].append(json.loads(await socket.recv()))
            await script(socket, number)
        except ConnectionClosed:
            pass

    async with serve(handler, "127.0.0.1", 0, process_request=handshake, close_timeout=0.1) as running:
        made.url = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
        yield made


async def tell(socket: ServerConnection, **frame: object) -> None:
    await socket.send(json.dumps(frame))


async def trade(socket: ServerConnection, seq: int, kind: str = "update") -> None:
    await tell(socket, type=kind, channel="trades", symbol="BTC", seq=seq, epoch="0badcafe", data=seq)


async def good(socket: ServerConnection, number: int) -> None:
    await tell(socket, type="subscribed", channel="trades", symbols=["BTC"])
    await trade(socket, 100 + number)
    await socket.wait_closed()


def closes(code: int) -> Say:
    async def close(socket: ServerConnection, _: int) -> None:
        await trade(socket, 1)
        await socket.close(code, "because")

    return close


def answer(status: int, **headers: str) -> Response:
    named = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, HTTPStatus(status).phrase, named, b"{}")


def follow(made: Server, clock: Waits | None = None, key: str = "") -> Stream:
    return Stream(made.url, [Wanted("trades", ("BTC",))], key, clock or Waits())


async def first(stream: Stream, count: int) -> list[Frame]:
    async with asyncio.timeout(LIMIT_S), stream:
        return [await anext(stream.__aiter__()) for _ in range(count)]


@pytest.mark.parametrize("code", sorted(stream_module.FINAL))
async def test_codes_after_which_coming_back_does_not_help(code: int) -> None:
    async with server(closes(code)) as made:
        with pytest.raises(Ended) as ended:
            await first(follow(made), 2)
    assert (ended.value.code, len(made.said)) == (code, 1)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1013, 4000])
async def test_codes_after_which_it_comes_back_and_goes_on(code: int) -> None:
    clock = Waits()
    async with server(closes(code), good) as made:
        assert [frame.data for frame in await first(follow(made, clock), 2)] == [1, 102]
    least, most = (1.0, 5.0) if code == 1012 else (0.25, 0.75)
    assert least <= clock.slept[0] <= most


async def invalid_text(socket: ServerConnection, _: int) -> None:
    await trade(socket, 1)
    await socket.send(b"\xff\xfe", text=True)
    await socket.wait_closed()


async def no_websocket(socket: ServerConnection, _: int) -> None:
    await trade(socket, 1)
    socket.transport.write(b"\xffHTTP/1.1 502 Bad Gateway\r\n\r\n")
    await socket.wait_closed()


async def endless(socket: ServerConnection, _: int) -> None:
    await trade(socket, 1)
    await socket.send("x" * (stream_module.FRAME_BYTES + 1))
    await socket.wait_closed()


async def cut(socket: ServerConnection, _: int) -> None:
    await trade(socket, 1)
    await socket.send("")
    socket.transport.abort()


@pytest.mark.parametrize("broken", [invalid_text, no_websocket, endless, cut])
async def test_what_breaks_a_connection_is_no_reason_to_end(broken: Say) -> None:
    async with server(broken, good) as made:
        assert [frame.data for frame in await first(follow(made), 2)] == [1, 102]
    assert made.said[1][0]["symbols"] == ["BTC"]


async def test_what_it_does_not_know_is_passed_over() -> None:
    async def garbage(socket: ServerConnection, number: int) -> None:
        for text in (
            "",
            "[",
            "[1]",
            '"x"',
            "[" * 100_000,
            '{"type": 5}',
            '{"type": "update", "seq": "x"}',
            "null",
        ):
            await socket.send(text)
        await socket.send(b"\x00\x01")
        await tell(socket, type="novelty", channel="trades", symbol="BTC", seq=9, data=9)
        await good(socket, number)

    async with server(garbage) as made:
        assert [frame.data for frame in await first(follow(made), 1)] == [101]
    assert len(made.said) == 1


async def test_after_a_break_it_asks_for_all_that_was_sent_from_where_it_was() -> None:
    async def half(socket: ServerConnection, _: int) -> None:
        await tell(socket, type="subscribed", channel="trades", symbols=["BTC", "ETH", "SOL"])
        await trade(socket, 7, "snapshot")
        socket.transport.close()

    async with server(half, good) as made:
        stream = Stream(made.url, [Wanted("trades")], clock=Waits())
        await first(stream, 2)
    assert made.said == [
        [{"action": "subscribe", "channel": "trades"}],
        [
            {
                "action": "subscribe", "channel": "trades", "symbols": ["BTC", "ETH", "SOL"],
                "since": {"BTC": 7}, "epoch": "0badcafe",
            }
        ],
    ]  # fmt: skip


async def test_every_channel_is_asked_for_again_also_those_without_a_frame() -> None:
    async def half(socket: ServerConnection, _: int) -> None:
        for channel, symbols in (("prices", ["BTC"]), ("news", []), ("defi", [])):
            await tell(socket, type="subscribed", channel=channel, symbols=symbols)
        await tell(socket, type="snapshot", channel="news", seq=3, epoch="0badcafe", data=[])
        socket.transport.close()

    async def ask(socket: ServerConnection, number: int) -> None:
        for _ in range(2):
            made.said[number - 1].append(json.loads(await socket.recv()))
        await good(socket, number)

    async with server(half, ask) as made:
        await first(Stream(made.url, [Wanted("all")], clock=Waits()), 2)
    assert made.said[1] == [
        {"action": "subscribe", "channel": "prices", "symbols": ["BTC"]},
        {"action": "subscribe", "channel": "news", "since": 3, "epoch": "0badcafe"},
        {"action": "subscribe", "channel": "defi"},
    ]


@pytest.mark.parametrize(("there_s", "grow"), [(0.0, True), (stream_module.STEADY_S, False)])
async def test_waits_grow_while_connections_break_at_once(there_s: float, grow: bool) -> None:
    clock = Waits(there_s)
    async with server(*[closes(1011)] * 7, good) as made:
        assert [frame.data for frame in await first(follow(made, clock), 2)] == [1, 108]
    assert len(clock.slept) == 7
    assert (clock.slept[6] > 10) == grow


async def test_the_stopping_server_says_when_to_come_back() -> None:
    async def stop(socket: ServerConnection, _: int) -> None:
        data = {"event": "stopping", "reconnect_after_ms": 20_000, "reconnect_within_ms": 21_000}
        await tell(socket, type="update", channel="system", seq=1, epoch="0badcafe", data=data)
        await socket.close(1012)

    clock = Waits()
    async with server(stop, good) as made:
        await first(follow(made, clock), 1)
    assert 20 <= clock.slept[0] <= 21


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
async def test_refusals_that_stay(status: int) -> None:
    async with server(answer(status)) as made:
        with pytest.raises(Ended) as ended:
            await first(follow(made), 1)
    assert ended.value.code == status


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_refusals_that_pass_are_waited_out(status: int) -> None:
    clock = Waits()
    async with server(answer(status, Retry_After="40"), answer(status), good) as made:
        stream = follow(made, clock)
        assert (await first(stream, 1))[0].data == 103
    assert 40 <= clock.slept[0] <= 70
    assert clock.slept[1] <= 1.5


async def test_a_key_goes_nowhere_but_to_the_server_that_was_named() -> None:
    async with server(good) as elsewhere:
        async with server(answer(307, Location=f"{elsewhere.url}/ws/system")) as made:
            with pytest.raises(Ended, match="use the address it names"):
                await first(follow(made, key="cdts_live_a"), 1)
            async with Client(made.url, "cdts_live_a") as client:
                with pytest.raises(Unreachable, match="use the address it names"):
                    await client.get("/api/prices")
            assert made.keys == ["cdts_live_a", "cdts_live_a"]
        assert elsewhere.keys == []


async def test_a_token_goes_as_a_bearer() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
    async with server(good) as made:
        await first(follow(made, key=token), 1)
    assert made.keys == [f"Bearer {token}"]
    assert headers_of("") == {}


@pytest.mark.parametrize("key", ["two words", "line\r\nX-Other: 1", "schlüssel", "x" * 8193])
def test_what_cannot_be_a_key_is_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as wrong:
        Client("http://127.0.0.1", key)
    assert key not in str(wrong.value)


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:7860", "ftp://h", "http://", "http://u:secret@h", "http://h?token=secret", "http://h:x"],
)
def test_an_address_that_cannot_be_one(url: str) -> None:
    with pytest.raises(ValueError, match=r"^the address") as wrong:
        Stream(url)
    assert "secret" not in str(wrong.value)
    assert base_of("http://h:1/base/") == "http://h:1/base"


@pytest.mark.parametrize(
    ("heartbeat", "silent"), [(10, 30.0), (60, 180.0), (0.5, 15.0), ("x", 45.0), (-1, 45.0)]
)
async def test_how_long_a_silence_may_be(heartbeat: object, silent: float) -> None:
    async with server(good, heartbeat=heartbeat) as made:
        stream = follow(made)
        await first(stream, 1)
    assert stream._silent_s == silent
