"""OKX v5 REST, spot only. Every answer is `{code, msg, data}`; `code` "0" is success, whatever the HTTP status.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

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
from ..kit import Adapter, Endpoint, Reply, Request, Separated, decoder, opens, read_reply, read_rows, window

T = TypeVar("T")

split = Separated("-")

# Plain 6H, 12H, 1D and 1W open by Hong Kong time; the utc names open where the service's intervals do.
INTERVALS = {
    "1m": "1m",
    "3m": "3m",
    "5m": "5m",
    "15m": "15m",
    "30m": "30m",
    "1h": "1H",
    "2h": "2H",
    "4h": "4H",
    "6h": "6Hutc",
    "12h": "12Hutc",
    "1d": "1Dutc",
    "1w": "1Wutc",
}
RECENT_ROWS = 300
HISTORY_ROWS = 100
"""A page of history-candles is 100 rows, or 300 for some instruments; only 100 can be counted on."""

NOT_LISTED = frozenset({"51001", "51014", "51015"})
RATE_LIMITED = frozenset({"50011", "50040", "50061"})
BROKEN = frozenset({"50001", "50004", "50005", "50013", "50026"})

_Number = float | Literal[""]
"""A number sent as text, or "" where there is none."""


class _Answer(msgspec.Struct, Generic[T]):
    code: str
    data: T
    msg: str = ""


class _Error(msgspec.Struct):
    code: str
    msg: str = ""


_error = decoder(_Error)


def failure(code: str, message: str) -> UpstreamError:
    """The error class of a `code` other than "0"."""
    text = f"OKX answered {code}: {message[:200]}"
    if code in NOT_LISTED:
        return SymbolNotListed(text)
    if code in RATE_LIMITED:
        return UpstreamRateLimited(text)
    if code in BROKEN:
        return UpstreamBroken(text)
    return UpstreamRejected(text)


def checked(answer: _Answer[T]) -> T:
    """The data of an answer; raises the error its code stands for."""
    if answer.code != "0":
        raise failure(answer.code, answer.msg)
    return answer.data


def symbol(pair: Pair) -> str:
    """`BTC-USDT`."""
    return f"{pair.base}-{pair.quote}"


class _Ticker(msgspec.Struct, gc=False):
    instType: str
    instId: str
    last: _Number
    askPx: _Number
    bidPx: _Number
    open24h: _Number
    high24h: _Number
    low24h: _Number
    volCcy24h: _Number
    vol24h: _Number
    ts: int


_tickers = decoder(_Answer[list[_Ticker]])


def quotes_request(ask: QuotesAsk) -> Request:
    """One pair by itself, anything else from the list of all spot tickers."""
    if len(ask.pairs) == 1:
        return Request("/api/v5/market/ticker", (("instId", symbol(ask.pairs[0])),))
    return Request("/api/v5/market/tickers", (("instType", "SPOT"),))


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    """Spot tickers; `volCcy24h` is in quote units for SPOT. Change is from the venue's price of 24 hours ago."""
    answer, unreadable = read_rows(_tickers, _Ticker, reply, explain, "data")
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in checked(answer):
        last = row.last
        # Without trades in 24 h the last price is old while `ts` is current: no trades, no quote.
        if row.instType != "SPOT" or not last or last < 0 or row.vol24h == 0:
            continue
        pair = split(row.instId)
        if pair is None or (wanted and pair not in wanted):
            continue
        opened, base_volume, quote_volume = row.open24h, row.vol24h, row.volCcy24h
        quotes.append(
            Quote(
                provider,
                row.instId,
                pair[0],
                pair[1],
                last,
                row.bidPx or None,
                row.askPx or None,
                None if base_volume == "" else base_volume,
                None if quote_volume == "" else quote_volume,
                (last / opened - 1.0) * 100.0 if opened else None,
                row.high24h or None,
                row.low24h or None,
                row.ts,
                received,
            )
        )
    return quotes


class _Bar(msgspec.Struct, array_like=True, gc=False):
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    currency_volume: float
    quote_volume: float
    confirm: str


_bars = decoder(_Answer[list[_Bar]])


def candles_request(ask: CandlesAsk) -> Request:
    """`candles` keeps the last 1440 rows only, so a range is read from `history-candles`. Both bounds are exclusive
    there: `after` means older than, `before` newer than."""
    params = [("instId", symbol(ask.pair)), ("bar", INTERVALS[ask.interval])]
    ends = opens(ask, HISTORY_ROWS)
    if ends is None:
        params.append(("limit", str(min(ask.limit, RECENT_ROWS))))
        return Request("/api/v5/market/candles", tuple(params))
    params += [
        ("before", str(ends[0] - 1)),
        ("after", str(ends[1] + 1)),
        ("limit", str(min(ask.limit, HISTORY_ROWS))),
    ]
    return Request("/api/v5/market/history-candles", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    """Newest first on the wire; `confirm` "1" marks a finished candle."""
    rows = checked(read_reply(_bars, reply, explain))
    return window(
        (
            Candle(
                k.open_ms, k.open, k.high, k.low, k.close, k.volume, k.quote_volume, None, k.confirm == "1"
            )
            for k in rows
        ),
        ask.start_ms,
        ask.end_ms,
        ask.limit,
    )


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Book(msgspec.Struct):
    asks: list[_Level]
    bids: list[_Level]
    ts: int


_books = decoder(_Answer[list[_Book]])


def book_request(ask: BookAsk) -> Request:
    return Request("/api/v5/market/books", (("instId", symbol(ask.pair)), ("sz", str(min(ask.depth, 400)))))


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    """A level is [price, size, always 0, orders]; `ts` is when the book was made."""
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(p[0], p[1]) for p in book.bids),
            tuple(Level(p[0], p[1]) for p in book.asks),
            book.ts,
            reply.received_ms,
        )
        for book in checked(read_reply(_books, reply, explain))
    ]


class _Trade(msgspec.Struct):
    px: float
    sz: float
    side: Literal["buy", "sell"]
    ts: int
    tradeId: str | None = None


_trades = decoder(_Answer[list[_Trade]])


def trades_request(ask: TradesAsk) -> Request:
    return Request(
        "/api/v5/market/trades", (("instId", symbol(ask.pair)), ("limit", str(min(ask.limit, 500))))
    )


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    """Newest first; `side` is the taker's."""
    pair = ask.pair
    return [
        Trade(reply.provider, symbol(pair), pair.base, pair.quote, t.tradeId, t.px, t.sz, t.side, t.ts)
        for t in checked(read_reply(_trades, reply, explain))[: ask.limit]
    ]


class _Instrument(msgspec.Struct):
    instType: str
    instId: str
    baseCcy: str
    quoteCcy: str
    state: str


_instruments = decoder(_Answer[list[_Instrument]])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/api/v5/public/instruments", (("instType", "SPOT"),))


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    """Contracts name neither base nor quote and are left out."""
    return [
        Instrument(reply.provider, i.instId, i.baseCcy.upper(), i.quoteCcy.upper(), i.state == "live")
        for i in checked(read_reply(_instruments, reply, explain))
        if i.instType == "SPOT" and i.baseCcy and i.quoteCcy
    ]


def explain(reply: Reply) -> UpstreamError | None:
    """OKX sends its code with 4xx and 5xx too; None for a body that carries none."""
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if error.code in ("", "0") else failure(error.code, error.msg)


ADAPTER = Adapter(
    name="okx",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=HISTORY_ROWS
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=400, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=500, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
