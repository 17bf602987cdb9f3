"""kill -9 at random instants: what was acknowledged is there, whole, and the file is clean."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from crypto_dt_source.model.candle import MINUTE_MS
from crypto_dt_source.store import NewsFilter, SeriesKey, Store, open_store
from crypto_dt_source.store.repos import candles, news

from .crash_layout import ROWS, START
from .test_news import whole_text

WRITER = Path(__file__).with_name("crash_writer.py")
FEED = Path(__file__).with_name("crash_news.py")
ROUNDS = 5
SPAN = 100_000


def _run_and_kill(writer: Path, path: Path, first: int, acks: int) -> list[str]:
    """Start the writer, kill it right after its ack number `acks`, and return every ack that came through."""
    process = subprocess.Popen(
        [sys.executable, str(writer), str(path), str(first)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    found = []
    lines = 0
    with process.stdout:
        for line in process.stdout:
            # A line the kill cut short has no end and is no acknowledgement.
            if line.endswith("\n"):
                found.append(line.strip())
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
        acked: dict[str, list[int]] = {"price": [], "candle": []}
        for line in _run_and_kill(WRITER, path, turn * SPAN, draw.randint(1, 150)):
            kind, n = line.split()
            acked[kind].append(int(n))
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


@pytest.mark.slow
async def test_a_feed_state_never_outlives_its_articles(tmp_path: Path) -> None:
    """Killed between the two, the next poll's 304 would hide the articles for good. Nothing is there twice either: every
    reply repeats the one before, and the killed one is taken again."""
    path = tmp_path / "cdts.db"
    draw = random.Random(20_261_031)
    first = 1
    for _ in range(3):
        acked = _run_and_kill(FEED, path, first, draw.randint(1, 40))
        store = await open_store(f"sqlite:///{path}", pool_size=1)
        assert await store.integrity() == []
        await whole_text(store)
        (feed,) = await news.feeds(store)
        n = int(feed.etag or 0)
        assert n >= int(acked[-1])
        stored = (n + 1) * ROWS
        assert await store.fetch("SELECT COUNT(*), COUNT(DISTINCT id), MAX(published_ms) FROM news") == [
            (stored, stored, START + stored - 1)
        ]
        assert (await news.page(store, NewsFilter(asset="bitcoin"), 0, 1))[0] == stored // 2
        assert (await news.page(store, NewsFilter(q="alpha"), 0, 1))[0] == stored // 2
        first = max(1, n - 1)
        await store.close()
