"""What mempool.space and Blockstream share: the paths of the Esplora API.

https://github.com/Blockstream/esplora/blob/master/API.md
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..model.ask import ChainStatsAsk
from ..model.errors import NotOffered, PayloadChanged
from ..model.onchain import ChainStats, GasFee
from .chain_stats import Count, part
from .kit import Reply, decoder, read, seconds


class _Block(msgspec.Struct):
    height: Count
    timestamp: Count
    tx_count: Count
    difficulty: float


class _Mempool(msgspec.Struct):
    count: Count
    vsize: float


_blocks = decoder(list[_Block], strict=True)
_mempool = decoder(_Mempool, strict=True)


def only_bitcoin(chain: str) -> None:
    """Raises NotOffered for any other chain."""
    if chain != "bitcoin":
        raise NotOffered("knows bitcoin only")


def fees(reply: Reply, ask_chain: str, by_wait: Sequence[float]) -> list[GasFee]:
    """Fees in sat/vB of `by_wait`: to be in the next block, within half an hour, within an hour. What is enough for a
    short wait is enough for a longer one, so where an estimate for the longer is higher the shorter's stands."""
    fast = by_wait[0]
    standard = min(by_wait[1], fast)
    slow = min(by_wait[2], standard)
    return [
        GasFee(
            reply.provider,
            ask_chain,
            "sat/vB",
            slow,
            standard,
            fast,
            None,
            None,
            None,
            None,
            reply.received_ms,
        )
    ]


def blocks_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """Of the newest blocks, newest first: the height, time and difficulty of the first, mean time between them, and the
    transactions of all but the oldest over the time they took. Miners' clocks differ by up to hours: where they run
    backwards there is no mean."""
    blocks = read(_blocks, reply.body)
    if not blocks:
        raise PayloadChanged("the list of blocks is empty", path="$[0]")
    newest, oldest = blocks[0], blocks[-1]
    passed, span = newest.height - oldest.height, newest.timestamp - oldest.timestamp
    paced = passed > 0 and span > 0
    return [
        part(
            reply,
            ask.chain,
            block=newest.height,
            block_time_s=span / passed if paced else None,
            difficulty=newest.difficulty,
            tps=sum(block.tx_count for block in blocks[:-1]) / span if paced else None,
            event_ms=seconds(newest.timestamp),
        )
    ]


def mempool_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """Waiting transactions and their virtual size."""
    mempool = read(_mempool, reply.body)
    return [part(reply, ask.chain, mempool=mempool.count, mempool_bytes=round(mempool.vsize))]
