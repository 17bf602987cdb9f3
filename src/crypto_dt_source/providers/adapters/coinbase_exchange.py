"""Coinbase Exchange REST. One product a call; errors come as `{message}` with a 4xx.

https://docs.cdp.coinbase.com/exchange/reference
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ...model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import Candle
from ...model.errors import NotOffered, PayloadChanged, SymbolNotListed, UpstreamError
from ...model.quote import Pair, Quote
from ..kit import Adapter, Endpoint, Reply, Request, decoder, is_closed, iso, iso_ms, opens, read, window

INTERVALS = {"1m": "60", "5m": "300", "15m": "900", "1h": "3600", "6h": "21600", "1d": "86400"}
CANDLE_ROWS = 300
BOOK_ROWS = 5000
"""Level 2 is the whole book, tens of thousands of levels; what lies beyond this many is not kept."""


def symbol(pair: Pair) -> str:
    """`BTC-USD`."""
    return f"{pair.base}-{pair.quote}"


def product(pair: Pair, what: str) -> str:
    """Path below one product."""
    return f"/products/{symbol(pair)}/{what}"


class _Ticker(msgspec.Struct):
    price: float
    time: str
    bid: float | Literal[""] | None = None
    ask: float | Literal[""] | None = None
    volume: float | Literal[""] | None = None


_ticker = decoder(_Ticker)


def quotes_request(ask: QuotesAsk) -> Request:
    """Exactly one pair; raises NotOffered for any other number."""
    if len(ask.pairs) != 1:
        raise NotOffered("the ticker answers one product a call")
    return Request(product(ask.pairs[0], "ticker"))


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    """The last trade of one product; `time` is that trade's. 24 h change, high and low are not in it. A product that
    never traded has price 0 and gives no quote."""
    row = read(_ticker, reply.body)
    if row.price <= 0:
        return []
    pair = ask.pairs[0]
    volume = row.volume
    return [
        Quote(
            reply.provider,
            symbol(pair),
            pair.base,
            pair.quote,
            row.price,
            row.bid or None,
            row.ask or None,
            None if volume == "" else volume,
            None,
            None,
            None,
            None,
            iso_ms(row.time),
            reply.received_ms,
        )
    ]


class _Bar(msgspec.Struct, array_like=True, gc=False):
    open_s: int
    low: float
    high: float
    open: float
    close: float
    volume: float


_bars = decoder(list[_Bar])


def candles_request(ask: CandlesAsk) -> Request:
    """Times are whole seconds and both ends inclusive. A range of more than 300 candles is refused, and one end
    without the other ignored."""
    params = [("granularity", INTERVALS[ask.interval])]
    ends = opens(ask, CANDLE_ROWS)
    if ends is not None:
        params += [("start", iso(ends[0])), ("end", iso(ends[1]))]
    return Request(product(ask.pair, "candles"), tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    """Newest first, low and high before open; intervals without trades are missing."""
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
                None,
                None,
                is_closed(k.open_s * 1000, ask.interval, received),
            )
            for k in read(_bars, reply.body)
        ),
        ask.start_ms,
        ask.end_ms,
        ask.limit,
    )


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Book(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]
    time: str | None = None


_book = decoder(_Book)


def book_request(ask: BookAsk) -> Request:
    """Level 1 is the best price of each side, level 2 the whole aggregated book."""
    return Request(product(ask.pair, "book"), (("level", "1" if ask.depth <= 1 else "2"),))


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    """A level is [price, size, orders]."""
    book = read(_book, reply.body)
    depth = min(ask.depth, BOOK_ROWS)
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(p[0], p[1]) for p in book.bids[:depth]),
            tuple(Level(p[0], p[1]) for p in book.asks[:depth]),
            iso_ms(book.time),
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct):
    trade_id: int | str
    side: Literal["buy", "sell"]
    size: float
    price: float
    time: str


_trades = decoder(list[_Trade])


def trades_request(ask: TradesAsk) -> Request:
    return Request(product(ask.pair, "trades"), (("limit", str(min(ask.limit, 1000))),))


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    """Newest first. The wire's `side` is the maker's, so it is turned round."""
    pair = ask.pair
    trades = []
    for index, row in enumerate(read(_trades, reply.body)[: ask.limit]):
        event_ms = iso_ms(row.time)
        if event_ms is None:
            raise PayloadChanged("a trade's time is not ISO 8601", path=f"$[{index}].time")
        side = "sell" if row.side == "buy" else "buy"
        trades.append(
            Trade(
                reply.provider,
                symbol(pair),
                pair.base,
                pair.quote,
                str(row.trade_id),
                row.price,
                row.size,
                side,
                event_ms,
            )
        )
    return trades


class _Product(msgspec.Struct):
    id: str
    base_currency: str
    quote_currency: str
    status: str
    trading_disabled: bool = False
    cancel_only: bool = False


_products = decoder(list[_Product])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/products")


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    return [
        Instrument(
            reply.provider,
            p.id,
            p.base_currency.upper(),
            p.quote_currency.upper(),
            p.status == "online" and not p.trading_disabled and not p.cancel_only,
        )
        for p in read(_products, reply.body)
    ]


class _Error(msgspec.Struct):
    message: str


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    """404 `NotFound` is the word for an unknown product; other messages say no more than their status."""
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if reply.status == 404 and error.message.replace(" ", "").lower() == "notfound":
        return SymbolNotListed("the venue does not list this product")
    return None


ADAPTER = Adapter(
    name="coinbase_exchange",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse, per_pair=True),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLE_ROWS
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=BOOK_ROWS, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=1000, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
