"""Fetching what a candle series lacks: page by page from its own venue, then from others of the same pair, and telling a
gap of the market from a failure of the moment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from ..gateway.source import Source
from ..model.answer import Answer, Record
from ..model.ask import Ask, CandlesAsk, Capability
from ..model.candle import INTERVAL_MS, Candle, floor_open
from ..model.errors import AllProvidersFailed, NotOffered, SymbolNotListed, UpstreamRejected
from ..store import ConfirmedGap, Gap, SeriesKey
from ..store.cache import Loaded
from ..store.repos import candles as candle_repo
from . import fetches, persist, unstored
from .runtime import Runtime
from .series import SAME_UNIT, Option

OWN_PAGES = 12
"""Calls one request may cause at the series' own venue."""
REPAIR_PAGES = 6
"""Calls one request may cause at other venues for what the first did not have."""
REPAIR_SOURCES = 2
VERIFY_PAGES = 2
"""Calls that look a second time before a gap is remembered for good."""
RECENT = 10
"""Intervals within which a missing candle may still come: such a gap is never remembered for good."""
RETRY_FAILED_S = 30
"""A range whose venue failed is asked for again this soon."""
ASKED_KEPT = 64
BEFORE_FIRST = "before the venue's first candle"
NOBODY = "no venue has it"
NOT_LISTED = frozenset({SymbolNotListed.code, UpstreamRejected.code})


class Fetched(NamedTuple):
    """`stored`: candles written. `own`: the series' own venue answered for everything. `left`: what is still missing
    and not known to be a gap."""

    stored: int
    own: bool
    left: list[Gap]


class _Seen(NamedTuple):
    """One answer of the series' own venue: the range asked for and the first and last open time in it, if any."""

    start_ms: int
    end_ms: int
    first: int | None
    last: int | None


async def holes(rt: Runtime, series: SeriesKey, start_ms: int, end_ms: int) -> list[Gap]:
    """Open times in [start_ms, end_ms) without a final candle: absent, or last seen while still running. Known gaps and
    the candle that runs now are none."""
    step = INTERVAL_MS[series.interval]
    now = rt.clock.now_ms()
    end_ms = min(end_ms, floor_open(now, series.interval) + step)
    if start_ms >= end_ms:
        return []
    kept = await unstored.read(rt, series, start_ms, end_ms, (end_ms - start_ms) // step + 1)
    missing = []
    at = start_ms
    for candle in kept.candles:
        if candle.closed or candle.open_ms + step > now:
            if candle.open_ms > at:
                missing.append(Gap(at, candle.open_ms))
            at = candle.open_ms + step
    if at < end_ms:
        missing.append(Gap(at, end_ms))
    known = await candle_repo.confirmed_gaps(rt.store, series, start_ms, end_ms)
    return candle_repo.subtract(missing, known)


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """Ascending, without overlap; neighbours become one."""
    found: list[Gap] = []
    for gap in sorted(gaps):
        if found and gap.start_ms <= found[-1].end_ms:
            found[-1] = Gap(found[-1].start_ms, max(found[-1].end_ms, gap.end_ms))
        else:
            found.append(gap)
    return found


def unasked(rt: Runtime, series: SeriesKey, gaps: Sequence[Gap]) -> list[Gap]:
    """`gaps` without what was asked for lately: a candle nobody has is not asked for by every request."""
    now = rt.clock.now_ms()
    asked = rt.cache.peek(("asked", series))
    rows = sorted(r for r in asked.value if r[2] > now) if asked else []
    return candle_repo.subtract(gaps, [ConfirmedGap(start, end, "") for start, end, _ in rows])


def _note_asked(rt: Runtime, series: SeriesKey, ranges: Iterable[Gap], *, failed: bool) -> None:
    now = rt.clock.now_ms()
    edge = floor_open(now, series.interval) - RECENT * INTERVAL_MS[series.interval]
    recent_s = rt.freshness.open_candle
    old_s = RETRY_FAILED_S if failed else rt.freshness.ohlcv
    before = rt.cache.peek(("asked", series))
    rows = [r for r in before.value if r[2] > now] if before else []
    for gap in ranges:
        if gap.start_ms < edge:
            rows.append((gap.start_ms, min(gap.end_ms, edge), now + old_s * 1000))
        if gap.end_ms > edge:
            rows.append((max(gap.start_ms, edge), gap.end_ms, now + recent_s * 1000))
    rt.cache.put(("asked", series), Loaded(tuple(rows[-ASKED_KEPT:]), now, ()))


async def fetch(
    rt: Runtime,
    same: Sequence[Option],
    series: SeriesKey,
    missing: Sequence[Gap],
    *,
    background: bool = False,
) -> Fetched:
    """Fetch and store `missing` (ascending) from the series' own venue, then what it does not have from others of the
    same pair, marked with their source. A gap is remembered for good only when it is old, the own venue showed candles
    around it, and nobody failed. Raises AllProvidersFailed when nobody answered at all."""
    work = _Work(rt, same, series, background)
    await work.own_venue(missing)
    left = await work.left(missing)
    await work.repair(left)
    if not work.answered:
        raise AllProvidersFailed("No venue could answer for these candles.", details={"tried": work.tried})
    left = await work.left(missing)
    await work.confirm(left)
    _note_asked(rt, series, work.visited, failed=work.own_failed or work.unrepaired)
    return Fetched(work.stored, not work.own_failed, await work.left(missing))


def _meet(end: float, start: float) -> bool:
    return abs(end / start - 1) <= SAME_UNIT


@dataclass(slots=True)
class _Work:
    """One fetch under way."""

    rt: Runtime
    same: Sequence[Option]
    series: SeriesKey
    background: bool
    stored: int = 0
    answered: bool = False
    own_failed: bool = False
    unrepaired: bool = False
    failed: set[str] = field(default_factory=set)
    """Ids of those that failed when all were asked together: one after the other they would fail once more."""
    tried: list[dict[str, object]] = field(default_factory=list)
    visited: list[Gap] = field(default_factory=list)
    seen: list[_Seen] = field(default_factory=list)

    @property
    def step(self) -> int:
        return INTERVAL_MS[self.series.interval]

    def _is_own(self, option: Option) -> bool:
        return option.source.entry.source == self.series.provider

    async def left(self, missing: Sequence[Gap]) -> list[Gap]:
        """What of `missing` the store still lacks."""
        found: list[Gap] = []
        for gap in missing:
            found.extend(await holes(self.rt, self.series, gap.start_ms, gap.end_ms))
        return found

    async def own_venue(self, missing: Sequence[Gap]) -> None:
        """Page through what is missing, newest first: of a venue that keeps only so much, the rest is then known to be
        out of reach, and a request that may not ask for everything gets the end people look at."""
        own = [o for o in self.same if self._is_own(o)]
        if not own:
            self.own_failed = True
            return
        # Another venue may answer for a person who waits, marked with its source; the past is worth waiting for.
        team = own if self.background else self.same
        endpoint = own[0].endpoint
        todo = list(missing)
        pages = 0
        while todo and (pages < OWN_PAGES or self.background):
            until = todo[-1].end_ms
            at = todo[0].start_ms
            if endpoint.window:
                at = max(at, until - endpoint.max_rows * self.step)
                at = max(at, next(g.start_ms for g in todo if g.end_ms > at))
            pages += 1
            try:
                await self._page(team, at, until)
            except AllProvidersFailed as error:
                failures = {t["failure"] for t in error.details["tried"]}
                if failures != {NotOffered.code}:
                    self.own_failed = self.unrepaired = True
                    self.tried.extend(error.details["tried"])
                    self.failed = {
                        t["provider"] for t in error.details["tried"] if t["failure"] != NotOffered.code
                    }
                    return
                # Older than the venue keeps: an answer, and everything before it is older still.
                self.answered = True
                self.visited.extend(Gap(g.start_ms, min(g.end_ms, until)) for g in todo if g.start_ms < until)
                return
            todo = [Gap(g.start_ms, min(g.end_ms, at)) for g in todo if g.start_ms < at]

    async def _page(self, team: Sequence[Option], at: int, until: int) -> list[Candle]:
        """Ask for [at, until) and store it; a member of the team takes over from one that fails."""
        rows = max(1, (until - at) // self.step)
        by_id = {o.id: o for o in team}

        def ask_for(source: Source) -> Ask | None:
            option = by_id[source.entry.id]
            endpoint = option.endpoint
            if not self._is_own(option) and not (endpoint.window and endpoint.max_rows >= rows):
                return None
            return CandlesAsk(option.pair, self.series.interval, at, until, rows)

        answer = await self.rt.gateway.ask(
            Capability.CANDLES, ask_for, providers=list(by_id), background=self.background
        )
        option = by_id[answer.provider]
        found = await self._keep(option, answer, at, until)
        own = self._is_own(option)
        self.visited.append(Gap(at, until))
        if own:
            opens = [c.open_ms for c in found]
            self.seen.append(_Seen(at, until, min(opens, default=None), max(opens, default=None)))
        else:
            self.own_failed = True
        now = self.rt.clock.now_ms()
        if until > floor_open(now, self.series.interval):
            self.rt.cache.put(
                ("candles-at", self.series), Loaded(None, answer.received_ms, (answer.provider,))
            )
        return found

    async def _keep(self, option: Option, answer: Answer[Record], at: int, until: int) -> list[Candle]:
        """Store what the answer has of [at, until); gives it. A candle is final when its interval was over as the answer
        came, whatever the venue says of it."""
        found = [
            c._replace(closed=c.closed and c.open_ms + self.step <= answer.received_ms)
            for c in cast("tuple[Candle, ...]", answer.records)
            if at <= c.open_ms < until and floor_open(c.open_ms, self.series.interval) == c.open_ms
        ]
        source = None
        if not self._is_own(option):
            source = option.source.entry.source
            found = await self._fitting(found, at, until)
        if found:
            await unstored.write(self.rt, self.series, found, source=source, background=self.background)
        self.stored += len(found)
        self.answered = True
        fetches.note(self.rt, self.series, Gap(at, until), answer.received_ms)
        return found

    async def _fitting(self, found: Sequence[Candle], at: int, until: int) -> list[Candle]:
        """Another venue's candles without those that do not meet the own ones beside the same hole, within SAME_UNIT: they
        are of another coin, or of another unit of it."""
        rows = (until - at) // self.step + 2
        kept = await unstored.read(self.rt, self.series, at - self.step, until + self.step, rows)
        own = [c for c in kept.candles if c.open_ms not in kept.repaired]
        opens = [c.open_ms for c in own]
        runs: dict[int, list[Candle]] = {}
        for candle in sorted(found):
            place = bisect_left(opens, candle.open_ms)
            if place == len(own) or opens[place] != candle.open_ms:
                runs.setdefault(place, []).append(candle)
        fit: list[Candle] = []
        for place, run in runs.items():
            before = place == 0 or _meet(own[place - 1].close, run[0].open)
            after = place == len(own) or _meet(run[-1].close, own[place].open)
            if before and after:
                fit.extend(run)
        return fit

    async def repair(self, left: Sequence[Gap]) -> None:
        """Ask other venues for what is left. A venue that answered is trusted for its last two intervals: there a trade
        may simply not have come yet."""
        if not self.own_failed:
            edge = floor_open(self.rt.clock.now_ms(), self.series.interval) - self.step
            left = [Gap(g.start_ms, min(g.end_ms, edge)) for g in left if g.start_ms < edge]
        if self.rt.gateway.outage.total and not self.background:
            return
        helped: set[str] = set()
        pages = 0
        for option in self.same:
            source = option.source.entry.source
            if not left or len(helped) >= REPAIR_SOURCES or (pages >= REPAIR_PAGES and not self.background):
                break
            if self._is_own(option) or source in helped or option.id in self.failed:
                continue
            todo = list(left)
            while todo and (pages < REPAIR_PAGES or self.background):
                until = todo[-1].end_ms
                at = max(todo[0].start_ms, until - option.endpoint.max_rows * self.step)
                at = max(at, next(g.start_ms for g in todo if g.end_ms > at))
                pages += 1
                try:
                    await self._foreign(option, at, until)
                except AllProvidersFailed as error:
                    failures = {t["failure"] for t in error.details["tried"]}
                    if not failures <= NOT_LISTED | {NotOffered.code}:
                        self.unrepaired = True
                    self.tried.extend(error.details["tried"])
                    break
                todo = [Gap(g.start_ms, min(g.end_ms, at)) for g in todo if g.start_ms < at]
                helped.add(source)
            left = await self.left(left)

    async def _foreign(self, option: Option, at: int, until: int) -> None:
        rows = max(1, (until - at) // self.step)
        ask = CandlesAsk(option.pair, self.series.interval, at, until, rows)
        answer = await self.rt.gateway.ask(
            Capability.CANDLES, lambda source: ask, providers=[option.id], background=self.background
        )
        await self._keep(option, answer, at, until)
        if until > floor_open(self.rt.clock.now_ms(), self.series.interval):
            self.rt.cache.put(
                ("candles-at", self.series), Loaded(None, answer.received_ms, (answer.provider,))
            )

    async def confirm(self, left: Sequence[Gap]) -> None:
        """Remember for good what the market does not have. An empty answer alone proves nothing: some upstreams give one
        for a pair they lost. One answer with candles on both sides of the gap does; before the venue's first candle, a
        second answer that shows that candle and nothing older."""
        if self.own_failed or self.unrepaired or not self.seen:
            return
        edge = floor_open(self.rt.clock.now_ms(), self.series.interval) - RECENT * self.step
        found: list[ConfirmedGap] = []
        looks = 0
        for gap in left:
            old = Gap(gap.start_ms, min(gap.end_ms, edge))
            if old.start_ms >= old.end_ms:
                continue
            if any(
                s.first is not None and s.last is not None and s.first < old.start_ms and s.last >= old.end_ms
                for s in self.seen
            ):
                found.append(ConfirmedGap(*old, NOBODY))
            elif self._covered(old) and looks < VERIFY_PAGES:
                looks += 1
                if await self._is_before_first(old):
                    found.append(ConfirmedGap(*old, BEFORE_FIRST))
        if found:
            with persist.best_effort():
                await candle_repo.confirm_gaps(self.rt.store, self.series, found)

    def _covered(self, gap: Gap) -> bool:
        answers = [ConfirmedGap(s.start_ms, s.end_ms, "") for s in sorted(self.seen)]
        return not candle_repo.subtract([gap], answers)

    async def _is_before_first(self, gap: Gap) -> bool:
        """Whether the venue, asked again with its next candle in the range, shows that one and nothing of the gap."""
        own = [o for o in self.same if self._is_own(o)]
        if not own[0].endpoint.window:
            return False
        nearby = await candle_repo.confirmed_gaps(self.rt.store, self.series, gap.end_ms, gap.end_ms + 1)
        if any(known.reason == BEFORE_FIRST for known in nearby):
            return True
        after = await candle_repo.read(self.rt.store, self.series, gap.end_ms, None, own[0].endpoint.max_rows)
        witness = next((c.open_ms for c in after.candles if c.open_ms not in after.repaired), None)
        if witness is None:
            return False
        until = witness + self.step
        at = max(gap.start_ms, until - own[0].endpoint.max_rows * self.step)
        if at >= gap.end_ms:
            return False
        try:
            found = await self._page(own, at, until)
        except AllProvidersFailed:
            return False
        opens = [c.open_ms for c in found]
        return witness in opens and min(opens) >= gap.end_ms
