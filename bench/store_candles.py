"""Candles through the store against raw sqlite3: 100 000 rows a second in, 1 000 rows out in three times raw's time.

    python -m bench.store_candles

The reference writes the same rows into the same kind of table (same pragmas, same upsert, same batch per commit) and
reads them with `sqlite3` in the calling thread, without making a record of any row.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from crypto_dt_source.model.candle import MINUTE_MS, Candle
from crypto_dt_source.store import SeriesKey, Store, open_store
from crypto_dt_source.store.repos import candles

START = 1_700_006_400_000
SERIES = 50
ROWS = 8_000
PAGE = 1_000
"""Candles of one upstream page: what a backfill hands to the store at once."""
READS = 400


def line(name: str, measured: str, reference: str, ratio: float, target: str, passed: bool) -> None:
    """One line a claim."""
    print(
        f"{name}: {measured}, reference {reference}, ratio {ratio:.2f}, target {target}: {'PASS' if passed else 'FAIL'}"
    )


def page(first: int) -> list[Candle]:
    draw = random.Random(first)
    return [
        Candle(
            START + n * MINUTE_MS,
            *(draw.uniform(99, 101) for _ in range(4)),
            draw.random(),
            draw.random(),
            n,
            True,
        )
        for n in range(first, first + PAGE)
    ]


async def write_store(store: Store, pages: dict[int, list[Candle]]) -> float:
    """Rows a second, four series written at once as a backfill does."""

    async def backfill(numbers: range) -> None:
        for number in numbers:
            series = SeriesKey("binance", f"COIN{number}", "USDT", "1m")
            for rows in pages.values():
                await candles.write(store, series, rows)

    begun = time.perf_counter()
    await asyncio.gather(*(backfill(range(lane, SERIES, 4)) for lane in range(4)))
    return SERIES * ROWS / (time.perf_counter() - begun)


def write_raw(folder: Path, pages: dict[int, list[Candle]]) -> float:
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.executescript(
        """PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-16000;
        CREATE TABLE c (open_ms INTEGER, open REAL, high REAL, low REAL, close REAL, volume REAL, quote_volume REAL,
            trades INTEGER, closed INTEGER, series INTEGER, PRIMARY KEY (series, open_ms)) WITHOUT ROWID"""
    )
    sql = f"""INSERT INTO c VALUES ({",".join("?" * 10)}) ON CONFLICT (series, open_ms) DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close"""
    begun = time.perf_counter()
    for series in range(SERIES):
        for rows in pages.values():
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(sql, [(*row, series) for row in rows])
            connection.execute("COMMIT")
    spent = time.perf_counter() - begun
    connection.close()
    return SERIES * ROWS / spent


async def read_both(store: Store, path: Path) -> tuple[float, float]:
    """Median seconds of reading 1 000 candles, by the store and raw, turn about so that both meet the same machine."""
    raw = sqlite3.connect(path)
    numbers = dict(raw.execute("SELECT base, number FROM series").fetchall())
    sql = """SELECT open_ms, open, high, low, close, volume, quote_volume, trades, closed, source FROM ohlcv
        WHERE series = ? AND open_ms >= ? AND open_ms < ? ORDER BY open_ms LIMIT 1000"""
    draw = random.Random(7)
    by_store, by_raw = [], []
    for _ in range(READS):
        base = f"COIN{draw.randrange(SERIES)}"
        first = START + draw.randrange(ROWS - 1000) * MINUTE_MS
        begun = time.perf_counter()
        expected = raw.execute(sql, (numbers[base], first, 2**62)).fetchall()
        by_raw.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        found = await candles.read(store, SeriesKey("binance", base, "USDT", "1m"), first, limit=1000)
        by_store.append(time.perf_counter() - begun)
        if len(found.candles) != 1000 or tuple(found.candles[-1][:8]) != expected[-1][:8]:
            raise AssertionError("the store and sqlite3 read different rows")
    raw.close()
    return statistics.median(by_store), statistics.median(by_raw)


async def measure(folder: Path) -> None:
    pages = {first: page(first) for first in range(0, ROWS, PAGE)}
    path = folder / "cdts.db"
    store = await open_store(f"sqlite:///{path}")
    rate = await write_store(store, pages)
    raw_rate = write_raw(folder, pages)
    line(
        "candles written through the store",
        f"{rate:,.0f} rows/s",
        f"raw sqlite3 {raw_rate:,.0f} rows/s",
        rate / raw_rate,
        ">= 100,000 rows/s",
        rate >= 100_000,
    )
    seconds, raw_seconds = await read_both(store, path)
    line(
        "1 000 candles read through the store",
        f"{seconds * 1e3:.2f} ms",
        f"raw sqlite3 {raw_seconds * 1e3:.2f} ms",
        seconds / raw_seconds,
        "<= 3",
        seconds <= 3 * raw_seconds,
    )
    await store.close()


def main() -> None:
    """Print both claims."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
