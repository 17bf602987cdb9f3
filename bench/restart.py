"""Claim 6: kill -9 at random instants under load. Every acknowledged row is there, the integrity check is clean, the
backfill resumes, and prices are served, marked stale, within 2 s of the next start with every upstream dead.

A child runs the whole service beside a simulator, with writers that print a line for each row once its write was
acknowledged: prices and candles of their own making, consensus prices decided from the board, and a backfill. It is
asked over HTTP all the while, and killed 0.5 to 4 s after it began to serve. The store is then opened for reading and
every row that was ever acknowledged is looked for; then `cdts serve` starts on it with upstreams that refuse every
connection or, every other round, take it and never answer. The time is from the start of that process to its answer.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import itertools
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.report import claim
from bench.running import CDTS, get, process, upstreams_at
from crypto_dt_source.api.app import serve_app
from crypto_dt_source.cli.running import Server, Stop, listen, run_until_stopped, url_of
from crypto_dt_source.clock import SystemClock
from crypto_dt_source.model.candle import MINUTE_MS, Candle
from crypto_dt_source.services import backfill, collect
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.settings import base_urls, load
from crypto_dt_source.store import PriceRow, SeriesKey, open_store
from crypto_dt_source.store.repos import backfill as backfill_repo
from crypto_dt_source.store.repos import candles as candle_repo
from crypto_dt_source.store.repos import integrity
from crypto_dt_source.store.repos import prices as price_repo
from crypto_dt_source.wiring import open_runtime

TARGET_S = 2.0
BATCH = 50
EPOCH = 1_600_000_020_000
LOAD = (
    "/api/prices?symbols=BTC,ETH,SOL",
    "/api/prices/BTC/sources",
    "/api/ohlcv?symbol=BTC&limit=50",
    "/api/health",
)
PRICED = "/api/prices?symbols=BTC"


def price_of(number: int) -> float:
    """The price the writer gives row `number`: any row can be checked without having been told its value."""
    return 1 + number * 0.25


def candle_of(number: int) -> Candle:
    open_ms = EPOCH + number * MINUTE_MS
    return Candle(open_ms, 1.0, 3.0, 0.5, price_of(number) % 2 + 0.75, 1.0, None, number, True)


SERIES = SeriesKey("crash", "AAA", "USDT", "1m")


# --- the child ---


async def _prices(rt: Runtime, first: int) -> None:
    for number in itertools.count(first):
        rows = [PriceRow(f"crash-{n}", EPOCH + number, price_of(number)) for n in range(BATCH)]
        await price_repo.write_prices(rt.store, rows)
        print(f"price {number}", flush=True)


async def _candles(rt: Runtime, first: int) -> None:
    for number in itertools.count(first, BATCH):
        await candle_repo.write(rt.store, SERIES, map(candle_of, range(number, number + BATCH)))
        print(f"candles {number + BATCH}", flush=True)


async def _polled(rt: Runtime, venues: int) -> None:
    """Wait until so many venues have delivered quotes."""
    while len(rt.board.polled) < venues:  # noqa: ASYNC110 - the board tells nobody, and this is no service
        await asyncio.sleep(0.02)


async def _decided(rt: Runtime) -> None:
    await _polled(rt, 1)
    while True:
        print(f"decided {await collect.store_prices(rt)}", flush=True)
        await asyncio.sleep(0.2)


async def _backfill(rt: Runtime) -> None:
    await _polled(rt, 3)

    def progress(step: backfill.Step) -> None:
        key = step.series
        print(
            f"backfill {key.provider} {key.base} {key.quote} {key.interval} {step.done} {step.total}",
            flush=True,
        )

    await backfill.run(rt, backfill.top_assets(rt, 25), ("5m",), 90, progress)


async def _child(arguments: argparse.Namespace, stop: Stop) -> int:
    clock = SystemClock()
    settings = load(data_dir=arguments.child)
    listener = listen("127.0.0.1", 0)
    async with open_runtime(settings, base_urls=base_urls(), clock=clock, mode="demo") as rt:
        app = serve_app(lambda: nullcontext(rt), clock, timeout_s=10)
        writers = asyncio.gather(
            _prices(rt, arguments.first_price),
            _candles(rt, arguments.first_candle),
            _decided(rt),
            _backfill(rt),
        )
        server = Server(app, lambda: print(url_of(listener), flush=True), graceful_s=1)
        await stop.serve(server, listener)
        writers.cancel()
    return 0


# --- the parent ---


@dataclass(slots=True)
class Acked:
    """The newest word of each writer, over all rounds."""

    prices: int = 0
    candles: int = 0
    decided: int = 0
    backfill: dict[SeriesKey, int] = field(default_factory=dict)
    resumed_behind: list[str] = field(default_factory=list)
    resumed: int = 0
    lines: int = 0

    def take(self, line: str, first_of_round: set[SeriesKey]) -> None:
        word, *rest = line.split()
        if word == "price":
            self.prices = int(rest[0]) + 1
        elif word == "candles":
            self.candles = int(rest[0])
        elif word == "decided":
            self.decided += int(rest[0])
        elif word == "backfill":
            key, done = SeriesKey(*rest[:4]), int(rest[4])
            before = self.backfill.get(key, 0)
            if before and key not in first_of_round:
                self.resumed += 1
                # The window moves on with the clock: a candle or two may have left it since.
                if done < before - 2:
                    self.resumed_behind.append(f"{key}: {done} after {before}")
            first_of_round.add(key)
            self.backfill[key] = done
        self.lines += 1


@contextmanager
def load_on(address: str) -> Iterator[list[int]]:
    """Four clients asking in turn; gives their statuses (0: no answer)."""
    over = threading.Event()
    statuses: list[int] = []

    def ask(offset: int) -> None:
        for path in itertools.islice(itertools.cycle(LOAD), offset, None):
            if over.is_set():
                return
            try:
                statuses.append(get(address, path, 5.0)[0])
            except (OSError, http.client.HTTPException, ValueError):
                statuses.append(0)
                over.wait(0.05)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(LOAD))]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


def kill_round(folder: Path, upstreams: dict[str, str], acked: Acked, delay_s: float) -> int:
    """Run the child, take its acknowledgements, kill it `delay_s` after it began to serve; gives the answers it gave."""
    command = [sys.executable, "-m", "bench.restart", "--child", str(folder)]
    command += ["--first-price", str(acked.prices), "--first-candle", str(acked.candles)]
    begun: set[SeriesKey] = set()
    with process(command, upstreams) as child:
        address = ""
        for line in child.lines(time.perf_counter() + 30):
            if line.startswith("http://"):
                address = line
                break
            acked.take(line, begun)
        if not address:
            raise RuntimeError(f"the service did not start: {child.errors()}")
        until = time.perf_counter() + delay_s
        with load_on(address) as statuses:
            for line in child.lines(until):
                acked.take(line, begun)
            child.kill()
        # What it had printed before its end was acknowledged too.
        for line in child.lines(time.perf_counter() + 5):
            acked.take(line, begun)
        return sum(status == 200 for status in statuses)


async def missing(folder: Path, acked: Acked) -> tuple[list[str], list[str]]:
    """(acknowledged rows that are not there, problems of the integrity check)."""
    store = await open_store(f"sqlite:///{folder / 'crypto-dt-source.db'}", read_only=True)
    lost: list[str] = []
    try:
        for n in range(0, BATCH, 7):
            rows = await price_repo.rows(store, f"crash-{n}", EPOCH, EPOCH + acked.prices)
            wrong = [r.timestamp for r in rows if r.price != price_of(r.timestamp - EPOCH)]
            if len(rows) != acked.prices or wrong:
                lost.append(f"prices of crash-{n}: {len(rows)} of {acked.prices}, {len(wrong)} wrong")
        end = EPOCH + acked.candles * MINUTE_MS
        found = (await candle_repo.read(store, SERIES, EPOCH, end, limit=acked.candles + 1)).candles
        if found != [candle_of(n) for n in range(acked.candles)]:
            lost.append(f"candles: {len(found)} of {acked.candles}")
        decided = 0
        for asset in await price_repo.latest_all(store):
            if not asset.startswith("crash-"):
                decided += len(await price_repo.rows(store, asset, EPOCH, 2**62))
        if decided < acked.decided:
            lost.append(f"decided prices: {decided} of {acked.decided}")
        for key, done in acked.backfill.items():
            row = await backfill_repo.get(store, key)
            step = 5 * MINUTE_MS
            if done and (row is None or (row.done_to_ms - row.from_ms) // step < done):
                lost.append(f"backfill of {key}: {row} of {done}")
            elif row is not None:
                gaps = await candle_repo.gaps(store, key, row.from_ms, row.done_to_ms)
                lost.extend(f"candles of {key}: {gap}" for gap in gaps)
        return lost, (await integrity.check(store)).problems
    finally:
        await store.close()


@contextmanager
def dead(hanging: bool) -> Iterator[str]:
    """An address nobody answers at: refused, or taken and never answered."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if hanging:
        listener.listen(1024)
    try:
        yield address
    finally:
        listener.close()


@dataclass(frozen=True, slots=True)
class Restarted:
    """`first_s`: from the process's start to the first price; `stale`: what the answer said of itself."""

    first_s: float
    stale: bool
    status: int
    end_s: float


def restart(folder: Path, hanging: bool) -> Restarted:
    """Start on dead upstreams and wait for the first price."""
    with dead(hanging) as address:
        command = [*CDTS, "serve", "--port", "0", "--data-dir", str(folder)]
        with process(command, upstreams_at(address)) as service:
            url = service.address()
            stale, first_s = False, float("inf")
            while time.perf_counter() - service.started < 15:
                with suppress(OSError, http.client.HTTPException):
                    status, body = get(url, PRICED)
                    if status == 200 and body["data"]:
                        first_s = time.perf_counter() - service.started
                        stale = bool(body["data"][0]["stale"]) and body["data"][0]["price"] > 0
                        break
            status, end_s = service.stop()
            return Restarted(first_s, stale, status, end_s)


@dataclass(slots=True)
class Outcome:
    """What all rounds found. `lost`: acknowledged rows that were not there; `problems`: of the integrity check."""

    acked: Acked = field(default_factory=Acked)
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    starts: list[Restarted] = field(default_factory=list)
    answers: int = 0


def rounds(
    folder: Path, upstreams: dict[str, str], count: int, seed: int, say: Callable[[str], None]
) -> Outcome:
    """All rounds, on one store."""
    draw = random.Random(seed)
    found = Outcome()
    for number in range(count):
        delay_s = draw.uniform(0.5, 4.0)
        found.answers += kill_round(folder, upstreams, found.acked, delay_s)
        lost, problems = asyncio.run(missing(folder, found.acked))
        found.lost += lost
        found.problems += problems
        last = "no price yet"
        if found.acked.decided:
            found.starts.append(restart(folder, hanging=number % 2 == 1))
            last = f"first price {found.starts[-1].first_s:.2f} s"
        say(f"round {number + 1}: killed after {delay_s:.2f} s, {found.acked.lines} acknowledgements, {last}")
    for line in [*found.lost, *found.problems, *found.acked.resumed_behind][:20]:
        say(f"  {line}")
    return found


def verdict(found: Outcome, count: int, within_s: float) -> bool:
    """Print the claims; gives whether all hold."""
    acked, starts = found.acked, found.starts
    lost, behind = len(found.lost), len(acked.resumed_behind)
    rows = acked.prices * BATCH + acked.candles + acked.decided + sum(acked.backfill.values())
    seconds = sorted(s.first_s for s in starts) or [float("inf")]
    in_order = sum(s.status == 0 and s.end_s <= 5 for s in starts)
    stale = all(s.stale for s in starts)
    return all(
        [
            claim(f"acknowledged rows lost in {count} kills", lost, "rows", "acknowledged", rows, None, "0", not lost),
            claim("integrity problems", len(found.problems), "problems", "", None, None, "0", not found.problems),
            claim(
                "backfills that began again behind their progress", behind, "series", "resumed", acked.resumed, None,
                "0", not behind,
            ),
            claim(
                "first stale price after start, upstreams dead, slowest", seconds[-1], "s",
                "median", seconds[len(seconds) // 2], None, f"{within_s:g} s, every one marked stale",
                seconds[-1] <= within_s and stale,
            ),
            claim(
                "ends with status 0 within 5 s", in_order, "of", "starts", len(starts), None, "all",
                in_order == len(starts) > 0,
            ),
            claim(
                "answers under load before the kills", found.answers, "answers", "", None, None, "more than none",
                found.answers > 0,
            ),
        ]
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="kills (the claim: 50)")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--within-s", type=float, default=TARGET_S, help="target of the first price")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first-price", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--first-candle", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        return run_until_stopped(partial(_child, arguments))
    with tempfile.TemporaryDirectory() as folder, process([*CDTS, "sim", "--port", "0"]) as sim:
        upstreams = upstreams_at(sim.address())
        say = partial(print, flush=True)
        found = rounds(Path(folder), upstreams, arguments.rounds, arguments.seed, say)
    return 0 if verdict(found, arguments.rounds, arguments.within_s) else 1


if __name__ == "__main__":
    sys.exit(main())
