"""Bitfinex public REST, API v2: positional arrays.

https://docs.bitfinex.com/reference/rest-public-tickers
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote as encoded

import msgspec

from ...model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import Candle
from ...model.errors import (
    NotOffered,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.quote import Pair, Quote
from ...model.unreadable import Unreadable
from ..kit import Adapter, Endpoint, Reply, Request, decoder, is_closed, read_reply, read_rows, window

ALIASES = {
    "UST": "USDT", "UDC": "USDC", "TSD": "TUSD", "EUT": "EURT", "EUS": "EURS", "TERRAUST": "USTC", "ALG": "ALGO",
    "AMP": "AMPL", "ATO": "ATOM", "BCHABC": "XEC", "BCHN": "BCH", "DAT": "DATA", "DOG": "MDOGE", "DSH": "DASH",
    "EDO": "PNT", "GSD": "GUSD", "IDX": "ID", "IOT": "IOTA", "IQX": "IQ", "LUNA": "LUNC", "LUNA2": "LUNA",
    "MNA": "MANA", "PAS": "PASS", "QSH": "QASH", "QTM": "QTUM", "RBT": "RBTC", "SNG": "SNGLS", "STJ": "STORJ",
    "VSY": "VSYS", "WAX": "WAXP", "WBT": "WBTC", "XCH": "XCHF", "YGG": "YEED", "YYW": "YOYOW", "ZBT": "ZB",
}  # fmt: skip
"""The venue's currency codes whose common ticker is another (its own list is `/v2/conf/pub:map:currency:sym`)."""
NATIVE = {ticker: code for code, ticker in ALIASES.items()}
TAKEN = ALIASES.keys() - NATIVE.keys()
"""Common tickers that are another coin's code here (AMP is Ampleforth, YGG is Yeed): they cannot be asked for."""
PAPER = {"AAA", "BBB"}

# 1W is left out: nothing published says on which day it opens.
INTERVALS = {
    "1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1h", "6h": "6h", "12h": "12h", "1d": "1D",
}  # fmt: skip
DEPTHS = (1, 25, 100, 250)
ROWS_MAX = 10_000


def symbol(pair: Pair) -> str:
    """The venue's name of a pair. Raises NotOffered for a ticker that is another coin's code here."""
    for ticker in pair:
        if ticker in TAKEN:
            raise NotOffered(f"{ticker} is the code of another coin ({ALIASES[ticker]}) at this venue")
    base, quote = NATIVE.get(pair.base, pair.base), NATIVE.get(pair.quote, pair.quote)
    joiner = "" if len(base) == 3 and len(quote) == 3 else ":"
    return f"t{base}{joiner}{quote}"


def in_path(pair: Pair) -> str:
    return encoded(symbol(pair), safe=":")  # a ticker may hold any letters


@lru_cache(maxsize=8192)
def split(name: str) -> Pair | None:
    """Pair of `tBTCUSD` or `tDOGE:USD`; None for funding (`fUSD`), perpetuals (`tBTCF0:USTF0`), paper-trading pairs
    and names of another form."""
    if name[:1] != "t":
        return None
    text = name[1:].upper()
    base, colon, quote = text.partition(":")
    if not colon:
        if len(text) != 6:
            return None
        base, quote = text[:3], text[3:]
    if not (base and quote) or base.endswith("F0") or quote.endswith("F0"):
        return None
    if base in PAPER or quote in PAPER or base.startswith("TEST"):
        return None
    return Pair(ALIASES.get(base, base), ALIASES.get(quote, quote))


class _Ticker(msgspec.Struct, array_like=True, gc=False):
    # A funding row has other columns, all numbers or null, and is longer: it decodes here and goes by its symbol.
    symbol: str
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    change: float | None
    change_fraction: float | None
    last: float | None
    volume: float | None
    high: float | None
    low: float | None


_tickers = decoder(list[_Ticker])


def quotes_request(ask: QuotesAsk) -> Request:
    names = symbol(ask.pairs[0]) if len(ask.pairs) == 1 else "ALL"
    return Request("/v2/tickers", (("symbols", names),))


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    rows, unreadable = read_rows(_tickers, _Ticker, reply, explain)
    if not rows and len(ask.pairs) == 1:
        raise SymbolNotListed("the venue leaves out symbols it does not list")
    provider, received = reply.provider, reply.received_ms
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for row in rows:
        pair = split(row.symbol)
        price = row.last
        # No volume in 24 h: the price is older than a day and carries no time that would say so.
        if pair is None or price is None or price <= 0 or row.volume == 0 or (wanted and pair not in wanted):
            continue
        fraction = row.change_fraction
        quotes.append(
            Quote(
                provider,
                row.symbol,
                pair[0],
                pair[1],
                price,
                row.bid or None,
                row.ask or None,
                row.volume,
                None,
                None if fraction is None else fraction * 100,
                row.high or None,
                row.low or None,
                None,
                received,
            )
        )
    return quotes


class _Candle(msgspec.Struct, array_like=True):
    open_ms: int
    open: float
    close: float
    high: float
    low: float
    volume: float


_candles = decoder(list[_Candle])


def candles_request(ask: CandlesAsk) -> Request:
    params = [("limit", str(min(ask.limit, ROWS_MAX)))]
    if ask.start_ms is not None:
        # Newest first would keep the wrong end of a range longer than the limit.
        params += [("sort", "1"), ("start", str(ask.start_ms))]
    if ask.end_ms is not None:
        params.append(("end", str(ask.end_ms - 1)))  # end is inclusive
    return Request(f"/v2/candles/trade:{INTERVALS[ask.interval]}:{in_path(ask.pair)}/hist", tuple(params))


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


class _Level(msgspec.Struct, array_like=True):
    price: float
    count: int
    amount: float


_book = decoder(list[_Level])


def book_request(ask: BookAsk) -> Request:
    depth = next((d for d in DEPTHS if d >= ask.depth), DEPTHS[-1])
    return Request(f"/v2/book/{in_path(ask.pair)}/P0", (("len", str(depth)),))


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    # One list for both sides: asks have a negative amount.
    levels = read_reply(_book, reply, explain)
    return [
        OrderBook(
            reply.provider,
            symbol(ask.pair),
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(x.price, x.amount) for x in levels if x.count > 0 and x.amount > 0),
            tuple(Level(x.price, -x.amount) for x in levels if x.count > 0 and x.amount < 0),
            None,
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct, array_like=True):
    id: int
    time_ms: int
    amount: float
    price: float


_trades = decoder(list[_Trade])


def trades_request(ask: TradesAsk) -> Request:
    return Request(f"/v2/trades/{in_path(ask.pair)}/hist", (("limit", str(min(ask.limit, ROWS_MAX))),))


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    pair = ask.pair
    name = symbol(pair)
    return [
        Trade(
            reply.provider,
            name,
            pair.base,
            pair.quote,
            str(t.id),
            t.price,
            abs(t.amount),
            "buy" if t.amount > 0 else "sell",
            t.time_ms,
        )
        for t in read_reply(_trades, reply, explain)
    ]


_conf = decoder(list[list[str]])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/v2/conf/pub:list:pair:exchange")


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    return [
        Instrument(reply.provider, f"t{name}", pair.base, pair.quote, True)
        for names in read_reply(_conf, reply, explain)
        for name in names
        if (pair := split(f"t{name}")) is not None
    ]


_error = decoder(tuple[str, int, str])


def explain(reply: Reply) -> UpstreamError | None:
    try:
        word, code, text = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if word != "error":
        return None
    if code == 10020:
        # "symbol: invalid" comes with HTTP 500; the same code names other parameters too ("limit: invalid").
        parameter = text.partition(":")[0]
        if parameter in ("limit", "start", "end", "sort", "len", "prec", "time_interval", "section"):
            return UpstreamRejected(f"{code} {text}"[:200])
        return SymbolNotListed("the venue does not list this symbol")
    if code == 11010:
        return UpstreamRateLimited("rate limit reached")
    if code == 20060:
        return UpstreamBroken("the venue is in maintenance")
    return UpstreamRejected(f"{code} {text}"[:200]) if reply.status < 300 else None


ADAPTER = Adapter(
    name="bitfinex",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(candles_request, candles_parse, intervals=INTERVALS, max_rows=ROWS_MAX),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=DEPTHS[-1], window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=ROWS_MAX, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
