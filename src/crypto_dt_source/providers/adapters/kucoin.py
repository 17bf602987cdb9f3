"""KuCoin spot REST. Every answer is `{code, data}`; "200000" is success, whatever the HTTP status.

https://www.kucoin.com/docs-new/rest/spot-trading/market-data
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
    number,
    opens,
    read_reply,
    read_rows,
    window,
)

T = TypeVar("T")

# A pair keeps its symbol when a coin is renamed; Bitcoin SV is still BCHSV there.
ALIASES = {"BCHSV": "BSV"}
_NATIVE = {common: native for native, common in ALIASES.items()}
split = Separated("-", ALIASES)
LEVERAGED = frozenset(f"{times}{side}" for times in "2345" for side in "LS")
"""Endings of leveraged tokens (`BTC3L`, `ETH2S`): products on a coin, not the coin."""
LEVERAGED_NAMES = frozenset(
    coin + side
    for coin in "BTC ETH SOL XRP DOGE ADA BNB LTC BCH DOT AVAX LINK SUI".split()
    for side in ("UP", "DOWN")
)
"""The older leveraged tokens; an ending would not do, `JUP` and `SYRUP` are coins."""

# Weeks are left out: they open on Thursday there, the service's on Monday.
INTERVALS = {
    "1m": "1min",
    "3m": "3min",
    "5m": "5min",
    "15m": "15min",
    "30m": "30min",
    "1h": "1hour",
    "2h": "2hour",
    "4h": "4hour",
    "6h": "6hour",
    "12h": "12hour",
    "1d": "1day",
}
CANDLE_ROWS = 1500


class _Answer(msgspec.Struct, Generic[T]):
    code: str
    data: T | None = None
    msg: str = ""


class _Error(msgspec.Struct):
    code: str
    msg: str = ""


_error = decoder(_Error)


def failure(code: str, message: str) -> UpstreamError:
    """The error class of a `code` other than "200000"."""
    text = f"KuCoin answered {code}: {message[:200]}"
    lower = message.lower()
    if code == "429000":
        return UpstreamRateLimited(text)
    if code == "400302":
        return RegionBlocked(text)
    if code == "900001" or (code in ("400100", "400400") and ("symbol" in lower or "pair" in lower)):
        return SymbolNotListed(text)
    if code.startswith("5"):
        return UpstreamBroken(text)
    return UpstreamRejected(text)


def checked(answer: _Answer[T]) -> T:
    """The data of an answer; raises the error its code stands for, or PayloadChanged when there is none."""
    if answer.code != "200000":
        raise failure(answer.code, answer.msg)
    if answer.data is None:
        raise PayloadChanged("the body has no data", path="$.data")
    return answer.data


def symbol(pair: Pair) -> str:
    """`BTC-USDT`, in the venue's own spelling."""
    return f"{_NATIVE.get(pair.base, pair.base)}-{_NATIVE.get(pair.quote, pair.quote)}"


class _Ticker(msgspec.Struct, gc=False):
    symbol: str
    symbolName: str | None = None
    last: float | None = None
    buy: float | None = None
    sell: float | None = None
    changeRate: float | None = None
    high: float | None = None
    low: float | None = None
    vol: float | None = None
    volValue: float | None = None


class _Stats(_Ticker, gc=False):
    time: int | None = None


class _All(msgspec.Struct):
    ticker: list[_Ticker]
    time: int | None = None


_all = decoder(_Answer[_All])
_stats = decoder(_Answer[_Stats])


def quotes_request(ask: QuotesAsk) -> Request:
    """One pair from its 24 h statistics, anything else from the list of all; both are metered alike."""
    if len(ask.pairs) == 1:
        return Request("/api/v1/market/stats", (("symbol", symbol(ask.pairs[0])),), weight=15)
    return Request("/api/v1/market/allTickers", weight=15)


def _rows(reply: Reply, ask: QuotesAsk) -> tuple[list[_Ticker], list[Unreadable], int | None]:
    if len(ask.pairs) != 1:
        answer, unreadable = read_rows(_all, _Ticker, reply, explain, "data", "ticker")
        everything = checked(answer)
        return everything.ticker, unreadable, everything.time
    row = checked(read_reply(_stats, reply, explain))
    if row.last is None and row.buy is None and row.sell is None:
        raise SymbolNotListed("the venue answered for this symbol with nulls")
    return [row], [], row.time


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    """`time` is one for all tickers of the answer. `symbolName` is the pair's current name, `symbol` the one it was
    listed under. Change is sent as a fraction; a pair that has not opened has nulls."""
    rows, unreadable, event_ms = _rows(reply, ask)
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in rows:
        last, change = row.last, row.changeRate
        # Without trades in 24 h the last price is old while `time` is current: no trades, no quote.
        if not last or last < 0 or row.vol == 0:
            continue
        pair = split(row.symbolName or row.symbol)
        if pair is None or pair[0][-2:] in LEVERAGED or (wanted and pair not in wanted):
            continue
        if pair[0] in LEVERAGED_NAMES:
            continue
        quotes.append(
            Quote(
                provider,
                row.symbol,
                pair[0],
                pair[1],
                last,
                row.buy or None,
                row.sell or None,
                row.vol,
                row.volValue,
                None if change is None else change * 100.0,
                row.high or None,
                row.low or None,
                event_ms,
                received,
            )
        )
    return quotes


class _Kline(msgspec.Struct, array_like=True, gc=False):
    open_s: int
    open: float
    close: float
    high: float
    low: float
    volume: float
    turnover: float


_klines = decoder(_Answer[list[_Kline]])


def candles_request(ask: CandlesAsk) -> Request:
    """There is no row count to ask for, only a range in seconds. With both sides open the venue gives its newest 100
    rows: how many more there could be cannot be asked without a clock."""
    params = [("symbol", symbol(ask.pair)), ("type", INTERVALS[ask.interval])]
    ends = opens(ask, CANDLE_ROWS)
    if ends is not None:
        # One second past the last open, so that it is in whether or not the venue takes `endAt` as inclusive.
        params += [("startAt", str(ends[0] // 1000)), ("endAt", str(ends[1] // 1000 + 1))]
    return Request("/api/v1/market/candles", tuple(params), weight=3)


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    """Newest first, close before high and low; intervals without trades are missing."""
    received = reply.received_ms
    return window(
        (
            Candle(
                k.open_s * 1000,
                k.open,
                k.high,
                k.low,
                k.close,
                k.volume,
                k.turnover,
                None,
                is_closed(k.open_s * 1000, ask.interval, received),
            )
            for k in checked(read_reply(_klines, reply, explain))
        ),
        ask.start_ms,
        ask.end_ms,
        ask.limit,
    )


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Book(msgspec.Struct):
    bids: list[_Level] | None
    asks: list[_Level] | None
    time: int | None = None


_book = decoder(_Answer[_Book])


def book_request(ask: BookAsk) -> Request:
    """20 or 100 levels a side; the whole book needs a key."""
    depth, weight = (20, 2) if ask.depth <= 20 else (100, 4)
    return Request(f"/api/v1/market/orderbook/level2_{depth}", (("symbol", symbol(ask.pair)),), weight=weight)


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    """Sorted here: the venue has sent asks from the highest down. Null sides are its word for an unknown symbol."""
    book = checked(read_reply(_book, reply, explain))
    if book.bids is None or book.asks is None:
        raise SymbolNotListed("the venue answered for this symbol with nulls")
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(sorted((Level(p[0], p[1]) for p in book.bids), reverse=True)),
            tuple(sorted(Level(p[0], p[1]) for p in book.asks)),
            book.time,
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct):
    price: float
    size: float
    side: Literal["buy", "sell"]
    time: int
    tradeId: str | None = None
    sequence: str | None = None


_trades = decoder(_Answer[list[_Trade]])


def trades_request(ask: TradesAsk) -> Request:
    return Request("/api/v1/market/histories", (("symbol", symbol(ask.pair)),), weight=3)


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    """The last 100 trades, newest wanted; `time` is in nanoseconds, `side` the taker's."""
    pair = ask.pair
    rows = checked(read_reply(_trades, reply, explain))
    rows.sort(key=lambda row: row.time, reverse=True)
    return [
        Trade(
            reply.provider,
            symbol(pair),
            pair.base,
            pair.quote,
            t.tradeId or t.sequence,
            t.price,
            t.size,
            t.side,
            t.time // 1_000_000,
        )
        for t in rows[: ask.limit]
    ]


class _Symbol(msgspec.Struct):
    symbol: str
    name: str
    baseCurrency: str
    quoteCurrency: str
    enableTrading: bool


_symbols = decoder(_Answer[list[_Symbol]])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/api/v2/symbols", weight=4)


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    """`name` carries the coin's current ticker where `symbol` keeps an old one."""
    instruments = []
    for row in checked(read_reply(_symbols, reply, explain)):
        pair = split(row.name) or Pair(row.baseCurrency.upper(), row.quoteCurrency.upper())
        instruments.append(Instrument(reply.provider, row.symbol, pair.base, pair.quote, row.enableTrading))
    return instruments


def explain(reply: Reply) -> UpstreamError | None:
    """The body's code; `gw-ratelimit-reset` (ms) says when the quota of a limited call is whole again."""
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if error.code == "200000":
        return None
    found = failure(error.code, error.msg)
    reset_ms = number(reply.headers.get("gw-ratelimit-reset"))
    if isinstance(found, UpstreamRateLimited) and reset_ms is not None and reset_ms > 0:
        found.retry_after_s = reset_ms / 1000
    return found


ADAPTER = Adapter(
    name="kucoin",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLE_ROWS
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=100, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=100, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
