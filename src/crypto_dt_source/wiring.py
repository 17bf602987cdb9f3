"""Puts everything together: settings in, a running Runtime out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from .analysis.registry import Models
from .clock import Clock, SystemClock
from .gateway import Following, Gateway, Guarded, HttpTransport, Outbound, Transport
from .gateway.guard import check_base_url
from .gateway.sockets import Connector
from .jobs.leading import Leading, timetable
from .jobs.runner import Runner
from .jobs.timetable import KEEPING, plan_of
from .model.asset import Asset
from .model.crontab import EVERY
from .model.errors import AddressRefused, UnknownModel
from .providers import catalog
from .providers.catalog import Entry
from .providers.directories import DIRECTORIES
from .providers.resolver import Resolver
from .services import access as access_service
from .services import backup, catalogue, collect, pools, restore
from .services.access import Access
from .services.accounts import Accounts
from .services.allowance import Allowance
from .services.board import Board
from .services.discovery_state import Discovery
from .services.log_files import LogFiles
from .services.newsroom import Newsroom
from .services.on_demand import OnDemand, fetch_assets
from .services.prices import Pricer
from .services.runtime import Freshness, Limits, Runtime
from .services.schedule import Schedule
from .services.streaming import Sessions
from .settings import BASE_URL_PREFIX, Settings, SettingsError
from .store import Store
from .store.cache import Cache
from .store.errors import StoreError
from .store.leader import leader_of
from .stream import Bus, Hub
from .telemetry import hide, keep, keep_no_more
from .wiring_access import access_of, installation_of
from .wiring_keeping import open_kept
from .wiring_live import checked_ws_urls, live_of, nearest, policy_of

RENEWALS_PER_S, RENEWALS_AT_ONCE = 0.4, 60.0
"""Beside the timetable people's requests renew this much in all, however many people ask."""
FIRSTS_PER_S, FIRSTS_AT_ONCE = 2.0, 240.0
"""What nobody holds yet is asked for at most this much in all: whoever walks through thousands of names is told to come
back, and the upstreams' limits stay there for everybody else."""
FIRST_PAGES_PER_S, FIRST_PAGES_AT_ONCE = 1 / 30, 120.0
LOOKUPS_PER_S, LOOKUPS_AT_ONCE = 1 / 60, 20.0
STOP_S = 5.0
"""As the service ends it waits this long for a database that does not answer."""
COLLECTED = (10_000, 5, 20)
"""Thresholds of `gc`: by the usual ones a page of candles being read sets off full collections of 50 ms."""


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
        exchanges_polled=frozenset(settings.exchanges_polled.split(",")) - {""},
    )


def crons_of(settings: Settings) -> dict[str, str]:
    """When the jobs of the timetable run, by the names of their settings: a crontab or `off`."""
    names = [name for name in type(settings).model_fields if name.startswith("cron_")]
    crons = {name.removeprefix("cron_"): getattr(settings, name) or "off" for name in names}
    if not settings.enable_auto_discovery:
        crons["discovery"] = "off"
    elif not settings.cron_discovery:
        crons["discovery"] = f"{EVERY}{settings.auto_discovery_interval_hours * 3600}"
    return crons


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
    beside: bool = False,
    guarded: Transport | None = None,
) -> AsyncIterator[Runtime]:
    """A Runtime with its store open, last prices restored and, when `background`, its jobs running; all closed at the
    end in the opposite order. `beside`: the SQLite file may be open in a running server. Raises StoreOpenError,
    CatalogError, SettingsError."""
    clock = clock or SystemClock()
    hide(settings.secrets(), sent=[settings.cdts_admin_key])
    entries = with_own_feeds(settings.feeds(), catalog.load())
    urls = checked_base_urls(base_urls or {}, entries)
    serves = background is None or background
    way = transport or Following(HttpTransport(clock), clock)
    async with AsyncExitStack() as stack:
        accounts = Accounts(clock)
        logs = _logs(settings, stack)
        store, keeping = await open_kept(settings, clock, stack, ships=serves, beside=beside)
        access = await _access(settings, store, clock, stack)
        gateway = Gateway(
            entries,
            way,
            clock,
            keys=settings.keys(),
            base_urls=urls,
            policy=policy_of(settings),
            observer=accounts.call,
            guarded=guarded or Guarded(Outbound(clock)),
        )
        stack.push_async_callback(gateway.close)
        models = models_of(settings, clock)
        stack.push_async_callback(models.close)
        await models.start()
        rt = _runtime(settings, store, gateway, entries, accounts, models, access, mode, serves=serves)
        rt.logs, rt.keeping, rt.metrics_access = logs, keeping, settings.metrics_access
        rt.installation = await asyncio.to_thread(installation_of, settings, urls)
        # A simulated market has nothing to look for outside; whoever brings a transport brings what it leads to.
        rt.discovery = _discovery(settings, clock, way, outside=mode == "live" and transport is None)
        await _take_up(rt, stack)
        if serves:
            await _begin_work(
                stack,
                rt,
                settings,
                streams=connector is not None or transport is None,
                collects=bool(settings.enable_background_tasks if background is None else background),
                ws_urls=ws_urls or {},
                connector=connector,
            )
        stack.callback(store.end_within, STOP_S)
        yield rt


async def _access(settings: Settings, store: Store, clock: Clock, stack: AsyncExitStack) -> Access:
    """Who may ask, as the database knows it."""
    access = await asyncio.to_thread(access_of, settings, store, clock)
    stack.push_async_callback(access.limiter.close)
    await access_service.begin(access)
    return access


async def _take_up(rt: Runtime, stack: AsyncExitStack) -> None:
    """What was known before the restart; the stack closes what the Runtime holds."""
    await backup.recall(rt)
    stack.push_async_callback(rt.discovery.close)
    stack.push_async_callback(rt.vitals.close)
    stack.push_async_callback(rt.cache.close)
    stack.push_async_callback(rt.on_demand.close)
    stack.callback(rt.sessions.close)
    await catalogue.restore(rt)
    await restore.everything(rt)
    # What start-up made lives as long as the process: without it each full collection walks it all again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)
    stack.push_async_callback(_keep_accounts, rt)


def _discovery(settings: Settings, clock: Clock, way: Transport, *, outside: bool) -> Discovery:
    """How new sources are looked for; nowhere unless `outside`."""
    return Discovery(
        Outbound(clock),
        way,
        DIRECTORIES if outside else (),
        feed_sites=outside,
        exchange_library=outside,
        enabled=settings.enable_auto_discovery,
        auto_admit=settings.auto_admit,
        every_ms=settings.auto_discovery_interval_hours * 3_600_000,
    )


def _logs(settings: Settings, stack: AsyncExitStack) -> LogFiles:
    """Keep every line from now on; the stack ends it."""
    logs = LogFiles(settings.data_dir / "logs", settings.log_files_mb)
    stack.push_async_callback(asyncio.to_thread, logs.close)
    keep(logs.put)
    stack.callback(keep_no_more, logs.put)
    return logs


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
    """Start what goes on by itself; the stack ends it. Whoever brings a transport of their own brings the sockets too, or
    wants none: no `streams`."""
    keeping = Runner(rt, KEEPING, collects=False)
    stack.push_async_callback(keeping.stop)
    keeping.start()
    if not collects:
        return
    feeds = None
    if settings.enable_streams and streams:
        # Also where another process reads them: a wrong address stops the start of each.
        checked_ws_urls(ws_urls, rt.entries)
        feeds = partial(live_of, settings, rt, ws_urls, connector)
    leading = Leading(rt, timetable(rt, shared=rt.store.dialect != "sqlite"), feeds)
    stack.push_async_callback(leading.stop)
    await leading.start()


def _runtime(
    settings: Settings,
    store: Store,
    gateway: Gateway,
    entries: Mapping[str, Entry],
    accounts: Accounts,
    models: Models,
    access: Access,
    mode: str,
    *,
    serves: bool,
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
        meters=serves or store.owned,
        catalogue_folder=settings.data_dir / "catalogue",
        started_ms=clock.now_ms(),
    )
    rt.bus.add(rt.hub.publish)
    rt.schedule = _schedule(settings, rt)
    rt.sessions = Sessions(
        rt,
        interval_s=settings.websocket_heartbeat_interval,
        timeout_s=settings.websocket_heartbeat_timeout,
    )
    return rt


def _schedule(settings: Settings, rt: Runtime) -> Schedule:
    """When each job is due, and who runs them."""
    crons = crons_of(settings)
    return Schedule(
        rt.clock,
        [plan_of(job, crons) for job in timetable(rt, shared=rt.store.dialect != "sqlite")],
        store=rt.store,
        bus=rt.bus,
        leader=leader_of(rt.store, settings.sql_url(), rt.clock),
    )


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
            raise SettingsError(f"{name}: got a provider that does not exist; {nearest(provider, entries)}.")
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
    which must not be given back. One that the store refuses keeps none of the others from it."""
    if not rt.meters:
        return
    works: list[Callable[[], Awaitable[int]]] = [
        partial(access_service.save, rt.access),
        partial(access_service.save_uses, rt.access),
        partial(pools.follow, rt),
        partial(collect.store_accounts, rt),
    ]
    if rt.schedule.leader.standing != "follows":
        works.append(partial(collect.store_budgets, rt))
    for work in works:
        with contextlib.suppress(StoreError):
            await work()
