"""The normal form as a check. `docs/normal-form.md` says what each field means; this says what cannot be.

A record that breaks it is quarantined by the gateway and named, never served.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asset import AssetListing, Instrument
from .book import Level, OrderBook, Trade
from .bounds import (
    TEXT_LIMIT,
    is_count,
    is_finite,
    is_id,
    is_name,
    is_not_negative,
    is_positive,
    is_price,
    is_rank,
    is_text,
    is_ticker,
    is_time,
    wrong_late,
    wrong_moments,
)
from .candle import Candle
from .market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, SearchHit, TrendingCoin
from .normal_data import DATA_CHECKS
from .quote import Quote
from .unreadable import Unreadable

POSITION_LIMIT = 10_000
LIST_LIMIT = 1_000
"""Categories or contracts of one coin."""
ROUNDING = 1e-9
"""Relative slack where an upstream prints high/low with fewer digits than open/close."""


def _quote(q: Quote) -> str | None:
    if not is_price(q.price):
        return "price is not a positive number"
    if not (is_ticker(q.base) and is_ticker(q.quote)):
        return "base or quote is not an upper-case ticker"
    if not is_id(q.symbol):
        return "symbol is empty, long or not printable"
    if not (is_positive(q.bid) and is_positive(q.ask) and is_positive(q.high) and is_positive(q.low)):
        return "bid, ask, high or low is not a positive number"
    if not (is_not_negative(q.base_volume) and is_not_negative(q.quote_volume)):
        return "volume is negative or not finite"
    if not is_finite(q.change_pct):
        return "change_pct is not finite"
    return wrong_moments(q.event_ms, q.received_ms)


def _candle(c: Candle) -> str | None:
    if not (
        is_time(c.open_ms) and is_price(c.open) and is_price(c.high) and is_price(c.low) and is_price(c.close)
    ):
        return "time out of range or price not positive"
    slack = c.high * ROUNDING
    if not (c.low - slack <= min(c.open, c.close) and max(c.open, c.close) <= c.high + slack):
        return "open or close lies outside low..high"
    if not (is_not_negative(c.volume) and is_not_negative(c.quote_volume)):
        return "volume is negative or not finite"
    return None if is_count(c.trades) else "trades is no count"


def _levels(levels: tuple[Level, ...], ascending: bool) -> bool:
    prices = [level.price for level in levels]
    return prices == sorted(prices, reverse=not ascending) and all(
        is_price(level.price) and is_price(level.size) for level in levels
    )


def _book(b: OrderBook) -> str | None:
    if not (_levels(b.bids, ascending=False) and _levels(b.asks, ascending=True)):
        return "levels are not sorted positive prices and sizes"
    if not (is_ticker(b.base) and is_ticker(b.quote) and is_id(b.symbol)):
        return "symbol or pair is not in normal form"
    return wrong_moments(b.event_ms, b.received_ms)


def _trade(t: Trade) -> str | None:
    if not (is_price(t.price) and is_price(t.size)):
        return "price or size is not a positive number"
    if t.side not in (None, "buy", "sell"):
        return "side is neither buy nor sell"
    if not (is_ticker(t.base) and is_ticker(t.quote) and is_id(t.symbol)):
        return "symbol or pair is not in normal form"
    if not (t.trade_id is None or is_id(t.trade_id)):
        return "trade_id is empty, long or not printable"
    return None if is_time(t.event_ms) else "time is out of range (wrong unit?)"


def _coin_market(m: CoinMarket) -> str | None:
    if not is_price(m.price):
        return "price is not a positive number"
    amounts = (m.market_cap, m.volume_24h, m.high_24h, m.low_24h, m.circulating_supply, m.total_supply)
    if not all(is_not_negative(value) for value in amounts) or not is_positive(m.max_supply):
        return "an amount is negative or not finite"
    if not all(is_finite(value) for value in (m.change_1h_pct, m.change_24h_pct, m.change_7d_pct)):
        return "a change is not finite"
    return _named(m) or wrong_moments(m.event_ms, m.received_ms)


def _global(g: GlobalMarket) -> str | None:
    if not (is_price(g.market_cap) and is_not_negative(g.volume_24h)):
        return "market cap is not a positive number"
    for share in (g.btc_dominance_pct, g.eth_dominance_pct):
        if share is not None and not 0 <= share <= 100:
            return "dominance is not a percentage"
    if not (is_count(g.active_coins) and is_finite(g.market_cap_change_24h_pct)):
        return "active_coins is no count or the change is not finite"
    return wrong_moments(g.event_ms, g.received_ms)


def _named(record: AssetListing | CoinMarket | TrendingCoin | CoinDetail | SearchHit) -> str | None:
    if not (is_id(record.native_id) and is_name(record.name) and is_ticker(record.ticker)):
        return "id, name or ticker is missing, long or not printable"
    return None if is_rank(record.rank) else "rank is out of range"


def _trending(t: TrendingCoin) -> str | None:
    if not 1 <= t.position < POSITION_LIMIT:
        return "position is out of range"
    if not (is_not_negative(t.price) and is_finite(t.change_24h_pct)):
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
    if not all(is_not_negative(value) for value in amounts) or not is_finite(c.change_24h_pct):
        return "an amount is negative or not finite"
    if not (is_text(c.description, TEXT_LIMIT) and is_text(c.homepage, 2_000)):
        return "description or homepage is long or not printable"
    if not all(is_text(text) for text in (c.genesis_date, c.hashing_algorithm, c.ath_date, c.atl_date)):
        return "a date or the algorithm is long or not printable"
    lists = (c.categories, c.contracts)
    words = (*c.categories, *(text for contract in c.contracts for text in contract))
    if max(map(len, lists)) > LIST_LIMIT or not all(is_text(word) for word in words):
        return "categories or contracts are many, long or not printable"
    return _named(c) or (None if is_time(c.event_ms) else "time is out of range (wrong unit?)")


def _instrument(i: Instrument) -> str | None:
    return (
        None if is_id(i.symbol) and is_ticker(i.base) and is_ticker(i.quote) else "symbol or pair is missing"
    )


def _category(c: Category) -> str | None:
    if not (is_id(c.native_id) and is_name(c.name)):
        return "id or name is missing, long or not printable"
    if not (is_not_negative(c.market_cap) and is_not_negative(c.volume_24h) and is_finite(c.change_24h_pct)):
        return "an amount is negative or not finite"
    return (
        None if is_count(c.coins) and is_time(c.event_ms) else "coins is no count or the time is out of range"
    )


def _exchange(e: ExchangeInfo) -> str | None:
    if not (is_id(e.native_id) and is_name(e.name)):
        return "id or name is missing, long or not printable"
    if not (is_not_negative(e.volume_usd) and is_not_negative(e.volume_btc)):
        return "volume is negative or not finite"
    if not (is_rank(e.trust_rank) and (e.year is None or 1900 <= e.year <= 2100)):
        return "trust rank or year is out of range"
    return None if is_text(e.country) and is_text(e.url, 2_000) else "country or url is long or not printable"


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
    **DATA_CHECKS,
}


def violation(record: object, received_ms: int | None = None) -> str | None:
    """Why `record` is not in normal form, or None. Give `received_ms`, our clock at the reply in ms, to judge the times
    of records that do not carry it. Raises KeyError for something that is not a model record."""
    reason = _CHECKS[type(record)](record)
    if reason is None and received_ms is not None:
        if type(record) is Candle:
            return wrong_late(record.open_ms, received_ms)
        if type(record) is Trade:
            return wrong_late(record.event_ms, received_ms)
    return reason
