"""Bybit v5 REST, spot only. Every answer is `{retCode, retMsg, result, time}`; 0 is success, whatever the HTTP status.

https://bybit-exchange.github.io/docs/v5/market/tickers
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from ...model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import Candle
from ...model.errors import (
    PayloadChanged,
    RegionBlocked,
    SymbolNotListed,
    UpstreamBanned,
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

T = TypeVar("T")

QUOTES = "USDT USDC USDE USD1 USDQ USDR RLUSD DAI BTC ETH EUR EURQ BRL BRZ TRY PLN MNT SOL".split()
split = Splitter(QUOTES)
LEVERAGED = frozenset(f"{times}{side}" for times in "2345" for side in "LS")
"""Endings of leveraged tokens (`BTC3L`, `ETH2S`): products on a coin, not the coin."""

INTERVALS = {
    "1m": "1",
    "3m": "3",
    "5m": "5",
    "15m": "15",
    "30m": "30",
    "1h": "60",
    "2h": "120",
    "4h": "240",
    "6h": "360",
    "12h": "720",
    "1d": "D",
    "1w": "W",
}
CANDLE_ROWS = 1000
BAN_S = 600.0
"""How long the venue shuts out an address it found too frequent, by its own documentation."""

_Number = float | Literal[""]
"""A number sent as text, or "" where there is none."""


class _Answer(msgspec.Struct, Generic[T]):
    retCode: int
    retMsg: str = ""
    result: T | None = None


class _Page(msgspec.Struct, Generic[T]):
    # Optional because a refused call has `result: {}`; a successful one without it is a changed payload.
    list: T | None = None
    nextPageCursor: str = ""


class _Error(msgspec.Struct):
    retCode: int
    retMsg: str = ""


_error = decoder(_Error)


def failure(code: int, message: str) -> UpstreamError:
    """The error class of a `retCode` other than 0."""
    text = f"Bybit answered {code}: {message[:200]}"
    if code in (10006, 10018):
        return UpstreamRateLimited(text)
    if code == 10009:
        return UpstreamBanned(text, retry_after_s=BAN_S)
    if code == 10024:
        return RegionBlocked(text)
    if code in (10000, 10016):
        return UpstreamBroken(text)
    # 10001 is any wrong parameter; only its text tells an unknown symbol from the rest.
    if code == 10001 and "symbol" in message.lower():
        return SymbolNotListed(text)
    return UpstreamRejected(text)


def checked(answer: _Answer[T]) -> T:
    """The result of an answer; raises the error its code stands for, or PayloadChanged when there is no result."""
    if answer.retCode != 0:
        raise failure(answer.retCode, answer.retMsg)
    if answer.result is None:
        raise PayloadChanged("the body has no result", path="$.result")
    return answer.result


def rows_of(answer: _Answer[_Page[T]]) -> T:
    """The list inside the result, with the same errors."""
    rows = checked(answer).list
    if rows is None:
        raise PayloadChanged("the result has no list", path="$.result.list")
    return rows


def symbol(pair: Pair) -> str:
    """`BTCUSDT`."""
    return pair.base + pair.quote


class _Ticker(msgspec.Struct, gc=False):
    symbol: str
    bid1Price: _Number
    ask1Price: _Number
    lastPrice: _Number
    price24hPcnt: _Number
    highPrice24h: _Number
    lowPrice24h: _Number
    turnover24h: _Number
    volume24h: _Number


_tickers = decoder(_Answer[_Page[list[_Ticker]]])


def quotes_request(ask: QuotesAsk) -> Request:
    """One pair by itself, anything else from the list of all spot tickers."""
    params = [("category", "spot")]
    if len(ask.pairs) == 1:
        params.append(("symbol", symbol(ask.pairs[0])))
    return Request("/v5/market/tickers", tuple(params))


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    """Spot tickers without a time of their own: the envelope's `time` is when the answer was made. Change is sent as
    a fraction. Raises SymbolNotListed for a single pair answered by an empty list."""
    answer, unreadable = read_rows(_tickers, _Ticker, reply, explain, "result", "list")
    rows = rows_of(answer)
    if not rows and len(ask.pairs) == 1:
        raise SymbolNotListed("the venue answered for this symbol with an empty list")
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in rows:
        last, base_volume, quote_volume, change = (
            row.lastPrice,
            row.volume24h,
            row.turnover24h,
            row.price24hPcnt,
        )
        # Without trades in 24 h the last price is of unknown age: no trades, no quote.
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
                row.bid1Price or None,
                row.ask1Price or None,
                None if base_volume == "" else base_volume,
                None if quote_volume == "" else quote_volume,
                None if change == "" else change * 100.0,
                row.highPrice24h or None,
                row.lowPrice24h or None,
                None,
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
    turnover: float


_klines = decoder(_Answer[_Page[list[_Kline]]])


def candles_request(ask: CandlesAsk) -> Request:
    """`start` and `end` are both inclusive."""
    params = [("category", "spot"), ("symbol", symbol(ask.pair)), ("interval", INTERVALS[ask.interval])]
    ends = opens(ask, CANDLE_ROWS)
    if ends is not None:
        params += [("start", str(ends[0])), ("end", str(ends[1]))]
    params.append(("limit", str(min(ask.limit, CANDLE_ROWS))))
    return Request("/v5/market/kline", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    """Newest first on the wire. Raises SymbolNotListed when the newest candles were asked and there are none: the
    venue answers so for a symbol it does not know."""
    rows = rows_of(read_reply(_klines, reply, explain))
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
                k.turnover,
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


class _Book(msgspec.Struct):
    b: list[_Level] | None = None
    a: list[_Level] | None = None
    ts: int | None = None


_book = decoder(_Answer[_Book])


def book_request(ask: BookAsk) -> Request:
    params = (("category", "spot"), ("symbol", symbol(ask.pair)), ("limit", str(min(ask.depth, 200))))
    return Request("/v5/market/orderbook", params)


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    """`ts` is when the venue made the book."""
    book = checked(read_reply(_book, reply, explain))
    if book.a is None or book.b is None:
        raise PayloadChanged("the result has no book", path="$.result.b" if book.b is None else "$.result.a")
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(p[0], p[1]) for p in book.b),
            tuple(Level(p[0], p[1]) for p in book.a),
            book.ts,
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct):
    price: float
    size: float
    side: Literal["Buy", "Sell"]
    time: int
    execId: str | None = None


_trades = decoder(_Answer[_Page[list[_Trade]]])


def trades_request(ask: TradesAsk) -> Request:
    params = (("category", "spot"), ("symbol", symbol(ask.pair)), ("limit", str(min(ask.limit, 60))))
    return Request("/v5/market/recent-trade", params)


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    """Newest first; `side` is the taker's."""
    pair = ask.pair
    return [
        Trade(
            reply.provider,
            symbol(pair),
            pair.base,
            pair.quote,
            t.execId,
            t.price,
            t.size,
            "buy" if t.side == "Buy" else "sell",
            t.time,
        )
        for t in rows_of(read_reply(_trades, reply, explain))[: ask.limit]
    ]


class _Instrument(msgspec.Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    status: str


_instruments = decoder(_Answer[_Page[list[_Instrument]]])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/v5/market/instruments-info", (("category", "spot"),))


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    return [
        Instrument(reply.provider, i.symbol, i.baseCoin.upper(), i.quoteCoin.upper(), i.status == "Trading")
        for i in rows_of(read_reply(_instruments, reply, explain))
    ]


def instruments_next(reply: Reply, ask: InstrumentsAsk, previous: Request) -> Request | None:
    """Spot comes whole today; a cursor is followed should it ever not."""
    page = checked(read_reply(_instruments, reply, explain))
    if not page.nextPageCursor:
        return None
    return Request("/v5/market/instruments-info", (("category", "spot"), ("cursor", page.nextPageCursor)))


def explain(reply: Reply) -> UpstreamError | None:
    """403 is either the edge's country block, as text or HTML, or the venue's own 'access too frequent'."""
    if b"access too frequent" in reply.body:
        return UpstreamBanned("the address asked too often", retry_after_s=BAN_S)
    if b"CloudFront" in reply.body:
        return RegionBlocked("not available from this country")
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if error.retCode == 0 else failure(error.retCode, error.retMsg)


ADAPTER = Adapter(
    name="bybit",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLE_ROWS
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=200, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=60, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse, next=instruments_next),
    },
    explain=explain,
)
