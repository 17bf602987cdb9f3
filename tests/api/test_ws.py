"""The WebSocket endpoint on a real server, spoken to by a client library that is not ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from crypto_dt_source.services import access
from crypto_dt_source.stream.protocol import MESSAGE_BYTES
from socket_server import Live, ask, closed, frames, live, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with live(tmp_path_factory.mktemp("ws"), collected=True) as running:
        yield running


async def gone(server: Live) -> None:
    """Wait until every connection is forgotten."""
    async with asyncio.timeout(5):
        while server.rt.sessions.sessions:
            await server.clock.settle()


async def test_who_only_listens_gets_the_market_and_the_prices_of_the_largest(server: Live) -> None:
    async with server.connected() as socket:
        welcome, market, *prices = await frames(socket, 12)
        assert welcome["type"] == "welcome"
        assert welcome["data"]["tier"] == "free"
        assert welcome["data"]["epoch"] == server.rt.hub.epoch
        assert welcome["data"]["heartbeat_seconds"] == 10
        assert (market["type"], market["channel"]) == ("snapshot", "market")
        assert [row["symbol"] for row in market["data"]["prices"]] == [
            p["symbol"] for p in prices if p["data"]
        ]
        btc = next(frame for frame in prices if frame["symbol"] == "BTC")
        point = server.rt.pricer.point("bitcoin")
        assert point is not None
        assert btc["data"]["price"] == point.price
        assert btc["data"]["id"] == "bitcoin"
        server.publish("prices", "BTC", {"symbol": "BTC", "price": 1.5})
        server.publish("market", None, {"market_cap": 2})
        first, second = await frames(socket, 2)
        assert (first["type"], first["channel"], first["symbol"]) == ("update", "prices", "BTC")
        assert (first["data"], first["seq"]) == ({"symbol": "BTC", "price": 1.5}, btc["seq"] + 1)
        assert (second["channel"], second["data"]) == ("market", {"market_cap": 2})
        assert "symbol" not in second
    await gone(server)


async def test_a_channel_of_the_address_and_its_symbols(server: Live) -> None:
    async with server.connected("/ws/trades?symbols=eth-usd,bitcoin") as socket:
        _, one, other = await frames(socket, 3)
        assert [(f["channel"], f["symbol"], f["data"]) for f in (one, other)] == [
            ("trades", "ETH", None),
            ("trades", "BTC", None),
        ]
        server.publish("trades", "SOL", {"price": 1})
        server.publish("trades", "ETH", {"price": 2})
        assert (await frames(socket, 1))[0]["data"] == {"price": 2}


async def test_subscribe_and_unsubscribe(server: Live) -> None:
    async with server.connected("/ws/health") as socket:
        told = await ask(
            socket,
            {"action": "subscribe", "channel": "prices", "symbols": ["btc"], "id": {"n": 1}},
            "subscribed",
        )
        assert {k: v for k, v in told.items() if k != "ts"} == {
            "type": "subscribed", "id": {"n": 1}, "channel": "prices", "symbols": ["BTC"],
        }  # fmt: skip
        assert (await until(socket, "snapshot"))["symbol"] == "BTC"
        told = await ask(
            socket, {"action": "unsubscribe", "channel": "prices", "symbols": ["BTC"]}, "unsubscribed"
        )
        assert told["symbols"] == ["BTC"]
        server.publish("prices", "BTC", {"price": 7})
        assert (await ask(socket, {"action": "ping", "id": 9}, "pong"))["id"] == 9
        status = await ask(socket, {"action": "get_status"}, "status")
        assert status["data"]["subscriptions"] == [
            {"channel": "health", "symbols": None},
            {"channel": "system", "symbols": None},
        ]
        assert status["data"]["subscriptions_used"] == 1
        assert status["data"]["lag"] == {"frames": 0, "bytes": 0}


async def test_every_channel_at_once(server: Live) -> None:
    async with server.connected("/ws/all?symbols=BTC") as socket:
        await until(socket, "welcome")
        await socket.send('{"action": "get_status"}')
        status = await until(socket, "status")
        named = {row["channel"]: row["symbols"] for row in status["data"]["subscriptions"]}
        assert {name for name, symbols in named.items() if symbols == ["BTC"]} == {
            "prices",
            "trades",
            "candles",
        }
        assert {"market", "news", "sentiment", "defi", "health", "pools", "jobs", "system"} <= named.keys()


BAD = {
    "no json": ("{", "bad_request"),
    "no object": ("[1]", "invalid_parameter"),
    "no action": ("{}", "invalid_parameter"),
    "unknown action": ('{"action": "fly"}', "invalid_parameter"),
    "unknown channel": ('{"action": "subscribe", "channel": "price"}', "invalid_parameter"),
    "wrong type": ('{"action": "subscribe", "channel": "prices", "symbols": "BTC"}', "invalid_parameter"),
    "too many symbols": (
        json.dumps({"action": "subscribe", "channel": "prices", "symbols": ["x"] * 501}),
        "invalid_parameter",
    ),
    "unknown symbol": (
        '{"action": "subscribe", "channel": "prices", "symbols": ["BTCC0"]}',
        "unknown_symbol",
    ),
    "symbols where there are none": (
        '{"action": "subscribe", "channel": "market", "symbols": ["BTC"]}',
        "invalid_parameter",
    ),
    "negative since": ('{"action": "subscribe", "channel": "market", "since": -1}', "invalid_parameter"),
    "one since for several": (
        '{"action": "subscribe", "channel": "prices", "symbols": ["BTC", "ETH"], "since": 3}',
        "invalid_parameter",
    ),
    "deep": ("[" * 30_000, "invalid_parameter"),
    "deep id": ('{"action": "ping", "id": ' + "[" * 20_000 + "]" * 20_000 + "}", "bad_request"),
    "half a character": ('{"action": "subscribe", "channel": "\\ud800"}', "bad_request"),
    "wrong key": ('{"action": "auth", "token": "cdts_live_nothing"}', "unauthenticated"),
    "wrong token": ('{"action": "auth", "token": "a.b.c"}', "unauthenticated"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_wrong_is_answered_and_the_connection_stays(server: Live, name: str) -> None:
    text, code = BAD[name]
    async with server.connected("/ws/market") as socket:
        await socket.send(text)
        error = await until(socket, "error")
        assert error["code"] == code, error
        assert error["error"]
        assert isinstance(error["details"], dict)
        await ask(socket, {"action": "ping"}, "pong")


async def test_binary_is_an_error(server: Live) -> None:
    async with server.connected("/ws/market") as socket:
        await socket.send(b'{"action": "ping"}')
        assert (await until(socket, "error"))["code"] == "bad_request"
        await ask(socket, {"action": "ping"}, "pong")


async def test_near_spellings_are_offered(server: Live) -> None:
    async with server.connected("/ws/market") as socket:
        error = await ask(socket, {"action": "subscribe", "channel": "price", "id": 4}, "error")
        assert error["id"] == 4
        assert "prices" in error["details"]["did_you_mean"]
        error = await ask(
            socket,
            {"action": "subscribe", "channel": "prices", "symbols": ["BITCON", "ETH", "NOPE0"]},
            "error",
        )
        assert [row["symbol"] for row in error["details"]["symbols"]] == ["BITCON", "NOPE0"]
        assert (await until(socket, "subscribed"))["symbols"] == ["ETH"]


async def test_too_many_errors_end_the_connection(server: Live) -> None:
    async with server.connected("/ws/market") as socket:
        for _ in range(51):
            await socket.send("{")
        code, seen = await closed(socket)
        assert code == 1008
        assert sum(frame["type"] == "error" for frame in seen) >= 1
    await gone(server)


async def test_a_flood_of_messages_ends_the_connection(server: Live) -> None:
    async with server.connected("/ws/market") as socket:
        for _ in range(560):
            await socket.send('{"action": "ping"}')
        code, seen = await closed(socket)
        assert code == 1008
        assert any(frame.get("code") == "rate_limited" for frame in seen)


async def test_a_long_message_ends_the_connection(server: Live) -> None:
    async with server.connected("/ws/market") as socket:
        await socket.send(" " * (MESSAGE_BYTES + 1))
        assert (await closed(socket))[0] == 1009


async def test_a_message_in_endless_parts_ends_the_connection(server: Live) -> None:
    async def parts() -> AsyncIterator[str]:
        for _ in range(400):
            yield ""

    async with server.connected("/ws/market") as socket:
        await asyncio.gather(socket.send(parts()), return_exceptions=True)
        assert (await closed(socket))[0] == 1009


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/ws/nothing", 422, "invalid_parameter"),
        ("/ws/prices/BTC", 404, "not_found"),
        ("/wsx", 404, "not_found"),
        ("/ws/market?symbols=BTC", 422, "invalid_parameter"),
        ("/ws?token=a.b.c", 401, "unauthenticated"),
    ],
)
async def test_a_handshake_that_cannot_pass_gets_the_error_as_its_answer(
    server: Live, path: str, status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with server.connected(path):
            pass
    answer = refused.value.response
    assert answer.status_code == status
    body = json.loads(answer.body or b"")
    assert body["code"] == code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert not server.rt.sessions.sessions


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        ("http://127.0.0.1:{port}", True),
        ("https://app.example.org", True),
        ("https://evil.example", False),
        ("http://127.0.0.1.evil.example:{port}", False),
        ("http://127.0.0.1:1", False),
        ("null", False),
    ],
)
async def test_pages_of_other_origins(server: Live, origin: str, passes: bool) -> None:
    named = origin.format(port=server.port)
    if passes:
        async with server.connected("/ws/market", Origin=named) as socket:
            await until(socket, "welcome")
        return
    with pytest.raises(InvalidStatus) as refused:
        async with server.connected("/ws/market", Origin=named):
            pass
    assert refused.value.response.status_code == 403


async def test_a_key_in_the_first_message_makes_another_caller(server: Live) -> None:
    secret, key = await access.create(server.rt.access, "mine", tier="pro")
    async with server.connected("/ws/market") as socket:
        told = await ask(socket, {"action": "auth", "token": secret, "id": 1}, "authenticated")
        assert (told["id"], told["data"]["tier"]) == (1, "pro")
        (session,) = server.rt.sessions.sessions
        assert session.caller.key == key.id
        assert secret not in json.dumps(server.rt.sessions.status(session))
    token, _ = server.rt.access.keyring.tokens.issue(key)
    async with server.connected(f"/ws/market?token={token}") as socket:
        assert (await until(socket, "welcome"))["data"]["tier"] == "pro"


async def test_a_revoked_key_ends_its_connections_at_once(server: Live) -> None:
    secret, key = await access.create(server.rt.access, "lost", tier="pro")
    headers = {"X-API-Key": secret}
    async with server.connected("/ws", **headers) as one, server.connected("/ws/trades") as other:
        await until(one, "welcome")
        await ask(other, {"action": "ping"}, "pong")
        began = asyncio.get_running_loop().time()
        await access.revoke(server.rt.access, key.id)
        code, seen = await closed(one)
        assert asyncio.get_running_loop().time() - began < 1
        assert code == 4401
        assert seen[-1]["code"] == "unauthenticated"
        await ask(other, {"action": "ping"}, "pong")
    with pytest.raises(InvalidStatus) as refused:
        async with server.connected("/ws", **headers):
            pass
    assert refused.value.response.status_code == 401


async def test_an_expired_key_ends_its_connections(server: Live) -> None:
    secret, _ = await access.create(
        server.rt.access, "short", tier="pro", expires_ms=server.clock.now_ms() + 5_000
    )
    async with server.connected("/ws/market", **{"X-API-Key": secret}) as socket:
        await until(socket, "welcome")
        await server.clock.advance(6)
        assert (await closed(socket))[0] == 4401


async def test_heartbeats(server: Live) -> None:
    async with server.connected("/ws/jobs") as socket:
        await until(socket, "snapshot")
        for _ in range(12):
            await server.clock.advance(1)
        assert (await until(socket, "heartbeat"))["ts"]
    await gone(server)


async def test_going_on_where_it_was(server: Live) -> None:
    address = "/ws/system"
    async with server.connected(address) as socket:
        await ask(socket, {"action": "subscribe", "channel": "trades", "symbols": ["BTC"]}, "subscribed")
        first = await until(socket, "snapshot")
        server.publish("trades", "BTC", "a")
        last = (await until(socket, "update"))["seq"]
        assert last == first["seq"] + 1 or first["channel"] == "system"
    server.publish("trades", "BTC", "b")
    server.publish("trades", "BTC", "c")
    epoch = server.rt.hub.epoch
    asked = {"action": "subscribe", "channel": "trades", "symbols": ["BTC"], "since": {"BTC": last}}
    async with server.connected(address) as socket:
        await ask(socket, {**asked, "epoch": epoch}, "subscribed")
        assert [(f["seq"], f["data"]) for f in await frames(socket, 2)] == [(last + 1, "b"), (last + 2, "c")]
    async with server.connected(address) as socket:
        await until(socket, "snapshot")
        await ask(socket, {**asked, "epoch": "00000000"}, "subscribed")
        snapshot = await until(socket, "snapshot")
        assert (snapshot["gap"], snapshot["seq"]) == (True, last + 2)


async def test_a_stalled_client_harms_nobody_and_is_broken_off(server: Live) -> None:
    big = "x" * 100_000
    async with server.connected("/ws/candles?symbols=BTC") as lazy, server.connected("/ws/market") as other:
        await until(lazy, "snapshot")
        lazy.transport.pause_reading()
        stalled = next(s for s in server.rt.sessions.sessions if ("candles", "BTC") in s.client.subscriptions)
        for _ in range(2000):
            server.publish("candles", "BTC", big)
            await asyncio.sleep(0)
            if stalled.client.conflated > 3:
                break
        assert stalled.client.conflated > 3
        assert stalled.client.waiting_frames == 1
        await ask(other, {"action": "ping"}, "pong")
        for _ in range(32):
            await server.clock.advance(1)
        async with asyncio.timeout(5):
            while stalled in server.rt.sessions.sessions:
                await server.clock.settle()
        await ask(other, {"action": "ping"}, "pong")
        lazy.transport.abort()


async def test_a_client_too_slow_for_frames_that_count_is_closed(server: Live) -> None:
    async with server.connected("/ws/news") as lazy:
        await until(lazy, "snapshot")
        lazy.transport.pause_reading()
        (stalled,) = server.rt.sessions.sessions
        for _ in range(2000):
            server.publish("news", None, "x" * 50_000)
            await asyncio.sleep(0)
            if stalled.client.closed:
                break
        assert stalled.client.too_slow
        lazy.transport.resume_reading()
        code, seen = await closed(lazy)
        numbers = [frame["seq"] for frame in seen if frame["type"] == "update"]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert code == 1013


async def test_a_stop_tells_clients_to_come_back(tmp_path: Path) -> None:
    async with live(tmp_path) as running, running.connected("/ws/market") as socket:
        await until(socket, "snapshot")
        running.server.should_exit = True
        code, seen = await closed(socket)
        assert code == 1012
        assert seen[-1]["channel"] == "system"
        assert seen[-1]["data"]["event"] == "stopping"
        assert 0 < seen[-1]["data"]["reconnect_after_ms"] < seen[-1]["data"]["reconnect_within_ms"]
