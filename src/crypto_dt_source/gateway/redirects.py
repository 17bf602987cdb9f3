"""Documents that moved: redirects of feeds are followed, each step checked; those of APIs never.

A step within the origin that was asked goes the way the first request went: whoever chose the address, the catalogue or
the operator, chose that server. A step to another origin goes through the outbound guard, which connects to public
addresses only; it is taken only from an address that is public itself, so that nothing inside an operator's network can
send the service outside or elsewhere inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import SplitResult, urljoin, urlsplit

from ..clock import Clock
from ..model.errors import AddressRefused, UpstreamTimeout
from ..providers.feeds.encoding import FEED_LIMIT
from ..providers.kit import Reply, Request
from ..telemetry import logger
from .outbound import MAX_REDIRECTS, REDIRECTS, Outbound
from .outbound_url import MAX_URL
from .transport import Transport

log = logger("gateway")
PERMANENT = frozenset({301, 308})
CARRIED = ("accept", "if-none-match", "if-modified-since")
"""Headers that go along to another origin: no key, nothing that says where the request began."""
_IMPLIED_PORT = {"http": 80, "https": 443}


class Following:
    """A Transport that follows the redirects of requests that ask for it (`Request.moves`)."""

    def __init__(self, inner: Transport, clock: Clock, outbound: Outbound | None = None) -> None:
        self._inner = inner
        self._outbound = outbound or Outbound(clock, max_bytes=FEED_LIMIT)
        self._told: set[str] = set()

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """See :class:`Transport`; `timeout_s` is for all steps together. Raises AddressRefused too, for a redirect that is
        not followed."""
        if not request.moves:
            return await self._inner.send(provider, base_url, request, headers, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._follow(provider, base_url, request, headers, timeout_s)
        except TimeoutError:
            raise UpstreamTimeout(f"no complete answer within {timeout_s:g} s") from None

    async def close(self) -> None:
        """No request begins after this."""
        await self._outbound.close()
        await self._inner.close()

    async def _follow(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        url, asked = base_url + request.target(), request
        for _ in range(MAX_REDIRECTS + 1):
            reply = await self._inner.send(provider, url, asked, headers, timeout_s)
            location = reply.headers.get("location")
            if reply.status not in REDIRECTS or not location:
                return reply
            there = _joined(url, location)
            if _origin(there) != _origin(urlsplit(url)):
                return await self._elsewhere(provider, url, location, reply, request)
            self._tell(provider, reply.status, there)
            url, asked = there.geturl(), Request("", headers=request.headers, moves=True)
        raise AddressRefused(f"more than {MAX_REDIRECTS} redirects")

    async def _elsewhere(
        self, provider: str, url: str, location: str, reply: Reply, request: Request
    ) -> Reply:
        there = self._outbound.moved(url, location)
        self._tell(provider, reply.status, urlsplit(there))
        carried = {name: value for name, value in request.headers if name.lower() in CARRIED}
        found = await self._outbound.get(there, carried)
        return Reply(provider, found.status, found.body, found.received_ms, found.headers)

    def _tell(self, provider: str, status: int, there: SplitResult) -> None:
        """Once for each provider; of the address only the site: its path or query may hold a key."""
        if status in PERMANENT and provider not in self._told:
            self._told.add(provider)
            log.warning("feed has moved", provider=provider, to=f"{there.scheme}://{there.hostname}")


def _joined(url: str, location: str) -> SplitResult:
    """Raises AddressRefused for what leads nowhere."""
    if len(location) > MAX_URL or "\\" in location or " " in location or not location.isprintable():
        raise AddressRefused("the redirect holds a blank, a control character or a backslash, or is too long")
    try:
        there = urlsplit(urljoin(url, location))._replace(fragment="")
        _ = there.port
    except ValueError:
        raise AddressRefused("the redirect is not a URL") from None
    if there.username is not None or there.password is not None or not there.geturl().isascii():
        raise AddressRefused("the redirect holds a user name, or letters that are not encoded")
    return there


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _IMPLIED_PORT.get(parts.scheme)
