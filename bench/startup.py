"""Claim 7, last sentence: first answer 1.5 s after start, at most 150 MB resident; and how both grow from 100 to 10 000
assets.

The time is from the start of `cdts serve` to the first 200 of `/api/prices?symbols=BTC` with a price in it, against a
bare FastAPI application under uvicorn that imports the same libraries and serves one route. Three starts are measured:
on an empty folder with upstreams that answer (the first answer waits for eight sources), on the folder that left behind
(the first answer is the stored price, marked stale, or a fresh one where a venue was quicker), and on it with every
upstream dead (a stored price, marked stale). The upstreams are the simulator in another process on the same machine;
memory is the service's alone, after every simulated venue and aggregator has delivered.

The growth is measured in a process for each size, without sockets: a board of that many assets with eight venues each,
the resolver that knows them, one round of consensus prices, one request.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench.report import claim
from bench.running import CDTS, Process, cpu_s, get, process, resident_mb, upstreams_at
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.asset import AssetListing
from crypto_dt_source.model.quote import Quote
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.resolver import Resolver
from crypto_dt_source.services.board import Board
from crypto_dt_source.services.prices import Pricer

TARGET_S, TARGET_MB = 1.5, 150.0
PRICED = "/api/prices?symbols=BTC"
SIZES = (100, 1000, 10_000)
VENUES = ("binance", "bitstamp", "bybit", "gate", "kraken", "kucoin", "mexc", "okx")
SETTLE_S = 60.0

BARE = """
import socket
import aiohttp, aiosqlite, dotenv, msgspec, pydantic_settings, sqlalchemy.ext.asyncio, structlog, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/api/prices")
async def prices() -> dict[str, list[dict[str, float]]]:
    return {"data": [{"price": 1.0}]}
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
"""


class First(NamedTuple):
    """Seconds from a process's start to its first price, seconds of CPU it took until then, and that price."""

    seconds: float
    cpu_s: float
    price: dict[str, Any]


def first_answer(made: Process) -> First:
    """Ask until a price comes. Raises RuntimeError when none does."""
    url = made.address()
    while time.perf_counter() - made.started < 30:
        with suppress(OSError, http.client.HTTPException):
            status, body = get(url, PRICED)
            if status == 200 and body["data"]:
                return First(time.perf_counter() - made.started, cpu_s(made.child.pid), body["data"][0])
        time.sleep(0.005)
    raise RuntimeError("no price within 30 s")


def bare() -> tuple[First, float]:
    """The reference's first answer, and its MB resident."""
    with process([sys.executable, "-c", BARE]) as made:
        return first_answer(made), resident_mb(made.child.pid)


def serve(folder: Path, upstreams: dict[str, str]) -> Any:
    return process([*CDTS, "serve", "--port", "0", "--data-dir", str(folder)], upstreams)


def settled(made: Process, url: str, upstreams: int) -> tuple[float, int, int]:
    """(MB resident, providers that delivered, assets priced) once every job has run, or after a minute."""
    until = time.perf_counter() + SETTLE_S
    while True:
        _, body = get(url, "/api/health")
        jobs = body["components"]["scheduler"]["jobs"]
        collected = [job for job in jobs if job.startswith(("quotes:", "coins:"))]
        if (len(collected) >= upstreams and "store_prices" in jobs) or time.perf_counter() > until:
            return resident_mb(made.child.pid), len(collected), body["metrics"]["assets_priced"]
        time.sleep(0.5)


def starts(count: int) -> bool:
    """Measure and print the claims on time and memory."""
    references: list[tuple[First, float]] = []
    found: dict[str, list[First]] = {"fresh": [], "filled": [], "dead": []}
    memory, delivered, assets = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as top, process([*CDTS, "sim", "--port", "0"]) as sim:
        address = sim.address()
        upstreams = upstreams_at(address)
        warm(address)
        for number in range(count):
            references.append(bare())
            folder = Path(top) / str(number)
            with serve(folder, upstreams) as made:
                found["fresh"].append(first_answer(made))
                memory, delivered, assets = settled(made, made.url, 18)
                made.stop()
            for name, urls in (("filled", upstreams), ("dead", upstreams_at("http://127.0.0.1:9"))):
                with serve(folder, urls) as made:
                    found[name].append(first_answer(made))
                    made.stop()
    reference_s = statistics.median(first.seconds for first, _ in references)
    reference_cpu_s = statistics.median(first.cpu_s for first, _ in references)
    reference_mb = statistics.median(mb for _, mb in references)
    passed = True
    for name, text in (
        ("fresh", "on an empty folder"),
        ("filled", "on a filled folder"),
        ("dead", "on a filled folder, upstreams dead"),
    ):
        median = statistics.median(first.seconds for first in found[name])
        spent = statistics.median(first.cpu_s for first in found[name])
        price = found[name][-1].price
        print(
            f"  {text}: {spent:.2f} s of CPU until the first price, the bare one {reference_cpu_s:.2f};"
            f" load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
        passed &= claim(
            f"first price {text} ({price['sources']} sources, {'stale' if price['stale'] else 'fresh'})",
            median, "s", "bare FastAPI", reference_s, median / reference_s, f"{TARGET_S:g} s", median <= TARGET_S,
        )  # fmt: skip
    passed &= claim(
        f"resident with {assets} assets of {delivered} providers", memory, "MB", "bare FastAPI", reference_mb,
        memory / reference_mb, f"{TARGET_MB:g} MB", memory <= TARGET_MB,
    )  # fmt: skip
    return passed


def warm(address: str) -> None:
    """Let the simulator load its modules and make its market."""
    for path in (
        "/binance/api/v3/ticker/24hr",
        "/kraken/0/public/Ticker",
        "/okx/api/v5/market/tickers?instType=SPOT",
    ):
        with suppress(OSError, ValueError):
            get(address, path)


# --- growth ---


class Made(NamedTuple):
    """A board's parts, and the venues' full lists to put on it."""

    clock: ManualClock
    board: Board
    pricer: Pricer
    lists: dict[str, list[Quote]]


def synthetic(size: int) -> Made:
    """A resolver that knows `size` assets beside the registry, and a quote of each from every venue."""
    entries = catalog.load()
    clock = ManualClock()
    # Said by name, as the catalogue does for tickers that could mean another asset.
    own = {f"ZZ{n}": f"synthetic-{n}" for n in range(size)}
    resolver = Resolver(venue_tickers=dict.fromkeys(VENUES, own))
    resolver.learn(
        AssetListing("coingecko", f"synthetic-{n}", f"ZZ{n}", f"Synthetic {n}", 5000 + n, True)
        for n in range(size)
    )
    board = Board(entries, resolver)
    now = clock.now_ms()
    rest = (10.0, None, 1.0, None, None, now, now)
    lists = {
        venue: [
            Quote(venue, f"ZZ{n}USD", f"ZZ{n}", "USD", p, p * 0.9999, p * 1.0001, *rest)
            for n, p in enumerate((1 + n) * (1 + shift * 1e-5) for n in range(size))
        ]
        for shift, venue in enumerate(VENUES)
    }
    return Made(clock, board, Pricer(board, resolver, clock), lists)


def grow(size: int) -> dict[str, float]:
    """Measures of one size, in this process."""
    before = resident_mb(os.getpid())
    clock, board, pricer, lists = synthetic(size)
    at = time.process_time()
    kept = sum(board.update(provider, rows) for provider, rows in lists.items())
    taken_s = time.process_time() - at
    lists.clear()
    if kept != size * len(VENUES):
        raise RuntimeError(f"the board kept {kept} quotes of {size * len(VENUES)}")
    pricer.refresh_rates()
    rates = pricer.rates_into("USD")
    ids = list(board.assets())
    if len(ids) != size:
        raise RuntimeError(f"{len(ids)} assets of {size} are on the board")
    at = time.process_time()
    for asset in ids:
        result = pricer.decide(asset, board.source_quotes(asset), rates, clock.now_ms())
        if result.sources != len(VENUES):
            raise RuntimeError("a price is without all of its sources")
    round_s = time.process_time() - at
    for asset in ids:
        pricer.point(asset)
    after = resident_mb(os.getpid())
    # Past what a price is remembered for, and the order of all prices, which one request in 30 s makes anew.
    asyncio.run(clock.advance(60))
    at = time.process_time()
    pricer.point(ids[0])
    first_s = time.process_time() - at
    asked = ids[1 :: max(1, size // 100)]
    at = time.process_time()
    for asset in asked:
        pricer.point(asset)
    request_us = (time.process_time() - at) / len(asked) * 1e6
    return {
        "mb": after - before,
        "take_us": taken_s / kept * 1e6,
        "decide_us": round_s / size * 1e6,
        "round_ms": round_s * 1000,
        "request_us": request_us,
        "first_ms": first_s * 1000,
    }


def growth(sizes: Sequence[int]) -> bool:
    """One process a size; what an asset costs must not grow with their number."""
    found = {}
    for size in sizes:
        output = subprocess.run(
            [sys.executable, "-m", "bench.startup", "--grow", str(size)], check=True, stdout=subprocess.PIPE
        )
        found[size] = json.loads(output.stdout)
        each = found[size]
        print(
            f"  {size:>6} assets x {len(VENUES)} venues: {each['mb']:.1f} MB, taking a quote in {each['take_us']:.1f} µs,"
            f" deciding a price {each['decide_us']:.0f} µs ({each['round_ms']:.0f} ms a round),"
            f" answering one {each['request_us']:.0f} µs, {each['first_ms']:.1f} ms every 30 s",
            flush=True,
        )
    small, large = found[sizes[0]], found[sizes[-1]]
    ratio = large["request_us"] / small["request_us"]
    return claim(
        f"answering a price that has to be computed, {sizes[-1]} assets",
        large["request_us"], "µs CPU", f"{sizes[0]} assets", small["request_us"], ratio, "at most 3 times", ratio <= 3,
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--starts", type=int, default=1, help="starts of each kind; their median counts (full: 5)"
    )
    parser.add_argument("--grow", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.grow:
        print(json.dumps(grow(arguments.grow)))
        return 0
    passed = starts(arguments.starts)
    return 0 if growth(SIZES) and passed else 1


if __name__ == "__main__":
    sys.exit(main())
