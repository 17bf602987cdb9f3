"""Asks the providers that nobody asked lately, so that their state is not of long ago, and stores the state of all; where
this process does not meter, of those asked alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..gateway.source import Source
from ..model.errors import NotFound, UpstreamError
from ..store import ProviderRow
from ..store.repos import providers as repo
from .exchanges import collected
from .providers import probe_ask, state
from .runtime import Runtime

LATELY_S = 900.0
FEED_LATELY_S = 3600.0
"""The same of a news feed, which is read twice an hour anyway."""
BUDGET_SHARE = 0.05
"""A provider is asked no oftener for this than takes that share of its smallest limit: what it allows is for answers."""
LONGEST_S = 86_400.0
AT_ONCE = 12


async def probe(rt: Runtime) -> int:
    """Ask every provider in use that was not asked lately once, what rests or is not collected left alone; gives how many
    were. Raises StoreError."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(source: Source) -> None:
        async with gate:
            try:
                await rt.gateway.ask_one(source.entry.id, probe_ask(source.entry), background=True)
            except (UpstreamError, NotFound):
                # Its health has noted it, or it was switched off meanwhile.
                return

    due = [source for source in rt.gateway.sources.values() if _due(rt, source)]
    await asyncio.gather(*map(one, due))
    asked = {source.entry.id for source in due}
    await repo.write_status(rt.store, [row for row in states(rt) if rt.meters or row.id in asked])
    return len(due)


def rest_s(source: Source) -> float:
    """Seconds between two such asks of a provider."""
    lately = FEED_LATELY_S if source.entry.kind == "feed" else LATELY_S
    spare = max((limit.per_s / limit.amount / BUDGET_SHARE for limit in source.entry.limits), default=0.0)
    return min(max(lately, spare), LONGEST_S)


def _due(rt: Runtime, source: Source) -> bool:
    asked = last_check(source)
    return (
        source.enabled
        and collected(rt, source.entry)
        and (asked is None or rt.clock.now_ms() - asked >= 1000 * rest_s(source))
    )


def last_check(source: Source) -> int | None:
    """When a provider last answered or failed, ms; None before."""
    health = source.health
    return max(
        (ms for ms in (health.last_success_ms, health.last_failure_ms) if ms is not None), default=None
    )


def states(rt: Runtime) -> Iterable[ProviderRow]:
    """Every provider in use as it does now."""
    for source in rt.gateway.sources.values():
        score = source.health.score
        yield ProviderRow(
            source.entry.id,
            state(rt, source.entry),
            None if score is None else score / 100,
            last_check(source),
            source.health.last_failure,
        )
