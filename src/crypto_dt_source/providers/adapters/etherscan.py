"""Etherscan v2: one address and one key for many chains, told apart by `chainid`.

Answers are `{status, message, result}` with status 200; `status` "0" is a refusal and its text is in `result`. The
`proxy` module answers as a node does, in JSON-RPC, but refuses in the same way. Listed are the chains that have the gas
oracle and are open to free keys; Optimism, Base, BNB Chain and Avalanche are not, and Arbitrum has no oracle.

https://docs.etherscan.io/api-reference/endpoint/gasoracle and https://docs.etherscan.io/supported-chains
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from ...model.ask import Capability, ChainStatsAsk, GasAsk
from ...model.errors import (
    KeyRefused,
    NotOffered,
    PayloadChanged,
    PlanRequired,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.onchain import ChainStats, GasFee
from .. import json_rpc as rpc
from ..chain_stats import part, whole_of
from ..kit import Adapter, Endpoint, Reply, Request, decoder, positive, read

T = TypeVar("T")

CHAIN_IDS = {"ethereum": 1, "polygon": 137, "gnosis": 100, "linea": 59144}
WEI_PER_ETHER = 1e18
SAID = (
    (UpstreamRateLimited, ("rate limit", "max calls per sec", "daily limit")),
    (KeyRefused, ("api key", "apikey")),
    (PlanRequired, ("api pro", "free api access", "upgrade your api plan")),
    (UpstreamBroken, ("timeout", "too busy", "unexpected error")),
)
"""Words of a refusal, in the order that decides: being over the limit is told with the advice to use a key."""


class _Answer(msgspec.Struct, Generic[T]):
    result: T | str | None = None
    status: str = "1"
    message: str = "OK"
    error: rpc.Failure | str | None = None


_refused = decoder(_Answer[str])


def failure(text: str) -> UpstreamError:
    """The error class of a refusal's words; UpstreamRejected for any others (a chain or a module there is not)."""
    words = text[:1000].lower()
    kind = next((kind for kind, phrases in SAID if any(p in words for p in phrases)), UpstreamRejected)
    return kind(f"Etherscan answered {text[:200]}")


def _result(decode: msgspec.json.Decoder[_Answer[T]], reply: Reply) -> T | str:
    answer = read(decode, reply.body)
    if answer.error is not None:
        raise rpc.failure(answer.error)
    if answer.status != "1":
        raise failure(answer.result if isinstance(answer.result, str) else answer.message)
    if answer.result is None:
        raise PayloadChanged("the body has no result", path="$.result")
    return answer.result


def explain(reply: Reply) -> UpstreamError | None:
    try:
        answer = read(_refused, reply.body)
    except PayloadChanged:
        return None
    return failure(answer.result) if answer.status == "0" and answer.result else None


def _about(chain: str, module: str, action: str) -> Request:
    if chain not in CHAIN_IDS:
        raise NotOffered("does not know this chain")
    return Request("", (("chainid", str(CHAIN_IDS[chain])), ("module", module), ("action", action)))


class _Oracle(msgspec.Struct, rename="pascal"):
    last_block: int
    safe_gas_price: float
    propose_gas_price: float
    fast_gas_price: float
    suggest_base_fee: float | None = msgspec.field(name="suggestBaseFee", default=None)


_oracle = decoder(_Answer[_Oracle])


def gas_request(ask: GasAsk) -> Request:
    return _about(ask.chain, "gastracker", "gasoracle")


def gas_parse(reply: Reply, ask: GasAsk) -> list[GasFee]:
    """Gwei, priority fee included. The base fee is missing in answers from before EIP-1559."""
    result = _result(_oracle, reply)
    if isinstance(result, str):
        raise PayloadChanged("the result is a text", path="$.result")
    return [
        GasFee(
            reply.provider,
            ask.chain,
            "gwei",
            result.safe_gas_price,
            result.propose_gas_price,
            result.fast_gas_price,
            positive(result.suggest_base_fee),
            None,
            result.last_block,
            None,
            reply.received_ms,
        )
    ]


class _Supply(msgspec.Struct, rename="pascal"):
    """Wei. What was issued to miners, then to stakers, and what was burnt of both."""

    eth_supply: float
    eth2_staking: float = msgspec.field(name="Eth2Staking")
    burnt_fees: float


_stats = decoder(_Answer[_Supply])
_number = msgspec.json.Decoder(rpc.Quantity)


def stats_request(ask: ChainStatsAsk) -> Request:
    return _about(ask.chain, "proxy", "eth_blockNumber")


def stats_next(reply: Reply, ask: ChainStatsAsk, previous: Request) -> Request | None:
    """The supply, which only Ethereum's explorer tells."""
    asked_number = dict(previous.params)["action"] == "eth_blockNumber"
    return _about(ask.chain, "stats", "ethsupply2") if asked_number and ask.chain == "ethereum" else None


def stats_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """The newest block's number, or the supply: issued to miners + issued to stakers - burnt fees."""
    result = _result(_stats, reply)
    if isinstance(result, str):
        number = read(_number, msgspec.json.encode(result))
        return [part(reply, ask.chain, block=int(number, 16))]
    supply = (result.eth_supply + result.eth2_staking - result.burnt_fees) / WEI_PER_ETHER
    return [part(reply, ask.chain, supply=supply)]


ADAPTER = Adapter(
    name="etherscan",
    endpoints={
        Capability.GAS: Endpoint(gas_request, gas_parse),
        Capability.CHAIN_STATS: Endpoint(stats_request, stats_parse, stats_next, merge=whole_of(stats_parse)),
    },
    explain=explain,
)
