"""Kraken spot. https://docs.kraken.com/api/docs/rest-api/get-ticker-information

Every answer is `{error, result}` with 200. Pairs of the first assets keep X/Z names (`XXBTZUSD`), BTC is XBT, DOGE is
XDG; `assetVersion=1` gives readable keys. OHLC knows the last 720 rows only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...model.ask import Capability
from ...model.candle import DAY_MS, MINUTE_MS
from ...model.quote import Pair
from ..market import SimTicker
from . import Call, Route, SimReply, reply, text

STEPS = {m: m * MINUTE_MS for m in (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)}
ROWS = 720
OWN = {"BTC": "XBT", "DOGE": "XDG"}
FIRST = frozenset("XBT ETH LTC XRP XLM ETC XMR ZEC XDG".split())
FIAT = frozenset("USD EUR GBP".split())


def _code(ticker: str) -> str:
    own = OWN.get(ticker, ticker)
    return f"Z{own}" if own in FIAT else f"X{own}" if own in FIRST else own


def altname(pair: Pair) -> str:
    return OWN.get(pair.base, pair.base) + OWN.get(pair.quote, pair.quote)


def key(pair: Pair) -> str:
    """The name in `result`: the long form where both sides have one, and for USDT against fiat."""
    base, quote = _code(pair.base), _code(pair.quote)
    if pair.base == "DOGE" and pair.quote != "BTC":
        return altname(pair)
    long_base = base != OWN.get(pair.base, pair.base) or pair.base == "USDT"
    long_quote = quote != OWN.get(pair.quote, pair.quote)
    return base + quote if long_base and long_quote else altname(pair)


def wsname(pair: Pair) -> str:
    return f"{OWN.get(pair.base, pair.base)}/{OWN.get(pair.quote, pair.quote)}"


def readable(pair: Pair) -> str:
    return f"{pair.base}/{pair.quote}"


NAMINGS: tuple[Callable[[Pair], str], ...] = (key, altname, wsname, readable)


def _error(message: str) -> SimReply:
    return reply({"error": [message]})


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    return _error(
        "EGeneral:Too many requests" if kind == "rate_limited_in_200" else "EQuery:Unknown asset pair"
    )


def _ok(result: dict[str, Any]) -> SimReply:
    return reply({"error": [], "result": result})


def _shown(call: Call, pair: Pair) -> str:
    return readable(pair) if call.query.get("assetVersion") == "1" else key(pair)


def _find(call: Call, name: str) -> Pair | None:
    for naming in NAMINGS:
        pair = call.view.find(name, naming)
        if pair is not None:
            return pair
    return None


def _ticker(call: Call, pair: Pair, t: SimTicker) -> dict[str, Any]:
    midnight = call.now_ms - call.now_ms % DAY_MS
    today = call.view.price(pair, midnight)
    share = (call.now_ms - midnight + 1) / DAY_MS
    average = text((t.high + t.low + t.last) / 3)
    low, high = text(min(t.last, today)), text(max(t.last, today))
    return {
        "a": [text(t.ask), "1", "1.000"],
        "b": [text(t.bid), "1", "1.000"],
        "c": [text(t.last), text(t.base_volume / 90_000)],
        "v": [text(t.base_volume * share), text(t.base_volume)],
        "p": [average, average],
        "t": [int(9000 * share), 9000],
        "l": [low, text(t.low)],
        "h": [high, text(t.high)],
        "o": text(today),
    }


def ticker(call: Call) -> SimReply:
    names = call.query.get("pair", "")
    if not names:
        rows = call.view.tickers(call.now_ms)
        return _ok({_shown(call, pair): _ticker(call, pair, t) for pair, t in rows})
    result = {}
    for name in names.split(","):
        pair = _find(call, name)
        if pair is None:
            return ERROR("unknown_symbol")
        result[_shown(call, pair)] = _ticker(call, pair, call.view.ticker(pair, call.now_ms))
    return _ok(result)


def ohlc(call: Call) -> SimReply:
    pair, step = _find(call, call.query.get("pair", "")), STEPS.get(call.whole("interval", 1))
    if pair is None:
        return ERROR("unknown_symbol")
    if step is None:
        return _error("EGeneral:Invalid arguments")
    since = call.millis("since", 1000) or 0
    # 720 finished rows and the running one, counted from the epoch: weeks open on a Thursday here.
    first = call.now_ms - call.now_ms % step - ROWS * step
    rows = call.view.candles(pair, step, max(first, since + 1), call.now_ms + 1, origin_ms=0)
    last = (call.now_ms - call.now_ms % step - step) // 1000
    table = [
        [
            c.open_ms // 1000,
            *(text(v) for v in (c.open, c.high, c.low, c.close, c.quote_volume / c.volume, c.volume)),
            c.trades,
        ]
        for c in rows
    ]
    return _ok({_shown(call, pair): table, "last": last})


def depth(call: Call) -> SimReply:
    pair = _find(call, call.query.get("pair", ""))
    if pair is None:
        return ERROR("unknown_symbol")
    book = call.view.book(pair, call.whole("count", 100, 1, 500), call.now_ms)
    at = call.now_ms // 1000
    return _ok(
        {
            _shown(call, pair): {
                "asks": [[text(price), text(size), at] for price, size in book.asks],
                "bids": [[text(price), text(size), at] for price, size in book.bids],
            }
        }
    )


def trades(call: Call) -> SimReply:
    pair = _find(call, call.query.get("pair", ""))
    if pair is None:
        return ERROR("unknown_symbol")
    count = call.whole("count", 1000, 1, 1000)
    since = call.whole("since", 0, 0, 10**20)
    rows = call.view.trades(pair, 1000 if since else count, call.now_ms)
    rows = [t for t in rows if t.time_ms * 1_000_000 > since][:count]
    table = [
        [text(t.price), text(t.size), t.time_ms / 1000, t.side[0], "l" if t.id % 3 else "m", "", t.id]
        for t in rows
    ]
    last = rows[-1].time_ms * 1_000_000 if rows else since
    return _ok({_shown(call, pair): table, "last": str(last)})


def asset_pairs(call: Call) -> SimReply:
    pairs: list[Pair] = call.view.pairs()
    if call.query.get("pair"):
        found = [_find(call, name) for name in call.query["pair"].split(",")]
        if None in found:
            return ERROR("unknown_symbol")
        pairs = [pair for pair in found if pair is not None]
    plain = call.query.get("assetVersion") == "1"
    return _ok(
        {
            _shown(call, pair): {
                "altname": altname(pair),
                "wsname": wsname(pair),
                "aclass_base": "currency",
                "base": pair.base if plain else _code(pair.base),
                "aclass_quote": "currency",
                "quote": pair.quote if plain else _code(pair.quote),
                "lot": "unit",
                "cost_decimals": 5,
                "pair_decimals": 8,
                "lot_decimals": 8,
                "lot_multiplier": 1,
                "fees": [[0, 0.4], [10000, 0.35]],
                "fee_volume_currency": "ZUSD",
                "ordermin": "0.00005",
                "costmin": "0.5",
                "tick_size": "0.00000001",
                "status": "online",
            }
            for pair in pairs
        }
    )


def assets(call: Call) -> SimReply:
    tickers = {ticker for pair in call.view.pairs() for ticker in pair}
    return _ok(
        {
            _code(ticker): {
                "aclass": "currency",
                "altname": OWN.get(ticker, ticker),
                "decimals": 10,
                "display_decimals": 5,
                "status": "enabled",
            }
            for ticker in sorted(tickers)
        }
    )


def system_status(call: Call) -> SimReply:
    return _ok({"status": "online"})


def time(call: Call) -> SimReply:
    return _ok({"unixtime": call.now_ms // 1000})


ROUTES = {
    "/0/public/Ticker": Route(ticker, (Capability.QUOTES,)),
    "/0/public/OHLC": Route(ohlc, (Capability.CANDLES,)),
    "/0/public/Depth": Route(depth, (Capability.BOOK,)),
    "/0/public/Trades": Route(trades, (Capability.TRADES,)),
    "/0/public/AssetPairs": Route(asset_pairs, (Capability.INSTRUMENTS,)),
    "/0/public/Assets": Route(assets, (Capability.INSTRUMENTS,)),
    "/0/public/SystemStatus": Route(system_status, ()),
    "/0/public/Time": Route(time, ()),
}
