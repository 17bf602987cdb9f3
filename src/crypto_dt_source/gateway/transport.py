"""One HTTP session for every upstream: timeouts, size caps, no redirects, no cookies, keys only where they belong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import aiohttp
import yarl

from ..clock import Clock
from ..model.errors import BodyTooLarge, UpstreamTimeout, UpstreamUnreachable
from ..providers.kit import Reply, Request

MAX_BODY_BYTES = 32 * 1024 * 1024
"""After decompression. The largest real answer (a full coin list) is near 5 MB."""
CONNECT_TIMEOUT_S = 5.0
KEPT_HEADERS = (
    *("retry-after", "content-type", "etag", "last-modified", "date", "cf-ray", "server"),
    "location",
)
USER_AGENT = "Mozilla/5.0 (compatible; crypto-dt-source/0.1)"
"""Feeds behind a content network refuse clients whose name says nothing of a browser."""


class Transport(Protocol):
    """Sends one request and gives the whole reply, whatever its status.

    Raises UpstreamTimeout, UpstreamUnreachable or BodyTooLarge; never anything else.
    """

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply: ...

    async def close(self) -> None: ...


class HttpTransport:
    """The real one, on aiohttp. `close` must be called; it ends idle connections too."""

    def __init__(self, clock: Clock, *, per_provider: int = 32) -> None:
        """`per_provider`: calls under way to one provider at most; more wait, and no provider can use up what the
        others need."""
        self._clock = clock
        self._per_provider = per_provider
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise UpstreamUnreachable("the service is stopping")
        if self._session is None:
            # Limited by provider above: the connector would count by address, and a local gateway has one for all.
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=0, ttl_dns_cache=300)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept": "application/json, text/plain;q=0.5"},
                auto_decompress=True,
            )
        return self._session

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """See :class:`Transport`. Redirects are not followed: a 3xx comes back as it is."""
        slot = self._slots.setdefault(provider, asyncio.Semaphore(self._per_provider))
        try:
            async with (
                asyncio.timeout(timeout_s),
                slot,
                self._open().request(
                    request.method,
                    yarl.URL(base_url + request.target(), encoded=True),
                    headers={**dict(request.headers), **headers},
                    data=request.body,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                    allow_redirects=False,
                ) as response,
            ):
                body = await _read(response)
                kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
                return Reply(provider, response.status, body, self._clock.now_ms(), kept)
        except TimeoutError:
            raise UpstreamTimeout(f"no complete answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The text of a client error can hold the URL, and the URL a key: only its class is told.
            raise UpstreamUnreachable(f"the connection failed: {type(error).__name__}") from None

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None
            for _ in range(3):
                # aiohttp closes its sockets on the next turns of the loop.
                await self._clock.sleep(0)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    declared = response.content_length
    if declared is not None and declared > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the answer announces {declared} bytes")
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(256 * 1024):
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge(f"the answer is larger than {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
