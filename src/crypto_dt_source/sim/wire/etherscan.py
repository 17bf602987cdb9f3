"""Etherscan v2, with a key in the query. https://docs.etherscan.io/api-reference

`{status, message, result}` with status 200 whatever happens; the `proxy` module answers like a node. Every number is text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...model.ask import Capability
from .. import coins as sky
from ..chains import GWEI, Seen, seen
from . import Call, Route, SimReply, reply, text

CHAINS = {"1": "ethereum", "137": "polygon", "100": "gnosis", "59144": "linea", "42161": "arbitrum"}
NOT_FREE = ("10", "56", "8453", "43114")
WEI = 10**18
RATIOS = 5
"""Blocks whose share of used gas the oracle shows."""


def _refuse(result: str) -> SimReply:
    return reply({"status": "0", "message": "NOTOK", "result": result})


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _refuse("Max rate limit reached, please use API Key for higher rate limit")
    return _refuse(
        "Missing or unsupported chainid parameter (required for v2 api), please see the list of chains"
    )


def _ok(result: Any) -> SimReply:
    return reply({"status": "1", "message": "OK", "result": result})


def gas_oracle(call: Call, view: Seen) -> SimReply:
    chain, newest = view.chain, view.newest
    base = chain.base_fee(newest + 1)
    safe, propose, fast = (text((base + chain.tip(newest, p)) / GWEI) for p in (10, 50, 90))
    return _ok(
        {
            "LastBlock": str(newest),
            "SafeGasPrice": safe,
            "ProposeGasPrice": propose,
            "FastGasPrice": fast,
            "suggestBaseFee": text(base / GWEI),
            "gasUsedRatio": ",".join(str(chain.filled(newest - i)) for i in range(RATIOS)),
        }
    )


def eth_supply(call: Call, view: Seen) -> SimReply:
    return _ok(str(122_373_866_217_800 * WEI // 10**6))


def eth_supply_2(call: Call, view: Seen) -> SimReply:
    days = (view.at_ms - 1_663_224_179_000) // 86_400_000
    return _ok(
        {
            "EthSupply": str(122_373_866_217_800 * WEI // 10**6),
            "Eth2Staking": str((1_000_000 + 2600 * days) * WEI),
            "BurntFees": str((2_600_000 + 1500 * days) * WEI),
            "WithdrawnTotal": str(9_000_000 * WEI),
        }
    )


def eth_price(call: Call, view: Seen) -> SimReply:
    ether, bitcoin = (call.market.true_price(ticker, view.at_ms) for ticker in ("ETH", "BTC"))
    at = str(view.at_ms // 1000)
    return _ok(
        {
            "ethbtc": text(ether / bitcoin),
            "ethbtc_timestamp": at,
            "ethusd": text(ether),
            "ethusd_timestamp": at,
        }
    )


def block_number(call: Call, view: Seen) -> SimReply:
    return reply({"jsonrpc": "2.0", "id": 83, "result": hex(view.newest)})


def block_by_time(call: Call, view: Seen) -> SimReply:
    at_ms = call.millis("timestamp", 1000)
    return _refuse("Error! Invalid timestamp") if at_ms is None else _ok(str(view.chain.number(at_ms)))


ACTIONS: dict[tuple[str, str], Callable[[Call, Seen], SimReply]] = {
    ("gastracker", "gasoracle"): gas_oracle,
    ("stats", "ethsupply"): eth_supply,
    ("stats", "ethsupply2"): eth_supply_2,
    ("stats", "ethprice"): eth_price,
    ("proxy", "eth_blockNumber"): block_number,
    ("block", "getblocknobytime"): block_by_time,
}


def answer(call: Call) -> SimReply:
    key = call.query.get("apikey")
    if not key or key == sky.REFUSED_KEY:
        return _refuse("Invalid API Key" if key else "Missing/Invalid API Key")
    chain_id = call.query.get("chainid", "")
    if chain_id in NOT_FREE:
        return _refuse(
            "Free API access is not supported for this chain. Please upgrade your api plan for full chain coverage."
        )
    action = ACTIONS.get((call.query.get("module", ""), call.query.get("action", "")))
    if chain_id not in CHAINS:
        return ERROR("unknown_symbol")
    if action is None or (action is gas_oracle and chain_id == "42161"):
        return _refuse("Error! Missing Or invalid Module name")
    return action(call, seen(call, CHAINS[chain_id]))


ROUTES = {"/": Route(answer, (Capability.GAS, Capability.CHAIN_STATS))}
