"""Order books and recent trades: one venue's, with failover, a couple of seconds old at most."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from ..gateway.source import Source
from ..model.answer import Answer, Record
from ..model.ask import Ask, BookAsk, Capability, TradesAsk
from ..model.asset import Asset
from ..model.book import OrderBook, Trade
from ..model.errors import AllProvidersFailed, UnknownSymbol, UpstreamRejected
from ..model.quote import Pair
from ..store.cache import Cached, Loaded
from .listing import pair_at
from .runtime import Runtime

NOT_LISTED = frozenset({"symbol_not_listed", "not_offered"})


async def order_book(
    rt: Runtime, asset: Asset, quote: str | None, *, depth: int, provider: str | None
) -> Cached[OrderBook]:
    """The book of the best source, `depth` levels a side. Raises AllProvidersFailed, or UnknownSymbol when no venue
    lists the pair."""
    rung = next(size for size in (20, 50, 100, 500, 1000) if size >= depth)

    async def load() -> Loaded[OrderBook]:
        answer = await _ask(rt, Capability.BOOK, asset, quote, provider, lambda pair: BookAsk(pair, rung))
        book = cast(OrderBook, answer.records[0])
        return Loaded(book, answer.received_ms, (answer.provider,))

    key = ("book", asset.id, quote, provider, rung)
    return await rt.cache.get(key, rt.freshness.orderbook, rt.freshness.max_stale_orderbook, load)


async def recent_trades(
    rt: Runtime, asset: Asset, quote: str | None, *, limit: int, provider: str | None = None
) -> Cached[list[Trade]]:
    """The newest trades of the best source, newest first."""
    rung = 100 if limit <= 100 else 1000

    async def load() -> Loaded[list[Trade]]:
        answer = await _ask(rt, Capability.TRADES, asset, quote, provider, lambda pair: TradesAsk(pair, rung))
        trades = sorted(cast("tuple[Trade, ...]", answer.records), key=lambda t: -t.event_ms)
        return Loaded(trades, answer.received_ms, (answer.provider,))

    key = ("trades", asset.id, quote, provider, rung)
    return await rt.cache.get(key, rt.freshness.orderbook, rt.freshness.max_stale_orderbook, load)


async def _ask(
    rt: Runtime,
    capability: Capability,
    asset: Asset,
    quote: str | None,
    provider: str | None,
    make: Callable[[Pair], Ask],
) -> Answer[Record]:
    def ask_for(source: Source) -> Ask | None:
        pair = pair_at(rt, source, asset, quote)
        return None if pair is None else make(pair)

    providers = None
    if provider is not None:
        rt.gateway.source(provider)
        providers = [provider]
    try:
        answer = await rt.gateway.ask(capability, ask_for, providers=providers)
    except AllProvidersFailed as error:
        failures = {t["failure"] for t in error.details["tried"]}
        if failures <= NOT_LISTED | {UpstreamRejected.code}:
            where = f"at {provider}" if provider else "at any venue in use"
            pair = f"{asset.ticker}/{quote}" if quote else asset.ticker
            raise UnknownSymbol(
                f"{pair} is not listed {where}; GET /api/prices/{asset.ticker}/sources names who lists it.",
                details={"symbol": pair, "did_you_mean": []},
            ) from None
        raise
    if not answer.records:
        raise AllProvidersFailed(
            f"{answer.provider} answered without a usable record.",
            details={"tried": [{"provider": answer.provider, "failure": "payload_changed"}]},
        )
    return answer
