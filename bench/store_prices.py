"""30 days of 5-minute prices of one asset, out of 90 days of 250 assets, in 15 ms at p99.

    python -m bench.store_prices [--assets 100 250 1000] [--days 90]

The rows are written tick by tick, every asset at each, as the service writes them: the file's layout is the one that
years of running make, not that of a sorted load. The reference is `sqlite3` reading the same rows in the calling thread.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import tempfile
import time
from pathlib import Path

from crypto_dt_source.model.candle import DAY_MS
from crypto_dt_source.store import PriceRow, Store, open_store
from crypto_dt_source.store.repos import prices

from .store_candles import line

START = 1_700_006_400_000
STEP = 300_000
READS = 300
WINDOW = 30 * DAY_MS


async def build(store: Store, assets: int, days: int) -> float:
    """Rows a second. Four hours of ticks a batch, in the order of time."""
    draw = random.Random(assets)
    names = [f"asset{n}" for n in range(assets)]
    levels = [10 ** draw.uniform(-4, 5) for _ in names]
    ticks = days * DAY_MS // STEP
    begun = time.perf_counter()
    for first in range(0, ticks, 48):
        rows = []
        for tick in range(first, min(first + 48, ticks)):
            at = START + tick * STEP
            for k, name in enumerate(names):
                levels[k] *= 1 + draw.uniform(-1e-3, 1e-3)
                rows.append(
                    PriceRow(name, at, levels[k], levels[k] * 1.3e-4, 12, 0.0213 + k * 1e-7, "ok", "cdts-1")
                )
        await prices.write_prices(store, rows)
    return assets * ticks / (time.perf_counter() - begun)


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


async def read(store: Store, path: Path, assets: int, days: int) -> tuple[list[float], list[float]]:
    """Seconds of each read, by the store and by raw sqlite3, turn about, of random assets and windows."""
    raw = sqlite3.connect(path)
    numbers = dict(raw.execute("SELECT id, number FROM assets").fetchall())
    sql = """SELECT timestamp, price FROM prices
        WHERE asset = ? AND provider = 0 AND timestamp >= ? AND timestamp < ? ORDER BY timestamp"""
    draw = random.Random(11)
    by_store, by_raw = [], []
    for _ in range(READS):
        name = f"asset{draw.randrange(assets)}"
        start = START + draw.randrange(max(1, days - 30)) * DAY_MS
        begun = time.perf_counter()
        expected = raw.execute(sql, (numbers[name], start, start + WINDOW)).fetchall()
        by_raw.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        found = await prices.history(store, name, start, start + WINDOW)
        by_store.append(time.perf_counter() - begun)
        if len(found) != min(days, 30) * 288 or found[-1] != expected[-1]:
            raise AssertionError("the store and sqlite3 read different rows")
    raw.close()
    return by_store, by_raw


async def measure(folder: Path, assets: int, days: int) -> None:
    path = folder / f"prices{assets}.db"
    store = await open_store(f"sqlite:///{path}")
    rate = await build(store, assets, days)
    count = assets * days * DAY_MS // STEP
    size = await store.size_bytes()
    print(
        f"built {days} days x {assets} assets: {count:,} rows, {rate:,.0f} rows/s, {size / count:.1f} bytes/row"
    )
    by_store, by_raw = await read(store, path, assets, days)
    line(
        f"30 days of 5-minute prices out of {days} days x {assets} assets",
        f"p99 {p99(by_store) * 1e3:.1f} ms",
        f"raw sqlite3 p99 {p99(by_raw) * 1e3:.1f} ms",
        p99(by_store) / p99(by_raw),
        "<= 15 ms",
        p99(by_store) <= 0.015,
    )
    begun = time.perf_counter()
    latest = await prices.latest_all(store)
    print(f"the newest price of each of {len(latest)} assets: {(time.perf_counter() - begun) * 1e3:.1f} ms")
    await store.close()


def main() -> None:
    """Print the claim for each number of assets."""
    parser = argparse.ArgumentParser(prog="bench.store_prices")
    parser.add_argument("--assets", type=int, nargs="+", default=[250])
    parser.add_argument("--days", type=int, default=90)
    # `python -m bench` has arguments of its own.
    options, _ = parser.parse_known_args()
    for assets in options.assets:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(Path(folder), assets, options.days))


if __name__ == "__main__":
    main()
