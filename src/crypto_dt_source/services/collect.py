"""Collecting: every venue's full list of quotes, the aggregators' lists, and keeping all of it."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any, cast

from ..gateway.source import Source
from ..model.ask import Capability, InstrumentsAsk, QuotesAsk
from ..model.asset import Instrument
from ..model.errors import CdtsError, SymbolNotListed, UpstreamError
from ..model.quote import Pair, Quote
from ..store import BudgetRow, InDoubt
from ..store.cache import Loaded
from ..store.repos import assets as asset_repo
from ..store.repos import budgets as budget_repo
from ..store.repos import calls as call_repo
from ..store.repos import providers as provider_repo
from ..store.repos import retention
from ..telemetry import logger
from . import archive, exchanges, jobs, market, persist, provider_health
from .runtime import Runtime

log = logger("collect")
PER_PAIR_TOP = 60
"""Assets a venue that answers one pair a call is asked for in each round."""
TURN = 4_000
"""Quotes taken in before other work has its turn: few venues have more, a hostile one sends what it likes."""
PIECE = 10
"""Pairs of such a venue asked for together."""
INSTRUMENTS_S = 86_400
INSTRUMENTS_RETRY_S = 900
"""A venue whose list came from the store is asked for it again this soon."""
ROUND_S = 6.0
"""How long a round without background work waits for its slowest venue."""
HOUR_MS = 3_600_000


async def venue_quotes(rt: Runtime, provider: str) -> int:
    """One venue's quotes onto the board; gives how many. A venue that answers pair by pair is asked in pieces, each on
    the board as soon as it is there. Raises an UpstreamError."""
    source = rt.gateway.source(provider)
    if not source.adapter.endpoints[Capability.QUOTES].per_pair:
        answer = await rt.gateway.ask_one(provider, QuotesAsk(), background=True)
        quotes = cast("tuple[Quote, ...]", answer.records)
        held = 0
        for at in range(0, len(quotes), TURN):
            if at:
                await rt.clock.sleep(0)
            held += rt.board.update(provider, quotes[at : at + TURN])
        return held
    pairs = await _top_pairs(rt, source)
    kept = 0
    for at in range(0, len(pairs), PIECE):
        ask = QuotesAsk(pairs=pairs[at : at + PIECE])
        try:
            answer = await rt.gateway.ask_one(provider, ask, background=True)
        except SymbolNotListed:
            continue
        kept += rt.board.update(provider, cast("tuple[Quote, ...]", answer.records))
    return kept


async def _top_pairs(rt: Runtime, source: Source) -> tuple[Pair, ...]:
    """The pairs of the largest assets this venue lists, in its usual quote currency; after the first ten those of
    stablecoins, which everybody's prices are converted with."""
    listed = await instruments(rt, source.entry.id)
    pairs = {Pair(i.base, i.quote) for i in listed if i.active}
    chosen: list[Pair] = []
    for asset in islice(rt.resolver.ranked(), 400):
        options = [Pair(asset.ticker, quote) for quote in source.entry.quotes_in[:2]]
        chosen.extend(pair for pair in options[:1] if pair in pairs)
        if len(chosen) >= PER_PAIR_TOP:
            break
    money = [Pair(a.ticker, q) for a in rt.resolver.of_kind("stablecoin") for q in source.entry.quotes_in[:1]]
    money = [pair for pair in money if pair in pairs]
    return tuple(dict.fromkeys([*chosen[:PIECE], *money, *chosen[PIECE:]]))


async def instruments(rt: Runtime, provider: str) -> list[Instrument]:
    """A venue's pairs: from memory for a day, else asked for and stored; from the store when the venue is silent."""

    async def load() -> Loaded[list[Instrument]]:
        try:
            answer = await rt.gateway.ask_one(provider, InstrumentsAsk(), background=True)
        except UpstreamError:
            kept = await asset_repo.instruments(rt.store, provider)
            if not kept:
                raise
            asked_ms = rt.clock.now_ms() - (INSTRUMENTS_S - INSTRUMENTS_RETRY_S) * 1000
            return Loaded(kept, asked_ms, (provider,))
        rows = list(cast("tuple[Instrument, ...]", answer.records))
        with persist.best_effort():
            await asset_repo.put_instruments(rt.store, rows, answer.received_ms)
        return Loaded(rows, answer.received_ms, (provider,))

    cached = await rt.cache.get(("instruments", provider), INSTRUMENTS_S, 7 * INSTRUMENTS_S, load)
    return cached.value


async def aggregator_coins(rt: Runtime, provider: str) -> int:
    """An aggregator's market list onto the board and into the store; the first page also serves /api/coins. Gives how
    many rows. Raises an UpstreamError or AllProvidersFailed."""
    rows = 0
    pages = max(1, -(-rt.limits.collect_top // market.COINS_PER_PAGE))
    for page in range(1, pages + 1):
        loaded = await market.load_coins(rt, page, providers=[provider], background=True)
        rows += len(loaded.value.coins)
        held = rt.cache.peek(("coins", page))
        best = rt.gateway.offering(Capability.COINS)[0].entry.id
        if provider == best or held is None or best not in held.source:
            rt.cache.put(("coins", page), loaded)
    return rows


async def global_market(rt: Runtime) -> int:
    """The global figures, into the cache and the store."""
    rt.cache.put("global", await market.load_global(rt, background=True))
    return 1


async def trending(rt: Runtime) -> int:
    """Trending coins, into the cache and the store."""
    loaded = await market.load_trending(rt, background=True)
    rt.cache.put("trending", loaded)
    return len(loaded.value)


def wanted_assets(rt: Runtime) -> list[str]:
    """Ids whose prices are stored: the largest, every currency a rate is measured for, and whatever was asked for."""
    top = (asset.id for asset in islice(rt.resolver.ranked(), rt.limits.collect_top))
    money = (asset_id for _, asset_id in rt.pricer.currencies())
    return list(dict.fromkeys([*top, *money, *rt.pricer.asked]))


async def store_prices(rt: Runtime) -> int:
    """Decide and store the price of every wanted asset, and learn from what was rejected."""
    ids = [asset_id for asset_id in wanted_assets(rt) if asset_id in rt.board.quotes]
    written = await persist.consensus_prices(rt, ids)
    for done, asset_id in enumerate(ids):
        if done % persist.YIELD_EVERY == 0:
            await rt.clock.sleep(0)
        rt.pricer.observe([asset_id])
    rt.pricer.observe_withdrawn()
    return written


async def store_accounts(rt: Runtime) -> int:
    """Requests, upstream calls and provider states, in batches. What could not be written is kept for the next time.
    Raises StoreError."""
    return await persist.to_its_end(_write_accounts(rt))


async def _write_accounts(rt: Runtime) -> int:
    requests, calls = rt.accounts.drain()
    rows = len(requests) + len(calls)
    try:
        if requests:
            await call_repo.write_user_requests(rt.store, requests)
            requests = []
        if calls:
            await call_repo.write_api_calls(rt.store, calls)
            calls = []
    except InDoubt:
        # They may be there: put back, they would be counted a second time.
        if requests:
            requests = []
        else:
            calls = []
        raise
    finally:
        rt.accounts.put_back(requests, calls)
    if rt.meters and rt.schedule.may_run():
        # Of a process beside the one that collects they would say nothing.
        await provider_repo.write_status(rt.store, list(provider_health.states(rt)))
    return rows


async def store_budgets(rt: Runtime) -> int:
    """What was used of the upstreams' limits since this was stored last."""
    now = rt.clock.now_ms()
    uses = rt.gateway.kept_use(rt.gateway.saved_ms)
    if uses:
        rows = [BudgetRow(u.scope, u.per_s, u.bucket_ms, u.used) for u in uses]
        await budget_repo.write(rt.store, rows, now)
    rt.gateway.saved_ms = now
    return len(uses)


async def clean_up(rt: Runtime) -> int:
    """Delete what is past its retention."""
    day = 24 * HOUR_MS
    limits = rt.limits
    keep = retention.Retention(
        prices_ms=limits.retention_days * day,
        quotes_ms=limits.retention_quotes_hours * HOUR_MS,
        candles_ms=limits.retention_days * day,
        daily_candles_ms=limits.retention_daily_candles_days * day or None,
        market_ms=limits.retention_days * day,
        news_ms=limits.retention_days * day,
        lists_ms=limits.retention_days * day,
        calls_ms=limits.retention_requests_days * day,
        requests_ms=limits.retention_requests_days * day,
    )
    now = rt.clock.now_ms()
    keep = await archive.before_leaving(rt, keep, now)
    deleted = await retention.sweep(rt.store, keep, now)
    return sum(deleted.values()) + await jobs.forget(rt)


async def one_round(rt: Runtime) -> int:
    """Every venue's quotes once, all at the same time: for a service that does not collect in the background. A venue
    that takes longer than ROUND_S is left out, what it delivered until then stays. Gives how many venues answered."""
    names = [
        s.entry.id
        for s in rt.gateway.offering(Capability.QUOTES)
        if s.entry.kind == "venue" and exchanges.collected(rt, s.entry)
    ]
    tasks = [asyncio.create_task(venue_quotes(rt, name), name=f"quotes of {name}") for name in names]
    if not tasks:
        return 0
    timer: asyncio.Future[Any] = asyncio.ensure_future(rt.clock.sleep(ROUND_S))
    everyone: asyncio.Future[Any] = asyncio.gather(*tasks, return_exceptions=True)
    try:
        await asyncio.wait({everyone, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, (CdtsError, asyncio.CancelledError)):
            raise result
    return sum(isinstance(result, int) for result in results)
