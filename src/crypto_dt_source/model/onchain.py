"""Chains: what a transaction costs, and how the chain is doing."""

from __future__ import annotations

from typing import NamedTuple


class GasFee(NamedTuple):
    """The fee to be included soon. `unit` is `gwei` (EVM chains: total fee per gas, priority fee included) or `sat/vB`
    (bitcoin). slow <= standard <= fast. `base_fee` is the block's base fee, `blob_base_fee` that of blobs, both in
    `unit`; None where the chain or the upstream has none. `block` is the block the figures were read at."""

    provider: str
    chain: str
    unit: str
    slow: float
    standard: float
    fast: float
    base_fee: float | None
    blob_base_fee: float | None
    block: int | None
    event_ms: int | None
    received_ms: int


class ChainStats(NamedTuple):
    """How a chain stands. `difficulty` and `hashrate` (hashes a second) are of proof-of-work chains; `block_time_s` is
    the mean of recent blocks; `mempool` counts waiting transactions, `mempool_bytes` their virtual size; `tps` are
    transactions a second lately; `supply` is in whole
    coins."""

    provider: str
    chain: str
    block: int | None
    block_time_s: float | None
    difficulty: float | None
    hashrate: float | None
    mempool: int | None
    mempool_bytes: int | None
    transactions_24h: int | None
    tps: float | None
    supply: float | None
    event_ms: int | None
    received_ms: int
