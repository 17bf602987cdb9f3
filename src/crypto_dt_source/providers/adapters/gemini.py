"""Gemini REST, v1 market data and v2 candles.

https://docs.gemini.com/rest/market-data
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote as encoded

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
from ..kit import Adapter, Endpoint, Reply, Request, Splitter, decoder, is_closed, read_reply, window

QUOTES = "RLUSD USDT USDC USD EUR GBP SGD DAI BTC ETH LTC BCH SOL FIL".split()
joined = Splitter(QUOTES)

# 6hr and 1day are left out: the venue's day is not documented to open at 00:00 UTC.
INTERVALS = {"1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1hr"}
CANDLES_MAX = 1440
TRADES_MAX = 500


def symbol(pair: Pair) -> str:
    return (pair.base + pair.quote).lower()


def in_path(pair: Pair) -> str:
    return encoded(symbol(pair), safe="")  # a ticker may hold any letters


@lru_cache(maxsize=8192)
def _spot(name: str) -> Pair | None:
    # Perpetuals end in PERP, so no quote ticker fits; contracts of other kinds have dashes in their names.
    pair = joined(name) if name.isalnum() else None
    return None if pair is None or pair.base.endswith("PERP") else pair


def split_all(names: Iterable[str]) -> list[Pair | None]:
    """The pair of each name, None for what is not spot.

    `BTCGUSD` is BTC/GUSD and `PAXGUSD` is PAXG/USD, and the name alone does not tell: a G before USD belongs to the
    quote when the rest is a base of the same list.
    """
    pairs = [_spot(name) for name in names]
    bases = {pair.base for pair in pairs if pair is not None}
    return [
        Pair(pair.base[:-1], "GUSD")
        if pair is not None and pair.quote == "USD" and pair.base[-1] == "G" and pair.base[:-1] in bases
        else pair
        for pair in pairs
    ]


class _Price(msgspec.Struct, gc=False):
    pair: str
    price: float | None
    percentChange24h: float | None = None


class _Ticker(msgspec.Struct):
    last: float | None
    bid: float | None = None
    ask: float | None = None
    volume: dict[str, float] = {}


_prices = decoder(list[_Price])
_ticker = decoder(_Ticker)


def quotes_request(ask: QuotesAsk) -> Request:
    if len(ask.pairs) == 1:
        return Request(f"/v1/pubticker/{in_path(ask.pairs[0])}")
    return Request("/v1/pricefeed")


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    if reply.body.lstrip()[:1] == b"{":
        return _one_quote(reply, ask)
    rows = read_reply(_prices, reply, explain)
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes = []
    for row, pair in zip(rows, split_all(row.pair for row in rows), strict=True):
        price = row.price
        if pair is None or price is None or price <= 0 or (wanted and pair not in wanted):
            continue
        fraction = row.percentChange24h
        change = None if fraction is None else fraction * 100
        quotes.append(
            Quote(
                provider,
                row.pair,
                pair[0],
                pair[1],
                price,
                None,
                None,
                None,
                None,
                change,
                None,
                None,
                None,
                received,
            )
        )
    return quotes


def _one_quote(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    # The ticker does not name its pair. Its one time, volume.timestamp, is the end of the volume's window: it moves
    # in steps of minutes and says nothing about the price.
    ticker = read_reply(_ticker, reply, explain)
    if len(ask.pairs) != 1 or ticker.last is None or ticker.last <= 0:
        return []
    pair = ask.pairs[0]
    base_volume = ticker.volume.get(pair.base)
    if base_volume == 0:
        return []
    return [
        Quote(
            reply.provider,
            symbol(pair),
            pair.base,
            pair.quote,
            ticker.last,
            ticker.bid or None,
            ticker.ask or None,
            base_volume,
            ticker.volume.get(pair.quote),
            None,
            None,
            None,
            None,
            reply.received_ms,
        )
    ]


class _Candle(msgspec.Struct, array_like=True):
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


_candles = decoder(list[_Candle])


def candles_request(ask: CandlesAsk) -> Request:
    return Request(f"/v2/candles/{in_path(ask.pair)}/{INTERVALS[ask.interval]}")


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    rows = (
        Candle(
            c.open_ms,
            c.open,
            c.high,
            c.low,
            c.close,
            c.volume,
            None,
            None,
            is_closed(c.open_ms, ask.interval, reply.received_ms),
        )
        for c in read_reply(_candles, reply, explain)
    )
    return window(rows, ask.start_ms, ask.end_ms, ask.limit)


class _Level(msgspec.Struct):
    price: float
    amount: float


class _Book(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]


_book = decoder(_Book)


def book_request(ask: BookAsk) -> Request:
    depth = str(ask.depth)
    return Request(f"/v1/book/{in_path(ask.pair)}", (("limit_bids", depth), ("limit_asks", depth)))


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    book = read_reply(_book, reply, explain)
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(x.price, x.amount) for x in book.bids),
            tuple(Level(x.price, x.amount) for x in book.asks),
            None,
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct):
    timestampms: int
    tid: int
    price: float
    amount: float
    type: str = ""
    broken: bool = False


_trades = decoder(list[_Trade])


def trades_request(ask: TradesAsk) -> Request:
    return Request(f"/v1/trades/{in_path(ask.pair)}", (("limit_trades", str(min(ask.limit, TRADES_MAX))),))


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    # Auction and block trades have no taker; a broken trade was taken back by the venue.
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
            t.type if t.type in ("buy", "sell") else None,
            t.timestampms,
        )
        for t in read_reply(_trades, reply, explain)
        if not t.broken
    ]


class _Details(msgspec.Struct):
    symbol: str
    base_currency: str
    quote_currency: str
    status: str
    product_type: str = "spot"


_symbols: msgspec.json.Decoder[list[str | _Details] | _Details] = msgspec.json.Decoder(
    list[str | _Details] | _Details
)


def instruments_request(ask: InstrumentsAsk) -> Request:
    # /v1/symbols has bare joined names; this names base, quote, state and product of each in one call as well.
    return Request("/v1/symbols/details/all")


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    """Reads `/v1/symbols/details/all`, one symbol's details, and the plain list of names of `/v1/symbols`."""
    body = read_reply(_symbols, reply, explain)
    rows = body if isinstance(body, list) else [body]
    detailed = [
        Instrument(
            reply.provider,
            r.symbol.lower(),
            r.base_currency.upper(),
            r.quote_currency.upper(),
            r.status == "open",
        )
        for r in rows
        if isinstance(r, _Details) and r.product_type == "spot"
    ]
    names = [r for r in rows if isinstance(r, str)]
    return detailed + [
        Instrument(reply.provider, name, pair.base, pair.quote, True)
        for name, pair in zip(names, split_all(names), strict=True)
        if pair is not None
    ]


class _Error(msgspec.Struct):
    result: str
    reason: str = ""
    message: str = ""


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if error.result != "error":
        return None
    if error.reason == "InvalidSymbol" or "valid symbol" in error.message:
        return SymbolNotListed("the venue does not list this symbol")
    if error.reason.startswith("RateLimit"):
        return UpstreamRateLimited("too many requests")
    if error.reason in ("System", "Maintenance"):
        return UpstreamBroken(f"{error.reason}: {error.message}"[:200])
    return UpstreamRejected(f"{error.reason}: {error.message}"[:200]) if reply.status < 300 else None


ADAPTER = Adapter(
    name="gemini",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLES_MAX, window=False
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=5000, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=TRADES_MAX, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
