"""kill -9 at random instants: what was acknowledged is there, whole, and the file is clean."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from crypto_dt_source.model.candle import MINUTE_MS
from crypto_dt_source.store import SeriesKey, Store, open_store
from crypto_dt_source.store.repos import candles

from .crash_layout import ROWS, START

WRITER = Path(__file__).with_name("crash_writer.py")
ROUNDS = 10
SPAN = 100_000


def _run_and_kill(path: Path, first: int, acks: int) -> dict[str, list[int]]:
    """Start the writer, kill it right after its ack number `acks`, and return every ack that came through."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(path), str(first)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    found: dict[str, list[int]] = {"price": [], "candle": []}
    lines = 0
    with process.stdout:
        for line in process.stdout:
            # A line the kill cut short has no end and is no acknowledgement.
            if line.endswith("\n"):
                kind, n = line.split()
                found[kind].append(int(n))
            lines += 1
            if lines == acks:
                process.kill()
    process.wait()
    return found


async def _check(store: Store, acked: dict[str, list[int]]) -> None:
    for n in acked["price"]:
        at = START + n * 1000
        for table in ("prices", "quotes"):
            rows = await store.fetch(f"SELECT COUNT(*), SUM(price) FROM {table} WHERE timestamp = ?", (at,))
            assert rows == [(ROWS, sum(n + k for k in range(ROWS)))], (table, n)
    for n in acked["candle"]:
        first = START + n * ROWS * MINUTE_MS
        found = await candles.read(
            store, SeriesKey("binance", "BTC", "USDT", "1m"), first, first + ROWS * MINUTE_MS
        )
        assert [candle.close for candle in found.candles] == [n] * ROWS


@pytest.mark.slow
async def test_acknowledged_rows_survive_kill(tmp_path: Path) -> None:
    path = tmp_path / "cdts.db"
    draw = random.Random(20_231_115)
    everything: dict[str, list[int]] = {"price": [], "candle": []}
    for turn in range(ROUNDS):
        acked = _run_and_kill(path, turn * SPAN, draw.randint(1, 150))
        assert acked["price"] or acked["candle"]
        everything = {kind: everything[kind] + acked[kind] for kind in everything}
        store = await open_store(f"sqlite:///{path}", pool_size=1)
        assert await store.integrity() == []
        await _check(store, acked)
        # A batch that was not acknowledged may be there or not, but never in part.
        assert (
            await store.fetch("SELECT timestamp FROM prices GROUP BY timestamp HAVING COUNT(*) <> ?", (ROWS,))
            == []
        )
        await store.close()
    store = await open_store(f"sqlite:///{path}", pool_size=1)
    await _check(store, everything)
    await store.close()
