"""Keys, tokens and limits on the wire."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, Field

from ...security.keys import MAX_NAME, MAX_ORIGINS
from ...security.tiers import FREE, NAMES, READ, SCOPES
from .common import Meta, Page

TierName = Literal["free", "pro", "enterprise"]
ScopeName = Literal["read", "admin"]


class TokenIn(msgspec.Struct):
    """A key to get a token for, where it is not in a header."""

    example: ClassVar[dict[str, Any]] = {"api_key": "cdts_live_…"}

    api_key: Annotated[
        str,
        # Not checked by msgspec, whose refusal would repeat the key.
        msgspec.Meta(
            description="The whole key, as it was shown once.",
            extra_json_schema={"minLength": 1, "maxLength": 256, "examples": ["cdts_live_…"]},
        ),
    ]


class Token(BaseModel):
    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds it is good for; less where its key is revoked.")
    meta: Meta


class TierLimits(BaseModel):
    """What a tier allows; null is without a limit."""

    requests: int | None = Field(description="Requests in any `window_seconds`.")
    window_seconds: int | None
    requests_per_day: int | None = Field(description="Requests a UTC day.")
    symbols: int | None = Field(description="Symbols a call.")
    history_days: int | None = Field(description="Days of history, counted back from now.")
    connections: int | None = Field(description="Stream connections at a time.")
    subscriptions: int | None = Field(description="Subscriptions a connection.")


class Holder(BaseModel):
    """Whose key it is that asks."""

    id: str
    name: str
    prefix: str = Field(description="The beginning of the key, which may be shown.")
    tier: TierName
    scopes: list[ScopeName]
    origins: list[str] = Field(description="Origins whose pages may send the key; empty: any.")
    created_at: str
    expires_at: str | None
    limits: TierLimits


class HolderPage(BaseModel):
    data: Holder
    meta: Meta


class WindowUse(BaseModel):
    """Use of the moving window. Null stands for a limit the tier does not have, or a count that cannot be had now."""

    limit: int | None
    seconds: int | None = Field(description="Length of the window.")
    used: int | None
    remaining: int | None
    resets_at: str | None = Field(description="When the oldest request leaves the window.")
    reset_seconds: int | None


class DayUse(BaseModel):
    """Use of the UTC day. `used` and `remaining` are null where they cannot be counted now."""

    limit: int | None = Field(description="Null: without a limit.")
    used: int | None
    remaining: int | None
    resets_at: str = Field(description="Midnight UTC.")
    reset_seconds: int


class Usage(BaseModel):
    """What the caller has used, this request included."""

    tier: TierName
    window: WindowUse
    day: DayUse


class UsagePage(BaseModel):
    data: Usage
    meta: Meta


class KeyRow(BaseModel):
    """What is kept of a key."""

    id: str
    name: str
    prefix: str
    tier: TierName
    scopes: list[ScopeName]
    origins: list[str]
    state: Literal["active", "expired", "revoked"]
    created_at: str
    last_used_at: str | None = Field(
        description="By any process; one that is not this one tells it within 15 s."
    )
    expires_at: str | None
    revoked_at: str | None
    replaced_by: str | None = Field(description="Id of the key that took its place.")


class NewKeyRow(KeyRow):
    """A key that was just made."""

    key: str = Field(description="The secret. It is shown this once and cannot be told again.")


class KeyList(BaseModel):
    data: list[KeyRow]
    page: Page
    meta: Meta


class KeyPage(BaseModel):
    data: KeyRow
    meta: Meta


class NewKeyPage(BaseModel):
    data: NewKeyRow
    meta: Meta


class KeyIn(msgspec.Struct):
    """A key to make."""

    example: ClassVar[dict[str, Any]] = {
        "name": "Trading desk",
        "tier": "pro",
        "scopes": ["read"],
        "expires": "2027-01-01T00:00:00Z",
        "origins": ["https://app.example.org"],
    }

    name: Annotated[
        str,
        msgspec.Meta(
            max_length=MAX_NAME,
            description="Whose it is; printable.",
            extra_json_schema={"minLength": 1, "maxLength": MAX_NAME},
        ),
    ]
    tier: Annotated[
        str, msgspec.Meta(max_length=20, extra_json_schema={"enum": list(NAMES), "maxLength": 20})
    ] = FREE
    scopes: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=20, extra_json_schema={"enum": list(SCOPES)})]],
        msgspec.Meta(
            min_length=1,
            max_length=10,
            description="What it may do: `read`, and `admin` for the routes that change the service.",
            extra_json_schema={"minItems": 1, "maxItems": 10},
        ),
    ] = msgspec.field(default_factory=lambda: [READ])
    expires: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=40,
                description="When it ends: RFC 3339, or milliseconds since 1970 as a text. Not given: never.",
            ),
        ]
        | None
    ) = None
    origins: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=300)]],
        msgspec.Meta(
            max_length=MAX_ORIGINS,
            description="Origins whose pages may send it from a browser. None given: any.",
            extra_json_schema={"minItems": 0, "maxItems": MAX_ORIGINS},
        ),
    ] = []


class AuditEntry(BaseModel):
    """One action of an admin."""

    number: int
    at: str
    actor: str = Field(description="Id of the key, or `cli`.")
    address: str = Field(description="Where it came from; empty for the command line.")
    action: str = Field(description="Method and route.")
    target: str = Field(description="What it was done to.")
    request_id: str
    status: int | None = Field(
        description="HTTP status it ended with; null: it has not, or the service ended before it."
    )


class AuditList(BaseModel):
    data: list[AuditEntry]
    next: int | None = Field(description="Give it as `before` for the actions before these; null at the end.")
    meta: Meta
