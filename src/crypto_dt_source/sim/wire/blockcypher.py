"""BlockCypher. https://www.blockcypher.com/dev/bitcoin/#chain-endpoint"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...providers.kit import iso
from ..chains import Seen, seen
from . import Call, Route, SimReply, reply

CHAINS = {"btc": "bitcoin", "eth": "ethereum", "ltc": "litecoin", "doge": "dogecoin"}
PEERS = 250


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply({"error": "Limits reached."}, 429)
    return reply({"error": "Wrong chain."}, 404)


def _gas(view: Seen) -> dict[str, Any]:
    chain, newest = view.chain, view.newest
    base = chain.base_fee(newest + 1)
    tips = {"high": 90, "medium": 50, "low": 10}
    return {
        **{f"{name}_gas_price": base + chain.tip(newest, p) for name, p in tips.items()},
        **{f"{name}_priority_fee": chain.tip(newest, p) for name, p in tips.items()},
        "base_fee": base,
    }


def _per_kb(view: Seen) -> dict[str, Any]:
    fees = view.chain.byte_fees(view.at_ms)
    return {
        f"{name}_fee_per_kb": round(fee * 1000)
        for name, fee in zip(("high", "medium", "low"), fees, strict=True)
    }


def main(call: Call) -> SimReply:
    code = call.path["coin"]
    if code not in CHAINS:
        return ERROR("unknown_symbol")
    view = seen(call, CHAINS[code])
    chain, newest = view.chain, view.newest
    digest, parent = chain.block_hash(newest), chain.block_hash(newest - 1)
    base = f"https://api.blockcypher.com/v1/{code}/main/blocks"
    return reply(
        {
            "name": f"{code.upper()}.main",
            "height": newest,
            "hash": digest,
            # Nine digits behind the second, as there.
            "time": iso(chain.time_ms(newest)).replace("Z", ".077707853Z"),
            "latest_url": f"{base}/{digest}",
            "previous_hash": parent,
            "previous_url": f"{base}/{parent}",
            "peer_count": PEERS,
            "unconfirmed_count": chain.waiting(view.at_ms),
            **(_gas(view) if code == "eth" else _per_kb(view)),
            "last_fork_height": newest - 2100,
            "last_fork_hash": chain.block_hash(newest - 2100),
        }
    )


ROUTES = {"/{coin}/main": Route(main, (Capability.GAS, Capability.CHAIN_STATS))}
