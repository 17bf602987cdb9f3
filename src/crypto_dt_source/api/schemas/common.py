"""What the answers of several resources share: provenance, pages, gaps."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Attempt(BaseModel):
    provider: str
    failure: str | None = Field(description="Error code; null for the one that answered.")
    elapsed_ms: float = Field(description="0 for one that was passed over.")


class AskedUpstream(BaseModel):
    """One ask that was made for this answer, and how pools ordered it."""

    capability: str
    pool: str | None = Field(
        description="The pool that put the first one there; null where none holds it, or no pool was asked."
    )
    strategy: str | None
    why: str = Field(description="Why in this order, in words.")
    order: list[str] = Field(
        description="Who could be asked at once, the first 12, the first one first. Empty where the ask itself named whom to "
        "ask."
    )
    more: int = Field(description="How many come after them.")
    answered: str | None = Field(description="Null: nobody did.")
    tried: list[Attempt] = Field(description="Who was asked or passed over, as it ended; the last 12.")


class Meta(BaseModel):
    """Provenance of an answer."""

    source: list[str] = Field(
        description="Providers the answer rests on; `consensus` for a stored price whose quotes are no longer kept. Empty "
        "when there is nothing in it."
    )
    fetched_at: str | None = Field(
        description="When the oldest part of it was received, RFC 3339 UTC; null when there is nothing in it, or (candles) "
        "when it was stored before the service started."
    )
    age_seconds: int | None = Field(description="Whole seconds since `fetched_at`, null with it.")
    stale: bool = Field(
        description="Older than its TTL: a refresh is under way or the upstreams are out of reach."
    )
    cache: Literal["hit", "miss", "stale"] = Field(
        description="`hit`: it was here. `miss`: an upstream was asked for it now. `stale`: it was here, past its TTL."
    )
    mode: Literal["live", "demo"] = Field(description="`demo`: a simulated market, no real price in it.")
    added: list[str] | None = Field(
        default=None,
        description="Those of `source` that were added to this service (by an admin, an import or discovery) and are not of "
        "the package; not there where none is.",
    )
    asked: list[AskedUpstream] | None = Field(
        default=None,
        description="What upstreams were asked for this answer just now, the first 8 asks; not there where none was.",
    )


class TierLimit(BaseModel):
    """What the caller's tier left off an answer."""

    limit: Literal["symbols", "history_days"]
    tier: str = Field(description="The caller's.", examples=["free"])
    asked: int = Field(description="Different symbols, or days back from now, that were asked for.")
    given: int = Field(description="How many of them the tier gives.")


class TierMeta(Meta):
    """Provenance of an answer that a tier may cut."""

    tier_limit: TierLimit | None = Field(
        default=None, description="What the caller's tier cut; not there where it cut nothing."
    )


class SymbolMeta(Meta):
    """Provenance of an answer about symbols."""

    ambiguous: dict[str, list[str]] = Field(
        description="For each ticker in the answer that several coins share: the ids of the others, largest first. The "
        "largest by market cap was answered. Empty: nothing was ambiguous."
    )


class PricesMeta(SymbolMeta, TierMeta):
    """Provenance of prices."""


class HistoryMeta(SymbolMeta, TierMeta):
    """Provenance of a price history."""

    method: str = Field(description="Name and version of the method the prices were decided by.")
    days: int = Field(description="Days back from now that were looked through: those the tier gives.")
    interval: str


class GapRange(BaseModel):
    """Candles with open times in [start, end) that nobody has."""

    start: str
    end: str
    candles: int = Field(description="How many are missing.")


class CandleMeta(SymbolMeta, TierMeta):
    """Provenance of candles."""

    gaps: list[GapRange] = Field(description="What is missing in the answer; at most 1000 ranges.")


class FailedSearch(BaseModel):
    provider: str
    failure: str = Field(description="Error code.")


class SearchMeta(Meta):
    """Provenance of a search. `fetched_at` is null when only coins known already were looked through."""

    failed: list[FailedSearch] = Field(description="Upstreams whose search was asked and did not answer.")
    note: str | None = Field(description="What the answer lacks, null for nothing; `stale` is true then.")


class MarketMeta(Meta):
    """Provenance of the global figures."""

    prices_source: list[str] = Field(description="Providers behind `btc_price` and `eth_price`.")
    prices_as_of: str | None = Field(
        description="When the older of `btc_price` and `eth_price` was received, RFC 3339 UTC; null without a price. `stale` "
        "is also true when one of them is."
    )


class ListMeta(Meta):
    """Provenance of a list that is not paginated."""

    total: int = Field(description="Rows in the list.")


class Page(BaseModel):
    """Where an answer stands in its list. Pages are counted from 1."""

    number: int
    size: int
    total: int | None = Field(
        description="Rows on all pages; null where the upstream does not say how many there are."
    )
    next: int | None = Field(description="Number of the next page, null on the last.")
    previous: int | None = Field(description="Number of the page before, null on the first.")
