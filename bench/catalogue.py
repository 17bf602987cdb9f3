"""Claim 5 of the service running itself: how many sources pass `cdts providers check` against the simulator, and what a copy of
the whole catalogue and an hour of the scoreboard cost."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.model.candle import HOUR_MS
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.entry_fields import checked, fields_of
from crypto_dt_source.store import ApiCallRow, open_store
from crypto_dt_source.store.repos import calls, scores

from .report import claim
from .running import CDTS

LEAST = 200
CALLS = 20_000
"""Upstream calls of a busy hour: five a second and more."""


def passed() -> tuple[int, int, Counter[str]]:
    """Sources asked, those that answered, and the latter by category."""
    told = subprocess.run(
        [*CDTS, "providers", "check", "--simulator", "--json"], capture_output=True, text=True, check=False
    )
    rows = json.loads(told.stdout)
    for row in rows:
        if not row["ok"]:
            print(f"{row['id']}: {row['failure']}")
    return len(rows), sum(row["ok"] for row in rows), Counter(row["category"] for row in rows if row["ok"])


def round_trip() -> tuple[int, float]:
    """Entries that are the same after they were written out and read in, and milliseconds for all of them."""
    entries = list(catalog.load().values())
    begun = time.perf_counter()
    same = sum(checked(entry.category, entry.id, fields_of(entry)) == entry for entry in entries)
    return same, (time.perf_counter() - begun) * 1000


async def hour() -> float:
    """Milliseconds to add up the calls of an hour."""
    names = sorted(catalog.load())
    start = SystemClock().now_ms() // HOUR_MS * HOUR_MS
    with tempfile.TemporaryDirectory() as folder:
        store = await open_store(f"sqlite:///{Path(folder) / 'bench.db'}", clock=SystemClock())
        rows = [
            ApiCallRow(start + n, names[n % len(names)], "quotes", float(n % 900), "ok", 200)
            for n in range(CALLS)
        ]
        await calls.write_api_calls(store, rows)
        begun = time.perf_counter()
        await scores.called(store, start, start + HOUR_MS)
        took = (time.perf_counter() - begun) * 1000
        await store.close()
    return took


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when every claim holds."""
    argparse.ArgumentParser(prog="bench.catalogue").parse_args(argv)
    asked, answered, by_category = passed()
    print(", ".join(f"{name} {count}" for name, count in sorted(by_category.items())))
    held = claim(
        "sources that pass providers check at the simulator",
        answered,
        "sources",
        "asked",
        asked,
        answered / max(1, asked),
        f"all, and at least {LEAST}",
        answered == asked >= LEAST,
    )
    same, took = round_trip()
    whole = len(catalog.load())
    held &= claim(
        "entries lossless through export and import",
        same,
        "entries",
        "of",
        whole,
        same / whole,
        "all",
        same == whole,
    )
    held &= claim("to read and check the whole catalogue", took, "ms", "", None, None, "< 500", took < 500)
    added = asyncio.run(hour())
    held &= claim(f"to add up an hour of {CALLS} calls", added, "ms", "", None, None, "< 500", added < 500)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
