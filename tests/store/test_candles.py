"""Candles in and out: who wins, ranges, coverage, gaps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.model.candle import DAY_MS, MINUTE_MS, Candle
from crypto_dt_source.store import ConfirmedGap, Gap, SeriesKey, Store
from crypto_dt_source.store.repos import candles

from .conftest import T0

BTC = SeriesKey("binance", "BTC", "USDT", "1m")


def candle(n: int, close: float = 1.5, *, closed: bool = True, step: int = MINUTE_MS) -> Candle:
    return Candle(T0 + n * step, 1.0, 2.0, 0.5, close, 10.0, None, 7, closed)


async def test_what_was_written_is_read(store: Store) -> None:
    written = [
        candle(0),
        Candle(T0 + MINUTE_MS, 1.1, 2.0, 0.5, 1.2, None, None, None, True),
        candle(2, closed=False),
    ]
    await candles.write(store, BTC, written)
    found = await candles.read(store, BTC)
    assert found.candles == written
    assert found.repaired == {}
    assert [type(c.closed) for c in found.candles] == [bool, bool, bool]


async def test_series_are_apart(store: Store) -> None:
    for series in (
        BTC,
        BTC._replace(provider="kraken"),
        BTC._replace(quote="USD"),
        BTC._replace(interval="5m"),
    ):
        await candles.write(store, series, [candle(0, close=len(series.provider) + len(series.quote))])
    assert (await candles.read(store, BTC)).candles[0].close == 11
    assert (await candles.read(store, BTC._replace(provider="kraken"))).candles[0].close == 10
    assert candles.stored_series(store)[-1] == BTC._replace(provider="kraken")
    assert len(candles.stored_series(store)) == 4


@pytest.mark.parametrize(
    ("before", "after", "wins"),
    [
        (candle(0, 1.1, closed=False), candle(0, 1.2, closed=False), 1.2),
        (candle(0, 1.1, closed=False), candle(0, 1.2), 1.2),
        (candle(0, 1.1), candle(0, 1.2), 1.2),
        (candle(0, 1.1), candle(0, 1.2, closed=False), 1.1),
    ],
)
async def test_newest_wins_but_open_never_replaces_closed(
    store: Store, before: Candle, after: Candle, wins: float
) -> None:
    await candles.write(store, BTC, [before])
    await candles.write(store, BTC, [after])
    assert [c.close for c in (await candles.read(store, BTC)).candles] == [wins]


async def test_another_venue_fills_holes_and_replaces_only_its_like(store: Store) -> None:
    await candles.write(store, BTC, [candle(0, 1.0)])
    await candles.write(store, BTC, [candle(0, 1.3), candle(1, 1.3)], source="kraken")
    found = await candles.read(store, BTC)
    assert [c.close for c in found.candles] == [1.0, 1.3]
    assert found.repaired == {T0 + MINUTE_MS: "kraken"}
    await candles.write(store, BTC, [candle(1, 1.4)], source="okx")
    assert (await candles.read(store, BTC)).repaired == {T0 + MINUTE_MS: "okx"}
    await candles.write(store, BTC, [candle(1, 1.6)])
    found = await candles.read(store, BTC)
    assert (found.candles[1].close, found.repaired) == (1.6, {})


async def test_ranges(store: Store) -> None:
    await candles.write(store, BTC, [candle(n) for n in range(10)])

    async def times(*args: int | None) -> list[int]:
        return [(c.open_ms - T0) // MINUTE_MS for c in (await candles.read(store, BTC, *args)).candles]  # type: ignore[arg-type]

    def at(n: int) -> int:
        return T0 + n * MINUTE_MS

    assert await times() == list(range(10))
    assert await times(None, None, 3) == [7, 8, 9]
    assert await times(None, at(5), 3) == [2, 3, 4]
    assert await times(at(2), None, 3) == [2, 3, 4]
    assert await times(at(2), at(4), 3) == [2, 3]
    assert await times(at(20), at(40), 3) == []
    assert (await candles.read(store, BTC._replace(base="ETH"))).candles == []


async def test_coverage(store: Store) -> None:
    assert await candles.coverage(store, BTC) is None
    await candles.write(store, BTC, [candle(2), candle(5), candle(9)])
    assert await candles.coverage(store, BTC) == (T0 + 2 * MINUTE_MS, T0 + 9 * MINUTE_MS, 3)


async def test_gaps_inside_at_both_ends_and_confirmed(store: Store) -> None:
    def gap(first: int, end: int) -> Gap:
        return Gap(T0 + first * MINUTE_MS, T0 + end * MINUTE_MS)

    start, end = T0 - 30_000, T0 + 12 * MINUTE_MS
    assert await candles.gaps(store, BTC, start, end) == [gap(0, 12)]
    await candles.write(store, BTC, [candle(2), candle(3), candle(6), candle(9)])
    assert await candles.gaps(store, BTC, start, end) == [gap(0, 2), gap(4, 6), gap(7, 9), gap(10, 12)]
    await candles.confirm_gaps(
        store, BTC, [ConfirmedGap(*gap(5, 8), "venue was closed"), ConfirmedGap(*gap(0, 1), "empty")]
    )
    assert await candles.gaps(store, BTC, start, end) == [gap(1, 2), gap(4, 5), gap(8, 9), gap(10, 12)]
    assert await candles.gaps(store, BTC, end, end) == []
    assert await candles.confirmed_gaps(store, BTC) == [
        (*gap(0, 1), "empty"),
        (*gap(5, 8), "venue was closed"),
    ]


async def test_weekly_gaps_count_from_mondays(store: Store) -> None:
    weekly = BTC._replace(interval="1w")
    monday = T0 - 2 * DAY_MS  # T0 is a Wednesday
    await candles.write(store, weekly, [candle(0)._replace(open_ms=monday)])
    assert await candles.gaps(store, weekly, monday, monday + 21 * DAY_MS) == [
        Gap(monday + 7 * DAY_MS, monday + 21 * DAY_MS)
    ]


@given(
    missing=st.sets(st.integers(0, 40)),
    confirmed=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=6),
)
def test_subtract_is_set_difference(missing: set[int], confirmed: list[tuple[int, int]]) -> None:
    known = [ConfirmedGap(start, start + length, "") for start, length in sorted(confirmed)]
    left = candles.subtract([Gap(n, n + 1) for n in sorted(missing)], known)
    covered = {n for gap in known for n in range(gap.start_ms, gap.end_ms)}
    assert {n for gap in left for n in range(gap.start_ms, gap.end_ms)} == missing - covered
