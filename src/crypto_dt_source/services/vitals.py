"""What health remembers from one look to the next: since when each component is as it is, how each provider did, and what
those answer that may hang."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ..clock import Clock
from ..model.errors import CdtsError
from ..telemetry import logger

log = logger("health")
T = TypeVar("T")
OK = "ok"
PATIENCE_S = 0.02
"""How long a look waits for an answer. Health has to be there within 50 ms whatever hangs."""
SILENT_S = 1.0
"""Who has not answered for so long hangs; before that the last answer counts."""


class Silent(Exception):
    """No answer yet, for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer for {seconds:.1f} s")
        self.seconds = seconds

    @property
    def hangs(self) -> bool:
        """Whether that is longer than a busy moment."""
        return self.seconds >= SILENT_S


@dataclass(slots=True)
class _Probe:
    flight: asyncio.Future[Any] | None = None
    began: float = 0.0
    told: bool = False
    value: Any = None
    error: CdtsError | None = None


class Vitals:
    """Owns the questions under way: `close` ends them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._probes: dict[str, _Probe] = {}
        self._states: dict[str, tuple[str, int]] = {}
        self.providers: dict[str, str] = {}
        """The state of each provider at the last look that compared them."""
        self.cut_off = False
        """Whether nothing could be reached at that look."""
        self.cut_off_ms = -1
        """When that was so last, ms UTC; -1 where never."""

    async def ask(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, one question of a name at a time; its last answer while this one is late. Raises Silent
        where there is none, or this one is too late, and the CdtsError that `work` raises."""
        probe = self._probes.setdefault(name, _Probe())
        if probe.flight is not None and probe.flight.done():
            self._take(probe, probe.flight)
        if probe.flight is None:
            probe.flight = asyncio.ensure_future(work())
            probe.began = self._clock.monotonic()
        flight = probe.flight
        await asyncio.wait({flight}, timeout=PATIENCE_S)
        if flight.done():
            if probe.flight is flight:
                self._take(probe, flight)
        else:
            silent_s = self._clock.monotonic() - probe.began
            if not probe.told or silent_s >= SILENT_S:
                raise Silent(silent_s)
        if probe.error is not None:
            raise copy.copy(probe.error)
        return cast(T, probe.value)

    @staticmethod
    def _take(probe: _Probe, flight: asyncio.Future[Any]) -> None:
        probe.flight = None
        probe.value, probe.error = None, None
        error = None if flight.cancelled() else flight.exception()
        if isinstance(error, CdtsError):
            probe.error = error
        else:
            # What is no failure to expect is raised here, once, where it is seen.
            probe.value = flight.result()
        probe.told = True

    def since(self, name: str, status: str, reason: str | None, first_ms: int) -> int:
        """Since when (ms UTC) a component has this status; `first_ms` for one that is well when it is first looked at. A
        change is logged."""
        held = self._states.get(name)
        if held is not None and held[0] == status:
            return held[1]
        at_ms = first_ms if held is None and status == OK else self._clock.now_ms()
        self._states[name] = (status, at_ms)
        if status != OK:
            log.warning("a component is not well", part=name, status=status, reason=reason)
        elif held is not None:
            log.info("a component is well again", part=name, after_s=(at_ms - held[1]) // 1000)
        return at_ms

    async def close(self) -> None:
        """End what is under way."""
        flights = [probe.flight for probe in self._probes.values() if probe.flight is not None]
        self._probes.clear()
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights, timeout=SILENT_S)
