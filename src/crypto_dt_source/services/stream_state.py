"""What a channel is at now, for the snapshot a subscription begins with: from what the service holds, no upstream asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from .. import __version__
from ..clock import rfc3339
from ..model.defi import DefiProtocol
from ..model.errors import CdtsError
from ..model.market import GlobalMarket
from ..model.sentiment import FearGreed
from ..pricing.rates import BASE
from ..providers.resolver import Resolver
from ..store.cache import Loaded
from ..store.repos.news import NewsFilter
from . import defi, fear_greed, health, news, pool_rows, sentiment
from .live import price_row, symbol_of
from .runtime import Runtime

TOP = 10
"""Assets that count as the largest: whose prices a client gets that only listens."""
STORIES = 20
PROTOCOLS = 20
HELD_S = 5.0
"""How long what was read from the store for one client's snapshot is good for others'."""


def top_symbols(resolver: Resolver, count: int = TOP) -> list[str]:
    """The largest coins and stablecoins."""
    found: list[str] = []
    for asset in resolver.ranked():
        if asset.kind != "fiat" and asset.ticker:
            found.append(symbol_of(resolver, asset))
        if len(found) == count:
            break
    return found


class StreamState:
    """`state` answers from memory; what has to be read first is read by `prepare`. `of` are further channels, each with
    what gives its state for a symbol: whoever publishes a channel may add it."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._held: dict[str, tuple[float, Any]] = {}
        self.of: dict[str, Callable[[str | None], Any]] = {
            "prices": self._price,
            "market": lambda _: market_row(rt),
            "defi": lambda _: defi_row(rt),
            "jobs": lambda _: {"jobs": dict(rt.tasks)},
            "pools": lambda _: pool_rows.state(rt),
            "system": lambda _: {
                "version": __version__,
                "mode": rt.mode,
                "started_at": rfc3339(rt.started_ms),
            },
        }
        self._reads: dict[str, Callable[[], Awaitable[Any]]] = {
            "news": self._news,
            "sentiment": self._sentiment,
            "health": lambda: health.report(rt),
        }

    def state(self, channel: str, symbol: str | None) -> Any:
        """JSON-ready; None where nothing is known. Never raises, never waits."""
        if channel in self._reads:
            held = self._held.get(channel)
            return None if held is None else held[1]
        of = self.of.get(channel)
        return None if of is None else of(symbol)

    def symbols(self) -> list[str]:
        """What every asset is called, the largest first."""
        resolver = self._rt.resolver
        return [symbol_of(resolver, asset) for asset in resolver.ranked()]

    async def prepare(self, channel: str) -> None:
        """Read what `state` will answer for a channel whose state is in the store. What cannot be read stays as it was."""
        read = self._reads.get(channel)
        if read is None:
            return
        now = self._rt.clock.monotonic()
        held = self._held.get(channel)
        if held is None or now - held[0] >= HELD_S:
            with suppress(CdtsError):
                self._held[channel] = (now, await read())

    def _price(self, symbol: str | None) -> Any:
        rt = self._rt
        if symbol is None:
            return None
        try:
            asset = rt.resolver.resolve(symbol, suggest=False).asset
        except CdtsError:
            return None
        point = rt.pricer.point(asset.id, BASE)
        return None if point is None else price_row(symbol, asset.name, point)

    async def _news(self) -> Any:
        rt = self._rt
        found = await news.page(rt, NewsFilter(), number=1, size=STORIES)
        rows = []
        for story in found.stories:
            head = story.head
            known = (rt.resolver.by_id(asset) for asset in head.assets)
            rows.append(
                {
                    "id": head.id,
                    "story": head.story,
                    "title": head.title,
                    "url": head.link,
                    "source": head.provider,
                    "published_at": rfc3339(head.published_ms),
                    "assets": [symbol_of(rt.resolver, asset) for asset in known if asset is not None],
                    "sentiment": None if head.score is None else head.score.label,
                    "told_by": len(story.members),
                }
            )
        return rows

    async def _sentiment(self) -> Any:
        rt = self._rt
        mood = (await sentiment.mood(rt)).value.aggregate
        day: Loaded[FearGreed] | None = rt.cache.peek(fear_greed.NOW.key())
        return {
            "overall_sentiment": {
                "label": mood.label,
                "score": mood.score,
                "items": mood.items,
                "sources": mood.sources,
                "window_hours": sentiment.WINDOW_H,
            },
            "fear_greed_index": None
            if day is None
            else {
                "index": day.value.series,
                "value": day.value.value,
                "classification": day.value.classification,
                "date": rfc3339(day.value.day_ms)[:10],
                "fetched_at": rfc3339(day.fetched_ms),
            },
        }


def market_row(rt: Runtime) -> dict[str, Any] | None:
    """The `market` channel: global figures as an aggregator counts them (each None while nobody has), and our prices of
    the largest assets. None while nothing at all is known."""
    held: Loaded[GlobalMarket] | None = rt.cache.peek("global")
    figures = None if held is None else held.value
    prices = []
    for symbol in top_symbols(rt.resolver):
        asset = rt.resolver.resolve(symbol, suggest=False).asset
        point = rt.pricer.point(asset.id, BASE)
        if point is not None:
            prices.append(
                {
                    "symbol": symbol,
                    "id": asset.id,
                    "price": point.price,
                    "change_24h_pct": point.change_24h_pct,
                    "stale": point.stale,
                }
            )
    if figures is None and not prices:
        return None
    return {
        "market_cap": figures.market_cap if figures else None,
        "volume_24h": figures.volume_24h if figures else None,
        "btc_dominance_pct": figures.btc_dominance_pct if figures else None,
        "eth_dominance_pct": figures.eth_dominance_pct if figures else None,
        "active_coins": figures.active_coins if figures else None,
        "market_cap_change_24h_pct": figures.market_cap_change_24h_pct if figures else None,
        "figures_fetched_at": rfc3339(held.fetched_ms) if held else None,
        "prices": prices,
    }


def defi_row(rt: Runtime) -> dict[str, Any] | None:
    """The `defi` channel: the largest protocols. None before the first list."""
    held: Loaded[list[DefiProtocol]] | None = rt.cache.peek(defi.PROTOCOLS.key())
    if held is None:
        return None
    return {
        "protocols": [
            {
                "slug": row.slug,
                "name": row.name,
                "symbol": row.symbol,
                "category": row.category,
                "tvl": row.tvl,
                "change_1d_pct": row.change_1d_pct,
            }
            for row in held.value[:PROTOCOLS]
        ],
        "fetched_at": rfc3339(held.fetched_ms),
    }
