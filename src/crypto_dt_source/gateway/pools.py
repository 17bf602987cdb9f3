"""In which order the sources of an ask are tried: what pools make of the order of ranks.

`pool.py` runs the race of one ask and keeps all that is about health; what is here only lines its sources up. Pools that
an operator made come first, in the order they were made. Whoever is in none of them follows by rank; of these the members
of one shipped pool share the places they hold among themselves. Nobody is left out: whoever a pool does not want is asked
last.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..clock import Clock
from ..model.answer import Tried
from ..model.ask import Ask, Capability
from ..model.errors import NotOffered, PlanRequired, SymbolNotListed, UpstreamRejected
from ..model.pool import (
    LEAST_USED,
    PRIORITY,
    SHIPPED,
    Aside,
    Member,
    Pool,
    PoolEvent,
    Route,
    shipped_pool,
)
from .pool_turns import Lane, Uses
from .source import Source

EVENTS_KEPT = 1000
"""What happened and is not stored yet; the oldest leave first."""
TOLD_AGAIN_S = 60.0
"""A member that fails and answers in turn is told of once in this time."""
NO_FAULT = frozenset({NotOffered.code, SymbolNotListed.code, UpstreamRejected.code, PlanRequired.code})
"""Failures that say something about the ask, not about the source."""
_DEFAULTS = {key: Pool(key, name, key) for key, (name, _) in SHIPPED.items()}
Queue = deque[tuple[Source, Ask]]


class Section(NamedTuple):
    """Members of one pool as an ask takes them, those set aside after the others. `lane` remembers turns; None where the
    strategy has none."""

    pool: Pool
    active: list[Source]
    aside: list[Source]
    lane: Lane | None

    @property
    def all(self) -> list[Source]:
        """Everybody, in order."""
        return [*self.active, *self.aside]


@dataclass(slots=True)
class _Plan:
    """Of one capability: the pools of the operator's own that serve it, in which of them a provider is, and the shipped
    pools by category."""

    own: list[Pool]
    seats: dict[str, int]
    shipped: dict[str, Pool] = field(default_factory=dict)


@dataclass(slots=True)
class Pools:
    """What operators decided, whose turn it is, and what happened. `changing` is held while decisions are stored and taken
    up."""

    clock: Clock
    stored: tuple[Pool, ...] = ()
    """Pools that were made, and shipped ones that were changed."""
    asides: Mapping[str, Mapping[str, Aside]] = field(default_factory=dict)
    """By pool and provider."""
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    events: deque[PoolEvent] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    """What happened by itself and is not stored yet."""
    told: int | None = None
    """Number of the last stored event that listeners were told of."""
    failing: dict[tuple[str, str], int | None] = field(default_factory=dict)
    """Members, by pool and provider, that another had to stand in for, and since when, ms; None: it was not told of."""
    _told_at: dict[tuple[str, str], float] = field(default_factory=dict)
    _by_id: dict[str, Pool] = field(default_factory=lambda: dict(_DEFAULTS))
    _members: dict[tuple[str, str], Member] = field(default_factory=dict)
    _plans: dict[Capability, _Plan] = field(default_factory=dict)
    _lanes: dict[tuple[str, Capability], Lane] = field(default_factory=dict)
    _uses: Uses = field(default_factory=Uses)
    _counting: bool = False
    touched: bool = False
    """Whether anything differs from the order of ranks."""

    def take_up(self, pools: Iterable[Pool], asides: Iterable[tuple[str, Aside]]) -> None:
        """What is stored now. A pool whose strategy changed begins its turns anew."""
        self.stored = tuple(sorted(pools, key=lambda pool: (pool.created_ms, pool.id)))
        found: dict[str, dict[str, Aside]] = {}
        for name, aside in asides:
            found.setdefault(name, {})[aside.provider] = aside
        self.asides = found
        self._members = {
            (pool.id, member.provider): member for pool in self.stored for member in pool.members
        }
        self._by_id = {**_DEFAULTS, **{pool.id: pool for pool in self.stored}}
        self._plans.clear()
        strategies = {pool.id: pool.strategy for pool in self.stored}
        self._lanes = {
            key: lane for key, lane in self._lanes.items() if strategies.get(key[0]) == lane.strategy
        }
        known = {*strategies, *SHIPPED}
        self.failing = {key: since for key, since in self.failing.items() if key[0] in known}
        self._told_at = {key: at for key, at in self._told_at.items() if key[0] in known}
        self._counting = LEAST_USED in strategies.values()
        self.touched = bool(self.stored or found)

    def get(self, id: str) -> Pool | None:
        """A pool as it stands, a shipped one without changes among them."""
        return self._by_id.get(id)

    def everyone(self) -> list[Pool]:
        """The operator's own pools, the oldest first, and the shipped ones."""
        own = [pool for pool in self.stored if not pool.shipped]
        return own + [self._by_id[key] for key in SHIPPED]

    def steady(self, capability: Capability, ranked: list[Source]) -> list[Source]:
        """The order without regard to turns, for whoever needs the same answer each time."""
        return self.arrange(capability, ranked, steady=True)[0] if self.touched else ranked

    def line(self, capability: Capability, ranked: Sequence[Source]) -> Line:
        """For one ask of `ranked`, which are in the order of ranks."""
        return Line(self, capability, ranked)

    def home(self, source: Source, capability: Capability) -> Pool:
        """The pool that places a source for asks of this."""
        plan = self._plan(capability)
        seat = plan.seats.get(source.entry.id)
        return plan.own[seat] if seat is not None else self._shipped(plan, source.entry.category, capability)

    def _shipped(self, plan: _Plan, category: str, capability: Capability) -> Pool:
        home = plan.shipped.get(category)
        if home is None:
            home = plan.shipped[category] = self._by_id[shipped_pool(category, capability)]
        return home

    def _plan(self, capability: Capability) -> _Plan:
        plan = self._plans.get(capability)
        if plan is None:
            own = [pool for pool in self.stored if not pool.shipped and pool.serves(capability)]
            seats: dict[str, int] = {}
            for number, pool in enumerate(own):
                for member in pool.members:
                    if member.counts:
                        seats.setdefault(member.provider, number)
            plan = self._plans[capability] = _Plan(own, seats)
        return plan

    def arrange(
        self, capability: Capability, sources: Iterable[Source], *, steady: bool = False
    ) -> tuple[list[Source], list[Section]]:
        """`sources`, which are in the order of ranks, as the pools have them, and the parts that this is made of. Takes
        nobody's turn."""
        plan = self._plan(capability)
        groups: list[list[Source]] = [[] for _ in plan.own]
        places: list[str] = []
        shipped: dict[str, list[Source]] = {}
        unwanted: list[Source] = []
        for source in sources:
            seat = plan.seats.get(source.entry.id)
            if seat is not None:
                groups[seat].append(source)
                continue
            pool = self._shipped(plan, source.entry.category, capability)
            named = pool.members and pool.enabled
            member = self._members.get((pool.id, source.entry.id)) if named else None
            if member is not None and not member.counts:
                unwanted.append(source)
            else:
                places.append(pool.id)
                shipped.setdefault(pool.id, []).append(source)
        sections = [
            self._section(pool, capability, found, steady)
            for pool, found in zip(plan.own, groups, strict=True)
            if found
        ]
        ordered = [source for section in sections for source in section.all]
        by_rank = [
            self._section(self._by_id[key], capability, found, steady) for key, found in shipped.items()
        ]
        next_of = {section.pool.id: iter(section.all) for section in by_rank}
        ordered.extend(next(next_of[key]) for key in places)
        return ordered + unwanted, sections + by_rank

    def _section(self, pool: Pool, capability: Capability, sources: list[Source], steady: bool) -> Section:
        if not pool.enabled:
            return Section(pool, sources, [], None)
        members = self._members

        def rank(source: Source) -> int:
            member = members.get((pool.id, source.entry.id))
            if member is not None and member.priority is not None:
                return member.priority
            return source.rank(capability)

        aside: list[Source] = []
        away = self.asides.get(pool.id)
        if away:
            now = self.clock.now_ms()
            aside = [s for s in sources if (one := away.get(s.entry.id)) is not None and not over(one, now)]
            aside.sort(key=lambda s: (away[s.entry.id].since_ms, rank(s), s.entry.id))
            gone = {s.entry.id for s in aside}
            sources = [s for s in sources if s.entry.id not in gone]
        if pool.strategy == PRIORITY or steady:
            if pool.members:
                sources = sorted(sources, key=lambda s: (rank(s), s.entry.id))
            return Section(pool, sources, aside, None)
        lane = self._lanes.get((pool.id, capability))
        if lane is None:
            lane = self._lanes[pool.id, capability] = Lane(pool.strategy)
        found = lane.order(sources, rank, capability, self._uses, self.clock.monotonic())
        return Section(pool, found, aside, lane)

    def turn(self, pool: Pool, capability: Capability, sources: Sequence[Source]) -> None:
        """Let the first of a pool that shares out asks have had its turn, without an ask."""
        for section in self.arrange(capability, sources)[1]:
            if section.pool.id == pool.id and section.lane is not None and section.active:
                first = section.active[0].entry.id
                section.lane.begin(section.active, ())
                section.lane.sent(first, self._members.get((pool.id, first)))
                self._uses.sent(first, self.clock.monotonic())

    def sent(self, provider: str, lane: Lane | None, pool: str | None) -> None:
        """A call of an ask goes to a provider; `lane` is that of its pool."""
        if self._counting:
            self._uses.sent(provider, self.clock.monotonic())
        if lane is not None and pool is not None:
            lane.sent(provider, self._members.get((pool, provider)))

    def ended(self, line: Line, tried: Sequence[Tried], winner: str) -> None:
        """An ask was answered: note who had to be stood in for, and who is back."""
        if len(tried) == 1 and not self.failing:
            return
        failed = {t.provider: t.failure for t in tried if t.failure is not None and t.failure not in NO_FAULT}
        homes = {
            s.entry.id: self.home(s, line.capability)
            for s in line.ranked
            if s.entry.id in failed or s.entry.id == winner
        }
        stood_in = [name for name in failed if name in homes and (homes[name].id, name) not in self.failing]
        if stood_in:
            before = line.before(winner)
            for name in stood_in:
                if name in before:
                    self._failed((homes[name].id, name), winner, failed[name])
        if winner in homes and (homes[winner].id, winner) in self.failing:
            self._back((homes[winner].id, winner))

    def let_go(self, sources: Mapping[str, Source]) -> None:
        """Forget of failing members those that are no more: out of use, or placed by another pool."""
        for key in [*self.failing]:
            source = sources.get(key[1])
            if (
                source is None
                or not source.enabled
                or all(self.home(source, c).id != key[0] for c in source.entry.offers)
            ):
                del self.failing[key]

    def _failed(self, key: tuple[str, str], winner: str, code: str) -> None:
        now, second = self.clock.now_ms(), self.clock.monotonic()
        quiet = second - self._told_at.get(key, -TOLD_AGAIN_S) < TOLD_AGAIN_S
        self.failing[key] = None if quiet else now
        if not quiet:
            self._told_at[key] = second
            self.events.append(PoolEvent(now, key[0], "failed_over", winner, key[1], code))

    def _back(self, key: tuple[str, str]) -> None:
        since = self.failing.pop(key)
        if since is not None:
            now = self.clock.now_ms()
            reason = f"answered again after {(now - since) / 1000:.0f} s"
            self.events.append(PoolEvent(now, key[0], "returned", key[1], None, reason))


def over(aside: Aside, now_ms: int) -> bool:
    """Whether its time is up."""
    return aside.until_ms is not None and now_ms >= aside.until_ms


class Line:
    """The sources of one ask, lined up once it is known who can be asked."""

    __slots__ = ("_lanes", "capability", "pools", "ranked", "route")

    def __init__(self, pools: Pools, capability: Capability, ranked: Sequence[Source]) -> None:
        self.pools = pools
        self.capability = capability
        self.ranked = ranked
        self.route: Route | None = None
        self._lanes: Mapping[str, tuple[Lane | None, str]] = {}

    def arrange(self, queue: Queue, resting: Sequence[str]) -> Queue:
        """Those that can be asked now in the order they are tried, given by rank; `resting` cannot."""
        if not self.pools.touched:
            first = queue[0][0].entry.category if queue else None
            pool = None if first is None else shipped_pool(first, self.capability)
            order = tuple([source.entry.id for source, _ in queue])
            self.route = Route(order, pool, None if pool is None else PRIORITY)
            return queue
        asks = {source.entry.id: ask for source, ask in queue}
        ordered, sections = self.pools.arrange(self.capability, [source for source, _ in queue])
        aside: list[str] = []
        lanes: dict[str, tuple[Lane | None, str]] = {}
        by: Pool | None = None
        for section in sections:
            names = [source.entry.id for source in section.aside]
            aside.extend(names)
            if section.pool.enabled and (section.active or section.aside)[0] is ordered[0]:
                by = section.pool
            if section.lane is None:
                continue
            if section.active:
                section.lane.begin(section.active, [*resting, *names])
            for source in section.all:
                lanes[source.entry.id] = section.lane, section.pool.id
        self._lanes = lanes
        order = tuple([source.entry.id for source in ordered])
        pool, strategy = (None, None) if by is None else (by.id, by.strategy)
        self.route = Route(order, pool, strategy, tuple(aside))
        return deque((source, asks[source.entry.id]) for source in ordered)

    def sent(self, provider: str) -> None:
        """A call goes to one of them."""
        if self.pools.touched:
            lane, pool = self._lanes.get(provider, (None, None))
            self.pools.sent(provider, lane, pool)

    def before(self, winner: str) -> set[str]:
        """Who would have been asked before `winner`: who was, and of those that rest who comes first by its place or by a
        turn."""
        order = self.route.order if self.route is not None else ()
        known = set(order)
        asked = set(order[: order.index(winner)] if winner in known else order)
        names = [source.entry.id for source in self.pools.steady(self.capability, list(self.ranked))]
        shares = self._lanes.get(winner, (None, None))[0] is not None
        ahead = names if shares or winner not in names else names[: names.index(winner)]
        return asked | {name for name in ahead if name not in known}
