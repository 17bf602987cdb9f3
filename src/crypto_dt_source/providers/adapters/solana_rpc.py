"""A node of Solana by JSON-RPC. One entry a node.

https://solana.com/docs/rpc/http/getepochinfo and https://solana.com/docs/rpc/http/getrecentperformancesamples
"""

from __future__ import annotations

import msgspec

from ...model.ask import Capability, ChainStatsAsk
from ...model.errors import NotOffered, PayloadChanged
from ...model.onchain import ChainStats
from .. import json_rpc as rpc
from ..chain_stats import Count, part, whole_of
from ..kit import Adapter, Endpoint, Reply, Request, decoder

SAMPLES = 5
"""Minutes of the recent past that are read."""


class _EpochInfo(msgspec.Struct, rename="camel"):
    block_height: Count


class _Sample(msgspec.Struct, rename="camel"):
    num_slots: Count
    sample_period_secs: Count
    num_non_vote_transactions: Count | None = None


_answer = decoder(rpc.Answer[_EpochInfo | list[_Sample]], strict=True)


def stats_request(ask: ChainStatsAsk) -> Request:
    if ask.chain != "solana":
        raise NotOffered("knows Solana only")
    return rpc.call("getEpochInfo")


def stats_next(reply: Reply, ask: ChainStatsAsk, previous: Request) -> Request | None:
    asked_first = isinstance(rpc.result(_answer, reply), _EpochInfo)
    return rpc.call("getRecentPerformanceSamples", (SAMPLES,)) if asked_first else None


def stats_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """The height, or the pace of the last minutes. `block_time_s` is the mean time of a slot, of which nearly each has a
    block. `tps` leaves out the validators' votes, which are most of all transactions and no other chain's count has;
    None from a node too old to tell them apart."""
    result = rpc.result(_answer, reply)
    if isinstance(result, _EpochInfo):
        return [part(reply, ask.chain, block=result.block_height)]
    period = sum(sample.sample_period_secs for sample in result)
    slots = sum(sample.num_slots for sample in result)
    if period <= 0 or slots <= 0:
        raise PayloadChanged("no time or no slot is sampled", path="$.result")
    paid = [sample.num_non_vote_transactions for sample in result]
    tps = None if None in paid else sum(n for n in paid if n is not None) / period
    return [part(reply, ask.chain, block_time_s=period / slots, tps=tps)]


ADAPTER = Adapter(
    name="solana_rpc",
    endpoints={
        Capability.CHAIN_STATS: Endpoint(stats_request, stats_parse, stats_next, merge=whole_of(stats_parse))
    },
    explain=rpc.explain,
)
