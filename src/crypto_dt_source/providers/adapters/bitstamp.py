"""Bitstamp REST, API v2.

https://www.bitstamp.net/api/
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated
from urllib.parse import quote as encoded

import msgspec

from ...model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import INTERVAL_MS, Candle
from ...model.errors import SymbolNotListed, UpstreamError, UpstreamRateLimited, UpstreamRejected
from ...model.quote import Pair, Quote
from ...model.unreadable import Unreadable
from ..kit import Adapter, Endpoint, Reply, Request, decoder, is_closed, opens, read_reply, read_rows, window

INTERVALS = {
    i: str(INTERVAL_MS[i] // 1000)
    for i in ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
}
CANDLES_MAX = 1000
TRADES_MAX = 5000
HOUR_ENOUGH = 500
"""Up to this many trades the last hour is asked for, above it the last day."""


def symbol(pair: Pair) -> str:
    return (pair.base + pair.quote).lower()


def in_path(pair: Pair) -> str:
    return encoded(symbol(pair), safe="")  # a ticker may hold any letters


@lru_cache(maxsize=8192)
def named(name: str) -> tuple[str, Pair] | None:
    """Symbol and pair of `BTC/USD`; None for perpetuals (`BTC/USD-PERP`) and anything that is not a pair."""
    base, slash, quote = name.upper().partition("/")
    if not (slash and base.isalnum() and quote.isalnum()):
        return None
    pair = Pair(base, quote)
    return symbol(pair), pair


class _Ticker(msgspec.Struct, gc=False):
    last: float | None
    volume: float | None
    timestamp: int | None
    bid: float | None = None
    ask: float | None = None
    high: float | None = None
    low: float | None = None
    percent_change_24: float | None = None
    pair: str | None = None


_ticker = decoder(_Ticker)
_tickers = decoder(list[_Ticker])


def quotes_request(ask: QuotesAsk) -> Request:
    if len(ask.pairs) == 1:
        return Request(f"/api/v2/ticker/{in_path(ask.pairs[0])}/")
    return Request("/api/v2/ticker/")


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    single = reply.body.lstrip()[:1] == b"{"
    unreadable: list[Unreadable] = []
    if single:
        rows = [read_reply(_ticker, reply, explain)]
    else:
        rows, unreadable = read_rows(_tickers, _Ticker, reply, explain)
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    # The ticker of one pair does not name it.
    asked = (symbol(ask.pairs[0]), ask.pairs[0]) if single and len(ask.pairs) == 1 else None
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in rows:
        name = asked if row.pair is None else named(row.pair)
        price = row.last
        # No volume in 24 h: an old price under a current timestamp.
        if (
            name is None
            or price is None
            or price <= 0
            or row.volume == 0
            or (wanted and name[1] not in wanted)
        ):
            continue
        pair = name[1]
        quotes.append(
            Quote(
                provider,
                name[0],
                pair[0],
                pair[1],
                price,
                row.bid or None,
                row.ask or None,
                row.volume,
                None,
                row.percent_change_24,
                row.high or None,
                row.low or None,
                None if row.timestamp is None else row.timestamp * 1000,
                received,
            )
        )
    return quotes


class _Candle(msgspec.Struct):
    timestamp: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class _Ohlc(msgspec.Struct):
    ohlc: list[_Candle]


class _OhlcReply(msgspec.Struct):
    data: _Ohlc


_ohlc = decoder(_OhlcReply)


def candles_request(ask: CandlesAsk) -> Request:
    limit = min(ask.limit, CANDLES_MAX)
    ends = opens(ask, CANDLES_MAX)
    params = [("step", INTERVALS[ask.interval])]
    if ends is not None and ask.start_ms is not None:
        # Given both, the API drops `start` and counts back from `end`; so the end is said by the number of rows.
        limit = (ends[1] - ends[0]) // INTERVAL_MS[ask.interval] + 1
        params.append(("start", str(ends[0] // 1000)))
    elif ends is not None:
        params.append(("end", str(ends[1] // 1000)))
    params.append(("limit", str(limit)))
    return Request(f"/api/v2/ohlc/{in_path(ask.pair)}/", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    rows = (
        Candle(
            c.timestamp * 1000,
            c.open,
            c.high,
            c.low,
            c.close,
            c.volume,
            None,
            None,
            is_closed(c.timestamp * 1000, ask.interval, reply.received_ms),
        )
        for c in read_reply(_ohlc, reply, explain).data.ohlc
    )
    return window(rows, ask.start_ms, ask.end_ms, ask.limit)


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Book(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]
    timestamp: int
    microtimestamp: int | None = None


_book = decoder(_Book)


def book_request(ask: BookAsk) -> Request:
    return Request(f"/api/v2/order_book/{in_path(ask.pair)}/")


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    # The API has no depth parameter and answers with thousands of levels.
    book = read_reply(_book, reply, explain)
    micros = book.microtimestamp
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(p[0], p[1]) for p in book.bids[: ask.depth]),
            tuple(Level(p[0], p[1]) for p in book.asks[: ask.depth]),
            book.timestamp * 1000 if micros is None else micros // 1000,
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct):
    date: int
    tid: int
    price: float
    amount: float
    type: int


_trades = decoder(list[_Trade])
SIDES = {0: "buy", 1: "sell"}


def trades_request(ask: TradesAsk) -> Request:
    period = "hour" if ask.limit <= HOUR_ENOUGH else "day"
    return Request(f"/api/v2/transactions/{in_path(ask.pair)}/", (("time", period),))


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    pair = ask.pair
    name = symbol(pair)
    return [
        Trade(
            reply.provider,
            name,
            pair.base,
            pair.quote,
            str(t.tid),
            t.price,
            t.amount,
            SIDES.get(t.type),
            t.date * 1000,
        )
        for t in read_reply(_trades, reply, explain)[: ask.limit]
    ]


class _PairInfo(msgspec.Struct):
    name: str
    url_symbol: str
    trading: str


_infos = decoder(list[_PairInfo])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/api/v2/trading-pairs-info/")


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    return [
        Instrument(reply.provider, row.url_symbol, name[1].base, name[1].quote, row.trading == "Enabled")
        for row in read_reply(_infos, reply, explain)
        if (name := named(row.name)) is not None
    ]


class _Error(msgspec.Struct):
    code: str = ""
    reason: str | dict[str, list[str]] = ""
    status: str = ""


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    if reply.status == 404:
        # Every path asked for exists; what can be missing is the pair in it. The body is text or HTML at times.
        return SymbolNotListed("the venue does not list this pair")
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text = str(error.reason)
    if "rate limit" in text.lower():
        return UpstreamRateLimited("request rate limit exceeded")
    if error.status == "error" and reply.status < 300:
        return UpstreamRejected(f"{error.code} {text}".strip()[:200])
    return None


ADAPTER = Adapter(
    name="bitstamp",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLES_MAX
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=5000, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=TRADES_MAX, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
