"""Puts everything together: settings in, a running Runtime out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from difflib import get_close_matches

from .analysis.registry import Models
from .clock import Clock, SystemClock
from .gateway import Following, Gateway, GatewayPolicy, HttpTransport, Transport
from .gateway.guard import check_base_url
from .gateway.sockets import Connector
from .jobs.runner import Runner
from .jobs.timetable import JOBS, KEEPING, polls
from .model.asset import Asset
from .model.errors import AddressRefused, UnknownModel
from .providers import catalog
from .providers.catalog import Entry
from .providers.resolver import Resolver
from .services import access as access_service
from .services import collect, restore
from .services.access import Access
from .services.accounts import Accounts
from .services.allowance import Allowance
from .services.board import Board
from .services.newsroom import Newsroom
from .services.on_demand import OnDemand, fetch_assets
from .services.prices import Pricer
from .services.runtime import Freshness, Limits, Runtime
from .services.streaming import Sessions
from .settings import BASE_URL_PREFIX, Settings, SettingsError
from .store import Store, open_store
from .store.cache import Cache
from .store.errors import StoreError
from .stream import Bus, Hub
from .telemetry import hide
from .wiring_access import access_of
from .wiring_live import live_of

RENEWALS_PER_S, RENEWALS_AT_ONCE = 0.4, 60.0
"""Beside the timetable people's requests renew this much in all, however many people ask."""
FIRSTS_PER_S, FIRSTS_AT_ONCE = 2.0, 240.0
"""What nobody holds yet is asked for at most this much in all: whoever walks through thousands of names is told to come
back, and the upstreams' limits stay there for everybody else."""
FIRST_PAGES_PER_S, FIRST_PAGES_AT_ONCE = 1 / 30, 120.0
LOOKUPS_PER_S, LOOKUPS_AT_ONCE = 1 / 60, 20.0


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
        defi=settings.cache_ttl_defi,
        derivatives=settings.cache_ttl_derivatives,
        gas=settings.cache_ttl_gas,
        chain_stats=settings.cache_ttl_chain_stats,
        news=settings.cache_ttl_news,
        sentiment=settings.cache_ttl_sentiment,
        fear_greed=settings.cache_ttl_fear_greed,
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
        retention_daily_candles_days=settings.retention_daily_candles_days,
        retention_quotes_hours=settings.retention_quotes_hours,
        retention_requests_days=settings.retention_requests_days,
        request_timeout_s=settings.request_timeout,
        sentiment=settings.enable_sentiment_analysis,
    )


def models_of(settings: Settings, clock: Clock) -> Models:
    """The registry of models. Raises SettingsError for a SENTIMENT_MODEL that can be none."""
    try:
        return Models(
            clock,
            settings.data_dir / "models",
            backend=settings.sentiment_backend,
            memory_mb=settings.models_memory_mb,
            default=settings.sentiment_model,
            load=settings.models_load,
            offline=settings.models_offline,
        )
    except UnknownModel as error:
        raise SettingsError(
            f"SENTIMENT_MODEL: got {settings.sentiment_model[:80]!r}; {error.message} Allowed: an id of GET /api/models, "
            "owner/name on the hub, or a folder."
        ) from None


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    base_urls: Mapping[str, str] | None = None,
    mode: str = "live",
    clock: Clock | None = None,
    transport: Transport | None = None,
    background: bool | None = None,
    ws_urls: Mapping[str, str] | None = None,
    connector: Connector | None = None,
) -> AsyncIterator[Runtime]:
    """A Runtime with its store open, last prices restored and, when `background`, its jobs running; all closed at the
    end in the opposite order. Raises StoreOpenError, CatalogError, SettingsError."""
    clock = clock or SystemClock()
    hide(settings.secrets(), sent=[settings.cdts_admin_key])
    entries = with_own_feeds(settings.feeds(), catalog.load())
    urls = checked_base_urls(base_urls or {}, entries)
    accounts = Accounts(clock)
    async with AsyncExitStack() as stack:
        store = await open_store(settings.sql_url(), pool_size=settings.database_pool_size, clock=clock)
        stack.push_async_callback(store.close)
        access = await asyncio.to_thread(access_of, settings, store, clock)
        stack.push_async_callback(access.limiter.close)
        await access_service.begin(access)
        gateway = Gateway(
            entries,
            transport or Following(HttpTransport(clock), clock),
            clock,
            keys=settings.keys(),
            base_urls=urls,
            policy=GatewayPolicy(timeout_s=settings.upstream_timeout),
            observer=accounts.call,
        )
        stack.push_async_callback(gateway.close)
        models = models_of(settings, clock)
        stack.push_async_callback(models.close)
        await models.start()
        rt = _runtime(settings, store, gateway, entries, accounts, models, access, mode)
        stack.push_async_callback(rt.cache.close)
        stack.push_async_callback(rt.on_demand.close)
        stack.callback(rt.sessions.close)
        await restore.everything(rt)
        # What start-up made lives as long as the process: without it each full collection walks it all again.
        gc.collect()
        gc.freeze()
        stack.push_async_callback(_keep_accounts, rt)
        if background is None or background:
            await _begin_work(
                stack,
                rt,
                settings,
                # Whoever brings a transport of their own brings the sockets too, or wants none.
                streams=connector is not None or transport is None,
                collects=bool(settings.enable_background_tasks if background is None else background),
                ws_urls=ws_urls or {},
                connector=connector,
            )
        yield rt


async def _begin_work(
    stack: AsyncExitStack,
    rt: Runtime,
    settings: Settings,
    *,
    streams: bool,
    collects: bool,
    ws_urls: Mapping[str, str],
    connector: Connector | None,
) -> None:
    """Start what goes on by itself; the stack ends it."""
    keeping = Runner(rt, KEEPING, collects=False)
    stack.push_async_callback(keeping.stop)
    keeping.start()
    if not collects:
        return
    rt.first_round = asyncio.Event()
    runner = Runner(rt, [*polls(rt), *JOBS])
    stack.push_async_callback(runner.stop)
    runner.start()
    if settings.enable_streams and streams:
        rt.feeds = live_of(settings, rt, ws_urls, connector)
        stack.push_async_callback(rt.feeds.stop)
        rt.feeds.start()


def _runtime(
    settings: Settings,
    store: Store,
    gateway: Gateway,
    entries: Mapping[str, Entry],
    accounts: Accounts,
    models: Models,
    access: Access,
    mode: str,
) -> Runtime:
    clock = accounts.clock
    resolver = Resolver(venue_tickers={entry.id: entry.tickers for entry in entries.values()})
    board = Board(entries, resolver)
    freshness = freshness_of(settings)

    async def fetch(assets: Sequence[Asset]) -> frozenset[str]:
        return await fetch_assets(rt, assets)

    rt = Runtime(
        clock=clock,
        entries=entries,
        gateway=gateway,
        store=store,
        resolver=resolver,
        board=board,
        cache=Cache(clock),
        pricer=Pricer(board, resolver, clock, freshness.prices, freshness.max_stale_prices),
        accounts=accounts,
        on_demand=OnDemand(fetch, clock, resolver.packaged),
        models=models,
        newsroom=Newsroom(resolver, clock),
        access=access,
        bus=Bus(),
        hub=Hub(clock.now_ms),
        renewals=Allowance(clock, RENEWALS_PER_S, RENEWALS_AT_ONCE),
        searches=Allowance(clock, LOOKUPS_PER_S, LOOKUPS_AT_ONCE),
        pages=Allowance(clock, LOOKUPS_PER_S, LOOKUPS_AT_ONCE),
        firsts=Allowance(clock, FIRSTS_PER_S, FIRSTS_AT_ONCE),
        first_pages=Allowance(clock, FIRST_PAGES_PER_S, FIRST_PAGES_AT_ONCE),
        freshness=freshness,
        limits=limits_of(settings),
        mode=mode,
        started_ms=clock.now_ms(),
    )
    rt.bus.add(rt.hub.publish)
    rt.sessions = Sessions(
        rt,
        interval_s=settings.websocket_heartbeat_interval,
        timeout_s=settings.websocket_heartbeat_timeout,
    )
    return rt


def with_own_feeds(feeds: Mapping[str, str], entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """The catalogue and the feeds of NEWS_FEEDS. Raises SettingsError for a name that is taken or an address that
    cannot be one."""
    own: dict[str, Entry] = {}
    for name, url in feeds.items():
        if name in entries:
            raise SettingsError(
                f"NEWS_FEEDS: got the name {name!r}, which a provider has; allowed: another name."
            )
        try:
            check_base_url(url, whole=True)
        except AddressRefused as error:
            raise SettingsError(
                f"NEWS_FEEDS: got an address for {name!r} that cannot be used; {error.message}."
            ) from None
        own[name] = catalog.own_feed(name, url)
    return {**entries, **own} if own else entries


def checked_base_urls(base_urls: Mapping[str, str], entries: Mapping[str, Entry]) -> dict[str, str]:
    """The overrides as they are used. Raises SettingsError for one that names no provider or is not a plain address."""
    for provider, url in base_urls.items():
        name = f"{BASE_URL_PREFIX}{provider.upper()}"
        if provider not in entries:
            near = get_close_matches(provider, entries, n=3) or sorted(entries)
            raise SettingsError(f"{name}: got a provider that does not exist; allowed: {', '.join(near)}.")
        try:
            check_base_url(url, whole=entries[provider].kind == "feed")
        except AddressRefused as error:
            # The address itself is not repeated: it may hold a password.
            raise SettingsError(
                f"{name}: got an address that cannot be used; {error.message}, for example http://127.0.0.1:9000/{provider}."
            ) from None
    return dict(base_urls)


async def _keep_accounts(rt: Runtime) -> None:
    """The last minute's requests, calls and spent budgets, which a clean stop need not lose; and what callers have used,
    which must not be given back."""
    with contextlib.suppress(StoreError):
        await access_service.save(rt.access)
        await access_service.save_uses(rt.access)
        await collect.store_accounts(rt)
        await collect.store_budgets(rt)
