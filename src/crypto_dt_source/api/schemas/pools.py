"""Pools on the wire."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, Field

from ...model.ask import Capability
from ...model.pool import STRATEGIES
from ...services.pool_changes import LEAST_WEIGHT, MOST_MEMBERS, MOST_PRIORITY, MOST_WEIGHT
from .common import ListMeta, Meta

Strategy = Literal["priority", "round_robin", "weighted", "least_used", "fastest"]
Kind = Literal["rotated", "failed_over", "returned", "changed", "created", "deleted", "restored"]


class SetAside(BaseModel):
    since: str
    until: str | None = Field(description="Null: until it is brought back.")
    reason: str


class PoolMember(BaseModel):
    """A provider in a pool."""

    provider: str
    name: str
    priority: int | None = Field(
        description="Lower is asked first; null: the rank that the catalogue gives it for each capability."
    )
    weight: float = Field(
        description="Its share of the asks against the others', where `weighted` is the strategy."
    )
    enabled: bool = Field(description="Where false the pool asks it last.")
    state: str = Field(description="As in GET /api/providers.")
    stood_in_for: bool = Field(
        description="It failed lately, another answered, and it has not answered since."
    )
    set_aside: SetAside | None


class Pool(BaseModel):
    """Sources that stand in for one another."""

    id: str
    name: str
    category: str
    shipped: bool = Field(description="It is always there, and holds what the catalogue has of its category.")
    changed: bool = Field(description="False for a shipped pool as it comes: its members are asked by rank.")
    enabled: bool = Field(description="One that is off orders nothing.")
    strategy: Strategy
    capabilities: list[str] = Field(description="What it orders the asks of.")
    created_at: str | None = Field(description="Null for a shipped pool.")
    members: list[PoolMember]
    order: dict[str, list[str]] = Field(
        description="By capability: whom the next ask would be tried with, in this order. Who rests after failures is left "
        "out. To look takes nobody's turn."
    )


class PoolList(BaseModel):
    data: list[Pool]
    meta: ListMeta


class PoolPage(BaseModel):
    data: Pool
    meta: Meta


class PoolGone(BaseModel):
    id: str
    restored: bool = Field(description="A shipped pool is not gone but as it comes.")


class PoolGonePage(BaseModel):
    data: PoolGone
    meta: Meta


class PoolHappening(BaseModel):
    """Something that happened in a pool."""

    number: int
    at: str
    pool: str
    kind: Kind = Field(
        description="`failed_over`: `provider` answered in the place of `other`, or took over from it by hand. `returned`: "
        "`provider` answers again, or is set aside no more. `rotated`: by hand, `provider` is first now."
    )
    provider: str | None
    other: str | None
    reason: str = Field(description="The error code of a failure, or who did it and what.")


class PoolHistory(BaseModel):
    data: list[PoolHappening]
    next: int | None = Field(description="Give it as `before` for what happened before; null at the end.")
    meta: Meta


Priority = (
    Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=MOST_PRIORITY,
            description="Lower is asked first. Null or not given: the catalogue's rank.",
        ),
    ]
    | None
)
Weight = Annotated[
    float,
    msgspec.Meta(
        ge=LEAST_WEIGHT,
        le=MOST_WEIGHT,
        description="Its share against the others', where the strategy counts it.",
    ),
]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80, description="For people; printable.")]
Category = Annotated[
    str, msgspec.Meta(min_length=1, max_length=80, description="What it is filed under; printable.")
]
StrategyName = Annotated[
    str, msgspec.Meta(max_length=20, extra_json_schema={"enum": list(STRATEGIES), "maxLength": 20})
]
Served = Annotated[
    list[
        Annotated[str, msgspec.Meta(max_length=40, extra_json_schema={"enum": [c.value for c in Capability]})]
    ],
    msgspec.Meta(min_length=1, max_length=60, description="What it orders the asks of."),
]


class MemberIn(msgspec.Struct):
    """How a provider is a member."""

    example: ClassVar[dict[str, Any]] = {"priority": 1, "weight": 2.0, "enabled": True}

    priority: Priority = None
    weight: Weight = 1.0
    enabled: bool = True


class NamedMemberIn(MemberIn):
    """A member in the list of a pool."""

    provider: Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="Id of a provider.")] = (
        msgspec.field(default="")
    )


Members = Annotated[list[NamedMemberIn], msgspec.Meta(min_length=0, max_length=MOST_MEMBERS)]


class PoolIn(msgspec.Struct):
    """A pool to make."""

    example: ClassVar[dict[str, Any]] = {
        "id": "own_books",
        "name": "Books of our own choice",
        "category": "exchange",
        "capabilities": ["book", "trades"],
        "strategy": "weighted",
        "members": [{"provider": "kraken", "weight": 3}, {"provider": "okx", "weight": 1}],
    }

    id: Annotated[
        str, msgspec.Meta(min_length=1, max_length=40, description="a-z, 0-9, - and _; not `history`.")
    ]
    name: Name
    category: Category
    capabilities: Served
    strategy: StrategyName = "priority"
    members: Members = []
    enabled: bool = True


class PoolChangeIn(msgspec.Struct):
    """What is to change of a pool; what is not given stays."""

    example: ClassVar[dict[str, Any]] = {"strategy": "round_robin"}

    name: Name | None = None
    category: Category | None = None
    capabilities: Served | None = None
    strategy: StrategyName | None = None
    members: Members | None = None
    enabled: bool | None = None


class FailoverIn(msgspec.Struct):
    """Who is to be set aside, and until when."""

    # No `until`: a time that is within a year for whoever reads this does not exist.
    example: ClassVar[dict[str, Any]] = {"provider": "kraken", "reason": "maintenance"}

    provider: (
        Annotated[
            str, msgspec.Meta(min_length=1, max_length=64, description="A member. Not given: the first.")
        ]
        | None
    ) = None
    until: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1,
                max_length=40,
                description="RFC 3339, or milliseconds since 1970 as a text. Not given: until it is brought back.",
            ),
        ]
        | None
    ) = None
    reason: Annotated[str, msgspec.Meta(max_length=200, description="For the history; printable.")] = ""
