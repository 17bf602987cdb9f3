"""What became of each provider's quotes whenever prices were decided, added up by the hour until it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from ..model.candle import HOUR_MS
from ..pricing.source import Consensus, Reason

NO_FAULT = frozenset({Reason.SAME_SOURCE, Reason.NO_RATE, Reason.BLOCKED, Reason.UNPROVEN})
"""Reasons for which a quote does not count and that say nothing against it."""
SAMPLES = 400
"""Ages and deviations kept of one provider's hour: of more, a draw."""
MOST_HOURS = 4


class Quoted(NamedTuple):
    """One provider's quotes in an hour. `age_ms` and `deviation_pct` (without a sign) are medians, None without any."""

    quotes: int
    excluded: int
    age_ms: float | None
    deviation_pct: float | None


@dataclass(slots=True)
class _Hour:
    quotes: int = 0
    excluded: int = 0
    ages: list[float] = field(default_factory=list)
    deviations: list[float] = field(default_factory=list)

    def read(self) -> Quoted:
        return Quoted(
            self.quotes,
            self.excluded,
            median(self.ages) if self.ages else None,
            median(self.deviations) if self.deviations else None,
        )


class Tally:
    """Hours by their beginning. The oldest leave when nobody takes them."""

    def __init__(self) -> None:
        self._hours: dict[int, dict[str, _Hour]] = {}

    def note(self, result: Consensus, at_ms: int) -> None:
        """Add one price's verdicts."""
        hour = self._hours.setdefault(at_ms // HOUR_MS * HOUR_MS, {})
        for verdict in result.verdicts:
            if verdict.excluded in NO_FAULT:
                continue
            row = hour.setdefault(verdict.provider, _Hour())
            row.quotes += 1
            row.excluded += verdict.excluded is not None
            _sample(row.ages, row.quotes, float(max(0, verdict.age_ms)))
            if verdict.deviation_pct is not None and result.price is not None:
                _sample(row.deviations, row.quotes, abs(verdict.deviation_pct))
        while len(self._hours) > MOST_HOURS:
            del self._hours[min(self._hours)]

    def hour(self, hour_ms: int) -> dict[str, Quoted]:
        """What was noted in the hour that began then, by provider."""
        return {name: row.read() for name, row in self._hours.get(hour_ms, {}).items()}

    def forget(self, before_ms: int) -> None:
        """Let hours go that began before."""
        for hour_ms in [h for h in self._hours if h < before_ms]:
            del self._hours[hour_ms]


def _sample(kept: list[float], count: int, value: float) -> None:
    if len(kept) < SAMPLES:
        kept.append(value)
        return
    # Reservoir sampling (Vitter, Algorithm R) with Knuth's multiplicative hash for the draw: early and late quotes of
    # the hour are as likely to stay.
    place = (count * 2_654_435_761 & 0xFFFF_FFFF) % count
    if place < SAMPLES:
        kept[place] = value
