"""Pools: sources that stand in for one another, and who of them is asked first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .ask import Capability

PRIORITY, ROUND_ROBIN, WEIGHTED, LEAST_USED, FASTEST = (
    "priority", "round_robin", "weighted", "least_used", "fastest",
)  # fmt: skip
STRATEGIES: Mapping[str, str] = {
    PRIORITY: "the lowest number first",
    ROUND_ROBIN: "whose turn was longest ago",
    WEIGHTED: "who has had least of the share its weight gives it",
    LEAST_USED: "who was asked least in the last minutes",
    FASTEST: "whose recent answers took least time",
}
"""How a pool arranges its members, and in words."""
SHIPPED: Mapping[str, tuple[str, frozenset[str]]] = {
    "market_data": ("Market data", frozenset({"market"})),
    "exchanges": ("Exchanges", frozenset({"exchange", "exchange_library", "derivatives"})),
    "explorers": ("Explorers", frozenset({"onchain", "explorer"})),
    "defi": ("DeFi", frozenset({"defi"})),
    "news": ("News", frozenset({"news"})),
    "sentiment": ("Sentiment", frozenset({"sentiment"})),
    "analytics": ("Analytics", frozenset({"analytics"})),
    "rpc": ("RPC nodes", frozenset({"rpc"})),
}
"""Pools that are always there: their names and the catalogue's categories whose sources they hold."""
OTHERS = "analytics"
"""The shipped pool of a category that none names."""
ANALYTICS = frozenset({Capability.CHAIN_STATS})
"""What explorers give of a chain as a whole; the nodes, which know little of that, have a pool of their own."""
_POOL_OF = {category: pool for pool, (_, categories) in SHIPPED.items() for category in categories}


def shipped_pool(category: str, capability: Capability) -> str:
    """Id of the shipped pool that orders asks of this among the sources of a category of the catalogue."""
    pool = _POOL_OF.get(category, OTHERS)
    return "analytics" if pool == "explorers" and capability in ANALYTICS else pool


class Member(NamedTuple):
    """A source in a pool. `priority`: lower is first, None is the rank the catalogue gives it for each capability.
    `weight`: its share of the asks against the other members'. `removed`: a shipped pool is to do without it."""

    provider: str
    priority: int | None = None
    weight: float = 1.0
    enabled: bool = True
    removed: bool = False

    @property
    def counts(self) -> bool:
        """Whether the pool arranges it."""
        return self.enabled and not self.removed


class Aside(NamedTuple):
    """A member that was set aside: it is asked after the others until `until_ms`, or (None) until it is brought back.
    `turned` tells that a rotation did it, which ends when everybody's turn has been."""

    provider: str
    since_ms: int
    until_ms: int | None = None
    reason: str = ""
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool as it was made or changed. Of a shipped one `members` are only those that differ from the catalogue, and
    `capabilities` are empty: it serves what its members offer."""

    id: str
    name: str
    category: str
    strategy: str = PRIORITY
    capabilities: frozenset[Capability] = frozenset()
    members: tuple[Member, ...] = ()
    enabled: bool = True
    created_ms: int = 0

    @property
    def shipped(self) -> bool:
        """Whether it is one of those that are always there."""
        return self.id in SHIPPED

    def member(self, provider: str) -> Member | None:
        """Its own entry for a provider."""
        return next((member for member in self.members if member.provider == provider), None)

    def serves(self, capability: Capability) -> bool:
        """Whether it is on and arranges asks of this."""
        return self.enabled and (self.shipped or capability in self.capabilities)


class PoolEvent(NamedTuple):
    """Something that happened in a pool. `kind`: rotated, failed_over, returned, changed, created, deleted, restored.
    `provider` came to the front or back, `other` was there before."""

    at_ms: int
    pool: str
    kind: str
    provider: str | None
    other: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Route:
    """How the sources of one ask that could be asked at once were ordered. `pool` and `strategy` are those that put the
    first of them there; None: no pool holds it, it has the place of its rank. `aside` are those among them that are set
    aside."""

    order: tuple[str, ...]
    pool: str | None
    strategy: str | None
    aside: tuple[str, ...] = ()
