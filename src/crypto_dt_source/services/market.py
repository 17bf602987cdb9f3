"""The market as a whole: global figures, lists of coins, trending, categories, exchanges, one coin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar, cast

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
    TrendingAsk,
)
from ..model.asset import Asset
from ..model.errors import AllProvidersFailed, NotFound
from ..model.market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, TrendingCoin
from ..store.cache import Cached, Loaded
from . import persist
from .allowance import first_call
from .learning import learn
from .prices import PricePoint
from .runtime import Runtime

T = TypeVar("T")
COINS_PER_PAGE = 250
MOST_EXCHANGES = 1000
"""Exchanges asked for at once: more than an aggregator lists that watches them."""
MOST_PAGES = 80
"""No upstream lists more than 20 000 coins; a page number beyond is not worth a call."""
TRENDING_SHOWN = 7
GLOBAL_EVERY_S = 300
TRENDING_EVERY_S = 900
"""Only CoinGecko has these, whose month allows 300 calls a day for everything."""
CATEGORIES_RENEWED_S = 1800
"""Categories are renewed behind a request no sooner: they move slowly and cost of the same 300 calls."""
LATE = 1.25
"""Times its period after which what a job renews counts as overdue, and a request has it renewed."""


class Coin(NamedTuple):
    """A market-list row under its canonical asset."""

    asset: Asset
    row: CoinMarket


class CoinPage(NamedTuple):
    """One page of 250 of a market list. `listed`: the rows it came with, those of coins the registry does not know
    included, which `coins` leaves out."""

    coins: list[Coin]
    listed: int


class Overview(NamedTuple):
    """The global figures with our prices of bitcoin and ether, each None where nothing is known of it."""

    figures: Cached[GlobalMarket]
    btc: PricePoint | None
    eth: PricePoint | None


class Trend(NamedTuple):
    """A trending coin under its canonical asset; None where it fits none of the registry."""

    asset: Asset | None
    row: TrendingCoin


class Exchange(NamedTuple):
    """One exchange of the list, and the providers that ask it themselves; None where the ids of who listed it are not
    known to the catalogue."""

    row: ExchangeInfo
    read_directly_as: list[str] | None


def _late(rt: Runtime, every_s: float) -> float | None:
    """Age before which the timetable is trusted to renew it; None when nothing is collected in the background."""
    return LATE * every_s if rt.first_round is not None else None


def _coins_every(rt: Runtime) -> float:
    offering = rt.gateway.offering(Capability.COINS)
    return float(offering[0].entry.poll_s) if offering else 0.0


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
        "global",
        rt.freshness.market,
        rt.freshness.max_stale_market,
        lambda: load_global(rt),
        renew_s=_late(rt, GLOBAL_EVERY_S),
    )


async def overview(rt: Runtime) -> Overview:
    """The global figures beside our own prices. Raises AllProvidersFailed."""
    figures = await global_market(rt)
    return Overview(figures, rt.pricer.point("bitcoin"), rt.pricer.point("ethereum"))


async def load_global(rt: Runtime, *, background: bool = False) -> Loaded[GlobalMarket]:
    """Fetch, store and give the global figures."""
    answer = await _first(rt, Capability.GLOBAL, GlobalAsk(), background=background)
    figures = cast(GlobalMarket, _only(answer))
    with persist.best_effort():
        await persist.market_snapshot(rt, figures)
    return Loaded(figures, answer.received_ms, (answer.provider,))


async def coin_list(rt: Runtime, page: int = 1) -> Cached[CoinPage]:
    """A page of 250 coins by market cap. Raises NotFound for a page after the last."""
    if page > MOST_PAGES:
        raise no_page(page)
    collected = (page - 1) * COINS_PER_PAGE < rt.limits.collect_top
    return await rt.cache.get(
        ("coins", page),
        rt.freshness.coins,
        rt.freshness.max_stale_market,
        lambda: load_coins(rt, page),
        renew_s=_late(rt, _coins_every(rt)) if collected else None,
        allow=_always if collected else rt.pages.spend,
        admit=_always if collected else first_call(rt.first_pages, packaged=True),
    )


def _always() -> bool:
    return True


async def load_coins(
    rt: Runtime, page: int = 1, *, providers: Sequence[str] | None = None, background: bool = False
) -> Loaded[CoinPage]:
    """Fetch a page: feeds the resolver and the board, is stored, and given under canonical assets.
    Raises NotFound for one without rows."""
    ask = CoinsAsk(page, COINS_PER_PAGE)
    answer = await rt.gateway.ask(
        Capability.COINS, lambda source: ask, providers=providers, background=background
    )
    rows = cast("tuple[CoinMarket, ...]", answer.records)
    coins = await take_coins(rt, answer.provider, rows)
    with persist.best_effort():
        await persist.coins(rt, rows)
    if not rows:
        raise no_page(page)
    return Loaded(CoinPage(coins, len(rows)), answer.received_ms, (answer.provider,))


def no_page(page: int) -> NotFound:
    """The error for a page after the last."""
    return NotFound(f"There is no page {page} of coins.", details={"parameter": "page", "got": page})


async def take_coins(rt: Runtime, provider: str, rows: Sequence[CoinMarket]) -> list[Coin]:
    """Learn the assets of a market list, put its prices on the board, and map its rows; a row whose coin fits no asset
    of the registry is left out."""
    entry = rt.gateway.source(provider).entry
    await learn(rt, persist.listings_of(entry.source, rows))
    rt.board.update_coins(provider, rows)
    return coins_of(rt, rows)


def coins_of(rt: Runtime, rows: Sequence[CoinMarket]) -> list[Coin]:
    """Market rows under their assets, those that fit none left out."""
    coins = []
    for row in rows:
        asset = rt.resolver.native(rt.gateway.source(row.provider).entry.source, row.native_id)
        if asset is not None:
            coins.append(Coin(asset, row))
    return coins


async def movers(rt: Runtime, *, rising: bool, limit: int) -> Cached[list[Coin]]:
    """Coins of the first page of 250, as the aggregator lists them, by their 24 h change; those without one are left
    out."""
    cached = await coin_list(rt)
    known = [coin for coin in cached.value.coins if coin.row.change_24h_pct is not None]
    known.sort(key=lambda coin: cast(float, coin.row.change_24h_pct), reverse=rising)
    return Cached(known[:limit], cached.fetched_ms, cached.source, cached.state)


async def categories(rt: Runtime) -> Cached[list[Category]]:
    """Categories by market cap, the largest first."""

    async def load() -> Loaded[list[Category]]:
        answer = await _first(rt, Capability.CATEGORIES, CategoriesAsk())
        rows = sorted(cast("tuple[Category, ...]", answer.records), key=lambda c: -(c.market_cap or 0.0))
        with persist.best_effort():
            await persist.categories(rt, rows, answer.received_ms)
        return Loaded(rows, answer.received_ms, (answer.provider,))

    return await rt.cache.get(
        "categories",
        rt.freshness.categories,
        rt.freshness.max_stale_market,
        load,
        renew_s=CATEGORIES_RENEWED_S,
    )


async def trending(rt: Runtime) -> Cached[list[TrendingCoin]]:
    """The top seven coins people look up."""
    return await rt.cache.get(
        "trending",
        rt.freshness.trending,
        rt.freshness.max_stale_market,
        lambda: load_trending(rt),
        renew_s=_late(rt, TRENDING_EVERY_S),
    )


def trends_of(rt: Runtime, rows: Sequence[TrendingCoin]) -> list[Trend]:
    """Trending rows under their assets."""
    return [Trend(rt.resolver.native(_family(rt, row.provider), row.native_id), row) for row in rows]


def _family(rt: Runtime, provider: str) -> str:
    return rt.gateway.source(provider).entry.source


async def load_trending(rt: Runtime, *, background: bool = False) -> Loaded[list[TrendingCoin]]:
    """Fetch trending coins; they are stored, and the resolver learns them."""
    answer = await _first(rt, Capability.TRENDING, TrendingAsk(), background=background)
    rows = sorted(cast("tuple[TrendingCoin, ...]", answer.records), key=lambda c: c.position)[:TRENDING_SHOWN]
    await learn(rt, persist.listings_of(_family(rt, answer.provider), rows))
    with persist.best_effort():
        await persist.assets(rt, (trend.asset for trend in trends_of(rt, rows) if trend.asset is not None))
    with persist.best_effort():
        await persist.trending(rt, rows, answer.received_ms)
    return Loaded(rows, answer.received_ms, (answer.provider,))


async def exchanges(rt: Runtime) -> Cached[list[ExchangeInfo]]:
    """All exchanges as one aggregator lists them, in its order of trust; the first 1000 where there are more."""

    async def load() -> Loaded[list[ExchangeInfo]]:
        answer = await _first(rt, Capability.EXCHANGES, ExchangesAsk(1, MOST_EXCHANGES))
        rows = list(cast("tuple[ExchangeInfo, ...]", answer.records))
        with persist.best_effort():
            await persist.exchanges(rt, rows, answer.received_ms)
        return Loaded(rows, answer.received_ms, (answer.provider,))

    return await rt.cache.get("exchanges", rt.freshness.exchanges, rt.freshness.max_stale_market, load)


async def exchange(rt: Runtime, exchange_id: str) -> Cached[Exchange]:
    """One exchange by its id in the list. Raises NotFound."""
    listed = await exchanges(rt)
    row = next((r for r in listed.value if r.native_id == exchange_id), None)
    if row is None:
        raise NotFound(
            f"There is no exchange {exchange_id!r}; GET /api/exchanges lists them.",
            details={"id": exchange_id},
        )
    found = Exchange(row, _readers(rt, row))
    return Cached(found, listed.fetched_ms, listed.source, listed.state)


def _readers(rt: Runtime, row: ExchangeInfo) -> list[str] | None:
    family = _family(rt, row.provider)
    known = {
        s.entry.id: s.entry.listed_as[family]
        for s in rt.gateway.sources.values()
        if family in s.entry.listed_as
    }
    return sorted(one for one, native_id in known.items() if native_id == row.native_id) if known else None


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
        with persist.best_effort():
            await persist.coin_detail(rt, detail, answer.received_ms)
        return Loaded(detail, answer.received_ms, (answer.provider,))

    key = ("coin", asset.id)
    if rt.cache.peek(key) is None and (kept := await persist.kept_coin_detail(rt, asset)) is not None:
        rt.cache.put(key, kept)
    return await rt.cache.get(
        key,
        rt.freshness.coins,
        rt.freshness.max_stale_market,
        load,
        allow=rt.pages.spend,
        admit=first_call(rt.first_pages, packaged=rt.resolver.packaged(asset.id)),
    )


def _only(answer: Answer[T]) -> T:
    """The single record of an answer. Raises AllProvidersFailed when the upstream's was kept out."""
    if answer.records:
        return answer.records[0]
    raise AllProvidersFailed(
        f"{answer.provider} answered without a usable record.",
        details={"tried": [{"provider": answer.provider, "failure": "payload_changed"}]},
    )
