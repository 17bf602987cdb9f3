"""Strangers' servers for discovery, without sockets: what each address answers, behind the face of the outbound guard."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.outbound import OutboundReply, check_url
from crypto_dt_source.model.errors import UpstreamUnreachable
from crypto_dt_source.providers.catalog import Limit
from crypto_dt_source.providers.directories import Directory, api_catalog
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import collect, discovery
from crypto_dt_source.services.discovery_state import candidate_of, id_of
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store.repos import discovery as repo

Said = bytes | int | Callable[[], bytes]
TABLE = "https://prices.example.org/v1/tickers"
VENUES = ("okx", "gate", "kucoin")


class Web:
    """Stands for `Outbound`: a body, a status, or something that makes a body, by address; nobody answers elsewhere."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.said: dict[str, Said] = {}
        self.asked: Counter[str] = Counter()
        self.failing: set[str] = set()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> OutboundReply:
        """Raises AddressRefused for what the guard does not let pass, UpstreamUnreachable."""
        check_url(url)
        self.asked[url] += 1
        said = self.said.get(url)
        if said is None or url in self.failing:
            raise UpstreamUnreachable("the connection failed: OSError")
        if isinstance(said, int):
            return OutboundReply(url, said, {}, b"", "203.0.113.9", self.clock.now_ms())
        body = said if isinstance(said, bytes) else said()
        return OutboundReply(url, 200, {}, body, "203.0.113.9", self.clock.now_ms())

    async def close(self) -> None:
        return None


class Paper:
    """A transport with one directory: a link set of these addresses."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.urls: list[str] = []
        self.status = 200
        self.asked = 0

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        self.asked += 1
        body = msgspec.json.encode({"linkset": [{"item": [{"href": url} for url in self.urls]}]})
        return Reply(provider, self.status, body, self.clock.now_ms())

    async def close(self) -> None:
        return None


class Desk:
    """A service with prices, and the web it looks at."""

    def __init__(self, rt: Runtime, clock: ManualClock, market: Any) -> None:
        self.rt, self.clock, self.market = rt, clock, market
        self.web, self.paper = Web(clock), Paper(clock)
        rt.discovery.outbound = self.web  # type: ignore[assignment]
        rt.discovery.transport = self.paper
        rt.discovery.directories = [
            Directory("paper", "Paper", "https://paper.example.org", "/", "", (Limit(100, 60),), api_catalog)
        ]

    def prices(self, factor: float = 1.0, count: int = 12) -> bytes:
        """A table of the market's prices, now."""
        now = self.clock.now_ms()
        coins = [a.ticker for a in self.market.assets.values() if a.kind == "coin"][:count]
        rows = [{"pair": f"{c}_USD", "last": f"{self.market.true_price(c, now) * factor:.8g}"} for c in coins]
        return msgspec.json.encode({"data": rows})

    async def quotes(self) -> None:
        """The venues' quotes and the prices made of them."""
        for venue in VENUES:
            await harness.drive(self.clock, collect.venue_quotes(self.rt, venue))
        for asset in list(self.rt.board.assets()):
            self.rt.pricer.point(asset)

    async def round(self, *urls: str) -> Any:
        """A round in which the directory names these addresses."""
        self.paper.urls = list(urls)
        return await discovery.run(self.rt, "person", wait_s=60)

    async def trial(self, readings: int) -> None:
        """Readings ten minutes apart."""
        for _ in range(readings):
            await self.quotes()
            await discovery.shadow(self.rt)
            await self.clock.advance(600)

    async def of(self, url: str) -> dict[str, Any]:
        """The candidate of an address."""
        row = await repo.get(self.rt.store, id_of(url))
        assert row is not None
        return discovery.view(candidate_of(row))


@asynccontextmanager
async def looking(tmp_path: Path, *, priced: bool = True, **values: Any) -> AsyncIterator[Desk]:
    """A desk; without prices of its own unless `priced`."""
    async with harness.running(tmp_path, **values) as (rt, sim, clock):
        desk = Desk(rt, clock, sim.market)
        if priced:
            await desk.quotes()
        yield desk
