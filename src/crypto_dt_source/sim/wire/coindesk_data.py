"""CoinDesk Data, with a key. https://developers.coindesk.com/documentation/data-api/introduction

Answers are `{Data, Err}`, both always there.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from .. import coins as sky
from ..venue import SimCandle, SimCoin
from ..windows import candles as window
from . import Call, Handler, Route, SimReply, reply

MOST_ROWS = 2000
FRAMES = {
    "minutes": (MINUTE_MS, "MINUTE", "267"),
    "hours": (HOUR_MS, "HOUR", "266"),
    "days": (DAY_MS, "DAY", "265"),
}
"""Word in the path, length, word and type in the rows."""


def _error(
    kind: int, message: str, http: int, param: str | None = None, values: tuple[str, ...] = ()
) -> SimReply:
    other: dict[str, Any] = {} if param is None else {"param": param, "values": list(values)}
    return reply({"Data": {}, "Err": {"type": kind, "message": message, "other_info": other}}, http)


def _no_instrument(names: tuple[str, ...], param: str = "instrument") -> SimReply:
    message = (
        f"Invalid: {param} parameter. The values are not instruments of the cadli market: {', '.join(names)}."
    )
    return _error(1, message, 404, param, names)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error(99, "You are over your rate limit please upgrade your account!", 429)
    return _no_instrument(("NOSUCH-USD",))


def _keyed(handler: Handler) -> Handler:
    def checked(call: Call) -> SimReply:
        key = sky.key_sent(call, "authorization", "Apikey ", "api_key")
        if key is None or key == sky.REFUSED_KEY:
            return _error(2, "Missing or invalid API key. Pass a valid api_key to access this endpoint.", 401)
        return handler(call)

    return checked


def _split(call: Call, instrument: str) -> Pair | None:
    """Base and currency of `BTC-USD`, None where the market has not both."""
    base, _, quote = instrument.upper().rpartition("-")
    known = call.view.lists(Pair(base, "USD")) and sky.dollars_of(call, quote) is not None
    return Pair(base, quote) if known and base != quote else None


def _tick(call: Call, pair: Pair, coin: SimCoin) -> dict[str, Any]:
    unit = sky.dollars_of(call, pair.quote) or 1.0
    price, seen_s = coin.price / unit, sky.seen_ms(call) // 1000
    volume = coin.volume_24h / coin.price
    before = price / (1 + coin.change_24h_pct / 100)
    return {
        "TYPE": "266",
        "MARKET": "cadli",
        "INSTRUMENT": f"{pair.base}-{pair.quote}",
        "CCSEQ": seen_s,
        "VALUE": price,
        "VALUE_FLAG": "UP" if coin.change_1h_pct >= 0 else "DOWN",
        "VALUE_LAST_UPDATE_TS": seen_s,
        "VALUE_LAST_UPDATE_TS_NS": 123_000_000,
        "LAST_UPDATE_QUANTITY": volume / 80_000,
        "MOVING_24_HOUR_VOLUME": volume,
        "MOVING_24_HOUR_QUOTE_VOLUME": volume * price,
        "MOVING_24_HOUR_OPEN": before,
        "MOVING_24_HOUR_HIGH": max(coin.high_24h / unit, price),
        "MOVING_24_HOUR_LOW": min(coin.low_24h / unit, price),
        "MOVING_24_HOUR_CHANGE": price - before,
        "MOVING_24_HOUR_CHANGE_PERCENTAGE": coin.change_24h_pct,
    }


def latest_tick(call: Call) -> SimReply:
    by_ticker = {coin.asset.ticker: coin for coin in sky.listing(call)}
    data, unknown = {}, []
    for name in call.query.get("instruments", "").split(","):
        pair = _split(call, name)
        if pair is None:
            unknown.append(name)
        else:
            data[name] = _tick(call, pair, by_ticker[pair.base])
    if not data:
        return _no_instrument(tuple(unknown), "instruments")
    err: dict[str, Any] = {}
    if unknown:
        other = {"param": "instruments", "values": unknown}
        err = {"type": 1, "message": "Some instruments were not found.", "other_info": other}
    return reply({"Data": data, "Err": err})


def _bar(c: SimCandle, pair: Pair, frame: str, rate: float) -> dict[str, Any]:
    _, unit, kind = FRAMES[frame]
    return {
        "UNIT": unit,
        "TIMESTAMP": c.open_ms // 1000,
        "TYPE": kind,
        "MARKET": "cadli",
        "INSTRUMENT": f"{pair.base}-{pair.quote}",
        "OPEN": c.open / rate,
        "HIGH": c.high / rate,
        "LOW": c.low / rate,
        "CLOSE": c.close / rate,
        "FIRST_MESSAGE_TIMESTAMP": c.open_ms // 1000,
        "TOTAL_INDEX_UPDATES": c.trades,
        "VOLUME": c.volume,
        "QUOTE_VOLUME": c.quote_volume / rate,
        "VOLUME_TOP_TIER": c.volume * 0.6,
        "QUOTE_VOLUME_TOP_TIER": c.quote_volume * 0.6 / rate,
    }


def historical(call: Call) -> SimReply:
    name, frame = call.query.get("instrument", ""), call.path["frame"]
    pair = _split(call, name)
    if pair is None:
        return _no_instrument((name,))
    if frame not in FRAMES:
        return _error(1, "Path not found", 404)
    end = call.millis("to_ts", 1000)
    listed = Pair(pair.base, "USD")
    limit = call.whole("limit", 30, 1, MOST_ROWS)
    rows = window(call, listed, FRAMES[frame][0], limit, None, None if end is None else end + 1)
    if not rows:
        message = f"Invalid: to_ts parameter. According to our records, {name} was not trading on cadli at that time."
        return _error(1, message, 404, "to_ts")
    bars = []
    for c in rows:
        rate = 1.0 if pair.quote == "USD" else call.view.price(Pair(pair.quote, "USD"), c.open_ms)
        bars.append(_bar(c, pair, frame, rate))
    return reply({"Data": bars, "Err": {}})


def top_list(call: Call) -> SimReply:
    size, page = call.whole("page_size", 50, 10, 100), call.whole("page", 1)
    coins = sky.listing(call)
    rows = [
        {
            "ID": sky.number_of(coin.asset),
            "TYPE": "162",
            "SYMBOL": coin.asset.ticker,
            "NAME": coin.asset.name,
            "URI": coin.asset.ticker.lower(),
            "ASSET_TYPE": "BLOCKCHAIN",
            "PRICE_USD": coin.price,
            "PRICE_USD_SOURCE": "cadli",
            "PRICE_USD_LAST_UPDATE_TS": sky.seen_ms(call) // 1000,
            "SUPPLY_CIRCULATING": coin.asset.supply,
            "SUPPLY_TOTAL": coin.asset.max_supply or coin.asset.supply,
            "SUPPLY_MAX": coin.asset.max_supply if coin.asset.max_supply is not None else -1,
            "CIRCULATING_MKT_CAP_USD": coin.market_cap,
            "SPOT_MOVING_24_HOUR_QUOTE_VOLUME_USD": coin.volume_24h,
            "SPOT_MOVING_24_HOUR_CHANGE_PERCENTAGE_USD": coin.change_24h_pct,
            "SPOT_MOVING_7_DAY_CHANGE_PERCENTAGE_USD": coin.change_7d_pct,
            "TOPLIST_BASE_RANK": {"CIRCULATING_MKT_CAP_USD": coin.rank},
        }
        for coin in coins[(page - 1) * size : page * size]
    ]
    stats = {"PAGE": page, "PAGE_SIZE": size, "TOTAL_ASSETS": len(coins)}
    return reply({"Data": {"STATS": stats, "LIST": rows}, "Err": {}})


ROUTES = {
    "/index/cc/v1/latest/tick": Route(_keyed(latest_tick), (Capability.QUOTES,)),
    "/index/cc/v1/historical/{frame}": Route(_keyed(historical), (Capability.CANDLES,)),
    "/asset/v1/top/list": Route(_keyed(top_list), (Capability.QUOTES, Capability.COINS)),
}
