"""Binance spot REST: market-data host and main host speak the same API.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from ...model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import Candle
from ...model.errors import SymbolNotListed, UpstreamError, UpstreamRateLimited
from ...model.quote import Pair, Quote
from ...model.unreadable import Unreadable
from ..kit import Adapter, Endpoint, Reply, Request, Splitter, ascending, decoder, is_closed, read, read_rows

QUOTES = (
    "USDT FDUSD USDC TUSD BUSD USD1 USDE DAI BTC ETH BNB TRY EUR GBP BRL ARS JPY MXN ZAR PLN RON UAH COP CZK IDR NGN "
    "RUB AUD XRP DOGE TRX SOL PAX USDS VAI EURI AEUR IDRT BIDR BKRW BVND GYEN UST USDP"
).split()
split = Splitter(QUOTES)

INTERVALS = {i: i for i in ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w")}
DEPTHS = (5, 10, 20, 50, 100, 500, 1000, 5000)


class _Ticker(msgspec.Struct):
    symbol: str
    lastPrice: float
    bidPrice: float
    askPrice: float
    volume: float
    quoteVolume: float
    priceChangePercent: float
    highPrice: float
    lowPrice: float
    closeTime: int
    count: int


_tickers = decoder(list[_Ticker])
_ticker = decoder(_Ticker)


def symbol(pair: Pair) -> str:
    return pair.base + pair.quote


def quotes_request(ask: QuotesAsk) -> Request:
    # One unknown symbol in `symbols=` fails the whole call with -1121, so more than one pair is read from the full
    # list: it costs weight 80 whatever it holds.
    if len(ask.pairs) == 1:
        return Request("/api/v3/ticker/24hr", (("symbol", symbol(ask.pairs[0])),), weight=2)
    return Request("/api/v3/ticker/24hr", weight=80)


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    unreadable: list[Unreadable] = []
    if reply.body[:1] == b"{":
        rows = [read(_ticker, reply.body)]
    else:
        rows, unreadable = read_rows(_tickers, _Ticker, reply, explain)
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in rows:
        pair = split(row.symbol)
        # A pair that has not traded in 24 h keeps an old price under a current closeTime: no trades, no quote.
        if pair is None or row.count == 0 or row.lastPrice <= 0 or (wanted and pair not in wanted):
            continue
        quotes.append(
            Quote(
                provider,
                row.symbol,
                pair[0],
                pair[1],
                row.lastPrice,
                row.bidPrice or None,
                row.askPrice or None,
                row.volume,
                row.quoteVolume,
                row.priceChangePercent,
                row.highPrice or None,
                row.lowPrice or None,
                row.closeTime,
                received,
            )
        )
    return quotes


class _Kline(msgspec.Struct, array_like=True):
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    close_ms: int
    quote_volume: float
    trades: int


_klines = decoder(list[_Kline])


def candles_request(ask: CandlesAsk) -> Request:
    params = [
        ("symbol", symbol(ask.pair)),
        ("interval", INTERVALS[ask.interval]),
        ("limit", str(min(ask.limit, 1000))),
    ]
    if ask.start_ms is not None:
        params.append(("startTime", str(ask.start_ms)))
    if ask.end_ms is not None:
        params.append(("endTime", str(ask.end_ms - 1)))  # endTime is inclusive
    return Request("/api/v3/klines", tuple(params), weight=2)


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    return ascending(
        Candle(
            k.open_ms,
            k.open,
            k.high,
            k.low,
            k.close,
            k.volume,
            k.quote_volume,
            k.trades,
            is_closed(k.open_ms, ask.interval, reply.received_ms),
        )
        for k in read(_klines, reply.body)
    )


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Depth(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]


_depth = decoder(_Depth)


def book_request(ask: BookAsk) -> Request:
    depth = next((d for d in DEPTHS if d >= ask.depth), DEPTHS[-1])
    weight = 5 if depth <= 100 else 25 if depth <= 500 else 50 if depth <= 1000 else 250
    return Request("/api/v3/depth", (("symbol", symbol(ask.pair)), ("limit", str(depth))), weight=weight)


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    book = read(_depth, reply.body)
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
    id: int | None = None


_trades = decoder(list[_Trade])


def trades_request(ask: TradesAsk) -> Request:
    params = (("symbol", symbol(ask.pair)), ("limit", str(min(ask.limit, 1000))))
    return Request("/api/v3/trades", params, weight=25)


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
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
        for t in read(_trades, reply.body)
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
    return Request("/api/v3/exchangeInfo", (("showPermissionSets", "false"),), weight=20)


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    return [
        Instrument(reply.provider, s.symbol, s.baseAsset.upper(), s.quoteAsset.upper(), s.status == "TRADING")
        for s in read(_info, reply.body).symbols
    ]


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    try:
        error = _error.decode(reply.body)
    except msgspec.DecodeError:
        return None
    if error.code == -1121:
        return SymbolNotListed("the venue does not list this symbol")
    if error.code == -1003 and reply.status != 418:
        return UpstreamRateLimited("request weight used up")
    return None


ADAPTER = Adapter(
    name="binance",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(candles_request, candles_parse, intervals=INTERVALS, max_rows=1000),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=5000, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=1000, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
