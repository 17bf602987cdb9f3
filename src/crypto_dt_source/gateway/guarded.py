"""The way to sources that are not in the packaged catalogue: only through the outbound guard, whoever added them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from ..model.errors import AddressRefused, UpstreamTimeout
from ..providers.kit import Reply, Request
from .outbound import Outbound

SENT = ("accept", "if-none-match", "if-modified-since")
"""Headers of a request that go along: redirects are followed, so none may be a secret."""


class Guarded:
    """A Transport (see there) that asks public addresses only, each redirect checked like the first address. GET only, and
    no key is ever sent. `close` ends the guard."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """Raises AddressRefused too: for an address that is not public, and for what is no plain GET."""
        if request.method != "GET" or request.body is not None:
            raise AddressRefused("a source that was added is asked by GET alone")
        sent = {name: value for name, value in request.headers if name.lower() in SENT}
        try:
            async with asyncio.timeout(timeout_s):
                found = await self._outbound.get(base_url + request.target(), sent)
        except TimeoutError:
            raise UpstreamTimeout(f"no complete answer within {timeout_s:g} s") from None
        return Reply(provider, found.status, found.body, found.received_ms, found.headers)

    async def close(self) -> None:
        """No request begins after this."""
        await self._outbound.close()
