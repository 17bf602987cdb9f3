"""What the strategies of pools promise, over any members, weights, failures and rests."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from gateway_rig import BOOK, Rig
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_dt_source.gateway.pools import Pools
from crypto_dt_source.gateway.source import Source
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.pool import Aside, Member, Pool

NAMES = "abcdef"
_rig = Rig(*NAMES)
SOURCES = {name: _rig.source(name) for name in NAMES}
SHARING = st.sampled_from(["round_robin", "weighted", "least_used"])
members = st.integers(2, len(NAMES))


@dataclass
class Asks:
    """Asks of a pool without a network: whoever is first and up answers, those before it that are down were asked too."""

    strategy: str
    names: str
    weights: dict[str, float] = field(default_factory=dict)
    pools: Pools = field(init=False)
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.pools = Pools(_rig.clock)
        listed = tuple(Member(name, weight=self.weights.get(name, 1.0)) for name in self.names)
        self.pools.take_up([Pool("own", "Own", "x", self.strategy, frozenset({Capability.BOOK}), listed)], [])

    def ask(self, down: str = "", resting: str = "") -> list[str]:
        """One ask; gives the order."""
        sources = [SOURCES[name] for name in self.names]
        line = self.pools.line(Capability.BOOK, sources)
        queue: deque[tuple[Source, Any]] = deque((s, BOOK) for s in sources if s.entry.id not in resting)
        order = [source.entry.id for source, _ in line.arrange(queue, list(resting))]
        for name in order:
            line.sent(name)
            self.sent[name] += 1
            if name not in down:
                self.answered[name] += 1
                break
        return order


def spread(counts: Counter[str], names: str) -> int:
    return max(counts[name] for name in names) - min(counts[name] for name in names)


@given(members, st.lists(st.sets(st.sampled_from(NAMES)), max_size=60))
@settings(max_examples=60)
def test_round_robin_is_fair_whoever_fails_when(count: int, downs: list[set[str]]) -> None:
    asks = Asks("round_robin", NAMES[:count])
    for down in downs:
        asks.ask("".join(down))
        assert spread(asks.sent, asks.names) <= 1


@given(members, st.sampled_from(NAMES[:2]), st.integers(1, 60))
@settings(max_examples=40)
def test_round_robin_shares_the_answers_of_one_that_is_down_out_evenly(
    count: int, down: str, rounds: int
) -> None:
    asks = Asks("round_robin", NAMES[:count])
    for _ in range(rounds):
        asks.ask(down)
    up = asks.names.replace(down, "")
    assert spread(asks.answered, up) <= 1
    assert sum(asks.answered.values()) == rounds


@given(st.lists(st.floats(0.01, 1000), min_size=2, max_size=6), st.integers(1, 400))
@settings(max_examples=60)
def test_weighted_shares_never_leave_the_weights_by_more_than_a_call_a_member(
    weights: list[float], rounds: int
) -> None:
    names = NAMES[: len(weights)]
    asks = Asks("weighted", names, dict(zip(names, weights, strict=True)))
    for _ in range(rounds):
        asks.ask()
    total = sum(weights)
    for name, weight in zip(names, weights, strict=True):
        assert abs(asks.sent[name] - rounds * weight / total) <= len(weights)


@given(st.sampled_from(["round_robin", "weighted"]), members, st.integers(1, 80), st.integers(1, 40))
@settings(max_examples=60)
def test_whoever_comes_back_does_not_get_every_ask(strategy: str, count: int, away: int, after: int) -> None:
    asks = Asks(strategy, NAMES[:count])
    asks.ask()
    for _ in range(away):
        asks.ask(resting="a")
    asks.sent.clear()
    for _ in range(after):
        asks.ask()
    assert asks.sent["a"] <= after / count + 2


@given(SHARING, members, st.lists(st.sets(st.sampled_from(NAMES), max_size=5), max_size=30))
@settings(max_examples=60)
def test_every_source_is_in_the_order_exactly_once(strategy: str, count: int, rests: list[set[str]]) -> None:
    asks = Asks(strategy, NAMES[:count])
    for resting in rests:
        left = set(asks.names) - resting
        assert sorted(asks.ask(resting="".join(resting))) == sorted(left)


priorities = st.lists(st.none() | st.integers(1, 3), min_size=6, max_size=6)


@given(
    priorities,
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(NAMES), max_size=4),
)
@settings(max_examples=100)
def test_priority_is_a_total_order(
    chosen: list[int | None], enabled: list[bool], away: set[str], missing: set[str]
) -> None:
    """The same for every subset: whoever is before another is before it whoever else can be asked."""
    pools = Pools(_rig.clock)
    listed = tuple(Member(n, p, 1.0, on) for n, p, on in zip(NAMES, chosen, enabled, strict=True))
    asides = [("own", Aside(name, 1)) for name in sorted(away)]
    pools.take_up([Pool("own", "Own", "x", "priority", frozenset({Capability.BOOK}), listed)], asides)

    def order(names: list[str]) -> list[str]:
        found, _ = pools.arrange(Capability.BOOK, [SOURCES[name] for name in names])
        return [source.entry.id for source in found]

    whole = order(list(NAMES))
    assert sorted(whole) == list(NAMES)
    assert order([n for n in NAMES if n not in missing]) == [n for n in whole if n not in missing]
    front = [m for m in listed if m.enabled and m.provider not in away]
    # Without a priority of its own one has its rank, which the rig counts from 0.
    ranks = [(NAMES.index(m.provider) if m.priority is None else m.priority, m.provider) for m in front]
    assert whole[: len(front)] == [name for _, name in sorted(ranks)]


@given(st.lists(st.tuples(SHARING, st.sampled_from(NAMES)), max_size=20))
@settings(max_examples=40)
def test_least_used_evens_out_what_was_used(asked: list[tuple[str, str]]) -> None:
    asks = Asks("least_used", NAMES)
    for _, name in asked:
        asks.pools.sent(name, None, None)
        asks.sent[name] += 1
    for _ in range(6 * (len(asked) + 1)):
        asks.ask()
    assert spread(asks.sent, NAMES) <= 1
