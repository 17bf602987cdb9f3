"""Which rows an export covers, and that it never holds more than a page ahead of its client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import harness
from crypto_dt_source.model.bounds import FIRST_MS
from crypto_dt_source.model.candle import DAY_MS, HOUR_MS, Candle
from crypto_dt_source.model.errors import (
    InvalidParameter,
    NotFound,
    Overloaded,
    StoreUnavailable,
    UnknownSymbol,
)
from crypto_dt_source.services import candles as candle_service
from crypto_dt_source.services import collect
from crypto_dt_source.services.exports import Asked, Export, Room, Window, encoded, plan, window
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.services.tier_caps import Cut
from crypto_dt_source.store import SeriesKey
from crypto_dt_source.store.repos import candles as candle_repo
from crypto_dt_source.store.repos.export import Row

NOW = 1_789_983_437_000
ALL = Window(FIRST_MS, NOW + 1, None)


HOUR = NOW // HOUR_MS * HOUR_MS
"""The hour in which it is now, as an hour begins in which a tier's days begin."""
WEEK_AGO = HOUR - 7 * DAY_MS


def days(asked: int, given: int) -> Cut:
    return Cut("history_days", asked, given)


OLD = -(-(NOW - FIRST_MS) // DAY_MS)


@pytest.mark.parametrize(
    ("start", "end", "most", "expected"),
    [
        (None, None, 90, Window(HOUR - 90 * DAY_MS, NOW + 1, None)),
        (None, None, None, Window(FIRST_MS, NOW + 1, None)),
        (None, NOW - DAY_MS, 7, Window(WEEK_AGO, NOW - DAY_MS, None)),
        (NOW - 7 * DAY_MS, None, 7, Window(NOW - 7 * DAY_MS, NOW + 1, None)),
        (WEEK_AGO, None, 7, Window(WEEK_AGO, NOW + 1, None)),
        (WEEK_AGO - 1, None, 7, Window(WEEK_AGO, NOW + 1, days(8, 7))),
        (FIRST_MS, NOW - DAY_MS, None, Window(FIRST_MS, NOW - DAY_MS, None)),
        # Everything that was asked for is older: nothing is left, and the answer says why.
        (FIRST_MS, FIRST_MS + 5, 7, Window(WEEK_AGO, WEEK_AGO, days(OLD, 7))),
        (None, FIRST_MS + 5, 7, Window(WEEK_AGO, WEEK_AGO, days(OLD, 7))),
        (FIRST_MS, None, 50_000, Window(FIRST_MS, NOW + 1, None)),
    ],
)
def test_window(start: int | None, end: int | None, most: int | None, expected: Window) -> None:
    assert window(NOW, start, end, most) == expected


def test_a_tiers_days_begin_where_a_candle_does() -> None:
    assert window(NOW, None, None, 7, "1d").start_ms == NOW // DAY_MS * DAY_MS - 7 * DAY_MS


@pytest.mark.parametrize(
    ("start", "end", "name"), [(NOW + 5, None, "start"), (NOW, NOW, "end"), (NOW, NOW - 1, "end")]
)
def test_a_window_that_ends_before_it_starts(start: int, end: int | None, name: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        window(NOW, start, end, 90)
    assert refused.value.details["parameter"] == name


def test_places_are_given_back_however_it_ends() -> None:
    room = Room(1)
    with pytest.raises(ZeroDivisionError), room:
        raise ZeroDivisionError
    with room, pytest.raises(Overloaded), room:
        raise AssertionError("there was one place")
    assert room.free == 1


class Paged:
    """Pages as they are read: `read` counts them, `closed` tells that the query is over."""

    def __init__(self, pages: int, fails_at: int | None = None) -> None:
        self.pages, self.fails_at = pages, fails_at
        self.read = 0
        self.closed = False

    async def open(self) -> AsyncGenerator[list[Row]]:
        try:
            for number in range(self.pages):
                if number == self.fails_at:
                    raise StoreUnavailable("the disk is gone")
                self.read += 1
                yield [(number, 1)]
        finally:
            self.closed = True

    @property
    def export(self) -> Export:
        return Export("market", ALL, self.open)


class Letters:
    """A format of one byte a row. `threads` are those it worked in; where there is a `gate`, it works when that opens."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.threads: set[int] = set()
        self.added = 0
        self.gate = gate
        self.begun = threading.Event()

    def add(self, rows: Sequence[Row]) -> bytes:
        self.begun.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        self.threads.add(threading.get_ident())
        self.added += len(rows)
        return bytes(row[0] for row in rows)

    def end(self) -> bytes:
        return b"."


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_rows_become_bytes_in_another_thread() -> None:
    paged, letters = Paged(5), Letters()
    pieces = [piece async for piece in encoded(paged.export, lambda: letters)]
    assert pieces == [b"\0", b"\1", b"\2", b"\3", b"\4", b"."]
    assert threading.get_ident() not in letters.threads
    assert paged.closed


async def test_one_page_is_read_ahead_and_no_more() -> None:
    paged, letters = Paged(100), Letters()
    parts = encoded(paged.export, lambda: letters)
    for taken in range(1, 10):
        assert await anext(parts)
        await settle()
        assert letters.added == taken
        assert paged.read == taken + 1
    await parts.aclose()
    assert paged.closed
    assert paged.read == 10


async def test_an_end_in_the_middle_waits_for_the_thread() -> None:
    gate = threading.Event()
    paged, letters = Paged(100), Letters(gate)
    parts = encoded(paged.export, lambda: letters)

    async def take() -> bytes:
        return await anext(parts)

    task = asyncio.ensure_future(take())
    assert await asyncio.to_thread(letters.begun.wait, 10)
    task.cancel()
    await settle()
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert letters.added == 1
    assert paged.closed
    assert paged.read <= 2


@pytest.mark.parametrize("page", [0, 1, 3])
async def test_what_fails_while_it_is_read_is_raised(page: int) -> None:
    paged = Paged(5, fails_at=page)
    taken: list[bytes] = []

    async def take() -> None:
        async for piece in encoded(paged.export, Letters):
            taken.append(piece)  # noqa: PERF401 - what came before the failure counts

    with pytest.raises(StoreUnavailable):
        await take()
    assert len(taken) == page
    assert paged.closed


@pytest.fixture
async def rt(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with harness.running(tmp_path) as (running, _, _):
        for venue in ("binance", "kraken", "okx"):
            await collect.venue_quotes(running, venue)
        yield running


def asked(dataset: str, symbol: str | None = "BTC", **more: Any) -> Asked:
    given: dict[str, Any] = {"interval": "1h", "provider": None, "window": ALL, **more}
    return Asked(dataset, symbol, **given)  # type: ignore[arg-type]


async def fill(rt: Runtime, provider: str, quote: str, hours: int, *, interval: str = "1h") -> SeriesKey:
    series = SeriesKey(provider, "BTC", quote, interval)
    first = NOW // HOUR_MS * HOUR_MS - hours * HOUR_MS
    rows = [Candle(first + n * HOUR_MS, 1.0, 1.0, 1.0, 1.0, None, None, None, True) for n in range(hours)]
    await candle_repo.write(rt.store, series, rows)
    return series


async def test_candles_are_those_that_the_candles_route_answers(rt: Runtime) -> None:
    """The best venue that has any in the window, whoever has more."""
    many = await fill(rt, "okx", "USDT", 40)
    assert (await plan(rt, asked("ohlcv"))).series == many
    best = (await plan(rt, asked("ohlcv", symbol="BTC-EUR"))).series
    assert best is not None
    assert best.quote == "EUR"
    usual = await fill(rt, "binance", "USDT", 3)
    chosen = (await plan(rt, asked("ohlcv"))).series
    assert chosen == usual
    btc = rt.resolver.resolve("BTC").asset
    answer = await candle_service.candles(
        rt, btc, None, "1h", limit=1, start_ms=NOW - 2 * HOUR_MS, end_ms=NOW - HOUR_MS, provider=None
    )
    assert answer.series == chosen
    older = Window(NOW - 20 * HOUR_MS, NOW - 10 * HOUR_MS, None)
    assert (await plan(rt, asked("ohlcv", window=older))).series == many
    assert (await plan(rt, asked("ohlcv", provider="okx"))).series == many


async def test_of_unusual_series_the_fullest_is_taken(rt: Runtime) -> None:
    await fill(rt, "binance", "TUSD", 5)
    most = await fill(rt, "binance", "FDUSD", 9)
    assert (await plan(rt, asked("ohlcv"))).series == most
    assert (await plan(rt, asked("ohlcv", symbol="BTC/TUSD"))).series == most._replace(quote="TUSD")


async def test_candles_that_nobody_stored_are_an_empty_export(rt: Runtime) -> None:
    found = await plan(rt, asked("ohlcv", provider="kraken"))
    assert found.series is not None
    assert found.series.provider == "kraken"
    assert [page async for page in found.open()] == []


async def test_what_cannot_be_exported(rt: Runtime) -> None:
    for dataset in ("prices", "ohlcv"):
        with pytest.raises(InvalidParameter, match="symbol"):
            await plan(rt, asked(dataset, symbol=None))
    with pytest.raises(InvalidParameter, match="market"):
        await plan(rt, asked("market"))
    for dataset in ("prices", "ohlcv", "news"):
        with pytest.raises(UnknownSymbol):
            await plan(rt, asked(dataset, symbol="NOSUCHCOIN"))
    with pytest.raises(NotFound):
        await plan(rt, asked("ohlcv", provider="nowhere"))
    with pytest.raises(UnknownSymbol):
        await plan(rt, asked("ohlcv", symbol="BTC-JPY", provider="okx"))


def test_arrow_is_loaded_by_the_first_export_and_not_with_the_service() -> None:
    code = "import sys, crypto_dt_source.api.app; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
