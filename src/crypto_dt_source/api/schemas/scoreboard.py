"""The scoreboard on the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import ListMeta, Meta

Window = Literal["24h", "7d", "90d"]


History = list[float | None]


class Figures(BaseModel):
    """How a provider did in a window. Null: there was nothing to measure."""

    hours: int = Field(description="Hours with at least one call or quote.")
    calls: int
    failures: int = Field(description="Calls that failed by the provider's fault; a refused symbol is none.")
    availability_pct: float | None = Field(description="Calls that did not fail by its fault.")
    latency_p50_ms: float | None = Field(
        description="Mean of the hours' medians of successful calls, weighted by calls."
    )
    latency_p95_ms: float | None = Field(description="The same of the hours' 95th percentiles.")
    schema_drifts: int = Field(description="Answers of another shape than declared.")
    quotes: int = Field(description="Quotes that were there when prices were decided, every few minutes.")
    excluded_quotes: int = Field(
        description="Of these, quotes that did not count: stale, frozen, outliers and the like."
    )
    excluded_pct: float | None
    quote_age_ms: float | None = Field(description="How old its quotes were then, by the hours' medians.")
    deviation_pct: float | None = Field(
        description="How far its quotes were from the consensus, by the hours' medians, without a sign."
    )


class ScoreRow(Figures):
    id: str
    name: str
    category: str
    history: History | None = Field(
        description="Where asked for: availability in percent by hour (`24h`), by six hours (`7d`) or by 24 (`90d`) from "
        "`start` on; null without a call."
    )


class ScoreMeta(ListMeta):
    window: Window
    start: str
    end: str = Field(description="The end of the last full hour.")


class ScoreList(BaseModel):
    data: list[ScoreRow]
    meta: ScoreMeta


class ProviderScores(BaseModel):
    id: str
    name: str
    category: str
    windows: dict[Window, Figures | None] = Field(
        description="Null: no hour of the window has anything of it."
    )
    history: dict[Window, History] = Field(
        description="Availability in percent by hour (`24h`), by six hours (`7d`) or by 24 (`90d`), the oldest first; null "
        "without a call."
    )


class ProviderScorePage(BaseModel):
    data: ProviderScores
    meta: Meta
