"""Failover: one ask, ranked sources, the first valid answer wins.

A second source is asked when the first fails, when it is slower than its own recent p95 (a hedge, bounded by a
budget), or when it is so slow that waiting longer would be noticed (a takeover, not bounded: the source is then
blamed for it). A source whose budget is used up is passed over at once; only when nobody else could answer is there
any waiting, for a budget or for the slow lane of a source that rests.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..clock import Clock
from ..model.answer import Answer, Record, Tried
from ..model.ask import Ask, Capability
from ..model.errors import (
    AllProvidersFailed,
    BudgetExhausted,
    CircuitOpen,
    NotOffered,
    SymbolNotListed,
    UpstreamError,
    UpstreamTimeout,
)
from .outage import Outage
from .pools import Line
from .source import Source, Terms

HEDGE_AT = 1.2
"""Times its p95 after which a source is late."""
HEDGE_FLOOR_S = 0.03
"""No hedge before this: below it the second call costs more than it wins."""
TAKEOVER_AT = 4.0
TAKEOVER_FLOOR_S = 0.15
TAKEOVER_CEILING_S = 3.0
UNKNOWN_TAKEOVER_S = 1.0
"""Takeover time of a source without enough samples."""
HEDGE_SHARE = 0.04
HEDGE_BURST = 2.0
"""Hedges per call: of any 200 calls in a row at most 10, a twentieth, are followed by one."""
STALL_S = 0.05
"""A timer that is this late tells of our own loop, not of the source."""
SLOW_FIRST_S = 0.1
SLOW_MOST_S = 5.0
LOOK_AGAIN_S = 0.05

EMPTY_ANSWERS = frozenset(
    {Capability.CANDLES, Capability.COINS, Capability.EXCHANGES, Capability.SEARCH, Capability.QUOTES}
)
"""Where no record is an answer: a range without trades, a page past the end, nothing found, nothing listed. Anywhere else
the next source is asked."""

AskFor = Callable[[Source], Ask | None]
Lane = tuple[str, Capability]


@dataclass(slots=True)
class HedgeBudget:
    """Tokens: each call earns a twenty-fifth of one, each hedge costs one."""

    tokens: float = HEDGE_BURST
    calls: int = 0
    hedges: int = 0
    takeovers: int = 0

    def earn(self) -> None:
        self.calls += 1
        self.tokens = min(HEDGE_BURST, self.tokens + HEDGE_SHARE)

    def spend(self) -> bool:
        if self.tokens < 1:
            return False
        self.tokens -= 1
        self.hedges += 1
        return True


@dataclass(slots=True)
class SlowLane:
    """When a source that rests may be asked all the same, by provider and capability: at once, and then at distances
    that double up to a few seconds until it answers."""

    turns: dict[Lane, tuple[float, float]] = field(default_factory=dict)
    asking: Counter[Lane] = field(default_factory=Counter)

    def wait_s(self, lane: Lane, now: float) -> float:
        """Seconds until the next turn."""
        return max(0.0, self.turns.get(lane, (now, 0.0))[0] - now)

    def take(self, lane: Lane, now: float) -> None:
        """Take the next turn."""
        at, distance = self.turns.get(lane, (now, SLOW_FIRST_S / 2))
        distance = min(distance * 2, SLOW_MOST_S)
        self.turns[lane] = (max(at, now) + distance, distance)

    def watch(self, lane: Lane, task: asyncio.Task[Answer[Record]]) -> None:
        """Others may wait for what this ask finds."""
        self.asking[lane] += 1
        task.add_done_callback(lambda _: self.asking.subtract({lane: 1}))

    def leave(self, lane: Lane) -> None:
        """The source rests no more."""
        self.turns.pop(lane, None)


@dataclass(slots=True)
class _Flight:
    source: Source
    terms: Terms
    ask: Ask
    started: float
    hedge: bool
    hedge_at: float
    takeover_at: float
    probe: bool
    excused: bool = False

    def due(self, hedging: bool) -> float:
        return min(self.hedge_at, self.takeover_at) if hedging else self.takeover_at


@dataclass(slots=True)
class _Waiting:
    """A source that cannot be asked before `ready_at`; None when it rests and `ready_at` depends on the slow lane."""

    source: Source
    ask: Ask
    ready_at: float | None = None


@dataclass(slots=True)
class Race:
    """One ask on its way through a ranked list of sources. `closing` takes the calls that outlive it. `line` orders the
    sources that can be asked; None leaves them as they are."""

    sources: Sequence[Source]
    ask_for: AskFor
    capability: Capability
    clock: Clock
    budget: HedgeBudget
    timeout_s: float
    patience_s: float
    background: bool
    slow_lane: SlowLane
    closing: set[asyncio.Task[Answer[Record]]]
    line: Line | None = None
    outage: Outage = field(default_factory=Outage)
    tried: list[Tried] = field(default_factory=list)
    queue: deque[tuple[Source, Ask]] = field(default_factory=deque)
    waiting: list[_Waiting] = field(default_factory=list)
    flights: dict[asyncio.Task[Answer[Record]], _Flight] = field(default_factory=dict)
    empty: Answer[Record] | None = None
    deadline: float | None = None
    began: float = 0.0

    async def run(self) -> Answer[Record]:
        """The first valid answer. Raises AllProvidersFailed naming each source and why it failed."""
        self._line_up()
        winner: Answer[Record] | None = None
        try:
            while winner is None:
                if not self.flights and not self._launch_next(hedge=False):
                    if self.empty is not None:
                        winner = self.empty
                        break
                    await self._last_hope()
                winner = await self._step()
        finally:
            self._leave_rest(overtaken=winner is not None)
        route = None if self.line is None else self.line.route
        tried = tuple(self.tried)
        return Answer(winner.provider, winner.records, winner.received_ms, tried, winner.rejected, route)

    def _line_up(self) -> None:
        """Queue the sources that can be asked now; note the others, and until when they cannot."""
        now = self.began = self.clock.monotonic()
        for source in self.sources:
            ask = self.ask_for(source)
            if ask is None:
                continue
            try:
                source.endpoint(ask)
            except NotOffered as error:
                self.tried.append(Tried(source.entry.id, error.code, 0.0))
                continue
            rest = source.resting(self.capability)
            if rest is None:
                self.slow_lane.leave((source.entry.id, self.capability))
                self.queue.append((source, ask))
            else:
                self.tried.append(Tried(source.entry.id, rest.code, 0.0))
                self.waiting.append(_Waiting(source, ask, now + rest.wait_s if rest.forbidden else None))
        if self.line is not None:
            self.queue = self.line.arrange(self.queue, [item.source.entry.id for item in self.waiting])

    @property
    def _cut_off(self) -> bool:
        """Whether a person would wait for what cannot be reached; the timetable has time to wait for the network."""
        return self.outage.total and not self.background

    def _launch_next(self, *, hedge: bool) -> bool:
        if not self.queue:
            return False
        source, ask = self.queue.popleft()
        terms = Terms(self.timeout_s, self.patience_s, self.background, at_once=True)
        self._launch(source, ask, terms, hedge=hedge)
        return True

    def _launch(self, source: Source, ask: Ask, terms: Terms, *, hedge: bool) -> asyncio.Task[Answer[Record]]:
        p95 = source.health.usual(self.capability, 0.95)
        late = None if p95 is None else p95 / 1000 * source.rounds(ask)
        # A probe of a source that just failed is never worth waiting for: the next one goes soon beside it. While nothing
        # answers, every call is one.
        probe = self._cut_off or (source.breaker.state == "half_open" and not source.breaker.probing)
        if probe:
            takeover_in = HEDGE_FLOOR_S
        elif late is None:
            takeover_in = UNKNOWN_TAKEOVER_S
        else:
            takeover_in = min(max(late * TAKEOVER_AT, TAKEOVER_FLOOR_S), TAKEOVER_CEILING_S)
        hedge_in = takeover_in if late is None else max(late * HEDGE_AT, HEDGE_FLOOR_S)
        now = self.clock.monotonic()
        if self.line is not None:
            self.line.sent(source.entry.id)
        task = asyncio.create_task(source.fetch(ask, terms))
        self.flights[task] = _Flight(source, terms, ask, now, hedge, now + hedge_in, now + takeover_in, probe)
        if not hedge:
            self.budget.earn()
        return task

    def _ready_at(self, item: _Waiting) -> float:
        """Monotonic second from which it can be asked; infinite while its probe is under way."""
        if item.ready_at is not None:
            return item.ready_at
        now = self.clock.monotonic()
        rest = item.source.resting(self.capability)
        if item.source.breaker.probing:
            return math.inf
        if rest is None:
            return now
        if rest.forbidden:
            return now + rest.wait_s
        return now + min(rest.wait_s, self.slow_lane.wait_s((item.source.entry.id, self.capability), now))

    async def _last_hope(self) -> None:
        """Nobody that could be asked at once answered: launch who can be asked soonest. Raises AllProvidersFailed when
        that is nobody, or not within patience."""
        if self.deadline is None:
            self.deadline = self.clock.monotonic() + self.patience_s
        while True:
            now = self.clock.monotonic()
            soonest = min(self.waiting, key=self._ready_at, default=None)
            ready_at = math.inf if soonest is None else self._ready_at(soonest)
            if ready_at > now and now < self.deadline and any(map(self._found_out, self.waiting)):
                await self.clock.sleep(LOOK_AGAIN_S)
            elif soonest is None or ready_at > (now if self._cut_off else self.deadline):
                raise self._failed()
            elif ready_at <= now or soonest.ready_at is not None:
                break
            else:
                await self.clock.sleep(ready_at - now)
        self.waiting.remove(soonest)
        terms = Terms(self.timeout_s, self.patience_s, self.background)
        rest = soonest.source.resting(self.capability)
        terms.force = rest is not None and not rest.forbidden
        flight = self._launch(soonest.source, soonest.ask, terms, hedge=False)
        if terms.force:
            lane = (soonest.source.entry.id, self.capability)
            self.slow_lane.take(lane, now)
            self.slow_lane.watch(lane, flight)

    def _found_out(self, item: _Waiting) -> bool:
        """Whether somebody is finding out if this source answers again."""
        asking = self.slow_lane.asking[item.source.entry.id, self.capability] > 0
        return item.ready_at is None and (asking or item.source.breaker.probing)

    async def _step(self) -> Answer[Record] | None:
        """Wait for a flight to end or for the newest to be late; the winning answer, if that is what ended."""
        newest = list(self.flights.values())[-1]
        hedging = self.budget.tokens >= 1 and not self.background
        due = newest.due(hedging) if self.queue else math.inf
        # Who is under way while nothing answers finds out for the next ask; this one is not kept for it.
        end = self.began + self.patience_s if self._cut_off else math.inf
        wake = min(due, end)
        watched: set[asyncio.Task[Any]] = set(self.flights)
        alarm: asyncio.Task[None] | None = None
        if wake < math.inf:
            alarm = asyncio.create_task(self.clock.sleep(max(0.0, wake - self.clock.monotonic())))
            watched.add(alarm)
        try:
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if alarm is not None:
                alarm.cancel()
        ended = [task for task in self.flights if task in done]
        if not ended and wake == end:
            raise self._failed()
        if not ended:
            self._late(newest, due)
        winners = [answer for answer in map(self._land, ended) if answer is not None]
        return winners[0] if winners else None

    def _late(self, newest: _Flight, due: float) -> None:
        """Launch the next source beside the newest flight, as a takeover or from the hedge budget."""
        now = self.clock.monotonic()
        if now - due > STALL_S and not newest.excused:
            newest.excused = True
            for flight in self.flights.values():
                flight.hedge_at += now - due + HEDGE_FLOOR_S
                flight.takeover_at += now - due + HEDGE_FLOOR_S
        elif now >= newest.takeover_at:
            self.budget.takeovers += 1
            self._launch_next(hedge=False)
        elif self.budget.spend():
            self._launch_next(hedge=True)

    def _land(self, task: asyncio.Task[Answer[Record]]) -> Answer[Record] | None:
        """Note how a flight ended. One that failed is replaced at once, whoever else is still under way."""
        flight = self.flights.pop(task)
        now = self.clock.monotonic()
        failure: str | None = None
        answer: Answer[Record] | None = None
        try:
            answer = task.result()
        except UpstreamError as error:
            failure = error.code
            if isinstance(error, BudgetExhausted) and flight.terms.at_once:
                wait_s = math.inf if error.retry_after_s is None else error.retry_after_s
                self.waiting.append(_Waiting(flight.source, flight.ask, now + wait_s))
            elif isinstance(error, CircuitOpen):
                self.waiting.append(_Waiting(flight.source, flight.ask))
        if answer is not None and not answer.records and self.capability not in EMPTY_ANSWERS:
            failure = SymbolNotListed.code
            self.empty = self.empty or answer
            answer = None
        self.tried.append(Tried(flight.source.entry.id, failure, (now - flight.started) * 1000, flight.hedge))
        if answer is None:
            self._launch_next(hedge=flight.hedge)
        return answer

    def _leave_rest(self, *, overtaken: bool) -> None:
        """Cancel what is still under way; a source that lost by more than its takeover time is blamed for it.

        A probe runs on to its own end: only its outcome can close the breaker.
        """
        now = self.clock.monotonic()
        for task, flight in self.flights.items():
            if not flight.probe:
                if overtaken and now >= flight.takeover_at:
                    flight.terms.overtaken = True
                    elapsed_ms = (now - flight.started) * 1000
                    self.tried.append(
                        Tried(flight.source.entry.id, UpstreamTimeout.code, elapsed_ms, flight.hedge)
                    )
                task.cancel()
            self.closing.add(task)
            task.add_done_callback(self.closing.discard)
            task.add_done_callback(_forget)
        self.flights.clear()

    def _failed(self) -> AllProvidersFailed:
        now = self.clock.monotonic()
        for flight in self.flights.values():
            elapsed_ms = (now - flight.started) * 1000
            self.tried.append(Tried(flight.source.entry.id, UpstreamTimeout.code, elapsed_ms, flight.hedge))
        names = ", ".join(sorted({t.provider for t in self.tried})) or "none is configured"
        ready_at = min(map(self._ready_at, self.waiting), default=math.inf)
        wait_s = ready_at - now
        return AllProvidersFailed(
            f"No source could answer ({names}).",
            details={"tried": [{"provider": t.provider, "failure": t.failure} for t in self.tried]},
            retry_after=max(1, math.ceil(wait_s)) if math.isfinite(wait_s) else None,
        )


def _forget(task: asyncio.Task[Answer[Record]]) -> None:
    """Its outcome was decided before it ended."""
    if not task.cancelled():
        task.exception()
