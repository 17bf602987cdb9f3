"""Chains on the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import Meta
from .derivatives import Failed, Fetched


class Gas(Fetched):
    """The fee to be included soon."""

    chain: str
    unit: Literal["gwei", "sat/vB"] = Field(
        description="gwei a unit of gas, priority fee included; or satoshi a virtual byte."
    )
    slow: float
    standard: float
    fast: float
    base_fee: float | None = Field(description="Of the next block; null where the chain has none.")
    blob_base_fee: float | None
    block: int | None = Field(description="The newest block the figures rest on.")
    provider: str


class ChainsMeta(Meta):
    """Provenance of an answer about several chains: `fetched_at` is that of the oldest."""

    failed: list[Failed] = Field(description="Chains without an answer.")


class GasList(BaseModel):
    data: list[Gas]
    meta: ChainsMeta


class Stats(Fetched):
    """How a chain stands. What its source does not give is null."""

    chain: str
    block: int | None = Field(description="Height of the newest block (a slot on chains that count those).")
    block_time_seconds: float | None
    difficulty: float | None
    hashrate: float | None = Field(description="Hashes a second.")
    mempool_transactions: int | None
    mempool_bytes: int | None
    transactions_24h: int | None
    tps: float | None = Field(description="Transactions a second lately.")
    supply: float | None = Field(description="Whole coins.")
    provider: str


class StatsList(BaseModel):
    data: list[Stats]
    meta: ChainsMeta
