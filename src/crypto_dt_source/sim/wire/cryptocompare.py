"""CryptoCompare min-api, with a key. https://min-api.cryptocompare.com/documentation

Errors are a 200 with `Response: "Error"`, but for a missing key, which is a 401 since 2026.
"""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from .. import coins as sky
from ..venue import SimCoin
from ..windows import candles as window
from . import Call, Handler, Route, SimReply, reply

MOST_ROWS = 2000
INVALID, LIMITED, NO_MARKET = 1, 99, 2


def _error(message: str, kind: int, http: int = 200) -> SimReply:
    shape = {
        "Response": "Error",
        "Message": message,
        "HasWarning": False,
        "Type": kind,
        "RateLimit": {},
        "Data": {},
    }
    return reply(shape, http)


def _no_market(base: str, quote: str) -> SimReply:
    return _error(f"CCCAGG market does not exist for this coin pair ({base}-{quote})", NO_MARKET)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return _error("You are over your rate limit please upgrade your account!", LIMITED)
    return _no_market("NOSUCH", "USD")


def keyed(handler: Handler) -> Handler:
    """The handler behind the check of `authorization: Apikey …` or `api_key=`."""

    def checked(call: Call) -> SimReply:
        key = sky.key_sent(call, "authorization", "Apikey ", "api_key")
        if key is None or key == sky.REFUSED_KEY:
            return _error("You need a valid auth key or api key to access this endpoint", INVALID, 401)
        return handler(call)

    return checked


def _units(call: Call) -> dict[str, float]:
    asked = call.query.get("tsyms") or call.query.get("tsym") or ""
    known = ((name, sky.dollars_of(call, name)) for name in asked.upper().split(",") if name)
    return {name: unit for name, unit in known if unit is not None}


def _coins(call: Call) -> dict[str, SimCoin]:
    by_ticker = {coin.asset.ticker: coin for coin in sky.listing(call)}
    asked = (call.query.get("fsyms") or call.query.get("fsym") or "").upper().split(",")
    return {ticker: by_ticker[ticker] for ticker in asked if ticker in by_ticker}


def _raw(call: Call, coin: SimCoin, currency: str, unit: float) -> dict[str, Any]:
    asset, price = coin.asset, coin.price / unit
    before = price / (1 + coin.change_24h_pct / 100)
    volume = coin.volume_24h / coin.price
    seen_s = sky.seen_ms(call) // 1000
    return {
        "TYPE": "5",
        "MARKET": "CCCAGG",
        "FROMSYMBOL": asset.ticker,
        "TOSYMBOL": currency,
        "FLAGS": "4",
        "LASTMARKET": "Coinbase",
        "PRICE": price,
        "LASTUPDATE": seen_s,
        "LASTVOLUME": volume / 80_000,
        "LASTVOLUMETO": volume * price / 80_000,
        "LASTTRADEID": str(seen_s),
        "VOLUME24HOUR": volume * 0.3,
        "VOLUME24HOURTO": volume * 0.3 * price,
        "OPEN24HOUR": before,
        "HIGH24HOUR": max(coin.high_24h / unit, price),
        "LOW24HOUR": min(coin.low_24h / unit, price),
        "CHANGE24HOUR": price - before,
        "CHANGEPCT24HOUR": coin.change_24h_pct,
        "CHANGEPCTHOUR": coin.change_1h_pct,
        "SUPPLY": asset.supply,
        "MKTCAP": coin.market_cap / unit,
        "CIRCULATINGSUPPLY": asset.supply,
        "CIRCULATINGSUPPLYMKTCAP": coin.market_cap / unit,
        "TOTALVOLUME24H": volume,
        "TOTALVOLUME24HTO": volume * price,
    }


def _display(raw: dict[str, Any]) -> dict[str, Any]:
    shown = {
        name: f"{raw[name]:,.2f}" for name in ("PRICE", "VOLUME24HOUR", "HIGH24HOUR", "LOW24HOUR", "MKTCAP")
    }
    return {"FROMSYMBOL": raw["FROMSYMBOL"], "TOSYMBOL": "$", "MARKET": "CryptoCompare Index", **shown}


def price(call: Call) -> SimReply:
    coins, units = _coins(call), _units(call)
    if not coins or not units:
        return _no_market(call.query.get("fsym", ""), call.query.get("tsyms", ""))
    coin = next(iter(coins.values()))
    return reply({name: coin.price / unit for name, unit in units.items()})


def pricemulti(call: Call) -> SimReply:
    coins, units = _coins(call), _units(call)
    if not coins or not units:
        return _no_market(call.query.get("fsyms", ""), call.query.get("tsyms", ""))
    return reply(
        {ticker: {name: coin.price / unit for name, unit in units.items()} for ticker, coin in coins.items()}
    )


def pricemultifull(call: Call) -> SimReply:
    coins, units = _coins(call), _units(call)
    if not coins or not units:
        return _no_market(call.query.get("fsyms", ""), call.query.get("tsyms", ""))
    raw = {
        ticker: {name: _raw(call, coin, name, unit) for name, unit in units.items()}
        for ticker, coin in coins.items()
    }
    display = {ticker: {name: _display(row) for name, row in rows.items()} for ticker, rows in raw.items()}
    return reply({"RAW": raw, "DISPLAY": display})


def top(call: Call) -> SimReply:
    units = _units(call)
    if not units:
        return _error("tsym is a required param.", INVALID)
    (currency, unit), *_ = units.items()
    size, page = call.whole("limit", 10, 1, 100), call.whole("page", 0, 0)
    coins = sky.listing(call)
    if call.path.get("list") == "totalvolfull":
        coins = sorted(coins, key=lambda coin: -coin.volume_24h)
    rows = []
    for coin in coins[page * size : (page + 1) * size]:
        asset, raw = coin.asset, _raw(call, coin, currency, unit)
        info = {
            "Id": str(sky.number_of(asset)),
            "Name": asset.ticker,
            "FullName": asset.name,
            "Internal": asset.ticker,
            "ImageUrl": f"/media/{asset.gecko_id}.png",
            "Algorithm": "N/A",
            "ProofType": "N/A",
            "MaxSupply": asset.max_supply if asset.max_supply is not None else -1,
            "Type": 1,
        }
        rows.append({"CoinInfo": info, "RAW": {currency: raw}, "DISPLAY": {currency: _display(raw)}})
    shape = {"Message": "Success", "Type": 100, "MetaData": {"Count": len(coins)}, "SponsoredData": []}
    return reply({**shape, "Data": rows, "RateLimit": {}, "HasWarning": False})


def _history(call: Call, step_ms: int, wrapped: bool) -> SimReply:
    base, quote = call.query.get("fsym", "").upper(), call.query.get("tsym", "").upper()
    unit = sky.dollars_of(call, quote)
    pair = Pair(base, "USD")
    if unit is None or not call.view.lists(pair):
        return _no_market(base, quote)
    limit = call.whole("limit", {DAY_MS: 30, HOUR_MS: 168}.get(step_ms, 1440), 1, MOST_ROWS)
    end = call.millis("toTs", 1000)
    # One row more than the limit comes back, the one that holds toTs last.
    rows = window(call, pair, step_ms, limit + 1, None, None if end is None else end + 1)
    bars = []
    for c in rows:
        rate = 1.0 if quote == "USD" else call.view.price(Pair(quote, "USD"), c.open_ms)
        bars.append(
            {
                "time": c.open_ms // 1000,
                "high": c.high / rate,
                "low": c.low / rate,
                "open": c.open / rate,
                "volumefrom": c.volume,
                "volumeto": c.quote_volume / rate,
                "close": c.close / rate,
                "conversionType": "direct",
                "conversionSymbol": "",
            }
        )
    first, last = (bars[0]["time"], bars[-1]["time"]) if bars else (0, 0)
    if wrapped:
        data = {"Aggregated": False, "TimeFrom": first, "TimeTo": last, "Data": bars}
        shape = {"Response": "Success", "Message": "", "HasWarning": False, "Type": 100, "RateLimit": {}}
        return reply({**shape, "Data": data})
    return reply(
        {
            "Response": "Success",
            "Type": 100,
            "Aggregated": False,
            "Data": bars,
            "TimeTo": last,
            "TimeFrom": first,
            "FirstValueInArray": True,
            "ConversionType": {"type": "direct", "conversionSymbol": ""},
        }
    )


def _history_of(step_ms: int, wrapped: bool) -> Handler:
    return keyed(lambda call: _history(call, step_ms, wrapped))


def coinlist(call: Call) -> SimReply:
    rows = {
        coin.asset.ticker: {
            "Id": str(sky.number_of(coin.asset)),
            "Url": f"/coins/{coin.asset.ticker.lower()}/overview",
            "ImageUrl": f"/media/{coin.asset.gecko_id}.png",
            "Name": coin.asset.ticker,
            "Symbol": coin.asset.ticker,
            "CoinName": coin.asset.name,
            "FullName": f"{coin.asset.name} ({coin.asset.ticker})",
            "Description": "",
            "Algorithm": "N/A",
            "ProofType": "N/A",
            "SortOrder": str(coin.rank),
            "Sponsored": False,
            "IsTrading": True,
        }
        for coin in sky.listing(call)
    }
    shape = {"Response": "Success", "Message": "Coin list succesfully returned!", "Type": 100}
    return reply({**shape, "Data": rows, "RateLimit": {}, "HasWarning": False})


def rate_limit(call: Call) -> SimReply:
    counts = {"second": 1, "minute": 1, "hour": 7, "day": 7, "month": 38}
    left = {"second": 19, "minute": 299, "hour": 2993, "day": 7493, "month": 49_962}
    shape = {"Response": "Success", "Message": "", "HasWarning": False, "Type": 100, "RateLimit": {}}
    return reply({**shape, "Data": {"calls_made": counts, "calls_left": left}})


_STEPS = {"histominute": MINUTE_MS, "histohour": HOUR_MS, "histoday": DAY_MS}
ROUTES = {
    "/data/price": Route(keyed(price), (Capability.QUOTES,)),
    "/data/pricemulti": Route(keyed(pricemulti), (Capability.QUOTES,)),
    "/data/pricemultifull": Route(keyed(pricemultifull), (Capability.QUOTES,)),
    "/data/top/{list}": Route(keyed(top), (Capability.QUOTES, Capability.COINS)),
    "/data/all/coinlist": Route(keyed(coinlist), (Capability.ASSETS,)),
    "/stats/rate/limit": Route(keyed(rate_limit), ()),
    **{
        f"/data/v2/{name}": Route(_history_of(step, True), (Capability.CANDLES,))
        for name, step in _STEPS.items()
    },
    **{
        f"/data/{name}": Route(_history_of(step, False), (Capability.CANDLES,))
        for name, step in _STEPS.items()
    },
}
