"""Perpetual contracts on the wire."""

from __future__ import annotations

from pydantic import BaseModel, Field

from .common import Page, SymbolMeta


class Attempt(BaseModel):
    """A source that was asked, and what came of it."""

    provider: str
    failure: str = Field(description="Error code.")


class Failed(BaseModel):
    """Who had no answer, and why."""

    name: str
    code: str = Field(
        description="What went wrong: the upstream's own failure where one was asked (`upstream_timeout`, "
        "`payload_changed` …); `deadline_exceeded` when the others were not kept waiting for it."
    )
    error: str
    tried: list[Attempt] = Field(description="Every source asked for it, with its own failure.")


class Fetched(BaseModel):
    """When a row of several venues' or chains' was received."""

    fetched_at: str = Field(description="RFC 3339 UTC.")
    stale: bool = Field(description="Older than its TTL; other rows of the answer may be fresh.")


class Funding(Fetched):
    """One contract's funding rate."""

    provider: str
    contract: str = Field(description="The venue's own symbol.")
    asset: str | None = Field(
        description="Canonical id; null where the ticker fits no asset, or the mark price is another coin's."
    )
    symbol: str = Field(description="Base ticker.")
    quote: str
    rate_pct: float = Field(description="Percent of the position over one interval; longs pay when above 0.")
    interval_hours: float | None = Field(description="Null where the venue does not say.")
    annual_pct: float | None = Field(description="`rate_pct` over a year, not compounded.")
    mark_price: float | None
    index_price: float | None
    next_funding: str | None


class PoolMeta(SymbolMeta):
    """Provenance of what several venues gave: `fetched_at` is that of the oldest."""

    failed: list[Failed] = Field(description="Venues without an answer.")


class FundingList(BaseModel):
    data: list[Funding]
    page: Page
    meta: PoolMeta


class Interest(Fetched):
    """One contract's open interest, one side counted."""

    provider: str
    contract: str
    asset: str | None
    symbol: str
    quote: str
    amount: float | None = Field(description="In the base asset; null where the venue gives only a value.")
    value: float | None = Field(description="In `quote`, as the venue gives it.")
    value_usd: float | None = Field(
        description="`value` in US dollars, else `amount` at our consensus price; null when neither is known."
    )


class InterestMeta(PoolMeta):
    """Provenance of open interest."""

    total_usd: float | None = Field(
        description="Sum of `value_usd` over every row that matches, on all pages; null when none is known."
    )


class InterestList(BaseModel):
    data: list[Interest]
    page: Page
    meta: InterestMeta
