"""A node of an EVM chain by JSON-RPC: Ethereum and the chains that follow its interface. One entry a node.

Fees are those of the chain itself. On Optimism and Base a transaction also pays for its bytes on Ethereum, by a price
that no field of these answers has; on Arbitrum that share is inside the gas a transaction uses, not in its price.

https://ethereum.github.io/execution-apis/ and https://eips.ethereum.org/EIPS/eip-1559
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

import msgspec

from ...model.ask import Capability, ChainStatsAsk, GasAsk
from ...model.errors import PayloadChanged
from ...model.onchain import ChainStats, GasFee
from .. import json_rpc as rpc
from ..chain_stats import part
from ..json_rpc import Quantity
from ..kit import Adapter, Endpoint, Reply, Request, decoder, seconds

GAS_BLOCKS = 20
PERCENTILES = (10, 50, 90)
STEP = 25
"""Blocks between two that are read for the chain's pace."""
READ_BLOCKS = 5
WEI_PER_GWEI = 1e9


class _FeeHistory(msgspec.Struct, rename="camel"):
    oldest_block: Quantity
    base_fee_per_gas: list[Quantity]
    gas_used_ratio: list[float]
    reward: list[list[Quantity]]
    base_fee_per_blob_gas: list[Quantity] | None = None


_history = decoder(rpc.Answer[_FeeHistory], strict=True)


def gas_request(ask: GasAsk) -> Request:
    return rpc.call("eth_feeHistory", (hex(GAS_BLOCKS), "latest", PERCENTILES))


def gas_parse(reply: Reply, ask: GasAsk) -> list[GasFee]:
    """Fee of a level = base fee of the next block + the median, over the recent blocks, of the priority fee at the
    level's percentile of gas in each block (slow 10, standard 50, fast 90). Empty blocks are left out of the median:
    their priority fees are reported as 0 and say nothing. The next block's fees are the last of each list; `block` is
    the newest in the history. A blob fee of 0 is a chain without blobs: EIP-4844 never lets it below 1 wei."""
    history = rpc.result(_history, reply)
    count = len(history.gas_used_ratio)
    if not count or len(history.base_fee_per_gas) != count + 1 or len(history.reward) != count:
        raise PayloadChanged("the lists of the fee history do not fit each other", path="$.result")
    if any(len(row) != len(PERCENTILES) for row in history.reward):
        raise PayloadChanged(
            "a block has another number of percentiles than asked for", path="$.result.reward"
        )
    filled = [row for row, used in zip(history.reward, history.gas_used_ratio, strict=True) if used > 0]
    tips = [median(int(row[i], 16) for row in filled) if filled else 0 for i in range(len(PERCENTILES))]
    base = int(history.base_fee_per_gas[-1], 16)
    blob = int(history.base_fee_per_blob_gas[-1], 16) if history.base_fee_per_blob_gas else 0
    slow, standard, fast = ((base + tip) / WEI_PER_GWEI for tip in tips)
    return [
        GasFee(
            reply.provider,
            ask.chain,
            "gwei",
            slow,
            standard,
            fast,
            base / WEI_PER_GWEI,
            blob / WEI_PER_GWEI or None,
            int(history.oldest_block, 16) + count - 1,
            None,
            reply.received_ms,
        )
    ]


class _Block(msgspec.Struct):
    number: Quantity
    timestamp: Quantity
    transactions: list[msgspec.Raw]


class _Sent(msgspec.Struct):
    id: int


_block = decoder(rpc.Answer[_Block], strict=True)
_sent = decoder(_Sent)


def _block_at(number: str, place: int) -> Request:
    """A block with the hashes of its transactions, the `place`-th that is read."""
    return rpc.call("eth_getBlockByNumber", (number, False), place)


def stats_request(ask: ChainStatsAsk) -> Request:
    return _block_at("latest", 1)


def stats_next(reply: Reply, ask: ChainStatsAsk, previous: Request) -> Request | None:
    """The block `STEP` before, until `READ_BLOCKS` are read."""
    place = _sent.decode(previous.body or b"").id
    number = int(rpc.result(_block, reply).number, 16) - STEP
    return _block_at(hex(number), place + 1) if place < READ_BLOCKS and number >= 0 else None


def stats_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """Number and time of one block."""
    block = rpc.result(_block, reply)
    event_ms = seconds(int(block.timestamp, 16))
    if event_ms is None:
        raise PayloadChanged("the time of the block is none", path="$.result.timestamp")
    return [part(reply, ask.chain, block=int(block.number, 16), event_ms=event_ms)]


def stats_merge(replies: Sequence[Reply], ask: ChainStatsAsk) -> list[ChainStats]:
    """Pace between the newest block and the oldest that was read: `block_time_s` is the mean, `tps` the mean number of
    transactions in the blocks read over it. Times are whole seconds, so on a chain of many blocks a second both are
    good to a few per cent. The chain's own transactions (one a block on rollups) count."""
    blocks = [rpc.result(_block, reply) for reply in replies]
    numbers = [int(block.number, 16) for block in blocks]
    times = [int(block.timestamp, 16) for block in blocks]
    if numbers != sorted(set(numbers), reverse=True) or times != sorted(times, reverse=True):
        raise PayloadChanged("a block asked for as older is not", path="$.result.number")
    passed, span = numbers[0] - numbers[-1], times[0] - times[-1]
    known: dict[str, Any] = {}
    if passed and span:
        known["block_time_s"] = span / passed
        known["tps"] = fmean(len(block.transactions) for block in blocks) * passed / span
    newest = stats_parse(replies[0], ask)[0]
    return [newest._replace(received_ms=replies[-1].received_ms, **known)]


ADAPTER = Adapter(
    name="evm_rpc",
    endpoints={
        Capability.GAS: Endpoint(gas_request, gas_parse),
        Capability.CHAIN_STATS: Endpoint(stats_request, stats_parse, stats_next, merge=stats_merge),
    },
    explain=rpc.explain,
)
