"""mempool.space, bitcoin.

https://mempool.space/docs/api/rest
"""

from __future__ import annotations

import msgspec

from ...model.ask import Capability, ChainStatsAsk, GasAsk
from ...model.onchain import ChainStats, GasFee
from .. import esplora
from ..chain_stats import part, path_after, whole_of
from ..kit import Adapter, Endpoint, Reply, Request, decoder, positive, read

STATS_PATHS = ("/v1/blocks", "/mempool", "/v1/mining/hashrate/3d")


class _Recommended(msgspec.Struct, rename="camel"):
    fastest_fee: float
    half_hour_fee: float
    hour_fee: float


class _Hashrate(msgspec.Struct, rename="camel"):
    current_hashrate: float
    current_difficulty: float


_recommended = decoder(_Recommended, strict=True)
_hashrate = decoder(_Hashrate, strict=True)


def gas_request(ask: GasAsk) -> Request:
    esplora.only_bitcoin(ask.chain)
    return Request("/v1/fees/recommended")


def gas_parse(reply: Reply, ask: GasAsk) -> list[GasFee]:
    """sat/vB: fast for the next block, standard within half an hour, slow within an hour. The `economyFee` names no
    time and is not read."""
    fees = read(_recommended, reply.body)
    return esplora.fees(reply, ask.chain, (fees.fastest_fee, fees.half_hour_fee, fees.hour_fee))


def stats_request(ask: ChainStatsAsk) -> Request:
    esplora.only_bitcoin(ask.chain)
    return Request(STATS_PATHS[0])


def stats_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """The last blocks (a list), the mempool, or the hash rate the last blocks were found at."""
    if reply.body.lstrip()[:1] == b"[":
        return esplora.blocks_parse(reply, ask)
    if b'"currentHashrate"' not in reply.body:
        return esplora.mempool_parse(reply, ask)
    mining = read(_hashrate, reply.body)
    return [
        part(
            reply,
            ask.chain,
            hashrate=positive(mining.current_hashrate),
            difficulty=positive(mining.current_difficulty),
        )
    ]


ADAPTER = Adapter(
    name="mempool_space",
    endpoints={
        Capability.GAS: Endpoint(gas_request, gas_parse),
        Capability.CHAIN_STATS: Endpoint(
            stats_request, stats_parse, path_after(*STATS_PATHS), merge=whole_of(stats_parse)
        ),
    },
)
