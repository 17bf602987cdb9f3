"""What a start takes up from the store, so that it can answer with every upstream dead: each with the time and the source
it was fetched with, served marked stale once that is past its age limit."""

from __future__ import annotations

from ..gateway.limits import KeptUse
from ..model.ask import Capability
from ..model.market import GlobalMarket
from ..pricing.rates import BASE, Rate
from ..pricing.source import SourceQuote
from ..store import CONSENSUS, PriceRow
from ..store.cache import Loaded
from ..store.repos import budgets as budget_repo
from ..store.repos import coins as coin_repo
from ..store.repos import market as market_repo
from ..store.repos import prices as price_repo
from ..telemetry import logger
from . import asset_lists, choices, pools
from .market import COINS_PER_PAGE, CoinPage, coins_of
from .prices import METHOD, PricePoint
from .runtime import Runtime

log = logger("restore")
PART_OF_WINDOW = 1 / 60
"""No part of a window that is stored by itself is longer than this share of it."""
PAGE_SPAN_MS = 3_600_000
"""Rows of a market list fetched within this span of the newest belong to the same list; older ones have left it."""


async def everything(rt: Runtime) -> None:
    """What operators chose, assets, prices, rates, spent budgets, and the newest of every list. Raises StoreError."""
    await choices.restore(rt)
    await asset_lists.restore(rt)
    count = await prices(rt)
    asked = asset_lists.restore_asked(rt)
    await pools.restore(rt)
    kept = await budgets(rt)
    found_lists = [name for name, found in await lists(rt) if found]
    log.info("restored", prices=count, assets=len(rt.resolver), budgets=kept, asked=asked, lists=found_lists)


async def budgets(rt: Runtime, since_ms: int | None = None) -> int:
    """What was spent of the upstreams' limits; with `since_ms`, what another process spent since this one last knew.
    Gives how many parts of windows. Raises StoreError."""
    kept = [
        KeptUse(row.scope, row.window_s, row.window_start_ms, round(row.used))
        for row in await budget_repo.all_budgets(rt.store)
        # The part that was under way then is counted again rather than not.
        if since_ms is None or row.window_start_ms > since_ms - PART_OF_WINDOW * row.window_s * 1000
    ]
    rt.gateway.restore_use(kept)
    rt.gateway.saved_ms = rt.clock.now_ms()
    return len(kept)


async def prices(rt: Runtime) -> int:
    """The last price of every asset and the rates behind them; gives how many prices. Who it came from and when is
    decided again from the stored quotes; where these are gone, or no longer give that price, only its own time is
    known."""
    last = await price_repo.latest_all(rt.store, CONSENSUS)
    behind = await price_repo.behind_latest(rt.store, CONSENSUS)
    used: dict[int, dict[str, float]] = {}
    points: list[PricePoint] = []
    for row in last.values():
        if row.price is None:
            continue
        point = None
        quotes = [SourceQuote(*quote[2:]) for quote in behind.get(row.asset, ())]
        if quotes:
            if row.timestamp not in used:
                used[row.timestamp] = await price_repo.rates_at(rt.store, row.timestamp)
            point = rt.pricer.replayed(row.asset, quotes, used[row.timestamp], row.timestamp)
        if point is None or (point.price, point.method) != (row.price, row.method):
            point = _of_row(row, max((quote.received_ms for quote in quotes), default=row.timestamp))
        points.append(point._replace(stale=True))
    newest = max((row.timestamp for row in last.values()), default=0)
    rates = await price_repo.rates_at(rt.store, newest) if newest else {}
    rt.pricer.restore(points, [Rate(c, usd, "ok", 0, newest) for c, usd in rates.items()])
    return len(points)


def _of_row(row: PriceRow, as_of_ms: int) -> PricePoint:
    return PricePoint(
        asset=row.asset,
        vs=BASE,
        price=row.price,
        status=row.status,
        half_width=row.half_width,
        sources=row.sources or 0,
        dispersion_pct=row.dispersion_pct,
        change_24h_pct=None,
        volume_24h=None,
        as_of_ms=as_of_ms,
        stale=True,
        providers=(),
        method=row.method or METHOD,
    )


async def lists(rt: Runtime) -> list[tuple[str, bool]]:
    """The newest of every list that is not younger here; gives which the store had. Raises StoreError."""
    return [
        ("global", await _global(rt)),
        ("trending", await _trending(rt)),
        ("coins", await _coins(rt)),
        ("categories", await _categories(rt)),
        ("exchanges", await _exchanges(rt)),
    ]


async def _global(rt: Runtime) -> bool:
    row = await market_repo.latest(rt.store)
    if row is None or row.market_cap is None:
        return False
    figures = GlobalMarket(
        provider=row.provider,
        market_cap=row.market_cap,
        volume_24h=row.volume_24h,
        btc_dominance_pct=row.btc_dominance_pct,
        eth_dominance_pct=row.eth_dominance_pct,
        active_coins=row.active_coins,
        market_cap_change_24h_pct=row.change_24h_pct,
        event_ms=None,
        received_ms=row.timestamp,
    )
    rt.cache.put("global", Loaded(figures, row.timestamp, (row.provider,)))
    return True


async def _trending(rt: Runtime) -> bool:
    kept = await market_repo.latest_trending(rt.store)
    if kept is None:
        return False
    at_ms, rows = kept
    # Of a provider whose key is gone the ids can no longer be read.
    rows = [row for row in rows if row.provider in rt.gateway.sources]
    if rows:
        rt.cache.put("trending", Loaded(rows, at_ms, tuple(sorted({row.provider for row in rows}))))
    return bool(rows)


async def _coins(rt: Runtime) -> bool:
    for source in rt.gateway.offering(Capability.COINS):
        rows = await coin_repo.markets(rt.store, source.entry.id)
        if not rows:
            continue
        newest = max(row.received_ms for row in rows)
        rows = [row for row in rows if row.received_ms > newest - PAGE_SPAN_MS]
        for page, at in enumerate(range(0, len(rows), COINS_PER_PAGE), 1):
            piece = rows[at : at + COINS_PER_PAGE]
            coins = coins_of(rt, piece)
            if coins:
                fetched_ms = min(row.received_ms for row in piece)
                rt.cache.put(
                    ("coins", page), Loaded(CoinPage(coins, len(piece)), fetched_ms, (source.entry.id,))
                )
        return True
    return False


async def _categories(rt: Runtime) -> bool:
    for source in rt.gateway.offering(Capability.CATEGORIES):
        kept = await coin_repo.latest_categories(rt.store, source.entry.id)
        if kept is not None:
            rt.cache.put("categories", Loaded(kept[1], kept[0], (source.entry.id,)))
            return True
    return False


async def _exchanges(rt: Runtime) -> bool:
    for source in rt.gateway.offering(Capability.EXCHANGES):
        kept = await coin_repo.latest_exchanges(rt.store, source.entry.id)
        if kept is not None:
            rt.cache.put("exchanges", Loaded(kept[1], kept[0], (source.entry.id,)))
            return True
    return False
