"""CoinCap v3, with a key. https://rest.coincap.io/api-docs.json Every number is text of 16 decimals."""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from .. import coins as sky
from ..assets import SimAsset
from ..venue import SimCoin
from . import Call, Handler, Route, SimReply, reply

SLUGS = {"binancecoin": "binance-coin", "ripple": "xrp"}
STEPS = {
    **{f"m{n}": n * MINUTE_MS for n in (1, 5, 15, 30)},
    **{f"h{n}": n * HOUR_MS for n in (1, 2, 6, 12)},
    "d1": DAY_MS,
}
MOST_ROWS = 2000


def slug(asset: SimAsset) -> str:
    return SLUGS.get(asset.gecko_id, asset.gecko_id)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply({"error": "You exceeded the rate limit for your plan"}, 429)
    return reply({"error": "nosuch not found"}, 404)


def _keyed(handler: Handler) -> Handler:
    def checked(call: Call) -> SimReply:
        key = sky.key_sent(call, "authorization", "Bearer ", "apiKey")
        if key is None or key == sky.REFUSED_KEY:
            return reply(
                {"error": "Unauthorized", "message": "Valid API key required", "statusCode": 401}, 401
            )
        return handler(call)

    return checked


def _long(value: float) -> str:
    return f"{value:.16f}"


def _ok(call: Call, data: Any) -> SimReply:
    return reply({"timestamp": call.now_ms, "data": data})


def _row(coin: SimCoin) -> dict[str, Any]:
    asset = coin.asset
    return {
        "id": slug(asset),
        "rank": str(coin.rank),
        "symbol": asset.ticker,
        "name": asset.name,
        "supply": _long(asset.supply),
        "maxSupply": None if asset.max_supply is None else _long(asset.max_supply),
        "marketCapUsd": _long(coin.market_cap),
        "volumeUsd24Hr": _long(coin.volume_24h),
        "priceUsd": _long(coin.price),
        "changePercent24Hr": _long(coin.change_24h_pct),
        "vwap24Hr": _long((coin.high_24h + coin.low_24h) / 2),
        "explorer": f"https://explorer.example/{asset.gecko_id}",
        "tokens": {},
    }


def assets(call: Call) -> SimReply:
    query = call.query
    rows = sky.listing(call)
    if query.get("ids"):
        wanted = {one.strip() for one in query["ids"].split(",")}
        rows = [coin for coin in rows if slug(coin.asset) in wanted]
    elif query.get("search"):
        rows = sky.found(call, query["search"])
    offset, limit = call.whole("offset", 0, 0), call.whole("limit", 100, 1, MOST_ROWS)
    return _ok(call, [_row(coin) for coin in rows[offset : offset + limit]])


def _find(call: Call) -> SimCoin | None:
    return next((coin for coin in sky.listing(call) if slug(coin.asset) == call.path["slug"]), None)


def asset(call: Call) -> SimReply:
    coin = _find(call)
    if coin is None:
        return reply({"error": f"{call.path['slug']} not found", "timestamp": call.now_ms}, 404)
    return _ok(call, _row(coin))


def history(call: Call) -> SimReply:
    coin, step = _find(call), STEPS.get(call.query.get("interval", ""))
    if coin is None:
        return reply({"error": f"{call.path['slug']} not found", "timestamp": call.now_ms}, 404)
    if step is None:
        return reply({"error": "invalid interval", "timestamp": call.now_ms}, 400)
    end = min(call.millis("end") or call.now_ms, sky.seen_ms(call))
    start = call.millis("start") or end - DAY_MS
    pair = Pair(coin.asset.ticker, "USD")
    times = range(-(-start // step) * step, end + 1, step)[-MOST_ROWS:]
    return _ok(call, [{"priceUsd": _long(call.view.price(pair, at)), "time": at} for at in times])


def rates(call: Call) -> SimReply:
    rows = [
        {
            "id": slug(coin.asset),
            "symbol": coin.asset.ticker,
            "currencySymbol": None,
            "type": "crypto",
            "rateUsd": _long(coin.price),
        }
        for coin in sky.listing(call)
    ]
    for ticker, name in (("EUR", "euro"), ("GBP", "british-pound-sterling")):
        rate = sky.dollars_of(call, ticker)
        if rate is not None:
            fiat = {
                "id": name,
                "symbol": ticker,
                "currencySymbol": None,
                "type": "fiat",
                "rateUsd": _long(rate),
            }
            rows.append(fiat)
    return _ok(call, rows)


def exchanges(call: Call) -> SimReply:
    rows = sky.exchanges(call)
    whole = sum(row.volume_usd for row in rows)
    offset, limit = call.whole("offset", 0, 0), call.whole("limit", 100, 1, MOST_ROWS)
    return _ok(
        call,
        [
            {
                "exchangeId": row.id,
                "name": row.name,
                "rank": str(row.rank),
                "percentTotalVolume": _long(row.volume_usd / whole * 100),
                "volumeUsd": _long(row.volume_usd),
                "tradingPairs": "150",
                "socket": False,
                "exchangeUrl": row.url,
                "updated": sky.seen_ms(call),
            }
            for row in rows[offset : offset + limit]
        ],
    )


ROUTES = {
    "/assets": Route(
        _keyed(assets), (Capability.QUOTES, Capability.COINS, Capability.SEARCH, Capability.ASSETS)
    ),
    "/assets/{slug}": Route(_keyed(asset), (Capability.COIN,)),
    "/assets/{slug}/history": Route(_keyed(history), (Capability.CANDLES,)),
    "/rates": Route(_keyed(rates), (Capability.QUOTES,)),
    "/exchanges": Route(_keyed(exchanges), (Capability.EXCHANGES,)),
}
