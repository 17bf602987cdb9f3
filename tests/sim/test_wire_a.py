"""Every real adapter against the simulator: what it asks is understood, what it reads is the market's truth."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from sim_client import ENTRIES, Client

from crypto_dt_source.model.ask import (
    AssetsAsk,
    BookAsk,
    CandlesAsk,
    Capability,
    CategoriesAsk,
    CoinAsk,
    CoinsAsk,
    ExchangesAsk,
    GlobalAsk,
    InstrumentsAsk,
    QuotesAsk,
    SearchAsk,
    TradesAsk,
    TrendingAsk,
)
from crypto_dt_source.model.candle import INTERVAL_MS, floor_open
from crypto_dt_source.model.errors import KeyRefused, SymbolNotListed
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog

# Those of the exchange library are in test_exchange_library.py.
VENUES = [
    e for e in ENTRIES.values() if e.kind == "venue" and Capability.QUOTES in e.offers and not e.library_id
]
AGGREGATORS = [entry for entry in ENTRIES.values() if entry.kind == "aggregator"]


def offers(entries: list[Any], *capabilities: Capability) -> list[Any]:
    return [
        pytest.param(entry, capability, id=f"{entry.id}-{capability.value}")
        for entry in entries
        for capability in entry.offers
        if capability in capabilities
    ]


def intervals() -> list[Any]:
    return [
        pytest.param(entry, interval, id=f"{entry.id}-{interval}")
        for entry in VENUES
        for interval in catalog.adapter_of(entry).endpoints[Capability.CANDLES].intervals
    ]


venues = pytest.mark.parametrize("entry", VENUES, ids=lambda entry: entry.id)


def bitcoin(entry: Any) -> Pair:
    return Pair("BTC", entry.quotes_in[0])


def true(reader: Client, pair: Pair) -> float:
    market, now = reader.app.market, reader.clock.now_ms()
    return market.true_price(pair.base, now) / market.true_price(pair.quote, now)


def test_every_venue_of_the_catalogue_is_simulated() -> None:
    names = {
        e.adapter for e in catalog.load().values() if e.status in ("live", "keyed") and e.kind == "venue"
    }
    assert names == {entry.adapter for entry in ENTRIES.values() if entry.kind == "venue"}


@venues
async def test_all_quotes_are_near_the_truth(reader: Client, entry: Any) -> None:
    endpoint = catalog.adapter_of(entry).endpoints[Capability.QUOTES]
    listed = reader.app.market.view(entry.id).pairs()
    if endpoint.per_pair:
        asks = [QuotesAsk(pairs=(pair,)) for pair in listed[:12]]
    else:
        asks = [QuotesAsk()]
    quotes = [quote for ask in asks for quote in await reader.ask(entry, Capability.QUOTES, ask)]
    assert len(quotes) == (len(asks) if endpoint.per_pair else len(listed))
    for quote in quotes:
        assert violation(quote) is None, quote
        assert quote.price == pytest.approx(true(reader, Pair(quote.base, quote.quote)), rel=0.002), quote
        if quote.bid and quote.ask:
            assert quote.bid <= quote.price <= quote.ask
        if quote.change_pct is not None:
            assert abs(quote.change_pct) < 40


@venues
async def test_named_pairs_and_no_others(reader: Client, entry: Any) -> None:
    endpoint = catalog.adapter_of(entry).endpoints[Capability.QUOTES]
    wanted = (bitcoin(entry),) if endpoint.per_pair else (bitcoin(entry), Pair("ETH", entry.quotes_in[0]))
    quotes = await reader.ask(entry, Capability.QUOTES, QuotesAsk(pairs=wanted))
    assert {Pair(q.base, q.quote) for q in quotes} == set(wanted)


@pytest.mark.parametrize(("entry", "interval"), intervals())
async def test_newest_candles_end_with_the_running_one(reader: Client, entry: Any, interval: str) -> None:
    pair, now = bitcoin(entry), reader.clock.now_ms()
    rows = await reader.ask(entry, Capability.CANDLES, CandlesAsk(pair, interval, limit=30))
    assert len(rows) == 30
    assert rows[-1].open_ms == floor_open(now, interval)
    assert [row.closed for row in rows] == [True] * 29 + [False]
    assert all(b.open_ms - a.open_ms == INTERVAL_MS[interval] for a, b in pairwise(rows))
    assert all(violation(row) is None for row in rows)
    assert rows[-1].close == pytest.approx(true(reader, pair), rel=0.002)


@pytest.mark.parametrize(("entry", "interval"), intervals())
async def test_a_window_of_candles_is_covered_exactly(reader: Client, entry: Any, interval: str) -> None:
    endpoint = catalog.adapter_of(entry).endpoints[Capability.CANDLES]
    if not endpoint.window:
        pytest.skip("this API takes no window")
    step = INTERVAL_MS[interval]
    start = floor_open(reader.clock.now_ms(), interval) - 60 * step
    ask = CandlesAsk(bitcoin(entry), interval, start, start + 20 * step)
    rows = await reader.ask(entry, Capability.CANDLES, ask)
    assert [row.open_ms for row in rows] == list(range(start, start + 20 * step, step))
    assert all(row.closed for row in rows)
    again = await reader.ask(entry, Capability.CANDLES, ask)
    assert again == rows


@venues
async def test_the_largest_window_of_candles_is_covered_exactly(reader: Client, entry: Any) -> None:
    endpoint = catalog.adapter_of(entry).endpoints[Capability.CANDLES]
    if not endpoint.window:
        pytest.skip("this API takes no window")
    step, count = INTERVAL_MS["1h"], endpoint.max_rows
    start = floor_open(reader.clock.now_ms(), "1h") - count * step
    rows = await reader.ask(
        entry, Capability.CANDLES, CandlesAsk(bitcoin(entry), "1h", start, start + count * step, count)
    )
    assert [row.open_ms for row in rows] == list(range(start, start + count * step, step))


@pytest.mark.parametrize(("entry", "capability"), offers(VENUES, Capability.BOOK))
async def test_the_book_surrounds_the_price(reader: Client, entry: Any, capability: Capability) -> None:
    pair = bitcoin(entry)
    (book,) = await reader.ask(entry, capability, BookAsk(pair, 20))
    assert violation(book) is None
    assert (book.base, book.quote) == pair
    assert len(book.bids) >= 20
    assert len(book.asks) >= 20
    assert book.bids[0].price < true(reader, pair) * 1.0005
    assert book.asks[0].price > true(reader, pair) * 0.9995
    assert book.bids[0].price < book.asks[0].price
    assert book.bids[0].price == pytest.approx(true(reader, pair), rel=0.002)


@pytest.mark.parametrize(("entry", "capability"), offers(VENUES, Capability.TRADES))
async def test_trades_are_recent_and_near_the_truth(
    reader: Client, entry: Any, capability: Capability
) -> None:
    pair, now = bitcoin(entry), reader.clock.now_ms()
    trades = await reader.ask(entry, capability, TradesAsk(pair, 20))
    assert 10 <= len(trades) <= 60
    for trade in trades:
        assert violation(trade) is None
        assert trade.price == pytest.approx(true(reader, pair), rel=0.003)
        assert now - 600_000 < trade.event_ms <= now
    seen = reader.app.market.view(entry.id).trades(pair, 200, now)
    sides = {(round(t.price, 3), t.time_ms // 1000): t.side for t in seen}
    assert all(
        trade.side in (None, sides[round(trade.price, 3), trade.event_ms // 1000])
        for trade in trades
        if (round(trade.price, 3), trade.event_ms // 1000) in sides
    )
    assert any((round(trade.price, 3), trade.event_ms // 1000) in sides for trade in trades)


@pytest.mark.parametrize(("entry", "capability"), offers(VENUES, Capability.INSTRUMENTS))
async def test_instruments_are_the_listed_pairs(reader: Client, entry: Any, capability: Capability) -> None:
    found = await reader.ask(entry, capability, InstrumentsAsk())
    assert all(violation(i) is None and i.active for i in found)
    assert {Pair(i.base, i.quote) for i in found} == set(reader.app.market.view(entry.id).pairs())


@pytest.mark.parametrize(
    ("entry", "capability"), offers(VENUES, Capability.CANDLES, Capability.BOOK, Capability.TRADES)
)
async def test_an_unknown_pair_is_not_listed(reader: Client, entry: Any, capability: Capability) -> None:
    pair = Pair("NOSUCH", entry.quotes_in[0])
    asks = {
        Capability.CANDLES: CandlesAsk(pair, "1h"),
        Capability.BOOK: BookAsk(pair),
        Capability.TRADES: TradesAsk(pair),
    }
    if (entry.adapter, capability) == ("mexc", Capability.TRADES):
        # An empty list is this API's answer for an unknown pair and for a quiet one.
        assert await reader.ask(entry, capability, asks[capability]) == []
        return
    with pytest.raises(SymbolNotListed):
        await reader.ask(entry, capability, asks[capability])


@venues
async def test_an_unknown_pair_has_no_quote(reader: Client, entry: Any) -> None:
    try:
        found = await reader.ask(entry, Capability.QUOTES, QuotesAsk(pairs=(Pair("NOSUCH", "USDT"),)))
    except SymbolNotListed:
        found = []
    assert found == []


@pytest.mark.parametrize(
    ("entry", "capability"), offers(AGGREGATORS, *(set(Capability) - {Capability.CANDLES}))
)
async def test_aggregators_answer_in_normal_form(reader: Client, entry: Any, capability: Capability) -> None:
    ids: tuple[str, ...] = ()
    if capability in (Capability.QUOTES, Capability.COIN):
        known = entry.offers.keys()
        source = Capability.ASSETS if Capability.ASSETS in known else Capability.COINS
        listed = await reader.ask(entry, source, AssetsAsk() if source is Capability.ASSETS else CoinsAsk())
        ids = tuple(row.native_id for row in listed if row.ticker in ("BTC", "ETH"))
    asks: dict[Capability, Any] = {
        Capability.QUOTES: QuotesAsk(ids=ids),
        Capability.ASSETS: AssetsAsk(),
        Capability.COINS: CoinsAsk(),
        Capability.GLOBAL: GlobalAsk(),
        Capability.TRENDING: TrendingAsk(),
        Capability.CATEGORIES: CategoriesAsk(),
        Capability.COIN: CoinAsk(ids[0] if ids else ""),
        Capability.SEARCH: SearchAsk("bitcoin"),
        Capability.EXCHANGES: ExchangesAsk(),
    }
    records = await reader.ask(entry, capability, asks[capability])
    assert records
    for record in records:
        assert violation(record) is None, record
        # Aggregators print few digits: 1.1361 is 1.14.
        if capability is Capability.COINS and record.ticker in reader.app.market.assets:
            assert record.price == pytest.approx(true(reader, Pair(record.ticker, "USD")), rel=0.006)
        if capability is Capability.QUOTES:
            assert record.price == pytest.approx(true(reader, Pair(record.base, record.quote)), rel=0.002)


@pytest.mark.parametrize("entry", [e for e in AGGREGATORS if e.status == "keyed"], ids=lambda entry: entry.id)
async def test_a_keyed_provider_refuses_a_request_without_key(reader: Client, entry: Any) -> None:
    capability, ask = (
        (Capability.GLOBAL, GlobalAsk())
        if Capability.GLOBAL in entry.offers
        else (Capability.QUOTES, QuotesAsk())
    )
    with pytest.raises(KeyRefused):
        await reader.ask(replace(entry, auth=None), capability, ask)
