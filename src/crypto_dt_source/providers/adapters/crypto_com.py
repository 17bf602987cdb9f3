"""Crypto.com Exchange REST, v1 public methods; every answer is an envelope with a code.

https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

from ...model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import Candle
from ...model.errors import (
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.quote import Pair, Quote
from ...model.unreadable import Unreadable
from ..kit import (
    Adapter,
    Endpoint,
    Reply,
    Request,
    Separated,
    decoder,
    is_closed,
    opens,
    read_reply,
    read_rows,
    window,
)

BASE = "/exchange/v1/public"
split = Separated("_")

# 7D is left out: nothing published says on which day it opens.
INTERVALS = {
    "1m": "1m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1h": "1h",
    "4h": "4h",
    "6h": "6h",
    "12h": "12h",
    "1d": "1D",
}
CANDLES_MAX = 300
BOOK_MAX = 150
TRADES_MAX = 150

Row = TypeVar("Row")


class _Result(msgspec.Struct, Generic[Row]):
    data: list[Row]


class _Envelope(msgspec.Struct, Generic[Row]):
    result: _Result[Row]


def symbol(pair: Pair) -> str:
    return f"{pair.base}_{pair.quote}"


class _Ticker(msgspec.Struct, gc=False):
    # Null: a pair without trades (a, c, h, l) or with an empty side (b, k).
    i: str
    a: float | None = None
    b: float | None = None
    k: float | None = None
    v: float | None = None
    vv: float | None = None
    c: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741 - wire name
    t: int | None = None


_tickers = decoder(_Envelope[_Ticker])


def quotes_request(ask: QuotesAsk) -> Request:
    if len(ask.pairs) == 1:
        return Request(f"{BASE}/get-tickers", (("instrument_name", symbol(ask.pairs[0])),))
    return Request(f"{BASE}/get-tickers")


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    answer, unreadable = read_rows(_tickers, _Ticker, reply, explain, "result", "data")
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in answer.result.data:
        # Spot alone has an underscore: perpetuals, futures and indices are BTCUSD-PERP, BTCUSD-270326, BTCUSD-INDEX.
        pair = split(row.i)
        price = row.a
        # No volume in 24 h: an old price under a current time.
        if pair is None or price is None or price <= 0 or row.v == 0 or (wanted and pair not in wanted):
            continue
        fraction = row.c
        quotes.append(
            Quote(
                provider,
                row.i,
                pair[0],
                pair[1],
                price,
                row.b or None,
                row.k or None,
                row.v,
                row.vv if pair[1] == "USD" else None,  # vv is in US dollars whatever the quote currency
                None if fraction is None else fraction * 100,
                row.h or None,
                row.l or None,
                row.t,
                received,
            )
        )
    return quotes


class _Candle(msgspec.Struct):
    t: int
    o: float
    h: float
    l: float  # noqa: E741 - wire name
    c: float
    v: float


_candles = decoder(_Envelope[_Candle])


def candles_request(ask: CandlesAsk) -> Request:
    limit = min(ask.limit, CANDLES_MAX)
    params = [
        ("instrument_name", symbol(ask.pair)),
        ("timeframe", INTERVALS[ask.interval]),
        ("count", str(limit)),
    ]
    ends = opens(ask, CANDLES_MAX)
    if ends is not None:
        # Whether the ends belong to the range is not documented: one ms more on both sides, and parse cuts.
        params += [("start_ts", str(ends[0] - 1)), ("end_ts", str(ends[1] + 1))]
    return Request(f"{BASE}/get-candlestick", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    rows = (
        Candle(
            c.t,
            c.o,
            c.h,
            c.l,
            c.c,
            c.v,
            None,
            None,
            is_closed(c.t, ask.interval, reply.received_ms),
        )
        for c in read_reply(_candles, reply, explain).result.data
    )
    return window(rows, ask.start_ms, ask.end_ms, ask.limit)


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Book(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]
    t: int | None = None


_books = decoder(_Envelope[_Book])


def book_request(ask: BookAsk) -> Request:
    params = (("instrument_name", symbol(ask.pair)), ("depth", str(min(ask.depth, BOOK_MAX))))
    return Request(f"{BASE}/get-book", params)


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(p[0], p[1]) for p in book.bids),
            tuple(Level(p[0], p[1]) for p in book.asks),
            book.t,
            reply.received_ms,
        )
        for book in read_reply(_books, reply, explain).result.data[:1]
    ]


class _Trade(msgspec.Struct):
    d: str | int
    t: int
    q: float
    p: float
    s: str


_trades = decoder(_Envelope[_Trade])
SIDES = {"BUY": "buy", "SELL": "sell"}


def trades_request(ask: TradesAsk) -> Request:
    params = (("instrument_name", symbol(ask.pair)), ("count", str(min(ask.limit, TRADES_MAX))))
    return Request(f"{BASE}/get-trades", params)


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    pair = ask.pair
    name = symbol(pair)
    return [
        Trade(reply.provider, name, pair.base, pair.quote, str(t.d), t.p, t.q, SIDES.get(t.s), t.t)
        for t in read_reply(_trades, reply, explain).result.data
    ]


class _Instrument(msgspec.Struct):
    symbol: str
    inst_type: str
    base_ccy: str
    quote_ccy: str
    tradable: bool = True


_instruments = decoder(_Envelope[_Instrument])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request(f"{BASE}/get-instruments")


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    return [
        Instrument(reply.provider, i.symbol, i.base_ccy.upper(), i.quote_ccy.upper(), i.tradable)
        for i in read_reply(_instruments, reply, explain).result.data
        if i.inst_type == "CCY_PAIR"
    ]


class _Error(msgspec.Struct):
    code: int
    message: str = ""


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text = f"{error.code} {error.message}"[:200]
    # 40004 is any bad parameter; only its message tells a symbol from the rest.
    if error.code in (206, 209, 30003) or "invalid instrument_name" in error.message.lower():
        return SymbolNotListed("the venue does not list this instrument")
    if error.code in (10006, 42901):
        return UpstreamRateLimited("too many requests")
    if error.code in (10001, 40801, 50001):
        return UpstreamBroken(text)
    return UpstreamRejected(text) if error.code != 0 and reply.status < 300 else None


ADAPTER = Adapter(
    name="crypto_com",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLES_MAX
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=BOOK_MAX, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=TRADES_MAX, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
