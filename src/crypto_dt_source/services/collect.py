"""Collecting: every venue's full list of quotes, the aggregators' lists, and keeping all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import cast

from ..gateway.source import Source
from ..model.ask import Capability, InstrumentsAsk, QuotesAsk
from ..model.asset import Instrument
from ..model.errors import CdtsError, UpstreamError
from ..model.quote import Pair, Quote
from ..store import BudgetRow, ProviderRow
from ..store.cache import Loaded
from ..store.repos import assets as asset_repo
from ..store.repos import budgets as budget_repo
from ..store.repos import calls as call_repo
from ..store.repos import providers as provider_repo
from ..store.repos import retention
from ..telemetry import logger
from . import market, persist
from .runtime import Runtime

log = logger("collect")
PER_PAIR_TOP = 60
"""Assets a venue that answers one pair a call is asked for in each round."""
HOUR_MS = 3_600_000


async def venue_quotes(rt: Runtime, provider: str) -> int:
    """One venue's quotes onto the board; gives how many. Raises an UpstreamError."""
    source = rt.gateway.source(provider)
    endpoint = source.adapter.endpoints[Capability.QUOTES]
    ask = QuotesAsk(pairs=await _top_pairs(rt, source)) if endpoint.per_pair else QuotesAsk()
    answer = await rt.gateway.ask_one(provider, ask, background=True)
    return rt.board.update(provider, cast("tuple[Quote, ...]", answer.records))


async def _top_pairs(rt: Runtime, source: Source) -> tuple[Pair, ...]:
    """The pairs of the largest assets this venue lists, in its usual quote currencies."""
    listed = await instruments(rt, source.entry.id)
    pairs = {Pair(i.base, i.quote) for i in listed if i.active}
    chosen: list[Pair] = []
    for asset in islice(rt.resolver.ranked(), 400):
        options = [Pair(asset.ticker, quote) for quote in source.entry.quotes_in[:2]]
        chosen.extend(pair for pair in options[:1] if pair in pairs)
        if len(chosen) >= PER_PAIR_TOP:
            break
    money = [Pair(a.ticker, q) for a in rt.resolver.of_kind("stablecoin") for q in source.entry.quotes_in[:1]]
    return tuple(dict.fromkeys([*chosen, *(pair for pair in money if pair in pairs)]))


async def instruments(rt: Runtime, provider: str) -> list[Instrument]:
    """A venue's pairs: from memory for a day, else asked for and stored; from the store when the venue is silent."""

    async def load() -> Loaded[list[Instrument]]:
        try:
            answer = await rt.gateway.ask_one(provider, InstrumentsAsk(), background=True)
        except UpstreamError:
            kept = await asset_repo.instruments(rt.store, provider)
            if not kept:
                raise
            return Loaded(kept, rt.clock.now_ms(), (provider,))
        rows = list(cast("tuple[Instrument, ...]", answer.records))
        await asset_repo.put_instruments(rt.store, rows, answer.received_ms)
        return Loaded(rows, answer.received_ms, (provider,))

    cached = await rt.cache.get(("instruments", provider), 86_400, 7 * 86_400, load)
    return cached.value


async def aggregator_coins(rt: Runtime, provider: str) -> int:
    """An aggregator's market list onto the board and into the store; the first page also serves /api/coins. Gives how
    many rows. Raises an UpstreamError or AllProvidersFailed."""
    rows = 0
    pages = max(1, -(-rt.limits.collect_top // market.COINS_PER_PAGE))
    for page in range(1, pages + 1):
        loaded = await market.load_coins(rt, page, providers=[provider], background=True)
        rows += len(loaded.value)
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
    return written


async def store_accounts(rt: Runtime) -> int:
    """Requests, upstream calls, provider states and budgets, in batches."""
    requests, calls = rt.accounts.drain()
    if requests:
        await call_repo.write_user_requests(rt.store, requests)
    if calls:
        await call_repo.write_api_calls(rt.store, calls)
    await provider_repo.write_status(rt.store, list(_states(rt)))
    await budget_repo.write(
        rt.store, [BudgetRow(u.scope, u.per_s, u.bucket_ms, u.used) for u in rt.gateway.kept_use()]
    )
    return len(requests) + len(calls)


def _states(rt: Runtime) -> Iterable[ProviderRow]:
    now = rt.clock.now_ms()
    for source in rt.gateway.sources.values():
        score = source.health.score
        yield ProviderRow(
            source.entry.id,
            source.breaker.state if source.enabled else "disabled",
            None if score is None else score / 100,
            source.health.last_success_ms or source.health.last_failure_ms or now,
            source.health.last_failure,
        )


async def clean_up(rt: Runtime) -> int:
    """Delete what is past its retention."""
    day = 24 * HOUR_MS
    limits = rt.limits
    keep = retention.Retention(
        prices_ms=limits.retention_days * day,
        quotes_ms=limits.retention_quotes_hours * HOUR_MS,
        candles_ms=limits.retention_days * day,
        market_ms=limits.retention_days * day,
        lists_ms=limits.retention_days * day,
        calls_ms=limits.retention_requests_days * day,
        requests_ms=limits.retention_requests_days * day,
    )
    deleted = await retention.sweep(rt.store, keep, rt.clock.now_ms())
    return sum(deleted.values())


async def one_round(rt: Runtime) -> int:
    """Every venue's quotes once, all at the same time: for a service that does not collect in the background. Gives how
    many venues answered."""
    names = [s.entry.id for s in rt.gateway.offering(Capability.QUOTES) if s.entry.kind == "venue"]
    results = await asyncio.gather(*(venue_quotes(rt, name) for name in names), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, CdtsError):
            raise result
    return sum(isinstance(result, int) for result in results)
