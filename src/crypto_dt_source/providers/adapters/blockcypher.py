"""BlockCypher: one page a chain, with its height, what waits and the fees.

https://www.blockcypher.com/dev/bitcoin/#chain-endpoint
"""

from __future__ import annotations

import msgspec

from ...model.ask import Capability, ChainStatsAsk, GasAsk
from ...model.errors import NotOffered
from ...model.onchain import ChainStats, GasFee
from ..chain_stats import Count, part
from ..kit import Adapter, Endpoint, Reply, Request, decoder, iso_ms, read

CODES = {"bitcoin": "btc", "ethereum": "eth", "litecoin": "ltc", "dogecoin": "doge"}
IN_SATOSHI = ("bitcoin",)
"""Chains whose fees are told in satoshi; of litecoin and dogecoin they are in units of their own."""
BYTES = 1000
WEI_PER_GWEI = 1e9


class _Chain(msgspec.Struct):
    height: Count
    time: str
    unconfirmed_count: Count


class _ByteFees(_Chain):
    """Smallest units per 1000 bytes."""

    high_fee_per_kb: float
    medium_fee_per_kb: float
    low_fee_per_kb: float


class _GasFees(_Chain):
    """Wei per gas, priority fee included."""

    high_gas_price: float
    medium_gas_price: float
    low_gas_price: float
    base_fee: float


_chain = decoder(_Chain, strict=True)
_byte_fees = decoder(_ByteFees, strict=True)
_gas_fees = decoder(_GasFees, strict=True)


def _page(chain: str) -> Request:
    if chain not in CODES:
        raise NotOffered("does not know this chain")
    return Request(f"/{CODES[chain]}/main")


def gas_request(ask: GasAsk) -> Request:
    if ask.chain != "ethereum" and ask.chain not in IN_SATOSHI:
        raise NotOffered("tells this chain's fees in a unit of its own")
    return _page(ask.chain)


def gas_parse(reply: Reply, ask: GasAsk) -> list[GasFee]:
    """Fast is to be in one or two blocks, standard in three to six, slow in seven or more; as of the newest block."""
    if ask.chain == "ethereum":
        gas = read(_gas_fees, reply.body)
        wei = (gas.low_gas_price, gas.medium_gas_price, gas.high_gas_price, gas.base_fee)
        slow, standard, fast, base = (price / WEI_PER_GWEI for price in wei)
        return [_fee(reply, ask.chain, "gwei", slow, standard, fast, base, gas)]
    fees = read(_byte_fees, reply.body)
    slow, standard, fast = (
        fee / BYTES for fee in (fees.low_fee_per_kb, fees.medium_fee_per_kb, fees.high_fee_per_kb)
    )
    return [_fee(reply, ask.chain, "sat/vB", slow, standard, fast, None, fees)]


def _fee(
    reply: Reply,
    chain: str,
    unit: str,
    slow: float,
    standard: float,
    fast: float,
    base: float | None,
    at: _Chain,
) -> GasFee:
    event = iso_ms(at.time)
    return GasFee(
        reply.provider, chain, unit, slow, standard, fast, base, None, at.height, event, reply.received_ms
    )


def stats_request(ask: ChainStatsAsk) -> Request:
    return _page(ask.chain)


def stats_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """Height, transactions that wait, and when the newest block came."""
    chain = read(_chain, reply.body)
    return [
        part(
            reply,
            ask.chain,
            block=chain.height,
            mempool=chain.unconfirmed_count,
            event_ms=iso_ms(chain.time),
        )
    ]


ADAPTER = Adapter(
    name="blockcypher",
    endpoints={
        Capability.GAS: Endpoint(gas_request, gas_parse),
        Capability.CHAIN_STATS: Endpoint(stats_request, stats_parse),
    },
)
