"""The real connector against a server that answers a handshake otherwise, and addresses that an upstream tells."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from feed_rig import RigSocket

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.gateway.reach import Reach
from crypto_dt_source.gateway.sockets import MAX_FRAME_BYTES, WebSocketConnector, check_told
from crypto_dt_source.model.errors import (
    AddressRefused,
    BodyTooLarge,
    PayloadChanged,
    RegionBlocked,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnreachable,
)

KUCOIN = ("https://api.kucoin.com",)


class Door:
    """A server whose `/answer/{status}` is that, `/away` leads to `/socket`, and which says one `/large` message."""

    def __init__(self) -> None:
        self.visited: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.visited.append(request.path)
        status = request.match_info["status"]
        if status == "away":
            raise web.HTTPFound("/socket")
        return web.Response(status=int(status), headers={"Retry-After": "77"})

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.visited.append(request.path)
        made = web.WebSocketResponse()
        await made.prepare(request)
        await made.send_str("x" * (MAX_FRAME_BYTES + 1))
        await made.receive()
        return made


@pytest_asyncio.fixture
async def door() -> AsyncIterator[tuple[Door, WebSocketConnector, str]]:
    made = Door()
    app = web.Application()
    app.router.add_get("/socket", made.socket)
    app.router.add_get("/{status}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    connector = WebSocketConnector(SystemClock())
    yield made, connector, f"ws://127.0.0.1:{runner.addresses[0][1]}"
    await connector.close()
    await runner.cleanup()


async def test_a_handshake_is_not_led_elsewhere(door: tuple[Door, WebSocketConnector, str]) -> None:
    made, connector, url = door
    with pytest.raises(PayloadChanged):
        await connector.connect(f"{url}/away")
    assert made.visited == ["/away"]


@pytest.mark.parametrize(
    ("status", "error", "wait_s"),
    [
        (429, UpstreamRateLimited, 77.0),
        (403, RegionBlocked, None),
        (451, RegionBlocked, None),
        (503, UpstreamBroken, 77.0),
        (200, UpstreamUnreachable, None),
    ],
)
async def test_the_status_of_a_refused_handshake_says_why(
    door: tuple[Door, WebSocketConnector, str], status: int, error: type[UpstreamError], wait_s: float | None
) -> None:
    _, connector, url = door
    with pytest.raises(error) as raised:
        await connector.connect(f"{url}/{status}")
    assert raised.value.retry_after_s == wait_s


async def test_a_message_beyond_the_bound_ends_the_connection(
    door: tuple[Door, WebSocketConnector, str],
) -> None:
    _, connector, url = door
    socket = await connector.connect(f"{url}/socket")
    assert not isinstance(socket, RigSocket)
    with pytest.raises(BodyTooLarge):
        await socket.receive()
    await socket.close()


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("wss://ws-api-spot.kucoin.com/?token=a", KUCOIN),
        ("wss://push.kucoin.com/endpoint?token=a", KUCOIN),
        ("ws://127.0.0.1:9000/kucoin/?token=a", ("http://127.0.0.1:9000/kucoin", *KUCOIN)),
        ("wss://ws-api-spot.kucoin.com/?token=a", ("https://mirror.example.org", *KUCOIN)),
    ],
)
def test_an_upstream_may_tell_its_own_addresses(told: str, asked: tuple[str, ...]) -> None:
    check_told(told, asked, Reach())


@pytest.mark.parametrize(
    "told",
    [
        "ws://ws-api-spot.kucoin.com/",
        "wss://169.254.169.254/latest",
        "wss://127.0.0.1/",
        "wss://localhost/",
        "wss://kucoin.com.example.org/",
        "ws://127.0.0.1:9000/kucoin/",
        "wss://example.org/kucoin.com",
        "wss://user:word@ws.kucoin.com/",
        "wss://ws.kucoin.com@example.org/",
        "wss://ws.kucoin.com\\@example.org/",
        "wss://ws.kucoin.com:22/",
        "wss://ws.kucoin.com/#here",
        "wss://[::1]/",
        "wss://ws.kucoin.com:99999/",
        "https://api.kucoin.com/",
    ],
)
def test_other_addresses_are_refused(told: str) -> None:
    with pytest.raises(AddressRefused) as raised:
        check_told(told, KUCOIN, Reach())
    assert "kucoin" not in raised.value.message


def test_a_port_that_cannot_be_called_is_refused() -> None:
    check_told("wss://ws.kucoin.com:8443/", KUCOIN, Reach())
    with pytest.raises(AddressRefused):
        check_told("wss://ws.kucoin.com:8443/", KUCOIN, Reach(frozenset({80, 443, 8080})))
