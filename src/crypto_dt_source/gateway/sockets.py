"""Outgoing WebSockets: what a feed needs of one, and the real one on aiohttp. Addresses are the catalogue's, the operator's,
or a venue's own word, which is checked first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from ..clock import Clock
from ..model.errors import AddressRefused, BodyTooLarge, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from ..providers.kit import Reply
from .classify import refusal
from .outbound_url import check_url
from .reach import Reach
from .transport import USER_AGENT

MAX_FRAME_BYTES = 1024 * 1024
"""The largest that a venue sends are answers that name every topic of a connection, some 20 KB."""
CONNECT_S = 3.5
"""Longer than any handshake that is worth having, and short enough that a venue is back within five seconds of its network."""
PING_S = 20.0
"""How often a WebSocket ping is sent; without an answer in half of that the connection is given up."""
CLOSE_S = 1.0


class Socket(Protocol):
    """An open connection."""

    async def receive(self) -> str | bytes:
        """The next message. Raises UpstreamUnreachable when the connection has ended, BodyTooLarge for a message beyond its
        bound."""
        ...

    async def send(self, frame: str) -> None:
        """Send a text message. Raises UpstreamUnreachable."""
        ...

    async def close(self) -> None:
        """End the connection; never raises."""
        ...


class Connector(Protocol):
    """Opens connections. Raises UpstreamUnreachable, UpstreamTimeout, or what the status means that answers a handshake."""

    async def connect(self, url: str) -> Socket: ...

    async def close(self) -> None: ...


class WebSocketConnector:
    """The real one. `close` must be called."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def connect(self, url: str) -> Socket:
        """See :class:`Connector`. `url` is ws:// or wss://; redirects are not followed."""
        if self._closed:
            raise UpstreamUnreachable("the service is stopping")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # A venue that moved is found at the next attempt: there are too few of them for a cache of names.
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, use_dns_cache=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_only_there,),
                headers={"User-Agent": USER_AGENT},
            )
        try:
            async with asyncio.timeout(CONNECT_S):
                opened = await self._session.ws_connect(
                    url,
                    max_msg_size=MAX_FRAME_BYTES,
                    heartbeat=PING_S,
                    compress=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                )
        except TimeoutError:
            raise UpstreamTimeout(f"no connection within {CONNECT_S:g} s") from None
        except aiohttp.WSServerHandshakeError as error:
            raise self._refused(error) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The text of a client error can hold the address, and the address a token.
            raise UpstreamUnreachable(f"the connection failed: {type(error).__name__}") from None
        return _Opened(opened)

    def _refused(self, error: aiohttp.WSServerHandshakeError) -> UpstreamError:
        """What the answer means that came in place of a socket."""
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        found = refusal(Reply("", error.status, b"", self._clock.now_ms(), headers))
        # 101 and 2xx: something answers there that is no socket, or not the one that was asked.
        if found is None or error.status < 200:
            return UpstreamUnreachable("the handshake failed")
        return found

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None
            for _ in range(3):
                # aiohttp closes its sockets on the next turns of the loop.
                await self._clock.sleep(0)


async def _only_there(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """A handshake's redirect is its answer: aiohttp would follow it to any address, one inside the network included."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info, (), status=response.status, headers=response.headers
        )
    return response


def check_told(url: str, bases: Sequence[str], reach: Reach) -> None:
    """Refuse a socket's address that an upstream's answer gave, unless it is at one of the upstream's own addresses (`bases`:
    where it was asked, and that of the catalogue) or, over TLS, at another public host of one of these sites. Raises
    AddressRefused, which never repeats the address."""
    try:
        told, known = urlsplit(url), [urlsplit(base) for base in bases]
        scheme = {"ws": "http", "wss": "https"}.get(told.scheme)
        same = (scheme, told.hostname, told.port) in [(b.scheme, b.hostname, b.port) for b in known]
    except ValueError:
        raise AddressRefused("the address is not a URL") from None
    if told.username or told.password or told.fragment:
        raise AddressRefused("the address carries a user name, a password or a fragment")
    if not same:
        if told.scheme != "wss":
            raise AddressRefused("the address is not wss://")
        target = check_url(f"https{url[3:]}")
        if target.address is not None or _site(target.host) not in [_site(b.hostname or "") for b in known]:
            raise AddressRefused("the address is not the upstream's own")
    if reach.closed(url) is not None:
        raise AddressRefused("the address is on a port that cannot be called from here")


def _site(host: str) -> list[str]:
    return host.lower().split(".")[-2:]


class _Opened:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes:
        try:
            message = await self._socket.receive()
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamUnreachable(f"the connection broke: {type(error).__name__}") from None
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        if self._socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            raise BodyTooLarge(f"a message is larger than {MAX_FRAME_BYTES} bytes")
        raise UpstreamUnreachable(f"the connection was closed with {self._socket.close_code}")

    async def send(self, frame: str) -> None:
        try:
            await self._socket.send_str(frame)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise UpstreamUnreachable(f"the connection broke: {type(error).__name__}") from None

    async def close(self) -> None:
        try:
            async with asyncio.timeout(2 * CLOSE_S):
                await self._socket.close()
        except (TimeoutError, aiohttp.ClientError, OSError):
            # It is gone either way.
            return
