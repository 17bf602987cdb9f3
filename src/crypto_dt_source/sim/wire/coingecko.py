"""CoinGecko v3: keyless, demo key and paid host. https://docs.coingecko.com/reference/introduction

Prices and totals; errors, keys and the slow-moving pages are in `_coingecko_pages`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS
from ...model.quote import Pair
from .. import coins as sky
from ..venue import SimCoin
from . import Call, Route, SimReply, reply
from . import _coingecko_pages as pages
from ._coingecko_pages import ERROR, keyed, plain_error, shown, unknown_range, updated

__all__ = ["ERROR", "ROUTES"]

CHANGES = {"1h": HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS, "14d": 14 * DAY_MS, "30d": 30 * DAY_MS}


def market_row(call: Call, coin: SimCoin, unit: float, changes: list[str]) -> dict[str, Any]:
    asset, price = coin.asset, coin.price / unit
    before = price / (1 + coin.change_24h_pct / 100)
    high, high_date, low, low_date = sky.all_time(coin)
    total = asset.max_supply or asset.supply
    row = {
        "id": asset.gecko_id,
        "symbol": asset.ticker.lower(),
        "name": asset.name,
        "image": f"https://coins.example/{asset.gecko_id}.png",
        "current_price": shown(price),
        "market_cap": round(coin.market_cap / unit),
        "market_cap_rank": coin.rank,
        "fully_diluted_valuation": round(price * total),
        "total_volume": round(coin.volume_24h / unit),
        "high_24h": shown(max(coin.high_24h / unit, price)),
        "low_24h": shown(min(coin.low_24h / unit, price)),
        "price_change_24h": price - before,
        "price_change_percentage_24h": coin.change_24h_pct,
        "market_cap_change_24h": (price - before) * asset.supply,
        "market_cap_change_percentage_24h": coin.change_24h_pct,
        "circulating_supply": asset.supply,
        "total_supply": total,
        "max_supply": asset.max_supply,
        "ath": shown(high / unit),
        "ath_change_percentage": round((coin.price / high - 1) * 100, 5),
        "ath_date": high_date,
        "atl": shown(low / unit),
        "atl_change_percentage": round((coin.price / low - 1) * 100, 5),
        "atl_date": low_date,
        "roi": None,
        "last_updated": updated(call, coin),
    }
    for name in changes:
        change = sky.change_pct(call, asset.ticker, CHANGES[name])
        row[f"price_change_percentage_{name}_in_currency"] = change
    return row


_ORDERS: dict[str, tuple[Callable[[SimCoin], Any], bool]] = {
    "market_cap_desc": (lambda coin: coin.rank, False),
    "market_cap_asc": (lambda coin: coin.rank, True),
    "volume_desc": (lambda coin: coin.volume_24h, True),
    "volume_asc": (lambda coin: coin.volume_24h, False),
    "id_asc": (lambda coin: coin.asset.gecko_id, False),
    "id_desc": (lambda coin: coin.asset.gecko_id, True),
}


def markets(call: Call) -> SimReply:
    query = call.query
    if not query.get("vs_currency"):
        return plain_error("Missing parameter vs_currency", 422)
    unit = sky.dollars_of(call, query["vs_currency"])
    if unit is None:
        return plain_error("invalid vs_currency", 422)
    rows = sky.listing(call)
    if "ids" in query:
        wanted = set(query["ids"].split(","))
        rows = [coin for coin in rows if coin.asset.gecko_id in wanted]
    elif "symbols" in query:
        wanted = set(query["symbols"].lower().split(","))
        rows = [coin for coin in rows if coin.asset.ticker.lower() in wanted]
    if "category" in query:
        members = sky.CATEGORIES.get(query["category"], ("", frozenset()))[1]
        rows = [coin for coin in rows if coin.asset.ticker in members]
    order, falling = _ORDERS.get(query.get("order", ""), _ORDERS["market_cap_desc"])
    rows = sorted(rows, key=order, reverse=falling)
    size, page = call.whole("per_page", 100, 1, 250), call.whole("page", 1)
    changes = [name for name in query.get("price_change_percentage", "").split(",") if name in CHANGES]
    return reply([market_row(call, coin, unit, changes) for coin in rows[(page - 1) * size : page * size]])


def simple_price(call: Call) -> SimReply:
    query = call.query
    if not query.get("vs_currencies"):
        return plain_error("Missing parameter vs_currencies", 422)
    ids, symbols = query.get("ids", ""), query.get("symbols", "").lower()
    if not ids and not symbols:
        return plain_error("Missing parameter ids", 422)
    by_name = {(c.asset.gecko_id if ids else c.asset.ticker.lower()): c for c in sky.listing(call)}
    answer: dict[str, dict[str, float]] = {}
    for name in (ids or symbols).split(","):
        coin = by_name.get(name)
        if coin is None:
            continue
        row = answer[name] = {}
        for currency in query["vs_currencies"].lower().split(","):
            unit = sky.dollars_of(call, currency)
            if unit is None:
                continue
            row[currency] = shown(coin.price / unit)
            if query.get("include_market_cap") == "true":
                row[f"{currency}_market_cap"] = coin.market_cap / unit
            if query.get("include_24hr_vol") == "true":
                row[f"{currency}_24h_vol"] = coin.volume_24h / unit
            if query.get("include_24hr_change") == "true":
                row[f"{currency}_24h_change"] = coin.change_24h_pct
        if row and query.get("include_last_updated_at") == "true":
            row["last_updated_at"] = sky.seen_ms(call) // 1000
    return reply(answer)


def global_market(call: Call) -> SimReply:
    whole = sky.totals(call)
    units = {name: sky.dollars_of(call, name) for name in ("btc", "eth", "ltc", "xrp", "usd", "eur", "gbp")}
    top = sorted(whole.shares.items(), key=lambda item: -item[1])[:10]
    data = {
        "active_cryptocurrencies": whole.coins,
        "upcoming_icos": 0,
        "ongoing_icos": 0,
        "ended_icos": 0,
        "markets": len(sky.exchanges(call)),
        "total_market_cap": {name: whole.market_cap / unit for name, unit in units.items() if unit},
        "total_volume": {name: whole.volume_24h / unit for name, unit in units.items() if unit},
        "market_cap_percentage": {ticker.lower(): share for ticker, share in top},
        "market_cap_change_percentage_24h_usd": whole.change_24h_pct,
        "volume_change_percentage_24h_usd": whole.volume_change_24h_pct,
        "updated_at": sky.seen_ms(call) // 1000,
    }
    return reply({"data": data})


OHLC_STEPS = {1: HOUR_MS // 2, 7: 4 * HOUR_MS, 14: 4 * HOUR_MS, 30: 4 * HOUR_MS}
OHLC_LONG = (90, 180, 365)


def ohlc(call: Call) -> SimReply:
    coin = next((c for c in sky.listing(call) if c.asset.gecko_id == call.path["id"]), None)
    if coin is None:
        return ERROR("unknown_symbol")
    currency = call.query.get("vs_currency", "").upper()
    if not currency:
        return plain_error("Missing parameter vs_currency", 422)
    if sky.dollars_of(call, currency) is None:
        return plain_error("invalid vs_currency", 422)
    days = 10_000 if call.query.get("days") == "max" else call.whole("days", 0, 0)
    if (refusal := unknown_range(call, days)) is not None:
        return refusal
    if days not in OHLC_STEPS and days not in OHLC_LONG:
        return plain_error("Invalid days parameter", 422)
    step, now = OHLC_STEPS.get(days, 4 * DAY_MS), sky.seen_ms(call)
    last = now // step * step
    rows = call.view.candles(
        Pair(coin.asset.ticker, "USD"), step, last - (days * DAY_MS // step - 1) * step, now + 1
    )
    answer = []
    for c in rows:
        # The stamp is the close; the running candle carries the moment of its last price.
        close_ms = min(c.open_ms + step, now)
        unit = 1.0 if currency == "USD" else call.view.price(Pair(currency, "USD"), close_ms)
        answer.append([close_ms, *(shown(price / unit) for price in (c.open, c.high, c.low, c.close))])
    return reply(answer)


def ping(call: Call) -> SimReply:
    return reply({"gecko_says": "(V3) To the Moon!"})


ROUTES = {
    path: Route(keyed(handler), capabilities)
    for path, handler, capabilities in (
        ("/ping", ping, ()),
        ("/coins/markets", markets, (Capability.QUOTES, Capability.COINS)),
        ("/simple/price", simple_price, (Capability.QUOTES,)),
        ("/global", global_market, (Capability.GLOBAL,)),
        ("/coins/list", pages.coins_list, (Capability.ASSETS,)),
        ("/coins/categories", pages.categories, (Capability.CATEGORIES,)),
        ("/coins/categories/list", pages.categories_list, (Capability.CATEGORIES,)),
        ("/coins/{id}", pages.coin, (Capability.COIN,)),
        ("/coins/{id}/ohlc", ohlc, ()),
        ("/coins/{id}/market_chart", pages.market_chart, ()),
        ("/search", pages.search, (Capability.SEARCH,)),
        ("/search/trending", pages.trending, (Capability.TRENDING,)),
        ("/exchanges", pages.exchanges, (Capability.EXCHANGES,)),
    )
}
