"""What lies between the times of the timetable, thinned so that simulated days of the real work end in a minute or two each.

- Of the venues VENUES alone are polled, every POLL_S; the others are left to the probes of `provider_health`.
- Work with a period has one of THIN_S at least; so have the looks at who leads and what other processes asked for.
- Upstreams' prices move every STEADY_MS. The corpus of discovery is SHARE of the usual one, and none of it is admitted.

The clock goes from one waiting task to the next, and only while no statement, thread or request is under way. What bounds a
run that hangs (its deadline) is of real time here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import aiosqlite

from crypto_dt_source import wiring
from crypto_dt_source.gateway.outbound import Outbound
from crypto_dt_source.jobs import leading
from crypto_dt_source.jobs.timetable import COUNTING, JOBS, KEEPING, Job, polls
from crypto_dt_source.model.candle import HOUR_MS
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim import discovery_places
from crypto_dt_source.sim.app import SimApp, create_app
from crypto_dt_source.sim.discovery import Corpus
from crypto_dt_source.sim.discovery_server import served
from crypto_dt_source.sim.market import Market
from crypto_dt_source.sim.news import Event, Story, desk_of
from crypto_dt_source.telemetry import Value, keep, keep_no_more

from .discovery import PUBLIC, Documents, certificate, directories_of, free_port, reachable
from .simulated import DayClock

VENUES = ("kucoin", "crypto_com", "bitfinex")
POLL_S, THIN_S = 280, 3600.0
SHARE, STEADY_MS = 0.05, 300_000


@dataclass(slots=True)
class Begun:
    """The work of every job, those with a period among them: how often it was begun, how often while it was under way, and how
    many seconds it took, of waiting and of others' work meanwhile too. `logged`: warnings and worse, by what they say."""

    counts: Counter[str] = field(default_factory=Counter)
    under_way: Counter[str] = field(default_factory=Counter)
    overlaps: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=partial(defaultdict, float))
    logged: Counter[str] = field(default_factory=Counter)

    def log(self, line: dict[str, Value]) -> None:
        """Count a line of the log."""
        if line.get("level") not in ("debug", "info"):
            named = [
                str(line[name]) for name in ("component", "event", "job", "code", "reason") if line.get(name)
            ]
            self.logged[f"{line.get('level')}: {': '.join(named)}"[:200]] += 1

    def counted(self, job: Job) -> Job:
        """The job, its work told here as it goes."""

        async def work(rt: Runtime) -> int:
            self.counts[job.id] += 1
            self.under_way[job.id] += 1
            self.overlaps[job.id] += self.under_way[job.id] > 1
            begun = time.perf_counter()
            try:
                return await job.run(rt)
            finally:
                self.under_way[job.id] -= 1
                self.seconds[job.id] += time.perf_counter() - begun

        return replace(job, run=work, every_s=job.every_s if job.cron else max(job.every_s, THIN_S))


@contextmanager
def thinned(found: Begun, clock: DayClock) -> Iterator[None]:
    """The jobs counted and thinned, and the clock at rest while a thread or a connection is at work, as the block runs."""

    def polled(rt: Runtime) -> list[Job]:
        usual = polls(rt)
        chosen = [job for job in usual if not job.id.startswith("quotes:") or job.provider in VENUES]
        return [
            replace(found.counted(job), every_s=POLL_S if job.id.startswith("quotes:") else THIN_S)
            for job in chosen
        ]

    def waited(owner: Any, name: str) -> Any:
        return mock.patch.object(owner, name, clock.watch(getattr(owner, name)))

    with ExitStack() as stack:
        for owner, name, jobs in (
            (leading, "JOBS", JOBS),
            (leading, "COUNTING", COUNTING),
            (wiring, "KEEPING", KEEPING),
        ):
            stack.enter_context(mock.patch.object(owner, name, tuple(map(found.counted, jobs))))
        stack.enter_context(mock.patch.object(leading, "polls", polled))
        for name in ("LOOK_S", "HEARD_EVERY_S", "TRY_EVERY_S"):
            stack.enter_context(mock.patch.object(leading, name, THIN_S))
        stack.enter_context(waited(asyncio, "to_thread"))
        stack.enter_context(waited(aiosqlite.Connection, "_execute"))
        stack.enter_context(waited(aiosqlite.Connection, "_connect"))
        stack.enter_context(waited(Outbound, "get"))
        keep(found.log)
        stack.callback(keep_no_more, found.log)
        yield


def lightened(clock: DayClock) -> SimApp:
    """Upstreams whose prices move every STEADY_MS, in step, and every venue a little off by the same share for an hour."""
    sim = create_app(7, clock)
    market = sim.market
    prices: dict[tuple[str, int], float] = {}
    shares: dict[tuple[int, Pair], tuple[int, float]] = {}
    true_price, noise = market.true_price, market.noise

    def steady(ticker: str, at_ms: int) -> float:
        key = (ticker, at_ms // STEADY_MS)
        if key not in prices:
            if len(prices) > 50_000:
                prices.clear()
            prices[key] = true_price(ticker, key[1] * STEADY_MS)
        return prices[key]

    def share(venue: int, pair: Pair, at_ms: int) -> float:
        hour, known = shares.get((venue, pair), (-1, 0.0))
        if hour != at_ms // HOUR_MS:
            hour, known = shares[venue, pair] = (at_ms // HOUR_MS, noise(venue, pair, at_ms))
        return known

    market.true_price, market.noise = steady, share  # type: ignore[method-assign]
    desk = desk_of(market)
    tell = desk._story
    told: dict[tuple[int, str], Story] = {}

    def story(event: Event, feed: str) -> Story:
        if len(told) > 10_000:
            told.clear()
        if (event.slot, feed) not in told:
            told[event.slot, feed] = tell(event, feed)
        return told[event.slot, feed]

    desk._story = story  # type: ignore[method-assign]
    return sim


@asynccontextmanager
async def discovering(rt: Runtime, market: Market, clock: DayClock, folder: Path) -> AsyncIterator[None]:
    """A corpus of places to be discovered, served on this machine while the block runs."""
    serving, trusting = certificate(folder)
    corpus = Corpus(market, clock, free_port())
    discovery_places.fill(corpus, share=SHARE)
    async with served(corpus, PUBLIC, serving) as internet:
        own = rt.discovery
        await own.outbound.close()
        own.outbound = Outbound(
            clock, resolve=internet.resolve, public=reachable, tls=trusting, timeout_s=2.0
        )
        bodies = discovery_places.directories(corpus)
        own.transport, own.directories = Documents(bodies, clock), directories_of(bodies)
        yield
