"""Every exchange of the exchange library against the simulator, the whole conversation: the list of pairs, then the answer."""

from __future__ import annotations

import asyncio
import contextlib
import random
from functools import cache
from typing import Any

import pytest
from sim_client import ENTRIES, START_MS, Client

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
    Ask,
    BookAsk,
    CandlesAsk,
    Capability,
    InstrumentsAsk,
    QuotesAsk,
    TradesAsk,
)
from crypto_dt_source.model.candle import INTERVAL_MS, floor_open
from crypto_dt_source.model.errors import PayloadChanged, UpstreamError, UpstreamRejected
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.providers.kit import Endpoint, Reply
from crypto_dt_source.services.providers import probe_ask
from crypto_dt_source.sim.app import create_app
from crypto_dt_source.sim.exchange_library import Shape

LIBRARY = [entry for entry in ENTRIES.values() if entry.library_id]
NEAR = 0.003
ROWS = 10
ALL_PAIRS = {"independentreserve"}
"""Lists of coins and of currencies, every coin against every currency: more than is traded."""
RENAMED = {"upbit", "hitbtc"}
"""Where ccxt knows that a ticker is usually another coin's: such a pair is left out, or has the ticker of that coin."""


@cache
def shared() -> Client:
    clock = ManualClock(START_MS)
    return Client(create_app(7, clock, catalog.load()), clock)


def bitcoin(entry: Entry) -> Pair:
    return Pair("BTC", entry.quotes_in[0])


def true(pair: Pair) -> float:
    market = shared().app.market
    return market.true_price(pair.base, START_MS) / market.true_price(pair.quote, START_MS)


async def heard(entry: Entry, endpoint: Endpoint, ask: Ask, bend: Any = bytes) -> list[Any]:
    """The records, within the pages the entry allows; `bend` changes each body."""
    records: list[Any] = []
    request = endpoint.request(ask)
    for _ in range(entry.offers[CAPABILITY_OF[type(ask)]].page_limit):
        reply = await shared().reply(entry, request)
        if reply.status != 200:
            raise UpstreamRejected(f"{request}: {reply.body!r}")
        bent = Reply(entry.id, 200, bend(reply.body), reply.received_ms, reply.headers, request)
        records += endpoint.parse(bent, ask)
        step = endpoint.next(bent, ask, request) if endpoint.next else None
        if step is None:
            return records
        request = step
    pytest.fail(f"{entry.id} asks for more than {ask} may take: {request}")


def asks(entry: Entry, endpoints: Any) -> list[Ask]:
    pair = bitcoin(entry)
    found: list[Ask] = [BookAsk(pair, 5), TradesAsk(pair, 2 * ROWS), InstrumentsAsk(), QuotesAsk((pair,))]
    if Capability.QUOTES in entry.offers and not endpoints[Capability.QUOTES].per_pair:
        found.append(QuotesAsk())
    if Capability.CANDLES in entry.offers:
        interval = next(iter(endpoints[Capability.CANDLES].intervals))
        start = floor_open(START_MS, interval) - (ROWS - 1) * INTERVAL_MS[interval]
        found.append(CandlesAsk(pair, interval, start, start + ROWS * INTERVAL_MS[interval], ROWS))
    return [ask for ask in found if CAPABILITY_OF[type(ask)] in entry.offers]


def check(entry: Entry, ask: Ask, records: list[Any]) -> None:
    pair, price = bitcoin(entry), true(bitcoin(entry))
    listed = shared().app.market.view(entry.id).pairs()
    if isinstance(ask, BookAsk):
        (book,) = records
        assert book.bids[0].price < book.asks[0].price
        assert book.bids[0].price == pytest.approx(price, rel=NEAR)
        assert min(len(book.bids), len(book.asks)) >= 5
    elif isinstance(ask, TradesAsk):
        assert len(records) >= ROWS
        assert {row.side for row in records} <= {"buy", "sell", None}
        assert records[-1].price == pytest.approx(price, rel=NEAR)
    elif isinstance(ask, CandlesAsk):
        step = INTERVAL_MS[ask.interval]
        assert [row.open_ms for row in records] == [ask.start_ms + n * step for n in range(ROWS)]  # type: ignore[operator]
        assert records[-1].close == pytest.approx(price, rel=NEAR)
        assert not records[-1].closed
    elif isinstance(ask, InstrumentsAsk):
        found = {Pair(row.base, row.quote) for row in records}
        assert pair in found
        if entry.id not in ALL_PAIRS | RENAMED:
            assert found == set(listed)
    else:
        (quote,) = (row for row in records if (row.base, row.quote) == pair)
        assert quote.price == pytest.approx(price, rel=NEAR)
        true_change = shared().app.market.view(entry.id).ticker(pair, START_MS).change_pct
        assert quote.change_pct is None or quote.change_pct == pytest.approx(true_change, abs=0.02)
        assert len(records) in (len(ask.pairs) or len(listed), len(listed) - 1)  # type: ignore[union-attr]


@pytest.mark.parametrize("entry", LIBRARY, ids=lambda entry: entry.id)
def test_everything_on_offer_is_understood_and_true(entry: Entry) -> None:
    endpoints = catalog.adapter_of(entry).endpoints
    chosen = asks(entry, endpoints)
    assert {CAPABILITY_OF[type(ask)] for ask in [*chosen, probe_ask(entry)]} == set(entry.offers)
    for ask in chosen:
        records = asyncio.run(heard(entry, endpoints[CAPABILITY_OF[type(ask)]], ask))
        assert [reason for record in records if (reason := violation(record, START_MS))] == []
        check(entry, ask, records)


def broken(seed: int) -> Any:
    """A body with one value of it replaced."""
    chance = random.Random(seed)
    values = [b"null", b'""', b'"x"', b"-1", b"1e999", b'"1e999999999"', b"[]", b"{}", b'"NaN"', b"9" * 300]

    def bend(body: bytes) -> bytes:
        ends = [i for i, byte in enumerate(body) if byte in b",]}"]
        starts = [i for i, byte in enumerate(body) if byte in b":,["]
        at = chance.choice(starts)
        end = next(i for i in ends if i > at)
        return body[: at + 1] + chance.choice(values) + body[end:]

    return bend


@pytest.mark.parametrize("entry", LIBRARY[::7], ids=lambda entry: entry.id)
def test_a_broken_body_is_refused_or_its_records_are(entry: Entry) -> None:
    """Nothing but an UpstreamError comes out, and no number that nobody can write out is ever reckoned with."""
    endpoints = catalog.adapter_of(entry).endpoints
    for seed in range(6):
        for ask in asks(entry, endpoints):
            with contextlib.suppress(UpstreamError):
                asyncio.run(heard(entry, endpoints[CAPABILITY_OF[type(ask)]], ask, broken(seed)))


def test_an_answer_without_rows_is_another_shape() -> None:
    entry = ENTRIES["whitebit"]
    endpoint = catalog.adapter_of(entry).endpoints[Capability.BOOK]
    empty = {b"orderbook": b"{}"}

    def bend(body: bytes) -> bytes:
        return empty[b"orderbook"] if b"bids" in body else body

    with pytest.raises(PayloadChanged):
        asyncio.run(heard(entry, endpoint, BookAsk(bitcoin(entry), 5), bend))


def test_a_body_that_names_no_list_is_a_mistake_of_the_table() -> None:
    with pytest.raises(ValueError, match="there is no list 'nothing'"):
        Shape({"bodies": {"/x": '["*nothing", "$last"]'}})
