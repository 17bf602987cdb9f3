"""WebSocket handshakes pass the gate: they are counted, told of, and refused before the application hears of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from in_process import Service
from limited import SMALL, ask, key, limited, statuses

from crypto_dt_source.api.edge import Edge
from crypto_dt_source.api.gate import CALLER, Gate

Said = list[dict[str, Any]]
DENIAL = {"websocket.http.response": {}}


class Sockets:
    """A WebSocket application behind the edge: `callers` are who it was called for."""

    def __init__(self, api: Service) -> None:
        self.api = api
        self.callers: list[Any] = []
        self.edge = Edge(self.app, api.clock, lambda *_: None, Gate(lambda: api.rt.access))  # type: ignore[arg-type]

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.callers.append(scope[CALLER])
        await send({"type": "websocket.accept", "headers": [(b"x-own", b"1")]})
        await send({"type": "websocket.close"})

    async def shake(
        self, *, extensions: Any = None, query: str = "", peer: str = "203.0.113.5", **headers: str
    ) -> Said:
        """What is said to one handshake."""
        said: Said = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        scope = {
            "type": "websocket",
            "path": "/ws",
            "raw_path": b"/ws",
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "client": (peer, 40_000),
            "extensions": DENIAL if extensions is None else extensions,
        }
        await self.edge(scope, receive, send)  # type: ignore[arg-type]
        return said


@asynccontextmanager
async def sockets(folder: Path, **more: Any) -> AsyncIterator[Sockets]:
    async with limited(folder, **more) as api:
        yield Sockets(api)


def refusal(said: Said) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of a handshake that was answered with an error."""
    start, body = said
    assert (start["type"], body["type"]) == ("websocket.http.response.start", "websocket.http.response.body")
    return start["status"], {n.decode(): v.decode() for n, v in start["headers"]}, json.loads(body["body"])


async def test_a_handshake_is_counted_and_told_what_is_left(tmp_path: Path) -> None:
    async with sockets(tmp_path) as here:
        for left in ("2", "1"):
            accept = (await here.shake())[0]
            assert accept["type"] == "websocket.accept"
            headers = dict(accept["headers"])
            assert headers[b"x-own"] == b"1"
            assert headers[b"x-ratelimit-remaining"].decode() == left
            assert headers[b"ratelimit-policy"] == b'"minute";q=3;w=60, "day";q=5;w=86400'
        # In one bucket with requests.
        assert await statuses(here.api, 2) == [200, 429]
        status, fields, body = refusal(await here.shake())
        assert (status, body["code"], body["retry_after"]) == (429, "rate_limited", 60)
        assert fields["retry-after"] == "60"
        assert fields["ratelimit"] == '"minute";r=0;t=60'
        assert fields["x-request-id"] == body["request_id"]
        assert set(body) == {"error", "code", "details", "request_id", "retry_after"}
        assert len(here.callers) == 2


async def test_where_the_server_cannot_answer_the_connection_is_closed(tmp_path: Path) -> None:
    async with sockets(tmp_path) as here:
        said = await here.shake(extensions={}, x_api_key="cdts_live_wrong")
        assert said == [{"type": "websocket.close", "code": 1008, "reason": "unauthenticated"}]
        assert here.callers == []


async def test_a_wrong_key_is_401_before_the_application(tmp_path: Path) -> None:
    async with sockets(tmp_path) as here:
        for given in ({"x_api_key": "cdts_live_wrong"}, {"query": "token=no.such.token"}):
            status, headers, body = refusal(await here.shake(**given))  # type: ignore[arg-type]
            assert (status, body["code"]) == (401, "unauthenticated")
            assert headers["www-authenticate"].startswith("Bearer")
        assert here.callers == []
        assert here.api.rt.access.refused == {"unauthenticated": 2}


@pytest.mark.parametrize("way", ["header", "bearer", "token", "query"])
async def test_a_key_counts_in_its_own_bucket(tmp_path: Path, way: str) -> None:
    async with sockets(tmp_path) as here:
        secret = await key(here.api, "pro")
        held = here.api.rt.access.keyring.of_secret(secret)
        token = here.api.rt.access.keyring.tokens.issue(held)[0]
        given: dict[str, Any] = {
            "header": {"x_api_key": secret},
            "bearer": {"authorization": f"Bearer {secret}"},
            "token": {"authorization": f"Bearer {token}"},
            "query": {"query": f"a=1&token={token}"},
        }[way]
        accept = (await here.shake(**given))[0]
        assert dict(accept["headers"])[b"x-ratelimit-remaining"] == b"5"
        (caller,) = here.callers
        assert (caller.key, caller.tier.name) == (held.id, "pro")
        assert (await ask(here.api, x_api_key=secret)).headers["x-ratelimit-remaining"] == "4"


async def test_forged_chains_buy_no_handshakes(tmp_path: Path) -> None:
    async with sockets(tmp_path, trusted_proxy_hops=1, free_tier_daily=0) as here:
        kinds = [
            (await here.shake(peer="10.0.0.1", x_forwarded_for=f"{n}.1.1.1, 203.0.113.77"))[0]["type"]
            for n in range(5)
        ]
        assert kinds == ["websocket.accept"] * 3 + ["websocket.http.response.start"] * 2


async def test_a_tier_without_a_limit_is_told_nothing(tmp_path: Path) -> None:
    async with sockets(tmp_path, **{**SMALL, "free_tier_limit": "unlimited", "free_tier_daily": 0}) as here:
        assert (await here.shake())[0]["headers"] == [(b"x-own", b"1")]
