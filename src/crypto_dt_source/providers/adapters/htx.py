"""HTX (formerly Huobi) spot REST.

https://www.htx.com/en-us/opend/newApiPages/
"""

from __future__ import annotations

from typing import Annotated

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
    read_reply,
    read_rows,
    window,
)

QUOTES = "USDT USDC USDD HUSD BTC ETH HT TRX EUR GBP BRL RUB TRY UAH IDR".split()
split = Splitter(QUOTES)

# Days and weeks open at 00:00 in Singapore, 16:00 UTC, so 1day and 1week are not the service's.
INTERVALS = {"1m": "1min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "60min", "4h": "4hour"}
CANDLES_MAX = 2000
DEPTHS = (5, 10, 20)
BOOK_MAX = 150
TRADES_MAX = 2000


def symbol(pair: Pair) -> str:
    return (pair.base + pair.quote).lower()


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Ticker(msgspec.Struct, gc=False):
    # open, high and low of the full list are of the Singapore day and not of 24 h: not read.
    symbol: str
    close: float | None
    amount: float | None
    vol: float | None
    count: int | None = None
    bid: float | None = None
    ask: float | None = None


class _Tickers(msgspec.Struct):
    data: list[_Ticker]


class _Merged(msgspec.Struct):
    close: float | None
    amount: float | None
    vol: float | None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    count: int | None = None
    bid: _Level | None = None
    ask: _Level | None = None


class _MergedReply(msgspec.Struct):
    ch: str
    tick: _Merged


_tickers = decoder(_Tickers)
_merged = decoder(_MergedReply)


def quotes_request(ask: QuotesAsk) -> Request:
    if len(ask.pairs) == 1:
        return Request("/market/detail/merged", (("symbol", symbol(ask.pairs[0])),))
    return Request("/market/tickers")


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    # `ts` of the envelope is when the answer was made, not a time of the price: event_ms stays empty.
    if b'"tick":' in reply.body[:512]:
        return [*_one_quote(reply, ask)]
    answer, unreadable = read_rows(_tickers, _Ticker, reply, explain, "data")
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in answer.data:
        pair = split(row.symbol)
        price = row.close
        # No trade in 24 h: the price is older than a day and carries no time that would say so.
        if pair is None or price is None or price <= 0 or row.count == 0 or (wanted and pair not in wanted):
            continue
        quotes.append(
            Quote(
                provider,
                row.symbol,
                pair[0],
                pair[1],
                price,
                row.bid or None,
                row.ask or None,
                row.amount,
                row.vol,
                None,
                None,
                None,
                None,
                received,
            )
        )
    return quotes


def _one_quote(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    body = read_reply(_merged, reply, explain)
    name = body.ch.removeprefix("market.").removesuffix(".detail.merged")
    pair = ask.pairs[0] if ask.pairs else split(name)
    tick = body.tick
    if pair is None or symbol(pair) != name or not tick.close or tick.close <= 0 or tick.count == 0:
        return []
    return [
        Quote(
            reply.provider,
            name,
            pair.base,
            pair.quote,
            tick.close,
            (tick.bid[0] or None) if tick.bid else None,
            (tick.ask[0] or None) if tick.ask else None,
            tick.amount,
            tick.vol,
            (tick.close / tick.open - 1) * 100 if tick.open else None,
            tick.high or None,
            tick.low or None,
            None,
            reply.received_ms,
        )
    ]


class _Kline(msgspec.Struct):
    id: int
    open: float
    high: float
    low: float
    close: float
    amount: float
    vol: float
    count: int


class _Klines(msgspec.Struct):
    data: list[_Kline]


_klines = decoder(_Klines)


def candles_request(ask: CandlesAsk) -> Request:
    # The API only knows "the newest so many"; a range has to be cut out of all it has.
    newest = ask.start_ms is None and ask.end_ms is None
    size = min(ask.limit, CANDLES_MAX) if newest else CANDLES_MAX
    params = (("symbol", symbol(ask.pair)), ("period", INTERVALS[ask.interval]), ("size", str(size)))
    return Request("/market/history/kline", params)


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    rows = (
        Candle(
            k.id * 1000,
            k.open,
            k.high,
            k.low,
            k.close,
            k.amount,
            k.vol,
            k.count,
            is_closed(k.id * 1000, ask.interval, reply.received_ms),
        )
        for k in read_reply(_klines, reply, explain).data
    )
    return window(rows, ask.start_ms, ask.end_ms, ask.limit)


class _Depth(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]
    ts: int | None = None


class _DepthReply(msgspec.Struct):
    tick: _Depth


_depth = decoder(_DepthReply)


def book_request(ask: BookAsk) -> Request:
    depth = next((d for d in DEPTHS if d >= ask.depth), None)
    params = [("symbol", symbol(ask.pair)), ("type", "step0")]
    if depth is not None:
        params.append(("depth", str(depth)))  # left out, the answer has 150 levels a side
    return Request("/market/depth", tuple(params))


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    book = read_reply(_depth, reply, explain).tick
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
    ]


class _Trade(msgspec.Struct):
    ts: int
    price: float
    amount: float
    direction: str
    # 23 digits, and in some answers an exponent form that has lost the last of them: kept as it is written.
    id: msgspec.Raw
    trade_id: int | None = msgspec.field(name="trade-id", default=None)


class _TradeGroup(msgspec.Struct):
    data: list[_Trade]


class _Trades(msgspec.Struct):
    data: list[_TradeGroup]


_trades = decoder(_Trades)


def _trade_id(trade: _Trade) -> str | None:
    if trade.trade_id is not None:
        return str(trade.trade_id)
    text = bytes(trade.id).decode()
    return text if text.isdigit() else None


def trades_request(ask: TradesAsk) -> Request:
    params = (("symbol", symbol(ask.pair)), ("size", str(min(ask.limit, TRADES_MAX))))
    return Request("/market/history/trade", params)


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    pair = ask.pair
    name = symbol(pair)
    # `size` counts groups: the executions of one taker order are one.
    rows = [t for group in read_reply(_trades, reply, explain).data for t in group.data]
    return [
        Trade(
            reply.provider,
            name,
            pair.base,
            pair.quote,
            _trade_id(t),
            t.price,
            t.amount,
            t.direction if t.direction in ("buy", "sell") else None,
            t.ts,
        )
        for t in rows[: ask.limit]
    ]


class _Symbol(msgspec.Struct):
    symbol: str
    state: str
    base: str = msgspec.field(name="base-currency")
    quote: str = msgspec.field(name="quote-currency")


class _Symbols(msgspec.Struct):
    data: list[_Symbol]


_symbols = decoder(_Symbols)


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/v1/common/symbols")


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    return [
        Instrument(reply.provider, s.symbol, s.base.upper(), s.quote.upper(), s.state == "online")
        for s in read_reply(_symbols, reply, explain).data
    ]


class _Error(msgspec.Struct):
    status: str
    code: str = msgspec.field(name="err-code", default="")
    message: str = msgspec.field(name="err-msg", default="")


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if error.status != "error":
        return None
    text = f"{error.code}: {error.message}"[:200]
    if "invalid symbol" in error.message.lower() or error.code.startswith("base-symbol"):
        return SymbolNotListed("the venue does not list this symbol")
    if (
        "too-many" in error.code
        or "request-limit" in error.code
        or "too many request" in error.message.lower()
    ):
        return UpstreamRateLimited("too many requests")
    if error.code in ("system-busy", "system-error", "gateway-internal-error", "base-system-error"):
        return UpstreamBroken(text)
    return UpstreamRejected(text) if reply.status < 300 else None


ADAPTER = Adapter(
    name="htx",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLES_MAX, window=False
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=BOOK_MAX, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=TRADES_MAX, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
