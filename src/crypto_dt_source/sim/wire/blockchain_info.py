"""Blockchain.com's statistics of bitcoin. https://www.blockchain.com/explorer/api/charts_api"""

from __future__ import annotations

from ...model.ask import Capability
from ...model.candle import DAY_MS
from ..chains import RETARGET, seen
from . import Call, Route, SimReply, reply

HALVED_AT = 840_000
ISSUED = 19_687_500
REWARD = 3.125
SATOSHIS = 10**8


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return SimReply(b"Rate limited", 429, content_type="text/plain")
    return reply({"error": "not-found-or-invalid-arg", "message": "Item not found or argument invalid"}, 404)


def fees(call: Call) -> SimReply:
    view = seen(call)
    priority, regular, _ = (max(1, round(fee)) for fee in view.chain.byte_fees(view.at_ms))
    return reply({"limits": {"min": 1, "max": priority + 4}, "regular": regular, "priority": priority})


def stats(call: Call) -> SimReply:
    view = seen(call)
    chain, newest = view.chain, view.newest
    first = chain.number(view.at_ms - DAY_MS)
    mined = newest - first
    price = call.market.true_price("BTC", view.at_ms)
    blocks = newest + 1
    moved = sum(chain.transactions(number) for number in range(first + 1, newest + 1))
    return reply(
        {
            "timestamp": float(view.at_ms),
            "market_price_usd": round(price, 2),
            "hash_rate": chain.hashrate(view.at_ms) / 1e9,
            "total_fees_btc": 2_100_000_000,
            "n_btc_mined": round(mined * REWARD * SATOSHIS),
            "n_tx": moved,
            "n_blocks_mined": mined,
            "minutes_between_blocks": round(DAY_MS / 60_000 / mined, 4),
            "totalbc": round((ISSUED + (blocks - HALVED_AT) * REWARD) * SATOSHIS),
            "n_blocks_total": blocks,
            "estimated_transaction_volume_usd": round(50_000 * price, 2),
            "blocks_size": 1_600_000 * mined,
            "miners_revenue_usd": round(mined * REWARD * price, 2),
            "nextretarget": newest - newest % RETARGET + RETARGET - 1,
            "difficulty": chain.difficulty(newest),
            "estimated_btc_sent": 50_000 * SATOSHIS,
            "miners_revenue_btc": round(mined * REWARD),
            "total_btc_sent": 700_000 * SATOSHIS,
            "trade_volume_btc": 2861.73,
            "trade_volume_usd": round(2861.73 * price, 2),
        }
    )


ROUTES = {
    "/mempool/fees": Route(fees, (Capability.GAS,)),
    "/stats": Route(stats, (Capability.CHAIN_STATS,)),
}
