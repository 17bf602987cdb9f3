"""Claim 3 of issue 6, backups: made while another process writes as fast as it can, and restored. Each restored database
is the state after one of the writer's transactions, whole: every row of every batch up to it, none of a later one; that
batch was committed between the beginning and the end of the copy; and SQLite's check of the whole file is clean.

A child writes batches of prices and quotes, each batch one transaction, and prints its number once acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.report import claim
from bench.running import Process, process
from crypto_dt_source.clock import SystemClock
from crypto_dt_source.store import PriceRow, QuoteRow, Store, backup, open_store
from crypto_dt_source.store.repos import integrity, prices
from crypto_dt_source.store.targets import Target

ROWS = 50
EPOCH = 1_600_000_000_000
DATABASE = "crypto-dt-source.db"
VERSION = "bench"
ID = "0b5e55ed"
READ = {
    "prices": "SELECT timestamp, COUNT(*) FROM prices GROUP BY timestamp ORDER BY timestamp",
    "quotes": "SELECT timestamp, COUNT(*) FROM quotes GROUP BY timestamp ORDER BY timestamp",
}


async def _batch(store: Store, number: int) -> None:
    at = EPOCH + number
    rows = [PriceRow(f"asset{n}", at, number + n * 0.5) for n in range(ROWS)]
    quotes = [
        QuoteRow(
            f"asset{n}", at, "okx", "okx", "venue", "A", "USD", number + n, None, None, None, None, at, at
        )
        for n in range(ROWS)
    ]
    await prices.write_prices(store, rows, quotes)


async def _child(folder: Path) -> int:
    store = await open_store(f"sqlite:///{folder / DATABASE}", pool_size=1)
    for number in itertools.count():
        await _batch(store, number)
        print(f"batch {number}", flush=True)
    return 0


@dataclass(slots=True)
class Heard:
    """The newest batch that was acknowledged."""

    child: Process
    newest: int = -1
    over: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        while not self.over.is_set():
            for line in self.child.lines(time.perf_counter() + 0.2):
                self.newest = int(line.split()[1])


@dataclass(slots=True)
class Outcome:
    """What all rounds found."""

    wrong: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rows: int = 0
    written: int = 0


async def consistent(store: Store) -> tuple[int, list[str]]:
    """(the number of the last batch, what does not fit to a state after it)."""
    found = {table: await store.fetch(sql) for table, sql in READ.items()}
    last = found["prices"][-1][0] - EPOCH if found["prices"] else -1
    expected = [(EPOCH + number, ROWS) for number in range(last + 1)]
    wrong = [
        f"{table} differ from {last + 1} whole batches" for table, rows in found.items() if rows != expected
    ]
    ((total,),) = await store.fetch("SELECT SUM(price) FROM prices")
    true = sum(number * ROWS + 0.5 * ROWS * (ROWS - 1) / 2 for number in range(last + 1))
    if total is not None and abs(total - true) > 1e-6 * max(true, 1):
        wrong.append(f"prices add up to {total}, not {true}")
    return last, wrong


async def one_round(folder: Path, heard: Heard, number: int, found: Outcome) -> None:
    """Back up, restore elsewhere, look."""
    target = Target(str(folder / "backups"))
    before, begun = heard.newest, time.perf_counter()
    verdict = await backup.make(
        f"sqlite:///{folder / DATABASE}", target, SystemClock().now_ms() + number, VERSION, ID
    )
    found.seconds.append(time.perf_counter() - begun)
    found.problems += verdict.problems
    found.rows = verdict.manifest.rows
    after = heard.newest + 1  # committed, and its line still on the way
    url = f"sqlite:///{folder / f'restored{number}' / DATABASE}"
    await backup.restore(target, verdict.name, url, force=False)
    store = await open_store(url, read_only=True)
    try:
        last, wrong = await consistent(store)
        if not before <= last <= after:
            wrong.append(f"batch {last} was not committed during the copy ({before} to {after})")
        found.wrong += [f"round {number}: {line}" for line in wrong]
        found.problems += (await integrity.check(store)).problems
    finally:
        await store.close()
    found.written += after - before
    await backup.rotate(target, 2, ID)


def rounds(folder: Path, count: int, say: Callable[[str], None]) -> Outcome:
    """All rounds beside one writer."""
    found = Outcome()
    with process([sys.executable, "-m", "bench.backup", "--child", str(folder)]) as child:
        heard = Heard(child)
        thread = threading.Thread(target=heard.listen, name="acknowledgements")
        thread.start()
        try:
            until = time.perf_counter() + 30
            while heard.newest < 20 and time.perf_counter() < until:
                time.sleep(0.05)
            for number in range(count):
                asyncio.run(one_round(folder, heard, number, found))
        finally:
            heard.over.set()
            thread.join()
        if not found.written:
            raise RuntimeError(f"nothing was written meanwhile: {child.errors()}")
    for line in [*found.wrong, *found.problems][:20]:
        say(f"  {line}")
    return found


def verdict(found: Outcome, count: int) -> bool:
    """Print the claims; gives whether all hold."""
    slowest, wrong = max(found.seconds), len(found.wrong)
    return all(
        [
            claim(f"restored copies of {count} that are no state of the database ({found.written} batches written meanwhile)", wrong, "", "", None, None, "0", not wrong and found.written > 0),
            claim(f"integrity and comparison problems ({found.rows} rows in the last copy)", len(found.problems), "", "", None, None, "0", not found.problems),
            claim("slowest backup, proved", slowest, "s", "median", sorted(found.seconds)[count // 2], None, "60 s", slowest <= 60),
        ]
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        return asyncio.run(_child(arguments.child))
    with tempfile.TemporaryDirectory() as folder:
        found = rounds(Path(folder), arguments.rounds, partial(print, flush=True))
    return 0 if verdict(found, arguments.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
