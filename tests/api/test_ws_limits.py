"""Connections and subscriptions of a tier, and what an operator sees of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

import harness
from crypto_dt_source.clock import rfc3339
from crypto_dt_source.security.tiers import ADMIN, READ
from crypto_dt_source.services import access
from socket_server import Live, ask, closed, live, until


async def get(server: Live, path: str, key: str = "") -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": key} if key else {}) as session,
        session.get(server.http + path) as reply,
    ):
        return reply.status, await reply.json()


async def test_one_connection_more_has_to_show_a_key(tmp_path: Path) -> None:
    async with live(tmp_path, free_tier_connections=2, pro_tier_connections=1) as server:
        secret, _ = await access.create(server.rt.access, "mine", tier="pro")
        async with (
            server.connected("/ws/jobs"),
            server.connected("/ws/jobs"),
            server.connected("/ws/jobs") as third,
        ):
            assert (await until(third, "welcome"))["data"]["auth_within_seconds"] == 10
            assert (await until(third, "error"))["code"] == "rate_limited"
            error = await ask(third, {"action": "subscribe", "channel": "market"}, "error")
            assert error["code"] == "rate_limited"
            await ask(third, {"action": "auth", "token": secret}, "authenticated")
            assert (await until(third, "snapshot"))["channel"] == "jobs"
            await ask(third, {"action": "subscribe", "channel": "market"}, "subscribed")
            with pytest.raises(InvalidStatus) as refused:
                async with server.connected("/ws", **{"X-API-Key": secret}):
                    pass
            assert refused.value.response.status_code == 429
            assert json.loads(refused.value.response.body or b"")["details"]["policy"] == "connections"
            async with server.connected("/ws/jobs") as fourth:
                await fourth.send(json.dumps({"action": "auth", "token": secret}))
                assert (await closed(fourth))[0] == 4429
            async with server.connected("/ws/jobs") as late:
                await until(late, "error")
                await server.clock.advance(11)
                assert (await closed(late))[0] == 4408
        async with asyncio.timeout(5):
            while server.rt.sessions.sessions:
                await server.clock.settle()
        assert server.rt.sessions._by_bucket == {}
        assert server.rt.sessions._pending == {}


async def test_connections_that_show_no_key_are_few(tmp_path: Path) -> None:
    async with live(tmp_path, free_tier_connections=1) as server:
        held = [server.connected("/ws/jobs") for _ in range(6)]
        sockets = [await one.__aenter__() for one in held]
        with pytest.raises(InvalidStatus) as refused:
            async with server.connected("/ws/jobs"):
                pass
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["retry-after"]
        for one in held:
            await one.__aexit__(None, None, None)
        assert len(sockets) == 6


async def test_subscriptions_of_a_tier(tmp_path: Path) -> None:
    async with live(tmp_path, free_tier_subscriptions=3) as server, server.connected("/ws/market") as socket:
        await until(socket, "snapshot")
        symbols = ["BTC", "ETH", "SOL", "XRP"]
        error = await ask(
            socket, {"action": "subscribe", "channel": "prices", "symbols": symbols, "id": 1}, "error"
        )
        assert (error["code"], error["id"]) == ("forbidden", 1)
        assert error["details"]["left_out"] == ["prices SOL", "prices XRP"]
        assert (await until(socket, "subscribed"))["symbols"] == ["BTC", "ETH"]
        every = {"action": "subscribe", "channel": "trades", "symbols": ["*"]}
        assert (await ask(socket, every, "error"))["details"]["left_out"] == ["trades *"]
        await ask(socket, {"action": "unsubscribe", "channel": "prices", "symbols": ["BTC"]}, "unsubscribed")
        told = await ask(
            socket, {"action": "subscribe", "channel": "prices", "symbols": ["XRP"]}, "subscribed"
        )
        assert told["symbols"] == ["XRP"]


async def test_what_an_operator_sees_and_says(tmp_path: Path) -> None:
    async with live(tmp_path) as server:
        admin, key = await access.create(server.rt.access, "admin", tier="enterprise", scopes=(READ, ADMIN))
        assert (await get(server, "/api/sessions"))[0] == 401
        async with server.connected("/ws/trades?symbols=BTC", **{"X-API-Key": admin}) as socket:
            await until(socket, "snapshot")
            status, body = await get(server, "/api/sessions", admin)
            assert status == 200
            (row,) = body["data"]
            assert row["key"] == key.id
            assert row["subscriptions"] == [
                {"channel": "system", "symbols": None},
                {"channel": "trades", "symbols": ["BTC"]},
            ]
            assert row["connected_at"] == rfc3339(harness.START_MS)
            assert admin not in json.dumps(body)
            for path, secret in (("/api/sessions/stats", admin), ("/ws/stats", "")):
                status, body = await get(server, path, secret)
                assert status == 200
                assert body["data"]["connections"] == 1
                assert body["data"]["by_channel"] == {"system": 1, "trades": 1}
            async with aiohttp.ClientSession(headers={"X-API-Key": admin}) as session:
                notice = {"message": "Back at ten.", "level": "warning"}
                async with session.post(server.http + "/api/broadcast", json=notice) as reply:
                    assert (reply.status, (await reply.json())["sent_to"]) == (200, 1)
                async with session.post(server.http + "/api/broadcast", json={"message": ""}) as reply:
                    assert reply.status == 422
            told = await until(socket, "update")
            assert told["channel"] == "system"
            assert told["data"] == {"event": "notice", **notice}
        async with (
            aiohttp.ClientSession() as session,
            session.post(server.http + "/api/broadcast", json={"message": "x"}) as reply,
        ):
            assert reply.status == 401


async def test_an_expired_token_ends_its_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with live(tmp_path) as server:
        keyring = server.rt.access.keyring
        secret, _ = await access.create(server.rt.access, "long", tier="pro")
        monkeypatch.setattr(keyring.tokens, "_lifetime_s", 5)
        token, _ = keyring.tokens.issue(keyring.of_secret(secret))
        async with (
            server.connected(f"/ws/market?token={token}") as by_token,
            server.connected("/ws/market", **{"X-API-Key": secret}) as by_key,
        ):
            await until(by_token, "welcome")
            await until(by_key, "welcome")
            await server.clock.advance(6)
            code, seen = await closed(by_token)
            assert (code, seen[-1]["code"]) == (4401, "unauthenticated")
            await ask(by_key, {"action": "ping"}, "pong")
