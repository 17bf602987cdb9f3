"""MEXC spot v3 REST: Binance's paths with its own intervals, shorter candles and nulls.

https://www.mexc.com/api-docs/spot-v3/market-data-endpoints
"""

from __future__ import annotations

from typing import Annotated, Literal

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
    Splitter,
    decoder,
    is_closed,
    opens,
    read_reply,
    read_rows,
    window,
)

QUOTES = "USDT USDC USD1 USDE FDUSD TUSD BTC ETH EUR GBP BRL TRY RUB".split()
split = Splitter(QUOTES)
LEVERAGED = frozenset(f"{times}{side}" for times in "2345" for side in "LS")
"""Endings of leveraged tokens (`BTC3L`, `ETH2S`): products on a coin, not the coin."""

# Its weeks are left out: the documentation does not say on which day they open.
INTERVALS = {"1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "60m", "4h": "4h", "1d": "1d"}
CANDLE_ROWS = 1000

_Number = float | Literal[""] | None
"""A number sent as text, or null or "" where there is none."""


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


_error = decoder(_Error)


def failure(code: int, message: str) -> UpstreamError | None:
    """The error class of a `code`; None for 0 and 200."""
    text = f"MEXC answered {code}: {message[:200]}"
    if code in (0, 200):
        return None
    if code in (-1121, 10007):
        return SymbolNotListed(text)
    if code in (429, -1003, 510):
        return UpstreamRateLimited(text)
    if code in (500, 503, 504, -1000, -1001):
        return UpstreamBroken(text)
    return UpstreamRejected(text)


def symbol(pair: Pair) -> str:
    """`BTCUSDT`."""
    return pair.base + pair.quote


class _Ticker(msgspec.Struct, gc=False):
    symbol: str
    priceChangePercent: _Number
    lastPrice: _Number
    bidPrice: _Number
    askPrice: _Number
    highPrice: _Number
    lowPrice: _Number
    volume: _Number
    quoteVolume: _Number
    closeTime: int | None


_tickers = decoder(list[_Ticker])
_ticker = decoder(_Ticker)


def quotes_request(ask: QuotesAsk) -> Request:
    """One pair by itself, anything else from the full list."""
    if len(ask.pairs) == 1:
        return Request("/api/v3/ticker/24hr", (("symbol", symbol(ask.pairs[0])),))
    return Request("/api/v3/ticker/24hr", weight=40)


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    """24 h tickers. `priceChangePercent` is a fraction in spite of its name. Raises SymbolNotListed for a single pair
    answered by an empty list."""
    unreadable: list[Unreadable] = []
    if reply.body[:1] == b"{":
        rows = [read_reply(_ticker, reply, explain)]
    else:
        rows, unreadable = read_rows(_tickers, _Ticker, reply, explain)
    if not rows and len(ask.pairs) == 1:
        raise SymbolNotListed("the venue answered for this symbol with an empty list")
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in rows:
        last, base_volume, quote_volume, change = (
            row.lastPrice,
            row.volume,
            row.quoteVolume,
            row.priceChangePercent,
        )
        # Without trades in 24 h the last price is old while closeTime is current: no trades, no quote.
        if not last or last < 0 or base_volume == 0:
            continue
        pair = split(row.symbol)
        if pair is None or pair[0][-2:] in LEVERAGED or (wanted and pair not in wanted):
            continue
        quotes.append(
            Quote(
                provider,
                row.symbol,
                pair[0],
                pair[1],
                last,
                row.bidPrice or None,
                row.askPrice or None,
                None if base_volume == "" else base_volume,
                None if quote_volume == "" else quote_volume,
                None if change is None or change == "" else change * 100.0,
                row.highPrice or None,
                row.lowPrice or None,
                row.closeTime,
                received,
            )
        )
    return quotes


class _Kline(msgspec.Struct, array_like=True, gc=False):
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_ms: int
    quote_volume: float


_klines = decoder(list[_Kline])


def candles_request(ask: CandlesAsk) -> Request:
    """A range needs both ends: `startTime` alone is ignored by the venue."""
    params = [("symbol", symbol(ask.pair)), ("interval", INTERVALS[ask.interval])]
    ends = opens(ask, CANDLE_ROWS)
    if ends is not None:
        params += [("startTime", str(ends[0])), ("endTime", str(ends[1]))]
    params.append(("limit", str(min(ask.limit, CANDLE_ROWS))))
    return Request("/api/v3/klines", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    """Raises SymbolNotListed when the newest candles were asked and there are none: the venue answers so for a symbol
    it does not know."""
    rows = read_reply(_klines, reply, explain)
    if not rows and ask.start_ms is None and ask.end_ms is None:
        raise SymbolNotListed("the venue answered for this symbol with an empty list")
    received = reply.received_ms
    return window(
        (
            Candle(
                k.open_ms,
                k.open,
                k.high,
                k.low,
                k.close,
                k.volume,
                k.quote_volume,
                None,
                is_closed(k.open_ms, ask.interval, received),
            )
            for k in rows
        ),
        ask.start_ms,
        ask.end_ms,
        ask.limit,
    )


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Depth(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]


_depth = decoder(_Depth)


def book_request(ask: BookAsk) -> Request:
    return Request("/api/v3/depth", (("symbol", symbol(ask.pair)), ("limit", str(min(ask.depth, 5000)))))


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    """Carries no documented time."""
    book = read_reply(_depth, reply, explain)
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(p[0], p[1]) for p in book.bids),
            tuple(Level(p[0], p[1]) for p in book.asks),
            None,
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct):
    price: float
    qty: float
    time: int
    isBuyerMaker: bool
    id: int | str | None = None


_trades = decoder(list[_Trade])


def trades_request(ask: TradesAsk) -> Request:
    return Request(
        "/api/v3/trades", (("symbol", symbol(ask.pair)), ("limit", str(min(ask.limit, 1000)))), weight=5
    )


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    """Newest first, mostly without an id."""
    pair = ask.pair
    return [
        Trade(
            reply.provider,
            symbol(pair),
            pair.base,
            pair.quote,
            None if t.id is None else str(t.id),
            t.price,
            t.qty,
            "sell" if t.isBuyerMaker else "buy",
            t.time,
        )
        for t in read_reply(_trades, reply, explain)[: ask.limit]
    ]


class _Symbol(msgspec.Struct):
    symbol: str
    baseAsset: str
    quoteAsset: str
    status: str


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


_info = decoder(_ExchangeInfo)


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/api/v3/exchangeInfo", weight=10)


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    """`status` "1" is trading (2 paused, 3 offline); older answers say ENABLED."""
    return [
        Instrument(
            reply.provider,
            s.symbol,
            s.baseAsset.upper(),
            s.quoteAsset.upper(),
            s.status in ("1", "ENABLED", "TRADING"),
        )
        for s in read_reply(_info, reply, explain).symbols
        if s.baseAsset and s.quoteAsset
    ]


def explain(reply: Reply) -> UpstreamError | None:
    """The body's `code`; None for HTML and for a body without one."""
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return failure(error.code, error.msg)


ADAPTER = Adapter(
    name="mexc",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLE_ROWS
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=5000, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=1000, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
