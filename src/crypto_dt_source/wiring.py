"""Puts everything together: settings in, a running Runtime out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .clock import Clock, SystemClock
from .gateway import Gateway, GatewayPolicy, HttpTransport, Transport
from .gateway.limits import KeptUse
from .jobs.runner import Runner
from .jobs.timetable import JOBS, polls
from .model.asset import AssetListing
from .model.candle import HOUR_MS
from .pricing.rates import Rate
from .providers import catalog
from .providers.resolver import Resolver
from .services.accounts import Accounts
from .services.board import Board
from .services.prices import METHOD, PricePoint, Pricer
from .services.runtime import Freshness, Limits, Runtime
from .settings import Settings
from .store import CONSENSUS, open_store
from .store.cache import Cache
from .store.repos import assets as asset_repo
from .store.repos import budgets as budget_repo
from .store.repos import prices as price_repo
from .telemetry import logger

log = logger("wiring")


def freshness_of(settings: Settings) -> Freshness:
    """Ages from the settings."""
    return Freshness(
        prices=settings.cache_ttl_prices,
        market=settings.cache_ttl_market,
        coins=settings.cache_ttl_coins,
        categories=settings.cache_ttl_categories,
        trending=settings.cache_ttl_trending,
        ohlcv=settings.cache_ttl_ohlcv,
        open_candle=settings.cache_ttl_open_candle,
        orderbook=settings.cache_ttl_orderbook,
        exchanges=settings.cache_ttl_exchanges,
        max_stale_prices=settings.cache_max_stale_prices,
        max_stale_market=settings.cache_max_stale_market,
        max_stale_orderbook=settings.cache_max_stale_orderbook,
    )


def limits_of(settings: Settings) -> Limits:
    """Amounts from the settings."""
    return Limits(
        collect_interval_s=settings.collect_interval,
        collect_top=settings.collect_top,
        backfill_days=settings.backfill_days,
        backfill_top=settings.backfill_top,
        backfill_intervals=tuple(filter(None, settings.backfill_intervals.split(","))),
        retention_days=settings.retention_days,
        retention_quotes_hours=settings.retention_quotes_hours,
        retention_requests_days=settings.retention_requests_days,
        request_timeout_s=settings.request_timeout,
    )


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    base_urls: dict[str, str] | None = None,
    mode: str = "live",
    clock: Clock | None = None,
    transport: Transport | None = None,
    background: bool | None = None,
) -> AsyncIterator[Runtime]:
    """A Runtime with its store open, last prices restored and, when `background`, its jobs running; all closed at the
    end in the opposite order. Raises StoreOpenError, CatalogError, AddressRefused."""
    clock = clock or SystemClock()
    entries = catalog.load()
    accounts = Accounts(clock)
    store = await open_store(settings.sql_url(), pool_size=settings.database_pool_size, clock=clock)
    gateway = Gateway(
        entries,
        transport or HttpTransport(clock),
        clock,
        keys=settings.keys(),
        base_urls=base_urls or {},
        policy=GatewayPolicy(timeout_s=settings.upstream_timeout),
        observer=accounts.call,
    )
    resolver = Resolver(venue_tickers={entry.id: entry.tickers for entry in entries.values()})
    board = Board(entries, resolver)
    freshness = freshness_of(settings)
    rt = Runtime(
        clock=clock,
        gateway=gateway,
        store=store,
        resolver=resolver,
        board=board,
        cache=Cache(clock),
        pricer=Pricer(board, resolver, clock, freshness.prices, freshness.max_stale_prices),
        accounts=accounts,
        freshness=freshness,
        limits=limits_of(settings),
        mode=mode,
        started_ms=clock.now_ms(),
    )
    await restore(rt)
    runner: Runner | None = None
    try:
        if settings.enable_background_tasks if background is None else background:
            rt.first_round = asyncio.Event()
            runner = Runner(rt, [*polls(rt), *JOBS])
            runner.start()
        yield rt
    finally:
        if runner is not None:
            await runner.stop()
        await rt.cache.close()
        await gateway.close()
        await store.close()


async def restore(rt: Runtime) -> None:
    """Last prices, rates, assets and spent budgets from the store: what can be answered with every upstream dead."""
    known = await asset_repo.all_assets(rt.store)
    rt.resolver.learn(
        AssetListing("coingecko", a.id, a.ticker, a.name, a.rank, True) for a in known if a.kind == "coin"
    )
    last = await price_repo.latest_all(rt.store, CONSENSUS)
    points = [
        PricePoint(
            asset=row.asset,
            vs="USD",
            price=row.price,
            status=row.status,
            half_width=row.half_width,
            sources=row.sources or 0,
            dispersion_pct=row.dispersion_pct,
            change_24h_pct=None,
            volume_24h=None,
            as_of_ms=row.timestamp,
            stale=True,
            providers=(),
            method=row.method or METHOD,
        )
        for row in last.values()
        if row.price is not None
    ]
    newest = max((row.timestamp for row in last.values()), default=0)
    rates = await price_repo.rates_at(rt.store, newest) if newest else {}
    rt.pricer.restore(points, [Rate(c, usd, "ok", 0, newest) for c, usd in rates.items()])
    kept = [
        KeptUse(row.scope, row.window_s, row.window_start_ms, int(row.used))
        for row in await budget_repo.all_budgets(rt.store)
        if row.window_start_ms + row.window_s * 1000 > rt.clock.now_ms() - HOUR_MS
    ]
    rt.gateway.restore_use(kept)
    log.info("restored", prices=len(points), assets=len(rt.resolver), budgets=len(kept))
