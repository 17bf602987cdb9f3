"""Order books and recent trades: one venue's, with failover, a couple of seconds old at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from ..gateway.source import Source
from ..model.answer import Answer, Record
from ..model.ask import Ask, BookAsk, Capability, TradesAsk
from ..model.asset import Asset
from ..model.book import OrderBook, Trade
from ..model.errors import AllProvidersFailed, UnknownSymbol, UpstreamRejected
from ..model.quote import Pair
from ..store.cache import Cached, Loaded
from .allowance import first_call
from .exchanges import out_of_reach
from .listing import identify, pair_at
from .runtime import Runtime

AHEAD_MS = 60_000
"""What a venue dates further ahead of our clock than this has not happened."""
TRADE_COST = 2
"""Of a trade in the cache, where a level of a book costs one."""
ANSWERS_TRIED = 3
"""Venues asked for the sake of a book with both sides, or of any trade."""
NOT_LISTED = frozenset({"symbol_not_listed", "not_offered"})


async def order_book(
    rt: Runtime, asset: Asset, quote: str | None, *, depth: int, provider: str | None
) -> Cached[OrderBook]:
    """The book of the best source, `depth` levels a side at least where it has them. Raises AllProvidersFailed, also when
    every book was empty or crossed, or UnknownSymbol when no venue lists the pair."""

    def whole(records: Sequence[Record]) -> bool:
        return _whole(records, rt.clock.now_ms() + AHEAD_MS)

    rung = next(size for size in (20, 50, 100, 500, 1000) if size >= depth)

    async def load() -> Loaded[OrderBook]:
        answer = await _ask(
            rt, Capability.BOOK, asset, quote, provider, lambda pair: BookAsk(pair, rung), whole
        )
        if not whole(answer.records):
            raise AllProvidersFailed(
                "No venue showed a book of now with both sides.",
                details={"tried": [{"provider": answer.provider, "failure": "unusable_book"}]},
            )
        book = cast(OrderBook, answer.records[0])
        return Loaded(book, answer.received_ms, (answer.provider,), len(book.bids) + len(book.asks))

    key = ("book", asset.id, quote, provider, rung)
    soft, hard = rt.freshness.orderbook, rt.freshness.max_stale_orderbook
    admit = first_call(rt.firsts, packaged=rt.resolver.packaged(asset.id))
    return await rt.cache.get(key, soft, hard, load, allow=rt.renewals.spend, admit=admit)


async def recent_trades(
    rt: Runtime, asset: Asset, quote: str | None, *, limit: int, provider: str | None = None
) -> Cached[list[Trade]]:
    """The newest trades of the best source that has any, newest first; empty when there were none."""

    def happened(records: Sequence[Record]) -> list[Trade]:
        latest = rt.clock.now_ms() + AHEAD_MS
        return [t for t in cast("Sequence[Trade]", records) if t.event_ms <= latest]

    rung = 100 if limit <= 100 else 1000

    async def load() -> Loaded[list[Trade]]:
        answer = await _ask(
            rt, Capability.TRADES, asset, quote, provider, lambda pair: TradesAsk(pair, rung), happened
        )
        trades = sorted(happened(answer.records), key=lambda t: -t.event_ms)
        return Loaded(trades, answer.received_ms, (answer.provider,), 1 + TRADE_COST * len(trades))

    key = ("trades", asset.id, quote, provider, rung)
    soft, hard = rt.freshness.orderbook, rt.freshness.max_stale_orderbook
    admit = first_call(rt.firsts, packaged=rt.resolver.packaged(asset.id))
    return await rt.cache.get(key, soft, hard, load, allow=rt.renewals.spend, admit=admit)


async def _ask(
    rt: Runtime,
    capability: Capability,
    asset: Asset,
    quote: str | None,
    provider: str | None,
    make: Callable[[Pair], Ask],
    usable: Callable[[Sequence[Record]], object],
) -> Answer[Record]:
    """The first answer that is `usable`, of at most ANSWERS_TRIED; the last one that is not when none is. Raises
    AllProvidersFailed, or UnknownSymbol when no venue lists the pair."""
    await identify(rt, asset)
    names: list[str] | None = None
    answered: set[str] = set()
    if provider is not None:
        rt.gateway.source(provider)
        names = [provider]

    far = out_of_reach(rt, capability, quote, provider)

    def ask_for(source: Source) -> Ask | None:
        pair = None if source.entry.id in far else pair_at(rt, source, asset, quote)
        return None if pair is None else make(pair)

    poor: Answer[Record] | None = None
    for _ in range(ANSWERS_TRIED):
        try:
            answer = await rt.gateway.ask(capability, ask_for, providers=names)
        except AllProvidersFailed as error:
            if poor is not None:
                return poor
            failures = {t["failure"] for t in error.details["tried"]}
            if failures <= NOT_LISTED | {UpstreamRejected.code}:
                raise _unlisted(asset, quote, provider) from None
            raise
        if usable(answer.records):
            return answer
        poor = answer
        # The other host of a venue shows the same book.
        answered.add(rt.gateway.source(answer.provider).entry.source)
        left = [s.entry.id for s in rt.gateway.offering(capability) if s.entry.source not in answered]
        names = [name for name in left if provider in (None, name)]
        if not names:
            break
    assert poor is not None  # noqa: S101 - the loop returned or raised otherwise
    return poor


def _unlisted(asset: Asset, quote: str | None, provider: str | None) -> UnknownSymbol:
    where = f"at {provider}" if provider else "at any venue in use"
    pair = f"{asset.ticker}/{quote}" if quote else asset.ticker
    return UnknownSymbol(
        f"{pair} is not listed {where}; GET /api/prices/{asset.ticker}/sources names who lists it.",
        details={"symbol": pair, "did_you_mean": []},
    )


def _whole(records: Sequence[Record], latest_ms: int) -> bool:
    """Whether it is a book of `latest_ms` at the latest, with both sides, the best bid below the best ask: a crossed one
    is a venue's fault or a mix of two moments, never a market."""
    if not records:
        return False
    book = cast(OrderBook, records[0])
    if book.event_ms is not None and book.event_ms > latest_ms:
        return False
    return bool(book.bids and book.asks) and book.bids[0].price < book.asks[0].price
