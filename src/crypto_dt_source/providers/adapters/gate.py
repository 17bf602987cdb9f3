"""Gate spot REST, API v4.

https://www.gate.com/docs/developers/apiv4/#spot
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import Candle
from ...model.errors import (
    PayloadChanged,
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
    number,
    opens,
    read,
    read_reply,
    read_rows,
    window,
)

split = Separated("_")

# `7d` counts from the Unix epoch, so it opens on Thursday: not the service's week.
INTERVALS = {i: i for i in ("1m", "5m", "15m", "30m", "1h", "4h", "1d")}
CANDLES_MAX = 1000
BOOK_MAX = 100
TRADES_MAX = 1000


class _Ticker(msgspec.Struct, gc=False):
    currency_pair: str
    last: float | None
    base_volume: float | None
    quote_volume: float | None
    lowest_ask: float | None = None
    highest_bid: float | None = None
    change_percentage: float | None = None
    high_24h: float | None = None
    low_24h: float | None = None


_tickers = decoder(list[_Ticker])


def symbol(pair: Pair) -> str:
    return f"{pair.base}_{pair.quote}"


def quotes_request(ask: QuotesAsk) -> Request:
    # `currency_pair` takes one pair and never a list.
    if len(ask.pairs) == 1:
        return Request("/api/v4/spot/tickers", (("currency_pair", symbol(ask.pairs[0])),))
    return Request("/api/v4/spot/tickers")


def _rows(reply: Reply) -> tuple[list[_Ticker], list[Unreadable]]:
    # A side without orders is sent as "", which no decoder reads as a number. Replaced in the bytes: a string test for
    # each field costs half as much as the decoding. Any other empty field is rare enough to pay for a second look.
    body = reply.body.replace(b'lowest_ask":""', b'lowest_ask":null').replace(
        b'highest_bid":""', b'highest_bid":null'
    )
    try:
        return read(_tickers, body), []
    except PayloadChanged:
        plain = Reply(
            reply.provider, reply.status, body.replace(b'""', b"null"), reply.received_ms, reply.headers
        )
        return read_rows(_tickers, _Ticker, plain, explain)


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    rows, unreadable = _rows(reply)
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in rows:
        pair = split(row.currency_pair)
        price = row.last
        # No volume in 24 h: the price is older than a day and carries no time that would say so.
        if (
            pair is None
            or price is None
            or price <= 0
            or row.base_volume == 0
            or (wanted and pair not in wanted)
        ):
            continue
        quotes.append(
            Quote(
                provider,
                row.currency_pair,
                pair[0],
                pair[1],
                price,
                row.highest_bid or None,
                row.lowest_ask or None,
                row.base_volume,
                row.quote_volume,
                row.change_percentage,
                row.high_24h or None,
                row.low_24h or None,
                None,
                received,
            )
        )
    return quotes


class _Candle(msgspec.Struct, array_like=True):
    open_s: int
    quote_volume: float
    close: float
    high: float
    low: float
    open: float
    volume: float
    closed: bool


_candles = decoder(list[_Candle])


def candles_request(ask: CandlesAsk) -> Request:
    limit = min(ask.limit, CANDLES_MAX)
    params = [("currency_pair", symbol(ask.pair)), ("interval", INTERVALS[ask.interval])]
    ends = opens(ask, CANDLES_MAX)
    if ends is None:
        params.append(("limit", str(limit)))
    else:
        # `limit` beside `from` or `to` is refused; without it the range itself must stay within 1000 points.
        params += [("from", str(ends[0] // 1000)), ("to", str(ends[1] // 1000))]
    return Request("/api/v4/spot/candlesticks", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    rows = (
        Candle(c.open_s * 1000, c.open, c.high, c.low, c.close, c.volume, c.quote_volume, None, c.closed)
        for c in read_reply(_candles, reply, explain)
    )
    return window(rows, ask.start_ms, ask.end_ms, ask.limit)


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Book(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]
    update: int | None = None


_book = decoder(_Book)


def book_request(ask: BookAsk) -> Request:
    params = (("currency_pair", symbol(ask.pair)), ("limit", str(min(ask.depth, BOOK_MAX))))
    return Request("/api/v4/spot/order_book", params)


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    book = read_reply(_book, reply, explain)
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(p[0], p[1]) for p in book.bids),
            tuple(Level(p[0], p[1]) for p in book.asks),
            book.update,
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct):
    id: str
    create_time_ms: float
    side: str
    amount: float
    price: float


_trades = decoder(list[_Trade])


def trades_request(ask: TradesAsk) -> Request:
    params = (("currency_pair", symbol(ask.pair)), ("limit", str(min(ask.limit, TRADES_MAX))))
    return Request("/api/v4/spot/trades", params)


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    pair = ask.pair
    return [
        Trade(
            reply.provider,
            symbol(pair),
            pair.base,
            pair.quote,
            t.id,
            t.price,
            t.amount,
            t.side if t.side in ("buy", "sell") else None,
            int(number(t.create_time_ms) or 0),  # 0 is no time, and the row is named for it
        )
        for t in read_reply(_trades, reply, explain)
    ]


class _CurrencyPair(msgspec.Struct):
    id: str
    base: str
    quote: str
    trade_status: str


_pairs = decoder(list[_CurrencyPair])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/api/v4/spot/currency_pairs")


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    return [
        Instrument(reply.provider, p.id, p.base.upper(), p.quote.upper(), p.trade_status == "tradable")
        for p in read_reply(_pairs, reply, explain)
    ]


class _Error(msgspec.Struct):
    label: str
    message: str = ""


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if error.label in ("INVALID_CURRENCY_PAIR", "INVALID_CURRENCY"):
        return SymbolNotListed("the venue does not list this pair")
    if error.label == "TOO_MANY_REQUESTS":
        return UpstreamRateLimited("too many requests")
    if error.label in ("INTERNAL", "SERVER_ERROR", "TOO_BUSY"):
        return UpstreamBroken(f"{error.label}: {error.message}"[:200])
    return UpstreamRejected(f"{error.label}: {error.message}"[:200]) if reply.status < 300 else None


ADAPTER = Adapter(
    name="gate",
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
