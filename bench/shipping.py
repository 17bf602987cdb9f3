"""Claim 3 of issue 6, shipping: kill -9 and redeploys on a host whose disk does not last, with a target that makes visible
late and out of order what is put there. No acknowledged key, pool or provider choice is lost; of market data at most 60 s.

A child takes up the database, ships it, and writes: a market row every 50 ms, and keys, pools and choices as fast as they
are acknowledged, a line for each. Most rounds kill it at a random instant and throw its folder away; in a third of them
the next child begins while it still runs, as in a redeploy, and it is killed a while after; in a tenth the folder stays.
Every key, pool and choice ever acknowledged is then looked for in the database that the next child made from the target.
What is lost of market data is the time between the last row the next child has of it, or the dead one's first, and the last
one committed, or the first of the next child.

With --url the target is that address instead (a bucket on a loopback stand-in of S3, say), a fresh folder of it for each run.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.late_target import late_target, register, url_of
from bench.report import claim
from bench.running import Process, process
from crypto_dt_source.clock import SystemClock
from crypto_dt_source.model.access import ApiKey
from crypto_dt_source.store import PoolRow, PriceRow, Store, StoreError, open_store
from crypto_dt_source.store.engine import SCHEMA
from crypto_dt_source.store.errors import NotShipped
from crypto_dt_source.store.repos import keys, pools, prices, providers
from crypto_dt_source.store.shipping import Shipper
from crypto_dt_source.store.takeup import take_up
from crypto_dt_source.store.targets import Target

TARGET_S = 60.0
TICK_S = 0.05
PEOPLE = 5
SELDOM_S = 600.0
DATABASE = "crypto-dt-source.db"
READY_S = 60.0
PROMISES = ("key", "pool", "choice")
FOUND = {
    "key": "SELECT id FROM api_keys",
    "pool": "SELECT id FROM pools",
    "choice": "SELECT id FROM providers WHERE priority = 7",
}


# --- the child ---


async def _market(store: Store) -> None:
    while True:
        at = SystemClock().now_ms()
        await prices.write_prices(store, [PriceRow(f"asset{n}", at, 1.0 + n) for n in range(20)])
        print(f"market {at}", flush=True)
        await asyncio.sleep(TICK_S)


async def _promise(store: Store, kind: str, name: str) -> None:
    if kind == "key":
        await keys.put(store, ApiKey(name, name, "cdts", name, "free", frozenset({"read"}), 1))
    elif kind == "pool":
        await pools.put(
            store,
            PoolRow(
                id=name,
                name=name,
                category="market",
                strategy="priority",
                enabled=True,
                created_ms=1,
                members=(),
            ),
        )
    else:
        await providers.set_choice(store, name, enabled=False, priority=7, weight=None)


async def _decide(store: Store, word: str, rest_s: float) -> None:
    """People's decisions, one after the other, for as long as they are taken."""
    number = 0
    while True:
        kind = PROMISES[number % len(PROMISES)]
        name = f"{kind}-{word}-{number}"
        number += 1
        try:
            await _promise(store, kind, name)
        except NotShipped as error:
            print(f"refused {error.kind}", flush=True)
            if error.kind == "superseded":
                return
            await asyncio.sleep(rest_s)
            continue
        print(f"{kind} {name}", flush=True)
        await asyncio.sleep(rest_s)


async def _child(arguments: argparse.Namespace) -> int:
    register()
    clock = SystemClock()
    target = Target(arguments.target)
    taken = await take_up(target, arguments.child / DATABASE, clock)
    store = await open_store(f"sqlite:///{arguments.child / DATABASE}", pool_size=1, clock=clock)
    shipper = Shipper(store, target, clock, taken, every_s=arguments.interval, schema=SCHEMA)
    ((newest,),) = await store.fetch("SELECT MAX(timestamp) FROM prices")
    shipper.start()
    print(f"ready {newest or 0}", flush=True)
    people = [_decide(store, f"{arguments.word}.{person}", arguments.rest) for person in range(PEOPLE)]
    await asyncio.gather(_market(store), *people)
    return 0


# --- the parent ---


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two shipments, seconds a flush may take, seconds a person rests between two decisions. A decision
    ships everything, so that market data is at its greatest risk while nobody decides."""

    interval_s: float
    late_s: float
    rest_s: float = 0.02


@dataclass(slots=True)
class Life:
    """One child: what it said. Times are ms."""

    child: Process
    folder: Path
    restored_ms: int | None = None
    first_ms: int | None = None
    last_ms: int = 0
    acked: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in PROMISES})
    refused: int = 0
    """Decisions it took no more, for a newer start took over."""

    def hear(self, until: float, *, ready: bool = False, acked: bool = False) -> None:
        """Take its lines until then, or until it is ready, or until it has acknowledged something."""
        for line in self.child.lines(until):
            word, _, rest = line.partition(" ")
            if word == "ready":
                self.restored_ms = int(rest)
                if ready:
                    return
            elif word == "market":
                self.first_ms = self.first_ms or int(rest)
                self.last_ms = int(rest)
            elif word == "refused":
                self.refused += rest in ("awaited", "superseded")
            elif word in self.acked:
                self.acked[word].add(rest)
                if acked:
                    return


@dataclass(slots=True)
class Outcome:
    """What all rounds found. `losses` are seconds of market data."""

    acked: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in PROMISES})
    missing: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    redeploys: int = 0
    superseded: int = 0
    flushed: int = 0
    reordered: int = 0


def begin(stack: ExitStack, root: Path, number: int, pace: Pace, kept: Path | None, url: str) -> Life:
    """Start a child on a folder of its own, or on one that outlived a kill."""
    folder = kept or root / f"host{number}"
    command = [sys.executable, "-m", "bench.shipping", "--child", str(folder), "--word", str(number)]
    command += ["--target", url, "--interval", str(pace.interval_s), "--rest", str(pace.rest_s)]
    return Life(stack.enter_context(process(command)), folder)


def look(life: Life, found: Outcome, number: int) -> None:
    """Whether everything ever acknowledged is in the database this child made. It is running meanwhile."""
    path = life.folder / DATABASE
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for kind, sql in FOUND.items():
            there = {row[0] for row in connection.execute(sql)}
            new = found.acked[kind] - there - found.missing
            found.missing |= new
            found.lost += [f"round {number}: {name}" for name in sorted(new)]
        problems = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        found.problems += [] if problems == ["ok"] else problems


def one_round(
    stack: ExitStack,
    root: Path,
    before: Life,
    found: Outcome,
    number: int,
    pace: Pace,
    draw: random.Random,
    patient: bool,
    url: str,
) -> Life:
    """The end of one child and the beginning of the next. `patient`: the end comes after its first acknowledgement."""
    if patient:
        before.hear(time.perf_counter() + READY_S, acked=True)
    before.hear(time.perf_counter() + draw.uniform(0.3, 4 * pace.interval_s))
    redeploy = draw.random() < 1 / 3
    kept = not redeploy and draw.random() < 0.1
    if not redeploy:
        before.child.kill()
    after = begin(stack, root, number, pace, before.folder if kept else None, url)
    after.hear(time.perf_counter() + READY_S, ready=True)
    if after.restored_ms is None:
        raise RuntimeError(f"the child did not start: {after.child.errors()}")
    if redeploy:
        before.hear(time.perf_counter() + draw.uniform(0, pace.interval_s))
        before.child.kill()
        found.redeploys += 1
    # What it had printed before its end was acknowledged too.
    before.hear(time.perf_counter() + 5)
    for kind, names in before.acked.items():
        found.acked[kind] |= names
    found.superseded += before.refused > 0
    look(after, found, number)
    if before.last_ms:
        after.hear(time.perf_counter() + 0.3)
        last = min(before.last_ms, after.first_ms or before.last_ms)
        found.losses.append(max(0, last - max(after.restored_ms, before.first_ms or 0)) / 1000)
    before.child.close()
    if not kept:
        shutil.rmtree(before.folder, ignore_errors=True)
    return after


def rounds(
    root: Path,
    count: int,
    pace: Pace,
    seed: int,
    say: Callable[[str], None],
    *,
    patient: bool = False,
    url: str | None = None,
) -> Outcome:
    """All rounds on one target: `url`, or one in `root` that shows things late."""
    draw = random.Random(seed)
    found = Outcome()
    with ExitStack() as stack:
        flusher = None if url else stack.enter_context(late_target(root, pace.late_s, seed))
        to = f"{url}/{uuid.uuid4().hex}" if url else url_of(root)
        life = begin(stack, root, 0, pace, None, to)
        life.hear(time.perf_counter() + READY_S, ready=True)
        for number in range(1, count + 1):
            life = one_round(stack, root, life, found, number, pace, draw, patient, to)
            if number % 10 == 0 or found.lost:
                acked = sum(map(len, found.acked.values()))
                say(
                    f"round {number}: {acked} acknowledged, {len(found.lost)} lost, largest market loss {max(found.losses, default=0):.2f} s"
                )
        life.child.kill()
        if flusher is not None:
            found.flushed, found.reordered = flusher.flushed, flusher.reordered
    for line in [*found.lost, *found.problems][:20]:
        say(f"  {line}")
    return found


def verdict(found: Outcome, count: int, pace: Pace, url: str | None) -> bool:
    """Print the claims of one run; gives whether all hold."""
    lost, acked = len(found.lost), sum(map(len, found.acked.values()))
    losses = sorted(found.losses) or [float("inf")]
    flushes = f"to {url}" if url else f"flushes up to {pace.late_s:g} s late"
    under = f"shipped every {pace.interval_s:g} s, {flushes}"
    ok = [
        claim(f"keys, pools, choices lost of {acked} acknowledged, {count} rounds ({under})", lost, "", "", None, None, "0", not lost and acked > 0),
        claim("integrity problems", len(found.problems), "problems", "", None, None, "0", not found.problems),
        claim("largest loss of market data", losses[-1], "s", "median", losses[len(losses) // 2], None, f"{TARGET_S:g} s", losses[-1] <= TARGET_S),
    ]  # fmt: skip
    if count >= 20:
        ok += [
            claim("redeploys with two running at once", found.redeploys, "rounds", "the older one refused in", found.superseded, None, "more than none", found.superseded > 0),
        ]  # fmt: skip
    if count >= 20 and not url:
        ok += [
            claim("objects flushed out of order", found.reordered, "objects", "of", found.flushed, None, "more than none", found.reordered > 0),
        ]  # fmt: skip
    return all(ok)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between shipments")
    parser.add_argument("--late", type=float, default=1.0, help="seconds a flush may take")
    parser.add_argument(
        "--slow-rounds", type=int, default=6, help="with SHIP_INTERVAL's own 30 s, and decisions seldom"
    )
    parser.add_argument("--slow-late", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--url", help="an address to ship to in the place of one that shows things late")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("--word", help=argparse.SUPPRESS)
    parser.add_argument("--rest", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        with suppress(StoreError):
            return asyncio.run(_child(arguments))
        return 1
    ok = True
    for count, pace in (
        (arguments.rounds, Pace(arguments.interval, arguments.late)),
        (arguments.slow_rounds, Pace(30.0, arguments.slow_late, SELDOM_S)),
    ):
        if count:
            with tempfile.TemporaryDirectory() as folder:
                found = rounds(
                    Path(folder), count, pace, arguments.seed, partial(print, flush=True), url=arguments.url
                )
            ok &= verdict(found, count, pace, arguments.url)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
