"""Blockchain.com's statistics of bitcoin (blockchain.info).

https://www.blockchain.com/explorer/api/charts_api
"""

from __future__ import annotations

import msgspec

from ...model.ask import Capability, ChainStatsAsk, GasAsk
from ...model.onchain import ChainStats, GasFee
from .. import esplora
from ..chain_stats import Count, part
from ..kit import Adapter, Endpoint, Reply, Request, decoder, positive, read

GIGA = 1e9
SATOSHIS = 1e8


class _Limits(msgspec.Struct):
    min: float


class _Fees(msgspec.Struct):
    limits: _Limits
    regular: float
    priority: float


_fees = decoder(_Fees, strict=True)


def gas_request(ask: GasAsk) -> Request:
    esplora.only_bitcoin(ask.chain)
    return Request("/mempool/fees")


def gas_parse(reply: Reply, ask: GasAsk) -> list[GasFee]:
    """sat/vB: fast is `priority`, standard `regular`, slow the lowest the wallet lets one choose."""
    fees = read(_fees, reply.body)
    return esplora.fees(reply, ask.chain, (fees.priority, fees.regular, fees.limits.min))


class _Stats(msgspec.Struct):
    timestamp: float
    hash_rate: float
    difficulty: float
    minutes_between_blocks: float
    n_tx: Count
    totalbc: float
    n_blocks_total: Count


_stats = decoder(_Stats, strict=True)


def stats_request(ask: ChainStatsAsk) -> Request:
    esplora.only_bitcoin(ask.chain)
    return Request("/stats")


def stats_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """Figures of the last 24 h: mean time between blocks, transactions, hash rate (given in GH/s). `n_blocks_total`
    counts the block 0 (`totalbc`, the satoshis issued, is the reward of so many blocks), so the newest one's number
    is 1 less."""
    stats = read(_stats, reply.body)
    return [
        part(
            reply,
            ask.chain,
            block=stats.n_blocks_total - 1,
            block_time_s=stats.minutes_between_blocks * 60 or None,
            difficulty=positive(stats.difficulty),
            hashrate=positive(stats.hash_rate * GIGA),
            transactions_24h=stats.n_tx,
            supply=stats.totalbc / SATOSHIS,
            event_ms=round(stats.timestamp),
        )
    ]


ADAPTER = Adapter(
    name="blockchain_info",
    endpoints={
        Capability.GAS: Endpoint(gas_request, gas_parse),
        Capability.CHAIN_STATS: Endpoint(stats_request, stats_parse),
    },
)
