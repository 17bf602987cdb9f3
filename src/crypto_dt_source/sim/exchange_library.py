"""Bodies of exchanges that are read through the exchange library, filled from the simulated market.

`exchange_library.toml` has one table an exchange: how it names a pair, and for each path a body in JSON. In a body

- a text `$last` is the value as text, `#last` as a number, `$e8:last` and `#e8:last` as a whole number of its 10⁻⁸;
- any text may hold `{B}`, `{Q}`, `{b}`, `{q}` (the pair's tickers), `{id}` (the exchange's name of it) and times;
- a list `["*trades", X]` is X once for each trade: also `*pairs` (the one the request names, else all), `*bids`, `*asks`,
  `*units` (both sides of the book), `*candles`. `*trades:desc` turns it round, with `*bids:flat` the lists X are put one
  behind the other, and `*pairs:one` is X alone where the request names a pair;
- an object `{"*pairs": [K, X]}` has X under K for each pair.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ..model.quote import Pair
from .venue import SimTicker
from .windows import candles as window
from .wire import Call, SimReply, reply, text

Scope = Mapping[str, Any]
Node = Callable[[Scope, Call, "Shape"], Any]
MOST_ROWS = 5000
MOST_LEVELS = 200
USUAL_ROWS = 100
USUAL_LEVELS = 30
_LISTS = ("pairs", "bids", "asks", "units", "trades", "candles")
_STARTS = ("from", "start", "startTime", "start_time", "after", "since", "fromISO", "createdAtDatetime[gte]")
_ENDS = ("to", "end", "endTime", "end_time", "before", "until", "createdAtDatetime[lte]")
_COUNTS = ("limit", "size", "count", "n", "sz", "depth", "maxLevel", "_pageSize")
_STEPS = ("interval", "period", "resolution", "granularity", "timeframe", "scale", "step", "type", "bar", "unit", "time_bucket",
          "timeBucket", "timeWindow", "kline_type")  # fmt: skip
_UNITS = {"s": 1000, "m": MINUTE_MS, "t": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_STEP = re.compile(r"(?:kline_)?(?:(\d+)_?([a-z]+)?|([a-z]+)[_/]?(\d+)?)", re.IGNORECASE)


class Shape:
    """One exchange's table, ready to answer. Raises ValueError for a body that is no JSON or names no list."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.name: str = table.get("name", "{B}_{Q}")
        self.number_ms = round(table.get("number_s", 60) * 1000)
        self.starts = (*_STARTS, table.get("start", ""))
        self.ends = (*_ENDS, table.get("end", ""))
        self.steps: Mapping[str, int] = table.get("steps", {})
        self.tickers: Mapping[str, str] = table.get("tickers", {})
        self.bodies: dict[str, Node] = {
            path: _node(msgspec.json.decode(body)) for path, body in table["bodies"].items()
        }

    def scope(self, pair: Pair) -> dict[str, Any]:
        """What a text may hold of a pair."""
        base, quote = (self.tickers.get(ticker, ticker) for ticker in pair)
        found = {
            "B": base,
            "Q": quote,
            "b": base.lower(),
            "q": quote.lower(),
            "Bt": base.title(),
            "Qt": quote.title(),
        }
        return {**found, "pair": pair, "id": self.name.format(**found)}

    def asked(self, call: Call) -> dict[str, Any] | None:
        """The pair that a path or a parameter names, or None."""
        texts = [*call.path.values(), *call.query.values()]
        if call.body:
            texts += [str(value) for value in _inside(call.body)]
        texts += ["".join(texts), "/".join(texts)]
        for pair in call.view.pairs():
            scope = self.scope(pair)
            if scope["id"] in texts or (scope["b"] in _lower(call) and scope["q"] in _lower(call)):
                return scope
        return None

    def answer(self, path: str, call: Call) -> SimReply:
        """The body of a path. A path whose body speaks of one pair answers 404 where the request names none."""
        scope = self.asked(call) or {}
        try:
            found = self.bodies[path]({**_times(call.now_ms, scope), "now_ms": call.now_ms}, call, self)
        except KeyError:
            return reply({"message": "no such pair", "code": 404}, 404)
        return reply(found)


def _lower(call: Call) -> list[str]:
    return [value.lower() for value in (*call.path.values(), *call.query.values())]


def _inside(body: bytes) -> Iterable[Any]:
    decoded = msgspec.json.decode(body)
    return decoded.values() if isinstance(decoded, dict) else ()


def _times(ms: int, scope: Scope) -> dict[str, Any]:
    iso = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"
    kst = datetime.fromtimestamp(ms / 1000 + 9 * 3600, UTC)
    return {
        **scope,
        "ms": ms,
        "s": ms // 1000,
        "us": ms * 1000,
        "ns": ms * 1_000_000,
        "iso": iso,
        "iso19": iso[:19],
        "day19": iso[:19].replace("T", " "),
        "kst": kst.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _ticker(ticker: SimTicker) -> dict[str, float]:
    found = ticker._asdict()
    found |= {"vol": ticker.base_volume, "qvol": ticker.quote_volume, "pct": ticker.change_pct}
    found |= {"fraction": ticker.change_pct / 100, "change": ticker.last - ticker.open}
    found["size"] = ticker.base_volume / 5000
    return found


def _node(shape: Any) -> Node:
    """A body's JSON as a function of what it is filled from."""
    if isinstance(shape, str):
        return _text(shape)
    if isinstance(shape, dict):
        if len(shape) == 1 and (name := next(iter(shape))).startswith("*"):
            key, value = _node(shape[name][0]), _node(shape[name][1])
            return lambda scope, call, of: {
                key(row, call, of): value(row, call, of) for row in _rows(name[1:], scope, call, of)
            }
        parts = {key: _node(value) for key, value in shape.items()}
        plain = not any("{" in key for key in parts)
        return lambda scope, call, of: {
            key if plain else key.format(**scope): value(scope, call, of) for key, value in parts.items()
        }
    if isinstance(shape, list):
        return _list(shape)
    return lambda scope, call, of: shape


def _list(shape: list[Any]) -> Node:
    first = shape[0] if shape else None
    if isinstance(first, str) and first.startswith("*"):
        name, _, how = first[1:].partition(":")
        if name not in _LISTS:
            raise ValueError(f"there is no list {name!r}")
        item = _node(shape[1])

        def filled(scope: Scope, call: Call, of: Shape) -> Any:
            rows = [item(row, call, of) for row in _rows(name, scope, call, of)]
            if how == "desc":
                rows.reverse()
            if how == "one" and "pair" in scope:
                return rows[0]
            return [value for row in rows for value in row] if how == "flat" else rows

        return filled
    parts = [_node(value) for value in shape]
    return lambda scope, call, of: [part(scope, call, of) for part in parts]


def _text(shape: str) -> Node:
    if shape[:1] not in ("$", "#"):
        return (
            (lambda scope, call, of: shape.format(**scope))
            if "{" in shape
            else (lambda scope, call, of: shape)
        )
    written, scaled = shape[0] == "$", shape[1:].startswith("e8:")
    name = shape[4:] if scaled else shape[1:]

    def value(scope: Scope, call: Call, of: Shape) -> Any:
        if name not in scope and "pair" in scope:
            scope = {**scope, **_ticker(call.view.ticker(scope["pair"], call.now_ms))}
        found = scope[name]
        if scaled:
            found = round(found * 1e8)
        if not written:
            return found
        return text(found) if isinstance(found, float) else str(found)

    return value


def _rows(name: str, scope: Scope, call: Call, of: Shape) -> Iterable[Scope]:
    if name == "pairs":
        return (
            {**_times(call.now_ms, of.scope(pair)), **_ticker(ticker)}
            for pair, ticker in call.view.tickers(call.now_ms)
            if scope.get("pair", pair) == pair
        )
    pair = scope["pair"]
    if name == "units":
        book = call.view.book(pair, min(_count(call, USUAL_LEVELS), MOST_LEVELS), call.now_ms)
        return (
            {**scope, "bid_price": bid[0], "bid_size": bid[1], "ask_price": ask[0], "ask_size": ask[1]}
            for bid, ask in zip(book.bids, book.asks, strict=True)
        )
    if name in ("bids", "asks"):
        depth = min(_count(call, USUAL_LEVELS), MOST_LEVELS)
        book = call.view.book(pair, depth, call.now_ms)
        return ({**scope, "price": price, "size": size} for price, size in getattr(book, name))
    if name == "trades":
        return (
            _trade(row, scope)
            for row in call.view.trades(pair, min(_count(call, USUAL_ROWS), MOST_ROWS), call.now_ms)
        )
    return _candles(pair, scope, call, of)


def _trade(row: Any, scope: Scope) -> Scope:
    buys = row.side == "buy"
    return _times(
        row.time_ms,
        {
            **scope,
            "tid": row.id,
            "price": row.price,
            "size": row.size,
            "cost": row.price * row.size,
            "side": row.side,
            "SIDE": row.side.upper(),
            "Side": row.side.title(),
            "taker": "bid" if buys else "ask",
            "TAKER": "BID" if buys else "ASK",
            "Taker": "Bid" if buys else "Ask",
            "maker": "sell" if buys else "buy",
            "buyermaker": not buys,
            "takerbuys": buys,
        },
    )


def _candles(pair: Pair, scope: Scope, call: Call, of: Shape) -> Iterable[Scope]:
    step = _step(call, of)
    start, end = _moment(call, of.starts), _moment(call, of.ends)
    end = None if end is None else end + 1
    rows = window(call, pair, step, min(_count(call, MOST_ROWS if start is not None else USUAL_ROWS), MOST_ROWS), start, end,
                  oldest=start is not None)  # fmt: skip
    for row in rows:
        yield {
            **_times(row.open_ms, scope),
            "end_ms": row.open_ms + step - 1,
            "now_ms": call.now_ms,
            **{name[0]: getattr(row, name) for name in ("open", "high", "low", "close", "volume")},
            "qv": row.quote_volume,
            "trades": row.trades,
        }


def _count(call: Call, usual: int) -> int:
    return next((call.whole(name, usual) for name in _COUNTS if name in call.query), usual)


def _moment(call: Call, names: Iterable[str]) -> int | None:
    """A time in whatever unit it is written in, in ms."""
    value = next((v for n, v in {**call.query, **call.path}.items() if n in names), None)
    if value is None or value.startswith(":"):
        return None
    if not value.isdigit():
        return round(datetime.fromisoformat(value).timestamp() * 1000)
    number = int(value)
    return number * 1000 if number < 10**11 else number


def _step(call: Call, of: Shape) -> int:
    """Milliseconds of the interval that is asked for."""
    values = {**call.query, **call.path}
    both = [values[n] for n in _STEPS if n in values]
    if "unit" in values and "period" in values:
        both = [f"{values['period']}{values['unit']}"]
    elif "unit" in values and values["unit"].isdigit():
        both = [f"{values['unit']}m"]
    for value in both:
        if value in of.steps:
            return of.steps[value] * 1000
        found = _STEP.fullmatch(value)
        if found is None:
            continue
        count, unit = (found[1], found[2]) if found[1] else (found[4], found[3])
        length = _UNITS.get((unit or "").lower()[:1]) if unit else of.number_ms
        if length is not None:
            return int(count or 1) * length
    return MINUTE_MS
