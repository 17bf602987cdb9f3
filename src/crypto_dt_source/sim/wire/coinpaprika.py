"""CoinPaprika v1. https://api.coinpaprika.com/ Ids are made of ticker and name; 0 is its word for "no max supply"."""

from __future__ import annotations

import re
from typing import Any

from ...clock import rfc3339
from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from .. import coins as sky
from ..assets import SimAsset
from ..venue import SimCoin
from . import Call, Route, SimReply, reply

CHANGES = {
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "6h": 360,
    "12h": 720,
    "24h": 1440,
    "7d": 10_080,
    "30d": 43_200,
    "1y": 525_600,
}
"""Names of the changes a ticker carries, and their minutes."""


def native_id(asset: SimAsset) -> str:
    """`btc-bitcoin`."""
    return re.sub(r"[^a-z0-9]+", "-", f"{asset.ticker}-{asset.name}".lower()).strip("-")


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply({"error": "too many requests"}, 429)
    return reply({"error": "id not found"}, 404)


def _stamp(call: Call) -> str:
    return rfc3339(sky.seen_ms(call) // 1000 * 1000)


def _find(call: Call) -> SimCoin | None:
    return next((coin for coin in sky.listing(call) if native_id(coin.asset) == call.path["id"]), None)


def _ticker(call: Call, coin: SimCoin) -> dict[str, Any]:
    asset = coin.asset
    high, high_date, _, _ = sky.all_time(coin)
    quotes: dict[str, dict[str, Any]] = {}
    for currency in call.query.get("quotes", "USD").upper().split(","):
        unit = sky.dollars_of(call, currency)
        if unit is None:
            continue
        quotes[currency] = {
            "price": coin.price / unit,
            "volume_24h": coin.volume_24h / unit,
            "volume_24h_change_24h": 0.0,
            "market_cap": round(coin.market_cap / unit),
            "market_cap_change_24h": round(coin.change_24h_pct, 2),
            **{
                f"percent_change_{name}": round(sky.change_pct(call, asset.ticker, minutes * MINUTE_MS), 2)
                for name, minutes in CHANGES.items()
            },
            "ath_price": high / unit,
            "ath_date": high_date.replace(".000Z", "Z"),
            "percent_from_price_ath": round((coin.price / high - 1) * 100, 2),
        }
    return {
        "id": native_id(asset),
        "name": asset.name,
        "symbol": asset.ticker,
        "rank": coin.rank,
        "circulating_supply": round(asset.supply),
        "total_supply": round(asset.max_supply or asset.supply),
        "max_supply": round(asset.max_supply or 0),
        "beta_value": 1.0,
        "first_data_at": "2018-01-01T00:00:00Z",
        "last_updated": _stamp(call),
        "quotes": quotes,
    }


def tickers(call: Call) -> SimReply:
    return reply([_ticker(call, coin) for coin in sky.listing(call)])


def ticker(call: Call) -> SimReply:
    coin = _find(call)
    return ERROR("unknown_symbol") if coin is None else reply(_ticker(call, coin))


def historical(call: Call) -> SimReply:
    coin = _find(call)
    if coin is None:
        return ERROR("unknown_symbol")
    now = sky.seen_ms(call)
    start = call.millis("start", 1000) or now - DAY_MS
    if start < now - DAY_MS - HOUR_MS:
        return reply(
            {"error": "Getting historical data before the last 24 hours is not allowed in this plan"}, 402
        )
    rows = []
    for back in range((now - start) // HOUR_MS, -1, -1):
        price = coin.price / (1 + sky.change_pct(call, coin.asset.ticker, back * HOUR_MS) / 100)
        rows.append(
            {
                "timestamp": rfc3339((now - back * HOUR_MS) // HOUR_MS * HOUR_MS),
                "price": price,
                "volume_24h": round(coin.volume_24h),
                "market_cap": round(price * coin.asset.supply),
            }
        )
    return reply(rows)


def _listing(coin: SimCoin) -> dict[str, Any]:
    return {
        "id": native_id(coin.asset),
        "name": coin.asset.name,
        "symbol": coin.asset.ticker,
        "rank": coin.rank,
        "is_new": False,
        "is_active": True,
        "type": "coin",
    }


def coins(call: Call) -> SimReply:
    return reply([_listing(coin) for coin in sky.listing(call)])


def coin(call: Call) -> SimReply:
    found = _find(call)
    if found is None:
        return ERROR("unknown_symbol")
    asset = found.asset
    tags = [
        {"id": key, "name": name, "coin_counter": len(members), "ico_counter": 0}
        for key, (name, members) in sky.CATEGORIES.items()
        if asset.ticker in members
    ]
    return reply(
        {
            **_listing(found),
            "logo": f"https://coins.example/{asset.gecko_id}.png",
            "tags": tags,
            "team": [],
            "description": f"{asset.name} is traded in a simulated market.",
            "message": "",
            "open_source": True,
            "started_at": "2009-01-03T00:00:00Z" if asset.ticker == "BTC" else None,
            "development_status": "Working product",
            "hardware_wallet": True,
            "proof_type": "Proof of Work"
            if asset.ticker in ("BTC", "BCH", "LTC", "DOGE")
            else "Proof of Stake",
            "org_structure": "Decentralized",
            "hash_algorithm": "SHA256" if asset.ticker in ("BTC", "BCH") else "",
            "links": {"website": [f"https://{asset.gecko_id}.example/"]},
            "first_data_at": "2018-01-01T00:00:00Z",
            "last_data_at": _stamp(call),
        }
    )


def global_market(call: Call) -> SimReply:
    whole = sky.totals(call)
    return reply(
        {
            "market_cap_usd": round(whole.market_cap),
            "volume_24h_usd": round(whole.volume_24h),
            "bitcoin_dominance_percentage": round(whole.shares.get("BTC", 0.0), 2),
            "cryptocurrencies_number": whole.coins,
            "market_cap_ath_value": round(whole.market_cap * 1.3),
            "market_cap_ath_date": "2025-10-06T12:00:00Z",
            "volume_24h_ath_value": round(whole.volume_24h * 9),
            "volume_24h_ath_date": "2021-10-22T12:50:00Z",
            "volume_24h_percent_from_ath": -88.89,
            "volume_24h_percent_to_ath": 800.0,
            "market_cap_change_24h": round(whole.change_24h_pct, 2),
            "volume_24h_change_24h": whole.volume_change_24h_pct,
            "last_updated": sky.seen_ms(call) // 1000,
        }
    )


def tags(call: Call) -> SimReply:
    return reply(
        [
            {
                "id": row.id,
                "name": row.name,
                "coin_counter": len(row.coins),
                "ico_counter": 0,
                "description": "",
                "type": "functional",
            }
            for row in sky.categories(call)
        ]
    )


def search(call: Call) -> SimReply:
    wanted = call.query.get("c", "currencies,exchanges,icos,people,tags").split(",")
    limit, text = call.whole("limit", 6, 1, 250), call.query.get("q", "")
    answer: dict[str, list[Any]] = {}
    if "currencies" in wanted:
        answer["currencies"] = [_listing(coin) for coin in sky.found(call, text)[:limit]]
    if "exchanges" in wanted:
        rows = [row for row in sky.exchanges(call) if text.casefold() in row.name.casefold()]
        answer["exchanges"] = [{"id": row.id, "name": row.name, "rank": row.rank} for row in rows[:limit]]
    return reply(answer)


def exchanges(call: Call) -> SimReply:
    return reply(
        [
            {
                "id": row.id,
                "name": row.name,
                "active": True,
                "website_status": True,
                "api_status": True,
                "description": None,
                "message": None,
                "links": {"website": [row.url]},
                "markets_data_fetched": True,
                "adjusted_rank": row.rank,
                "reported_rank": row.rank,
                "currencies": 60,
                "markets": 150,
                "fiats": [],
                "quotes": {
                    "USD": {
                        "reported_volume_24h": row.volume_usd * 1.1,
                        "adjusted_volume_24h": row.volume_usd,
                        "reported_volume_7d": row.volume_usd * 7.4,
                        "adjusted_volume_7d": row.volume_usd * 7,
                    }
                },
                "last_updated": _stamp(call),
            }
            for row in sky.exchanges(call)
        ]
    )


ROUTES = {
    "/global": Route(global_market, (Capability.GLOBAL,)),
    "/tickers": Route(tickers, (Capability.QUOTES, Capability.COINS)),
    "/tickers/{id}": Route(ticker, (Capability.QUOTES,)),
    "/tickers/{id}/historical": Route(historical, (Capability.CANDLES,)),
    "/coins": Route(coins, (Capability.ASSETS,)),
    "/coins/{id}": Route(coin, (Capability.COIN,)),
    "/tags": Route(tags, (Capability.CATEGORIES,)),
    "/search": Route(search, (Capability.SEARCH,)),
    "/exchanges": Route(exchanges, (Capability.EXCHANGES,)),
}
