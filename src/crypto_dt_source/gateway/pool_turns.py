"""Whose turn it is: what the strategies of pools that share out asks remember.

Turns are taken when a call is sent, never by looking. A source that rests takes none and is owed none when it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from ..model.ask import Capability
from ..model.pool import FASTEST, ROUND_ROBIN, WEIGHTED, Member
from .source import Source

LOOK_S = 1.0
"""How long an order by speed is kept."""
TRY_EVERY = 20
"""Every so many asks of a pool that asks the fastest go to whoever was asked longest ago: what is never asked is never
measured again."""
HALF_LIFE_S = 600.0
"""After this long a call counts half in what a source was used."""
RENEW_AT = 500.0
"""Half-lives after which the counts are made small again: 2 to the power of 1024 is no float."""

Rank = Callable[[Source], int]
"""Gives the number by which sources that are equal otherwise are ordered; lower is first."""


@dataclass(slots=True)
class Turns:
    """Stride scheduling: each call puts a source back by 1/weight, and who is furthest ahead is next. Of n calls a source
    gets its share of n by weight, give or take one for each member.

    Waldspurger, Weihl: Stride Scheduling, 1995, https://dspace.mit.edu/handle/1721.1/149245
    """

    passes: dict[str, float] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def order(self, sources: Sequence[Source], rank: Rank) -> list[Source]:
        """Whoever is furthest ahead first; changes nothing."""
        start = self._start(sources)
        passes, last = self.passes, self.last
        return sorted(
            sources,
            key=lambda s: (passes.get(s.entry.id, start), last.get(s.entry.id, 0), rank(s), s.entry.id),
        )

    def oldest(self, sources: Sequence[Source]) -> str:
        """Whoever was asked longest ago, of at least one."""
        return min((self.last.get(s.entry.id, 0), s.entry.id) for s in sources)[1]

    def begin(self, ordered: Sequence[Source], resting: Sequence[str]) -> None:
        """An ask goes to the first of `ordered`; who cannot be asked now is owed nothing for it."""
        start = self._start(ordered)
        for source in ordered:
            self.passes.setdefault(source.entry.id, start)
        floor = self.passes[ordered[0].entry.id]
        for name in resting:
            if self.passes.get(name, floor) <= floor:
                self.passes[name] = floor

    def sent(self, provider: str, weight: float) -> None:
        """A call was sent."""
        now = self.passes.get(provider)
        if now is None:
            now = min(self.passes.values(), default=0.0)
        self.passes[provider] = now + 1.0 / weight
        self.last[provider] = next(self._numbers)

    def _start(self, sources: Sequence[Source]) -> float:
        """Where one begins that is new: beside who is furthest ahead."""
        known = [self.passes[s.entry.id] for s in sources if s.entry.id in self.passes]
        return min(known, default=0.0)


@dataclass(slots=True)
class Uses:
    """How often each source was asked lately, by any pool: a count whose older half-lives weigh less. The weight of a new
    call grows instead of the old ones shrinking, so that counts compare as they stand.

    Cormode, Shkapenyuk, Srivastava, Xu: Forward Decay, 2009, https://doi.org/10.1109/ICDE.2009.65
    """

    since: float = 0.0
    counts: dict[str, float] = field(default_factory=dict)

    def sent(self, provider: str, now: float) -> None:
        """A call was sent at monotonic second `now`."""
        age = (now - self.since) / HALF_LIFE_S
        if age > RENEW_AT:
            self.counts = {name: value * 2.0**-age for name, value in self.counts.items()}
            self.since, age = now, 0.0
        self.counts[provider] = self.counts.get(provider, 0.0) + 2.0**age

    def order(self, sources: Sequence[Source], rank: Rank) -> list[Source]:
        """Least used first."""
        counts = self.counts
        return sorted(sources, key=lambda s: (counts.get(s.entry.id, 0.0), rank(s), s.entry.id))


@dataclass(slots=True)
class Speeds:
    """Sources by the median of their recent answers; one without a measured answer comes first, or it would have none
    ever."""

    turns: Turns = field(default_factory=Turns)
    asks: int = 0
    medians: dict[str, float] = field(default_factory=dict)
    looked_at: float | None = None

    def order(
        self, sources: Sequence[Source], rank: Rank, capability: Capability, now: float
    ) -> list[Source]:
        """Fastest first; in each TRY_EVERY-th ask behind whoever was asked longest ago."""
        if self.looked_at is None or now - self.looked_at >= LOOK_S:
            self.looked_at = now
            self.medians.clear()
        for source in sources:
            if source.entry.id not in self.medians:
                self.medians[source.entry.id] = source.health.usual(capability, 0.5) or 0.0
        medians = self.medians
        found = sorted(sources, key=lambda s: (medians[s.entry.id], rank(s), s.entry.id))
        if sources and self.asks % TRY_EVERY == TRY_EVERY - 1:
            first = self.turns.oldest(found)
            found.sort(key=lambda s: s.entry.id != first)
        return found


@dataclass(slots=True)
class Lane:
    """What a pool remembers of its asks of one capability."""

    strategy: str
    turns: Turns = field(default_factory=Turns)
    speeds: Speeds = field(default_factory=Speeds)

    def __post_init__(self) -> None:
        self.speeds.turns = self.turns

    def order(
        self, sources: Sequence[Source], rank: Rank, capability: Capability, uses: Uses, now: float
    ) -> list[Source]:
        """The sources as the strategy has them; changes no turn."""
        if self.strategy in (ROUND_ROBIN, WEIGHTED):
            return self.turns.order(sources, rank)
        if self.strategy == FASTEST:
            return self.speeds.order(sources, rank, capability, now)
        return uses.order(sources, rank)

    def begin(self, ordered: Sequence[Source], resting: Sequence[str]) -> None:
        """An ask goes to the first of `ordered`."""
        self.speeds.asks += 1
        self.turns.begin(ordered, resting)

    def sent(self, provider: str, member: Member | None) -> None:
        """A call was sent."""
        weight = member.weight if member is not None and self.strategy == WEIGHTED else 1.0
        self.turns.sent(provider, weight)
