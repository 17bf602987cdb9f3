"""Claim 1 of the timetable with the jobs' real work: the whole service with every job for simulated days, in a real SQLite
file, over the simulator's upstreams, with backups, shipping, an archive and discovery set (`bench/timetable.py` has the host
that sleeps and the processes that end, and a pause in the place of the work).

What has a crontab runs when and as it is shipped; what lies between is thinned (`bench/thinned.py`). Retention is RETENTION_DAYS,
so that rows of every kind leave, into the archive; shipments are SHIP_S apart. No stream is read, and nobody asks.

The clock goes from one waiting task to the next, and only while no statement, thread or request is under way.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from crypto_dt_source.jobs.timetable import JOBS
from crypto_dt_source.model.candle import HOUR_MS
from crypto_dt_source.model.crontab import Crontab
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.services.schedule import OK
from crypto_dt_source.store.repos import identity
from crypto_dt_source.store.repos import jobs as job_repo
from crypto_dt_source.store.repos.jobs import JobRun
from crypto_dt_source.store.tables import metadata
from crypto_dt_source.telemetry import configure

from .budgets import MEMORY
from .report import claim
from .simulated import DayClock, service
from .thinned import POLL_S, Begun, discovering, lightened, thinned
from .timetable import BEGIN_MS, DAY_S, MARGIN_S, Days, judge

SHIP_S = 1800
RETENTION_DAYS, REQUESTS_DAYS, QUOTES_HOURS = 5, 3, 48
BACKUPS, LOGS_MB = 7, 1
WARM_DAYS = 8
"""After this long rows of every kind have begun to leave."""
BEFORE_S = 90.0
"""The day is looked at so long before noon, when few jobs are due."""
DAY_MS = DAY_S * 1000
KEPT_MS = {
    "prices.timestamp": RETENTION_DAYS * DAY_MS,
    "quotes.timestamp": QUOTES_HOURS * HOUR_MS,
    "price_rates.timestamp": QUOTES_HOURS * HOUR_MS,
    "market_snapshots.timestamp": RETENTION_DAYS * DAY_MS,
    "trending.timestamp": RETENTION_DAYS * DAY_MS,
    "news.published_ms": RETENTION_DAYS * DAY_MS,
    "api_calls.timestamp": REQUESTS_DAYS * DAY_MS,
    "user_requests.timestamp": REQUESTS_DAYS * DAY_MS,
    "coin_markets.received_ms": RETENTION_DAYS * DAY_MS,
    "instruments.timestamp": RETENTION_DAYS * DAY_MS,
    "kept.timestamp": RETENTION_DAYS * DAY_MS,
    "job_runs.started_ms": 30 * DAY_MS,
}
"""How long rows are kept, by table and time. One clean-up a day, and an archive that takes whole days, add two."""
FOR_GOOD = {"kept": f" WHERE key <> '{identity.KEY}'"}
"""Which rows of such a table leave: the id that a database is known by stays."""
GROWING = frozenset(
    "archives assets backups defi_protocols diagnoses discovery_runs fear_greed job_runs numbers ohlcv pool_events"
    " provider_hours series tvl_history".split()
)
"""Tables that go on growing: kept for good, a row or so a day, or for a month and longer."""
GROWTH = 1.15


@dataclass(slots=True)
class Day:
    """What a day's look found. `objects` counts those of the service by class, `folders` files and bytes by folder."""

    tasks: Counter[str]
    files: int
    threads: int
    memory_mb: float
    database_mb: float
    rows: dict[str, int]
    late: list[str]
    objects: Counter[str]
    folders: dict[str, Folder]


class Folder(NamedTuple):
    """What lies below a folder; `size` in bytes."""

    folders: int
    files: int
    size: int


@dataclass(slots=True)
class Work:
    """What came of the days. `runs` are the stored ones of the timetable, and those of other jobs that did not end well."""

    begun: Begun = field(default_factory=Begun)
    runs: dict[tuple[str, int], JobRun] = field(default_factory=dict)
    days: list[Day] = field(default_factory=list)
    times: Days = field(default_factory=Days)
    left: list[str] = field(default_factory=list)
    breaches: dict[str, int] = field(default_factory=dict)


async def look(rt: Runtime, folder: Path) -> Day:
    """What the process and its disk hold now."""
    gc.collect()
    tasks = Counter((task.get_name().rsplit("-", 1)[0]) for task in asyncio.all_tasks())
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    memory_mb, folders = _memory_mb(), _folders(folder)
    rows = {
        table.name: (await rt.store.fetch(f"SELECT COUNT(*) FROM {table.name}"))[0][0]
        for table in metadata.sorted_tables
    }
    late = []
    for column, kept_ms in KEPT_MS.items():
        table, _, name = column.partition(".")
        ((oldest,),) = await rt.store.fetch(f"SELECT MIN({name}) FROM {table}{FOR_GOOD.get(table, '')}")
        if oldest is not None and rt.clock.now_ms() - oldest > kept_ms + 2 * DAY_MS:
            late.append(f"{table}: {(rt.clock.now_ms() - oldest) / DAY_MS:.1f} days of {kept_ms / DAY_MS:g}")
    classes = Counter(type(thing) for thing in gc.get_objects())
    ours = Counter({
        f"{kind.__module__}.{kind.__qualname__}": count
        for kind, count in classes.items()
        if not str(kind.__module__).startswith(("crypto_dt_source.sim", "bench"))
    })  # fmt: skip
    size = await rt.store.size_bytes() / 1e6
    return Day(tasks, files, threads, memory_mb, size, rows, late, ours, folders)


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _folders(folder: Path) -> dict[str, Folder]:
    found = {}
    for name in ("backups", "logs", "shipped", "archive"):
        below = list((folder / name).rglob("*"))
        sizes = [path.stat().st_size for path in below if path.is_file()]
        found[name] = Folder(len(below) - len(sizes), len(sizes), sum(sizes))
    return found


async def simulate(days: int, told: Callable[[str], None]) -> Work:
    """The service for so many days, looked at once a day."""
    found, clock, begun = Work(), DayClock(BEGIN_MS), time.perf_counter()
    found.times.down.append((BEGIN_MS, BEGIN_MS))
    with tempfile.TemporaryDirectory(prefix="cdts-work-", dir=MEMORY) as made, thinned(found.begun, clock):
        folder = Path(made)
        opened = service(
            folder,
            keys=False,
            clock=clock,
            sim=lightened(clock),
            collect_interval=POLL_S,
            retention_days=RETENTION_DAYS,
            retention_requests_days=REQUESTS_DAYS,
            retention_quotes_hours=QUOTES_HOURS,
            backfill_days=RETENTION_DAYS,
            enable_auto_discovery=True,
            api_key_salt="".join(f"{n:02x}" for n in range(32)),
            ship_url=str(folder / "shipped"),
            ship_interval=SHIP_S,
            archive_url=str(folder / "archive"),
            backup_keep=BACKUPS,
            log_files_mb=LOGS_MB,
        )
        async with opened as (rt, sim, _, _), discovering(rt, sim.market, clock, folder):
            for day in range(1, days + 1):
                await clock.advance(BEGIN_MS / 1000 + day * DAY_S - BEFORE_S - clock.now_ms() / 1000)
                found.days.append(await look(rt, folder))
                since = clock.now_ms() - 2 * DAY_MS
                for run in await job_repo.between(rt.store, since, clock.now_ms()):
                    if run.job in _CRONS or run.outcome != OK:
                        found.runs[run.job, run.started_ms] = run
                told(_line(day, found.days[-1], time.perf_counter() - begun))
            found.breaches = dict(sim.log.limit_breaches)
            crons = {plan.id: plan.crontab for plan in rt.schedule.plans.values() if plan.crontab is not None}
            end_ms = clock.now_ms()
    found.left = sorted(task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task())
    _count(found, crons, end_ms)
    return found


_CRONS = frozenset(job.id for job in JOBS if job.cron)


def _count(found: Work, crons: dict[str, Crontab], end_ms: int) -> None:
    runs = [run for run in found.runs.values() if run.job in _CRONS and run.ended_ms is not None]
    found.times.jobs = len(crons)
    judge(found.times, [(job, crons[job.id]) for job in JOBS if job.id in crons], runs, end_ms)


def _line(day: int, at: Day, wall_s: float) -> str:
    folders = ", ".join(
        f"{name} {below.files} files {below.size / 1e6:.1f} MB" for name, below in at.folders.items()
    )
    return (
        f"day {day}: {wall_s:.0f} s, {at.memory_mb:.0f} MB, {sum(at.tasks.values())} tasks, {at.files} files open, "
        f"{at.threads} threads, database {at.database_mb:.1f} MB and {sum(at.rows.values()):,} rows; {folders}"
    )


def jobs_table(found: Work) -> Iterator[str]:
    """A line a job: how often its work was begun, and how stored runs ended."""
    outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    rows: Counter[str] = Counter()
    for run in found.runs.values():
        outcomes[run.job][run.outcome or "under way"] += 1
        rows[run.job] += run.handled or 0
    for job, count in sorted(found.begun.counts.items(), key=lambda item: (item[0] not in _CRONS, item[0])):
        ended = ", ".join(f"{name} {n:,}" for name, n in outcomes[job].most_common())
        stored = f"; stored: {ended}, {rows[job]:,} rows" if ended else ""
        yield f"  {job:22} begun {count:7,}, {found.begun.seconds[job]:7.1f} s{stored}"
    failed = Counter(
        (run.job, run.outcome, run.error) for run in found.runs.values() if run.outcome not in (OK, None)
    )
    for (job, outcome, error), count in failed.most_common(40):
        yield f"  ended otherwise {count:,} times: {job}: {outcome}: {error}"
    for text, count in found.begun.logged.most_common(40):
        yield f"  logged {count:,} times: {text}"


def growth(found: Work) -> Iterator[str]:
    """What grew between the warm day and the last one: rows of tables and objects by class, the most first."""
    warm, last = found.days[min(WARM_DAYS, len(found.days)) - 1], found.days[-1]
    for name, count in last.rows.items():
        if count:
            yield f"  rows {name:20} {warm.rows[name]:9,} {count:9,}"
    grown = Counter({name: count - warm.objects[name] for name, count in last.objects.items()})
    for name, count in grown.most_common(15):
        yield f"  objects {name:50} {warm.objects[name]:9,} {last.objects[name]:9,} (+{count:,})"
    if more := last.tasks - warm.tasks:
        yield f"  more tasks than on the warm day: {dict(more)}"


def verdict(found: Work, days: int) -> bool:
    """Print the claims; those of growth where there is a day after the warm one."""
    last, times = found.days[-1], found.times
    not_ok = sum(run.outcome != OK for run in found.runs.values() if run.job in _CRONS)
    overlaps = times.overlaps + sum(found.begun.overlaps.values())
    late = sorted({line for day in found.days for line in day.late})
    full = [
        name
        for name, beyond in (
            ("logs", last.folders["logs"].size > 1.2e6 * LOGS_MB),
            ("backups", last.folders["backups"].folders > BACKUPS),
            ("shipped", last.folders["shipped"].size > 3e6 * last.database_mb),
        )
        if beyond
    ]
    for text in (*late, *full, *found.left):
        print("  ", text)
    met = all([
        claim(f"runs of {times.jobs} jobs in {days} days that overlap", overlaps, "runs", "runs", times.runs, None, "0", not overlaps),
        claim("times of the timetable that were missed", times.missed, "times", "times", times.times, None, "0", not times.missed),
        claim("times that were run twice", times.twice, "times", "made up for", times.caught_up, None, "0", not times.twice),
        claim("longest a time waited that could have run", times.latest_s, "s", "", None, None, f"{MARGIN_S:g} s", times.latest_s <= MARGIN_S),
        claim("runs of the timetable that did not end well", not_ok, "runs", "runs", times.runs, None, "0", not not_ok),
        claim("tasks left at the end", len(found.left), "tasks", "", None, None, "0", not found.left),
        claim("tables with rows older than they are kept", len(late), "tables", "", None, None, "0", not late),
        claim("folders beyond their settings", len(full), "folders", "", None, None, "0", not full),
        claim("upstream limits broken", sum(found.breaches.values()), "requests", "", None, None, "0", not found.breaches),
    ])  # fmt: skip
    return _held(found.days[WARM_DAYS - 1], last) and met if days > WARM_DAYS else met


def _held(warm: Day, last: Day) -> bool:
    """The claims of what the process and its disk hold at the end, against the warm day."""
    more = sum((last.tasks - warm.tasks).values())
    grown = [
        name
        for name, count in last.rows.items()
        if name not in GROWING and count > 50 + GROWTH * warm.rows[name]
    ]
    for name in grown:
        print(f"   rows of {name} grew")
    memory, database = last.memory_mb / warm.memory_mb, last.database_mb / warm.database_mb
    return all([
        claim("tasks more than on the warm day", more, "tasks", "then", sum(warm.tasks.values()), None, "at most 3, of runs under way", more <= 3),
        claim("open files", last.files, "files", "on the warm day", warm.files, None, "at most 3 more", last.files <= warm.files + 3),
        claim("threads", last.threads, "threads", "on the warm day", warm.threads, None, "at most 3 more", last.threads <= warm.threads + 3),
        claim("resident memory", last.memory_mb, "MB", "on the warm day", warm.memory_mb, memory, f"ratio at most {GROWTH}", memory <= GROWTH),
        claim("tables that grew though their rows leave", len(grown), "tables", "", None, None, "0", not grown),
        claim("database", last.database_mb, "MB", "on the warm day", warm.database_mb, database, f"ratio at most {GROWTH}", database <= GROWTH),
    ])  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every target is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=2, help="30 is the claim's size")
    days = parser.parse_args(argv).days
    configure("INFO")
    gc.set_threshold(200_000, 20, 100)
    begun, cpu = time.perf_counter(), time.process_time()
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        found = asyncio.run(simulate(days, partial(print, flush=True)))
    for line in (*jobs_table(found), *growth(found)):
        print(line)
    met = verdict(found, days)
    print(
        f"{time.perf_counter() - begun:.0f} s of wall time, {time.process_time() - cpu:.0f} s on the processor"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
