"""Connections to the stream on the wire."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, Field

from .common import Meta, Page

MAX_NOTICE = 1000
Level = Literal["info", "warning", "critical"]


class SubscriptionRow(BaseModel):
    """What a connection listens to on one channel."""

    channel: str
    symbols: list[str] | None = Field(
        description="Null on a channel without symbols, `*` for every symbol of one that has some."
    )


class Lag(BaseModel):
    """How far a connection is behind."""

    frames: int
    bytes: int


class SessionRow(BaseModel):
    """One live connection."""

    session: str = Field(description="Its id, also in its welcome frame.")
    kind: Literal["websocket", "sse"]
    tier: str
    key: str | None = Field(description="Id of its key; null without one.")
    address: str = Field(description="The client's network address.")
    connected_at: str
    subscriptions: list[SubscriptionRow]
    subscriptions_used: int = Field(description="As they count for the tier.")
    subscriptions_allowed: int | None = Field(description="Null: without a limit.")
    lag: Lag
    conflated: int = Field(description="Frames that newer ones took the place of.")
    sent: int = Field(description="Frames sent.")
    received: int = Field(description="Messages received.")
    errors: int = Field(description="Messages that were wrong.")


class SessionList(BaseModel):
    data: list[SessionRow]
    page: Page
    meta: Meta


class StreamTotals(BaseModel):
    """All connections of the process together."""

    connections: int
    by_kind: dict[str, int]
    by_tier: dict[str, int]
    by_channel: dict[str, int] = Field(description="Connections that listen to each channel.")
    subscriptions: int
    accepted: int = Field(description="Since the start.")
    refused: int = Field(description="Beyond the number a tier may have.")
    closed_by_code: dict[str, int] = Field(description="Connections this side closed, by close code.")
    published: int = Field(description="Frames published.")
    delivered: int = Field(description="Frames queued for connections.")
    waiting_bytes: int
    conflated: int
    epoch: str = Field(description="The run that sequence numbers belong to.")


class SessionStats(BaseModel):
    data: StreamTotals
    meta: Meta


class BroadcastIn(msgspec.Struct):
    """A notice to every connection."""

    example: ClassVar[dict[str, Any]] = {"message": "Maintenance at 22:00 UTC.", "level": "info"}

    message: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=MAX_NOTICE, description="What clients are told on the system channel."
        ),
    ]
    level: Annotated[Level, msgspec.Meta(description="How much it matters.")] = "info"


class BroadcastDone(BaseModel):
    sent_to: int = Field(description="Connections that get it.")
    meta: Meta
