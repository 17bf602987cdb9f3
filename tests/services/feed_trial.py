"""Faults of upstream sockets at random while the live market runs, for the test and the bench: the real feeds and the real
consensus over the simulator's sockets in one process, on a clock that is moved.

What is watched: no published price names a provider whose stream said that it stalled, until a quote of it comes again; a
stream without data is noticed within its bound; each jump of a venue's numbers has its marker; each feed delivers again
within BACK_S of its venue.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.feed import Feed, FeedEvent, Missed, Stalled
from crypto_dt_source.gateway.feed_line import NO_DATA_S
from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.streaming import Gap, Topic
from crypto_dt_source.services.live import LiveMarket
from crypto_dt_source.services.live_feeds import LiveFeeds
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.sim.sockets import stream_of
from crypto_dt_source.stream import Bus, Event
from sim_connector import SimConnector

BACK_S = 5.0
STEP_S = 0.1
KINDS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "refused": (("ws_refuse", {}), ("ws_close", {"for_s": 0.5})),
    "silent": (("ws_silent", {}),),
    "heartbeats alone": (("ws_stuck", {}),),
    "gap": (("ws_gap", {}),),
    "gaps": (("ws_gap", {"p": 0.4}),),
    "duplicates": (("ws_duplicate", {"p": 0.5}),),
    "reordered": (("ws_reorder", {"p": 0.5}),),
    "garbage": (("ws_garbage", {}),),
    "some garbage": (("ws_garbage", {"p": 0.4}),),
    "slow": (("ws_slow", {"params": {"ms": 2000}}),),
    "closed": (("ws_close", {"params": {"code": 1012}}),),
    "cut": (("ws_close", {"params": {"code": 1006}}),),
    "host hangs": (("hang", {}),),
    "host resets": (("reset", {}),),
    "host fails": (("5xx", {}),),
    "half open": (),
}
"""What is set at a venue at once. `half open`: the connections there are bring nothing more and are not told; new ones work."""
SILENT = ("silent", "host hangs", "half open")
DATALESS = (*SILENT, "heartbeats alone", "gap")


class Outcome(NamedTuple):
    """One fault. `back_s` from its end to the next record; `noticed_s` from its begin to the stall, None where none was
    said; `bound_s` what that may be at most, None for a fault that need not be noticed or did not last so long."""

    provider: str
    kind: str
    lasted_s: float
    back_s: float
    noticed_s: float | None
    bound_s: float | None


class Watched(LiveMarket):
    """Keeps what feeds said and judges what is published."""

    def watch(self, rt: Runtime, bus: Bus) -> None:
        self.rt = rt
        self.suspended: set[tuple[str, str]] = set()
        self.wrong: list[str] = []
        self.prices = self.trades = 0
        self.missed: Counter[tuple[str, Topic]] = Counter()
        self.markers: Counter[tuple[str, str]] = Counter()
        self.stalls: dict[str, list[float]] = {}
        self.newest: dict[str, float] = {}
        self.told: set[tuple[str, str, str]] = set()
        bus.add(self.judge)

    def take(self, event: FeedEvent) -> None:
        now = self.rt.clock.monotonic()
        if isinstance(event, Quote | Trade):
            self.newest[event.provider] = now
        if isinstance(event, Quote):
            asset = self.rt.resolver.venue_asset(event.provider, event.base)
            if asset is not None:
                self.suspended.discard((event.provider, asset.id))
        elif isinstance(event, Stalled):
            self.stalls.setdefault(event.provider, []).append(now)
            for topic in event.topics:
                asset = self.rt.resolver.venue_asset(event.provider, topic.pair.base)
                if asset is not None:
                    self.suspended.add((event.provider, asset.id))
        elif isinstance(event, Missed):
            self.missed[event.provider, event.topic] += 1
        super().take(event)

    def judge(self, event: Event) -> None:
        data = event.data
        if event.channel == "prices":
            self.prices += 1
            stalled = [p for p in data["providers"] if (p, data["id"]) in self.suspended]
            if stalled and not data["stale"]:
                self.wrong.append(f"{data['id']} counts {stalled} after their streams stalled")
        elif event.channel == "trades" and data.get("gap"):
            self.markers[data["provider"], data["symbol"]] += 1
        elif event.channel == "trades":
            self.trades += 1
            key = (data["provider"], data["symbol"], data["id"])
            if key in self.told:
                self.wrong.append(f"the trade {key} came twice")
            self.told.add(key)


def sees_gaps(provider: str, stream_name: str) -> bool:
    """Whether a jump of this venue's trade numbers can be seen at all."""
    session = catalog.stream(stream_name).session(provider)
    venue = stream_of(stream_name).session(lambda pair: True)
    topic = Topic("trades", Pair("BTC", "USDT"))
    now = harness.START_MS
    frames = [*venue.opened(now)]
    for frame in session.subscribe([topic]):
        frames += venue.received(frame, now)
    view = harness.simulator(7, ManualClock(now)).market.view("binance")
    (sold,) = view.trades(topic.pair, 1, now)
    for number in (7, 8, 12):
        frames.append(venue.trade(topic.pair, sold._replace(id=number), now, number))
    return any(isinstance(event, Gap) for frame in frames for event in session.read(frame, now))


@dataclass
class Trial:
    """`run` sets `faults` faults in all, on every venue at the same time, one after the other on each."""

    rt: Runtime
    sim: SimApp
    clock: ManualClock
    seed: int
    top: int = 3
    outcomes: list[Outcome] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        bus = Bus()
        rt, clock = self.rt, self.clock
        self.live = Watched(rt.board, rt.pricer, rt.resolver, bus, clock, lambda *_: True)
        self.live.watch(rt, bus)
        self.connector = SimConnector(self.sim)
        streamed = [entry.id for entry in rt.entries.values() if entry.stream]
        urls = {provider: f"ws://sim/{provider}" for provider in streamed}
        self.feeds = LiveFeeds(rt, self.live, rt.hub, self.connector, top=self.top, urls=urls)

    async def run(self, faults: int) -> None:
        """Everything, from the first subscription on."""
        self.feeds.start()
        try:
            await harness.drive(self.clock, self._all_live(), step_s=STEP_S)
            draw = random.Random(self.seed)
            plans: dict[str, list[str]] = {provider: [] for provider in self.feeds.feeds}
            kinds = [
                kind for _ in range(-(-faults // len(KINDS))) for kind in draw.sample(list(KINDS), len(KINDS))
            ]
            for number, kind in enumerate(kinds[:faults]):
                plans[list(plans)[number % len(plans)]].append(kind)
            venues = [
                asyncio.ensure_future(self._torment(provider, plan, random.Random(f"{self.seed} {provider}")))
                for provider, plan in plans.items()
            ]
            watch = asyncio.ensure_future(self._no_silence())
            try:
                while not all(venue.done() for venue in venues):
                    await self.clock.advance(STEP_S)
                    # The store and its like work in threads.
                    await asyncio.wait(venues, timeout=0)
                for venue in venues:
                    venue.result()
            finally:
                for task in (watch, *venues):
                    task.cancel()
                await asyncio.wait({watch, *venues})
        finally:
            await self.feeds.stop()
        self.wrong += self.live.wrong
        self.wrong += list(self._unmarked())

    async def _all_live(self) -> None:
        while not all(feed.status().state == "live" for feed in self.feeds.feeds.values()):
            await self.clock.sleep(STEP_S)

    async def _torment(self, provider: str, plan: list[str], draw: random.Random) -> None:
        clock, feed = self.clock, self.feeds.feeds[provider]
        for kind in plan:
            await clock.sleep(draw.uniform(2, 8))
            lasts = draw.uniform(1, 8) if draw.random() < 0.5 else draw.uniform(15, 60)
            begun = clock.monotonic()
            stalls = len(self.live.stalls.get(provider, ()))
            set_now = [self.sim.faults.add(provider, fault, **options).id for fault, options in KINDS[kind]]
            if kind == "half open":
                self.connector.lose(provider)
                lasts = 0.0
                while len(self.live.stalls.get(provider, ())) == stalls and clock.monotonic() < begun + 90:
                    await clock.sleep(STEP_S)
            else:
                await clock.sleep(lasts)
            for fault_id in set_now:
                self.sim.faults.remove(fault_id)
            ended = clock.monotonic()
            while not (feed.status().state == "live" and self.live.newest[provider] > ended):
                await clock.sleep(STEP_S)
                if clock.monotonic() > ended + 120:
                    break
            noticed = self.live.stalls.get(provider, [])[stalls:]
            bound = self._bound(feed, kind)
            self.outcomes.append(
                Outcome(
                    provider,
                    kind,
                    ended - begun,
                    self.live.newest[provider] - ended if clock.monotonic() < ended + 120 else float("inf"),
                    noticed[0] - begun if noticed else None,
                    bound if bound is not None and ended - begun > bound else None,
                )
            )
            self._judge(self.outcomes[-1])

    @staticmethod
    def _bound(feed: Feed, kind: str) -> float | None:
        """From the begin of a fault to the stall, the watcher's steps of a second with it."""
        if kind in SILENT:
            return min(feed.stream.silent_s, NO_DATA_S) + 1.5
        return NO_DATA_S + 1.5 if kind in DATALESS else None

    def _judge(self, outcome: Outcome) -> None:
        if outcome.back_s > BACK_S:
            self.wrong.append(f"back late: {outcome}")
        late = outcome.noticed_s is None or outcome.noticed_s > (outcome.bound_s or 0)
        if outcome.bound_s is not None and late:
            self.wrong.append(f"noticed late: {outcome}")

    async def _no_silence(self) -> None:
        """A feed that says it is live has had data lately, whatever goes on. A trade that was told before is data too, and
        not seen here: that is the second more."""
        while True:
            await self.clock.sleep(STEP_S)
            now = self.clock.monotonic()
            for provider, feed in self.feeds.feeds.items():
                if feed.status().state == "live" and now - self.live.newest[provider] > NO_DATA_S + 2.5:
                    quiet = now - self.live.newest[provider]
                    self.wrong.append(
                        f"{provider} is called live {quiet:.1f} s after its last record, at {now:.1f}"
                    )

    def _unmarked(self) -> Iterator[str]:
        for (provider, topic), jumps in self.sim.sockets.jumps.items():
            entry = self.rt.entries[provider]
            if topic.channel != "trades" or not sees_gaps(provider, entry.stream):
                continue
            missed = self.live.missed[provider, topic]
            if missed < jumps:
                yield f"{provider} {topic}: {jumps} jumps, {missed} of them were seen"
            if self.live.markers[provider, str(topic.pair)] < missed:
                yield f"{provider} {topic}: {missed} gaps were seen, and fewer were told"


async def trial(tmp_path: Path, faults: int, seed: int) -> Trial:
    """A whole trial."""
    async with harness.running(tmp_path, seed=seed) as (rt, sim, clock):
        made = Trial(rt, sim, clock, seed)
        await made.run(faults)
        return made
