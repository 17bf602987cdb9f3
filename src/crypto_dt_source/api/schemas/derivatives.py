"""Perpetual contracts on the wire."""

from __future__ import annotations

from pydantic import BaseModel, Field

from .common import Meta, Page


class Failed(BaseModel):
    """Who had no answer, and why."""

    name: str
    code: str
    error: str


class Funding(BaseModel):
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


class PoolMeta(Meta):
    """Provenance of what several venues gave."""

    failed: list[Failed] = Field(description="Venues without an answer.")


class FundingList(BaseModel):
    data: list[Funding]
    page: Page
    meta: PoolMeta


class Interest(BaseModel):
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
