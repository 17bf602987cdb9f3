"""The normal form as a check. `docs/normal-form.md` says what each field means; this says what cannot be.

A record that breaks it is quarantined by the gateway and named, never served.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from .asset import AssetListing, Instrument
from .book import Level, OrderBook, Trade
from .candle import Candle
from .market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, SearchHit, TrendingCoin
from .quote import Quote
from .unreadable import Unreadable

FIRST_MS = 1_230_768_000_000
"""2009-01-01: nothing in this field is older."""
LAST_MS = 4_102_444_800_000
"""2100-01-01: a later time is a wrong unit."""
ROUNDING = 1e-9
"""Relative slack where an upstream prints high/low with fewer digits than open/close."""


FUTURE_MS = 86_400_000
"""How far an event may lie after the reply that told of it. A day is no clock that is off: it is a wrong field or unit.
Seconds and minutes are pricing's to judge."""
COUNT_LIMIT = 1 << 53
"""Counts are below it: what JSON numbers carry exactly, and well within a database's 64 bits."""
RANK_LIMIT = 1_000_000
POSITION_LIMIT = 10_000
NAME_LIMIT = 200
TEXT_LIMIT = 10_000
LIST_LIMIT = 1_000
"""Categories or contracts of one coin."""
# NUL and lone surrogates would fail the whole batch they are stored with; the others rearrange the text around them.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNPRINTABLE_TEXT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _price(value: float) -> bool:
    return 0 < value < math.inf


def _positive(value: float | None) -> bool:
    return value is None or 0 < value < math.inf


def _not_negative(value: float | None) -> bool:
    return value is None or 0 <= value < math.inf


def _finite(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def _time(ms: int | None) -> bool:
    return ms is None or FIRST_MS <= ms < LAST_MS


def _count(value: int | None) -> bool:
    return value is None or 0 <= value < COUNT_LIMIT


def _rank(value: int | None) -> bool:
    return value is None or 1 <= value < RANK_LIMIT


def _ticker(text: str) -> bool:
    return 0 < len(text) <= 40 and text.isprintable() and " " not in text and text == text.upper()


def _id(text: str) -> bool:
    return 0 < len(text) <= NAME_LIMIT and text.isprintable()


def _name(text: str) -> bool:
    return 0 < len(text) <= NAME_LIMIT and _UNPRINTABLE.search(text) is None


def _text(text: str | None, limit: int = NAME_LIMIT) -> bool:
    return text is None or (len(text) <= limit and _UNPRINTABLE_TEXT.search(text) is None)


def _moments(event_ms: int | None, received_ms: int) -> str | None:
    if not (_time(event_ms) and _time(received_ms)):
        return "time is out of range (wrong unit?)"
    return _late(event_ms, received_ms)


def _late(event_ms: int | None, received_ms: int) -> str | None:
    late = event_ms is not None and event_ms > received_ms + FUTURE_MS
    return "time is more than a day after the reply" if late else None


def _quote(q: Quote) -> str | None:
    if not _price(q.price):
        return "price is not a positive number"
    if not (_ticker(q.base) and _ticker(q.quote)):
        return "base or quote is not an upper-case ticker"
    if not _id(q.symbol):
        return "symbol is empty, long or not printable"
    if not (_positive(q.bid) and _positive(q.ask) and _positive(q.high) and _positive(q.low)):
        return "bid, ask, high or low is not a positive number"
    if not (_not_negative(q.base_volume) and _not_negative(q.quote_volume)):
        return "volume is negative or not finite"
    if not _finite(q.change_pct):
        return "change_pct is not finite"
    return _moments(q.event_ms, q.received_ms)


def _candle(c: Candle) -> str | None:
    if not (_time(c.open_ms) and _price(c.open) and _price(c.high) and _price(c.low) and _price(c.close)):
        return "time out of range or price not positive"
    slack = c.high * ROUNDING
    if not (c.low - slack <= min(c.open, c.close) and max(c.open, c.close) <= c.high + slack):
        return "open or close lies outside low..high"
    if not (_not_negative(c.volume) and _not_negative(c.quote_volume)):
        return "volume is negative or not finite"
    return None if _count(c.trades) else "trades is no count"


def _levels(levels: tuple[Level, ...], ascending: bool) -> bool:
    prices = [level.price for level in levels]
    return prices == sorted(prices, reverse=not ascending) and all(
        _price(level.price) and _price(level.size) for level in levels
    )


def _book(b: OrderBook) -> str | None:
    if not (_levels(b.bids, ascending=False) and _levels(b.asks, ascending=True)):
        return "levels are not sorted positive prices and sizes"
    if not (_ticker(b.base) and _ticker(b.quote) and _id(b.symbol)):
        return "symbol or pair is not in normal form"
    return _moments(b.event_ms, b.received_ms)


def _trade(t: Trade) -> str | None:
    if not (_price(t.price) and _price(t.size)):
        return "price or size is not a positive number"
    if t.side not in (None, "buy", "sell"):
        return "side is neither buy nor sell"
    if not (_ticker(t.base) and _ticker(t.quote) and _id(t.symbol)):
        return "symbol or pair is not in normal form"
    if not (t.trade_id is None or _id(t.trade_id)):
        return "trade_id is empty, long or not printable"
    return None if _time(t.event_ms) else "time is out of range (wrong unit?)"


def _coin_market(m: CoinMarket) -> str | None:
    if not _price(m.price):
        return "price is not a positive number"
    amounts = (m.market_cap, m.volume_24h, m.high_24h, m.low_24h, m.circulating_supply, m.total_supply)
    if not all(_not_negative(value) for value in amounts) or not _positive(m.max_supply):
        return "an amount is negative or not finite"
    if not all(_finite(value) for value in (m.change_1h_pct, m.change_24h_pct, m.change_7d_pct)):
        return "a change is not finite"
    return _named(m) or _moments(m.event_ms, m.received_ms)


def _global(g: GlobalMarket) -> str | None:
    if not (_price(g.market_cap) and _not_negative(g.volume_24h)):
        return "market cap is not a positive number"
    for share in (g.btc_dominance_pct, g.eth_dominance_pct):
        if share is not None and not 0 <= share <= 100:
            return "dominance is not a percentage"
    if not (_count(g.active_coins) and _finite(g.market_cap_change_24h_pct)):
        return "active_coins is no count or the change is not finite"
    return _moments(g.event_ms, g.received_ms)


def _named(record: AssetListing | CoinMarket | TrendingCoin | CoinDetail | SearchHit) -> str | None:
    if not (_id(record.native_id) and _name(record.name) and _ticker(record.ticker)):
        return "id, name or ticker is missing, long or not printable"
    return None if _rank(record.rank) else "rank is out of range"


def _trending(t: TrendingCoin) -> str | None:
    if not 1 <= t.position < POSITION_LIMIT:
        return "position is out of range"
    if not (_not_negative(t.price) and _finite(t.change_24h_pct)):
        return "price or change is not a number"
    return _named(t)


def _coin(c: CoinDetail) -> str | None:
    amounts = (
        c.price,
        c.market_cap,
        c.volume_24h,
        c.ath,
        c.atl,
        c.circulating_supply,
        c.total_supply,
        c.max_supply,
    )
    if not all(_not_negative(value) for value in amounts) or not _finite(c.change_24h_pct):
        return "an amount is negative or not finite"
    if not (_text(c.description, TEXT_LIMIT) and _text(c.homepage, 2_000)):
        return "description or homepage is long or not printable"
    if not all(_text(text) for text in (c.genesis_date, c.hashing_algorithm, c.ath_date, c.atl_date)):
        return "a date or the algorithm is long or not printable"
    lists = (c.categories, c.contracts)
    words = (*c.categories, *(text for contract in c.contracts for text in contract))
    if max(map(len, lists)) > LIST_LIMIT or not all(_text(word) for word in words):
        return "categories or contracts are many, long or not printable"
    return _named(c) or (None if _time(c.event_ms) else "time is out of range (wrong unit?)")


def _instrument(i: Instrument) -> str | None:
    return None if _id(i.symbol) and _ticker(i.base) and _ticker(i.quote) else "symbol or pair is missing"


def _category(c: Category) -> str | None:
    if not (_id(c.native_id) and _name(c.name)):
        return "id or name is missing, long or not printable"
    if not (_not_negative(c.market_cap) and _not_negative(c.volume_24h) and _finite(c.change_24h_pct)):
        return "an amount is negative or not finite"
    return None if _count(c.coins) and _time(c.event_ms) else "coins is no count or the time is out of range"


def _exchange(e: ExchangeInfo) -> str | None:
    if not (_id(e.native_id) and _name(e.name)):
        return "id or name is missing, long or not printable"
    if not (_not_negative(e.volume_usd) and _not_negative(e.volume_btc)):
        return "volume is negative or not finite"
    if not (_rank(e.trust_rank) and (e.year is None or 1900 <= e.year <= 2100)):
        return "trust rank or year is out of range"
    return None if _text(e.country) and _text(e.url, 2_000) else "country or url is long or not printable"


def _unreadable(u: Unreadable) -> str | None:
    return u.reason


_CHECKS: dict[type, Callable[[Any], str | None]] = {
    Quote: _quote,
    Candle: _candle,
    OrderBook: _book,
    Trade: _trade,
    CoinMarket: _coin_market,
    GlobalMarket: _global,
    AssetListing: _named,
    TrendingCoin: _trending,
    CoinDetail: _coin,
    SearchHit: _named,
    Instrument: _instrument,
    Category: _category,
    ExchangeInfo: _exchange,
    Unreadable: _unreadable,
}


def violation(record: object, received_ms: int | None = None) -> str | None:
    """Why `record` is not in normal form, or None. Give `received_ms`, our clock at the reply in ms, to judge the times
    of records that do not carry it. Raises KeyError for something that is not a model record."""
    reason = _CHECKS[type(record)](record)
    if reason is None and received_ms is not None:
        if type(record) is Candle:
            return _late(record.open_ms, received_ms)
        if type(record) is Trade:
            return _late(record.event_ms, received_ms)
    return reason
