"""Failover: one ask, ranked sources, the first valid answer wins.

A second source is asked when the first fails, when it is slower than its own recent p95 (a hedge, bounded by a
budget), or when it is so slow that waiting longer would be noticed (a takeover, not bounded: the source is then
blamed for it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..clock import Clock
from ..model.answer import Answer, Record, Tried
from ..model.ask import CAPABILITY_OF, Ask, Capability
from ..model.errors import (
    AllProvidersFailed,
    CircuitOpen,
    DeadlineExceeded,
    NotOffered,
    UpstreamError,
    UpstreamTimeout,
)
from .source import Source

HEDGE_FLOOR_S = 0.03
"""No hedge before this: below it the second call costs more than it wins."""
HEDGE_CEILING_S = 0.15
TAKEOVER_FLOOR_S = 0.15
TAKEOVER_CEILING_S = 3.0
UNKNOWN_TAKEOVER_S = 1.0
"""Takeover time of a source without enough samples."""
HEDGE_SHARE = 0.05
"""Hedges per call, at most, in the long run."""
HEDGE_BURST = 5.0
SLOW_LAST_S = 2.0
"""A pool with every breaker open still asks its best member this often."""

AskFor = Callable[[Source], Ask | None]


@dataclass(slots=True)
class HedgeBudget:
    """Tokens: each call earns a twentieth of one, each hedge costs one."""

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
class _Flight:
    source: Source
    started: float
    hedge: bool
    hedge_at: float
    takeover_at: float
    probe: bool


@dataclass(slots=True)
class Race:
    """One ask on its way through a ranked list of sources."""

    sources: Sequence[Source]
    ask_for: AskFor
    capability: Capability
    clock: Clock
    budget: HedgeBudget
    timeout_s: float
    patience_s: float
    background: bool
    last_resort: dict[str, float]
    closing: set[asyncio.Task[None]]
    tried: list[Tried] = field(default_factory=list)
    flights: dict[asyncio.Task[Answer[Record]], _Flight] = field(default_factory=dict)

    def _order(self) -> list[tuple[Source, Ask, bool]]:
        """(source, ask, forced) in the order to try; those that would refuse are noted and left out."""
        ready: list[tuple[Source, Ask, bool]] = []
        resting: list[tuple[Source, Ask]] = []
        for source in self.sources:
            ask = self.ask_for(source)
            if ask is None:
                continue
            try:
                source.endpoint(ask)
            except NotOffered as error:
                self.tried.append(Tried(source.entry.id, error.code, 0.0))
                continue
            reason = source.unavailable(self.capability)
            if reason is None:
                ready.append((source, ask, False))
            else:
                self.tried.append(Tried(source.entry.id, reason, 0.0))
                if reason == CircuitOpen.code:
                    resting.append((source, ask))
        if not ready and resting:
            source, ask = min(resting, key=lambda item: item[0].breaker.ready_at)
            now = self.clock.monotonic()
            if now >= self.last_resort.get(source.entry.host, 0.0):
                self.last_resort[source.entry.host] = now + SLOW_LAST_S
                ready.append((source, ask, True))
        return ready

    def _launch(self, source: Source, ask: Ask, forced: bool, hedge: bool) -> None:
        p95 = source.health.percentile(self.capability, 0.95)
        now = asyncio.get_running_loop().time()
        hedge_in = (
            self.timeout_s if p95 is None else min(max(p95 / 1000 * 1.5, HEDGE_FLOOR_S), HEDGE_CEILING_S)
        )
        # A probe of a source that just failed is never worth waiting for: the next one goes at once beside it.
        probe = source.breaker.state == "half_open"
        takeover_in = (
            HEDGE_FLOOR_S
            if probe
            else UNKNOWN_TAKEOVER_S
            if p95 is None
            else min(max(p95 / 1000 * 4, TAKEOVER_FLOOR_S), TAKEOVER_CEILING_S)
        )
        task = asyncio.create_task(
            source.fetch(
                ask,
                timeout_s=self.timeout_s,
                background=self.background,
                patience_s=self.patience_s,
                force=forced,
            )
        )
        self.flights[task] = _Flight(source, now, hedge, now + hedge_in, now + takeover_in, probe)
        self.budget.earn()

    async def run(self) -> Answer[Record]:
        """The first valid answer. Raises AllProvidersFailed naming each source and why it failed."""
        queue = self._order()
        if not queue:
            raise self._failed()
        try:
            self._launch(*queue.pop(0), hedge=False)
            while self.flights:
                answer = await self._step(queue)
                if answer is not None:
                    return answer
                if not self.flights and queue:
                    self._launch(*queue.pop(0), hedge=False)
            raise self._failed()
        finally:
            self._cancel_rest()

    async def _step(self, queue: list[tuple[Source, Ask, bool]]) -> Answer[Record] | None:
        loop_now = asyncio.get_running_loop().time()
        newest = list(self.flights.values())[-1]
        budgeted = self.budget.tokens >= 1 and not self.background
        due = (
            (min(newest.hedge_at, newest.takeover_at) if budgeted else newest.takeover_at) if queue else None
        )
        wait = None if due is None else max(0.0, due - loop_now)
        done, _ = await asyncio.wait(self.flights, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            takeover = asyncio.get_running_loop().time() >= newest.takeover_at
            if takeover:
                self.budget.takeovers += 1
            if takeover or self.budget.spend():
                self._launch(*queue.pop(0), hedge=not takeover)
            return None
        winner: Answer[Record] | None = None
        for task in done:
            flight = self.flights.pop(task)
            elapsed_ms = (asyncio.get_running_loop().time() - flight.started) * 1000
            try:
                answer = task.result()
            except UpstreamError as error:
                self.tried.append(Tried(flight.source.entry.id, error.code, elapsed_ms, flight.hedge))
                continue
            self.tried.append(Tried(flight.source.entry.id, None, elapsed_ms, flight.hedge))
            winner = winner or answer
        if winner is None:
            return None
        return Answer(winner.provider, winner.records, winner.received_ms, tuple(self.tried), winner.rejected)

    def _cancel_rest(self) -> None:
        """Cancel what is still under way; a source that lost by more than its takeover time is blamed for it.

        A probe runs on to its own end: only its outcome can close the breaker.
        """
        now = asyncio.get_running_loop().time()
        for task, flight in self.flights.items():
            if not flight.probe:
                task.cancel()
            if now >= flight.takeover_at and not flight.probe:
                flight.source.blame(UpstreamTimeout("another source had to take over"), self.capability)
            closer = asyncio.create_task(_swallow(task))
            self.closing.add(closer)
            closer.add_done_callback(self.closing.discard)
        self.flights.clear()

    def _failed(self) -> AllProvidersFailed | DeadlineExceeded:
        names = ", ".join(sorted({t.provider for t in self.tried})) or "none is configured"
        return AllProvidersFailed(
            f"No source could answer ({names}).",
            details={"tried": [{"provider": t.provider, "failure": t.failure} for t in self.tried]},
        )


async def _swallow(task: asyncio.Task[Answer[Record]]) -> None:
    """Wait for a cancelled task so that nothing outlives the gateway; its outcome was already decided."""
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def capability_of(ask: Ask) -> Capability:
    """The capability an ask belongs to."""
    return CAPABILITY_OF[type(ask)]
