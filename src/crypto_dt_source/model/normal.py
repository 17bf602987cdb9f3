"""The normal form as a check. `docs/normal-form.md` says what each field means; this says what cannot be.

A record that breaks it is quarantined by the gateway and named, never served.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .asset import AssetListing, Instrument
from .book import Level, OrderBook, Trade
from .candle import Candle
from .market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, SearchHit, TrendingCoin
from .quote import Quote

FIRST_MS = 1_230_768_000_000
"""2009-01-01: nothing in this field is older."""
LAST_MS = 4_102_444_800_000
"""2100-01-01: a later time is a wrong unit."""
ROUNDING = 1e-9
"""Relative slack where an upstream prints high/low with fewer digits than open/close."""


def _positive(value: float | None) -> bool:
    return value is None or (math.isfinite(value) and value > 0)


def _not_negative(value: float | None) -> bool:
    return value is None or (math.isfinite(value) and value >= 0)


def _finite(value: float | None) -> bool:
    return value is None or math.isfinite(value)


def _time(ms: int | None) -> bool:
    return ms is None or FIRST_MS <= ms < LAST_MS


def _ticker(text: str) -> bool:
    return 0 < len(text) <= 40 and text == text.upper() and not text.isspace()


def _quote(q: Quote) -> str | None:
    if not (q.price > 0 and math.isfinite(q.price)):
        return "price is not a positive number"
    if not (_ticker(q.base) and _ticker(q.quote)):
        return "base or quote is not an upper-case ticker"
    if not (_positive(q.bid) and _positive(q.ask) and _positive(q.high) and _positive(q.low)):
        return "bid, ask, high or low is not a positive number"
    if not (_not_negative(q.base_volume) and _not_negative(q.quote_volume)):
        return "volume is negative or not finite"
    if not _finite(q.change_pct):
        return "change_pct is not finite"
    if not (_time(q.event_ms) and _time(q.received_ms)):
        return "time is out of range (wrong unit?)"
    return None


def _candle(c: Candle) -> str | None:
    slack = c.high * ROUNDING
    if not (_time(c.open_ms) and c.low > 0 and math.isfinite(c.high)):
        return "time out of range or price not positive"
    if not (c.low - slack <= min(c.open, c.close) and max(c.open, c.close) <= c.high + slack):
        return "open or close lies outside low..high"
    if not (_not_negative(c.volume) and _not_negative(c.quote_volume)):
        return "volume is negative or not finite"
    return None


def _levels(levels: tuple[Level, ...], ascending: bool) -> bool:
    prices = [level.price for level in levels]
    return prices == sorted(prices, reverse=not ascending) and all(
        math.isfinite(level.price) and level.price > 0 and math.isfinite(level.size) and level.size > 0
        for level in levels
    )


def _book(b: OrderBook) -> str | None:
    if not (_levels(b.bids, ascending=False) and _levels(b.asks, ascending=True)):
        return "levels are not sorted positive prices and sizes"
    if not (_ticker(b.base) and _ticker(b.quote) and _time(b.event_ms) and _time(b.received_ms)):
        return "pair or time is not in normal form"
    return None


def _trade(t: Trade) -> str | None:
    if not (t.price > 0 and t.size > 0 and math.isfinite(t.price) and math.isfinite(t.size)):
        return "price or size is not a positive number"
    if t.side not in (None, "buy", "sell"):
        return "side is neither buy nor sell"
    if not (_time(t.event_ms) and _ticker(t.base) and _ticker(t.quote)):
        return "pair or time is not in normal form"
    return None


def _coin_market(m: CoinMarket) -> str | None:
    if not (m.price > 0 and math.isfinite(m.price)):
        return "price is not a positive number"
    if not (m.native_id and m.name and _ticker(m.ticker)):
        return "id, name or ticker is missing"
    amounts = (m.market_cap, m.volume_24h, m.circulating_supply, m.total_supply)
    if not all(_not_negative(value) for value in amounts) or not _positive(m.max_supply):
        return "an amount is negative or not finite"
    if not (_time(m.event_ms) and _time(m.received_ms)):
        return "time is out of range (wrong unit?)"
    return None


def _global(g: GlobalMarket) -> str | None:
    if not (g.market_cap > 0 and math.isfinite(g.market_cap) and _not_negative(g.volume_24h)):
        return "market cap is not a positive number"
    for share in (g.btc_dominance_pct, g.eth_dominance_pct):
        if share is not None and not 0 <= share <= 100:
            return "dominance is not a percentage"
    return None if _time(g.event_ms) else "time is out of range (wrong unit?)"


def _named(record: AssetListing | TrendingCoin | CoinDetail | SearchHit) -> str | None:
    if not (record.native_id and record.name and _ticker(record.ticker)):
        return "id, name or ticker is missing"
    return None


def _instrument(i: Instrument) -> str | None:
    return None if i.symbol and _ticker(i.base) and _ticker(i.quote) else "symbol or pair is missing"


def _category(c: Category) -> str | None:
    if not (c.native_id and c.name):
        return "id or name is missing"
    return None if _not_negative(c.market_cap) and _not_negative(c.volume_24h) else "an amount is negative"


def _exchange(e: ExchangeInfo) -> str | None:
    if not (e.native_id and e.name):
        return "id or name is missing"
    return None if _not_negative(e.volume_usd) and _not_negative(e.volume_btc) else "volume is negative"


_CHECKS: dict[type, Callable[[Any], str | None]] = {
    Quote: _quote,
    Candle: _candle,
    OrderBook: _book,
    Trade: _trade,
    CoinMarket: _coin_market,
    GlobalMarket: _global,
    AssetListing: _named,
    TrendingCoin: _named,
    CoinDetail: _named,
    SearchHit: _named,
    Instrument: _instrument,
    Category: _category,
    ExchangeInfo: _exchange,
}


def violation(record: object) -> str | None:
    """Why `record` is not in normal form, or None. Raises KeyError for something that is not a model record."""
    return _CHECKS[type(record)](record)
