"""The market as a whole: global figures, lists of coins, trending, categories, exchanges, one coin, search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from ..gateway.source import Source
from ..model.answer import Answer, Record
from ..model.ask import (
    Ask,
    Capability,
    CategoriesAsk,
    CoinAsk,
    CoinsAsk,
    ExchangesAsk,
    GlobalAsk,
    SearchAsk,
    TrendingAsk,
)
from ..model.asset import Asset
from ..model.errors import AllProvidersFailed, NotFound
from ..model.market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, TrendingCoin
from ..store.cache import Cached, Loaded
from . import persist
from .runtime import Runtime

T = TypeVar("T")
COINS_PER_PAGE = 250
TRENDING_SHOWN = 7


class Coin(NamedTuple):
    """A market-list row under its canonical asset."""

    asset: Asset
    row: CoinMarket


async def _first(
    rt: Runtime,
    capability: Capability,
    ask: Ask | Callable[[Source], Ask | None],
    *,
    background: bool = False,
) -> Answer[Record]:
    ask_for = ask if callable(ask) else (lambda source: ask)
    return await rt.gateway.ask(capability, ask_for, background=background)


async def global_market(rt: Runtime) -> Cached[GlobalMarket]:
    """The newest global figures of the best aggregator."""
    return await rt.cache.get(
        "global", rt.freshness.market, rt.freshness.max_stale_market, lambda: load_global(rt)
    )


async def load_global(rt: Runtime, *, background: bool = False) -> Loaded[GlobalMarket]:
    """Fetch, store and give the global figures."""
    answer = await _first(rt, Capability.GLOBAL, GlobalAsk(), background=background)
    figures = cast(GlobalMarket, _only(answer))
    await persist.market_snapshot(rt, figures)
    return Loaded(figures, answer.received_ms, (answer.provider,))


async def coin_list(rt: Runtime, page: int = 1) -> Cached[list[Coin]]:
    """A page of 250 coins by market cap."""
    return await rt.cache.get(
        ("coins", page),
        rt.freshness.coins,
        rt.freshness.max_stale_market,
        lambda: load_coins(rt, page),
    )


async def load_coins(
    rt: Runtime, page: int = 1, *, providers: Sequence[str] | None = None, background: bool = False
) -> Loaded[list[Coin]]:
    """Fetch a page: feeds the resolver and the board, is stored, and given under canonical assets."""
    ask = CoinsAsk(page, COINS_PER_PAGE)
    answer = await rt.gateway.ask(
        Capability.COINS, lambda source: ask, providers=providers, background=background
    )
    rows = cast("tuple[CoinMarket, ...]", answer.records)
    coins = take_coins(rt, answer.provider, rows)
    await persist.coins(rt, rows)
    if not coins:
        raise NotFound(f"There is no page {page} of coins.", details={"parameter": "page", "got": page})
    return Loaded(coins, answer.received_ms, (answer.provider,))


def take_coins(rt: Runtime, provider: str, rows: Sequence[CoinMarket]) -> list[Coin]:
    """Learn the assets of a market list, put its prices on the board, and map its rows."""
    entry = rt.gateway.source(provider).entry
    rt.resolver.learn(persist.listings_of(entry.source, rows))
    rt.board.update_coins(provider, rows)
    coins = []
    for row in rows:
        asset = rt.resolver.native(entry.source, row.native_id)
        if asset is not None:
            coins.append(Coin(asset, row))
    return coins


async def movers(rt: Runtime, *, rising: bool, limit: int) -> Cached[list[Coin]]:
    """Coins of the first page by their 24 h change, those without one left out."""
    cached = await coin_list(rt)
    known = [coin for coin in cached.value if coin.row.change_24h_pct is not None]
    known.sort(key=lambda coin: cast(float, coin.row.change_24h_pct), reverse=rising)
    return Cached(known[:limit], cached.fetched_ms, cached.source, cached.state)


async def categories(rt: Runtime) -> Cached[list[Category]]:
    """Categories by market cap, the largest first."""

    async def load() -> Loaded[list[Category]]:
        answer = await _first(rt, Capability.CATEGORIES, CategoriesAsk())
        rows = sorted(cast("tuple[Category, ...]", answer.records), key=lambda c: -(c.market_cap or 0.0))
        await persist.categories(rt, rows, answer.received_ms)
        return Loaded(rows, answer.received_ms, (answer.provider,))

    return await rt.cache.get("categories", rt.freshness.categories, rt.freshness.max_stale_market, load)


async def trending(rt: Runtime) -> Cached[list[TrendingCoin]]:
    """The top seven coins people look up."""
    return await rt.cache.get(
        "trending", rt.freshness.trending, rt.freshness.max_stale_market, lambda: load_trending(rt)
    )


async def load_trending(rt: Runtime, *, background: bool = False) -> Loaded[list[TrendingCoin]]:
    """Fetch, store and give trending coins."""
    answer = await _first(rt, Capability.TRENDING, TrendingAsk(), background=background)
    rows = sorted(cast("tuple[TrendingCoin, ...]", answer.records), key=lambda c: c.position)[:TRENDING_SHOWN]
    await persist.trending(rt, rows, answer.received_ms)
    return Loaded(rows, answer.received_ms, (answer.provider,))


async def exchanges(rt: Runtime) -> Cached[list[ExchangeInfo]]:
    """Exchanges as an aggregator lists them, in its order of trust."""

    async def load() -> Loaded[list[ExchangeInfo]]:
        answer = await _first(rt, Capability.EXCHANGES, ExchangesAsk(1, COINS_PER_PAGE))
        rows = list(cast("tuple[ExchangeInfo, ...]", answer.records))
        await persist.exchanges(rt, rows, answer.received_ms)
        return Loaded(rows, answer.received_ms, (answer.provider,))

    return await rt.cache.get("exchanges", rt.freshness.exchanges, rt.freshness.max_stale_market, load)


async def coin(rt: Runtime, asset: Asset) -> Cached[CoinDetail]:
    """One coin's page from the best aggregator that knows it. Raises NotFound when none does."""

    def ask_for(source: Source) -> Ask | None:
        native = rt.resolver.native_id(asset.id, source.entry.source)
        return None if native is None else CoinAsk(native)

    async def load() -> Loaded[CoinDetail]:
        try:
            answer = await _first(rt, Capability.COIN, ask_for)
        except AllProvidersFailed as error:
            failures = {t["failure"] for t in error.details["tried"]}
            if not failures or failures <= {"symbol_not_listed", "not_offered", "upstream_rejected"}:
                raise NotFound(
                    f"No source in use has a page for {asset.name}.", details={"id": asset.id}
                ) from None
            raise
        detail = cast(CoinDetail, _only(answer))
        await persist.coin_detail(rt, detail, answer.received_ms)
        return Loaded(detail, answer.received_ms, (answer.provider,))

    return await rt.cache.get(("coin", asset.id), rt.freshness.coins, rt.freshness.max_stale_market, load)


async def learn_from_search(rt: Runtime, text: str) -> Cached[list[Asset]]:
    """Coins matching `text`: what the registry knows, and what the best upstream search adds when it knows little."""
    known = rt.resolver.search(text, 20)

    async def load() -> Loaded[list[Asset]]:
        answer = await _first(rt, Capability.SEARCH, SearchAsk(text))
        family = rt.gateway.source(answer.provider).entry.source
        hits: tuple[Any, ...] = answer.records
        rt.resolver.learn(persist.listings_of(family, hits))
        found = [rt.resolver.native(family, hit.native_id) for hit in hits]
        return Loaded([a for a in found if a is not None], answer.received_ms, (answer.provider,))

    if len(known) >= 5:
        return Cached(known, rt.started_ms, ("registry",), "hit")
    try:
        cached = await rt.cache.get(
            ("search", text.casefold()), rt.freshness.coins, rt.freshness.max_stale_market, load
        )
    except AllProvidersFailed:
        return Cached(known, rt.started_ms, ("registry",), "hit")
    merged = {asset.id: asset for asset in [*known, *cached.value]}
    return Cached(list(merged.values())[:50], cached.fetched_ms, cached.source, cached.state)


def _only(answer: Answer[T]) -> T:
    """The single record of an answer. Raises AllProvidersFailed when the upstream's was kept out."""
    if answer.records:
        return answer.records[0]
    raise AllProvidersFailed(
        f"{answer.provider} answered without a usable record.",
        details={"tried": [{"provider": answer.provider, "failure": "payload_changed"}]},
    )
