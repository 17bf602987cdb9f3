"""The machine: disk, memory, file descriptors, the event loop, the clock."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from statistics import median

from .finding import CRITICAL, ERROR, WARNING, Finding, Scene, aside

if sys.platform != "win32":
    import resource

LEAST_FREE, NONE_FREE = 1_000_000_000, 50_000_000
"""Bytes of disk below which room is short, and below which there is none to speak of."""
LEAST_MEMORY = 0.06
"""Share of memory that should be available."""
PAGE_CACHE = "inactive_file"
MANY_FILES, ALL_FILES = 0.8, 0.95
LATE_S, STUCK_S = 0.2, 1.0
"""How late the event loop may call back more than once in TICKS times."""
TICKS, TICK_S = 8, 0.02
HOSTS = 3
"""Independent upstreams that must agree on the time."""
AGREE_S = 3.0
"""How far apart they may be: Date has whole seconds."""
SKEW_S, LARGE_SKEW_S = 5.0, 30.0
FRESH_MS = 3_600_000


def nearest(folder: Path) -> Path:
    """The folder, or the first one above it that exists."""
    return next((path for path in (folder, *folder.resolve().parents) if path.exists()), folder)


async def disk(at: Scene) -> list[Finding]:
    """Room on the disk of the data folder."""
    folder = at.place.data_dir
    if folder is None:
        return []
    free = (await aside("disk", lambda: shutil.disk_usage(nearest(folder)))).free
    told = f"{free / 1e6:.0f} MB are free on the disk of DATA_DIR"
    if free < NONE_FREE:
        meaning = "The database cannot grow: soon, or now, nothing is stored any more."
        return [
            Finding("machine.disk_full", CRITICAL, told, meaning, "Free space, or shorten RETENTION_DAYS.")
        ]
    if free < LEAST_FREE:
        meaning = "90 days of prices need about a gigabyte."
        return [Finding("machine.disk_low", WARNING, told, meaning, "Free space, or shorten RETENTION_DAYS.")]
    return []


async def memory(at: Scene) -> list[Finding]:
    """Memory that is left to this machine or container. Linux only."""
    left = await aside("memory", _memory_left)
    if left is None or left[0] / left[1] >= LEAST_MEMORY:
        return []
    available, total = left
    return [
        Finding(
            "machine.memory_low",
            WARNING,
            f"{available / 1e6:.0f} of {total / 1e6:.0f} MB of memory are available",
            "The system may end the process without warning.",
            "Give it more memory, lower MODELS_MEMORY_MB, or unload models (POST /api/models/{id}/unload).",
        )
    ]


def _memory_left() -> tuple[int, int] | None:
    """Bytes available and in all: of the container where it has a limit, else of the machine."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        if limit.isdigit():
            used = int((group / "memory.current").read_text(encoding="ascii"))
            fields = dict(
                line.split()[:2] for line in (group / "memory.stat").read_text("ascii").splitlines() if line
            )
            return int(limit) - used + int(fields.get(PAGE_CACHE, 0)), int(limit)
    except (OSError, ValueError):
        pass
    try:
        rows = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (row.partition(":") for row in rows)}
    if "MemAvailable" not in kilobytes:
        return None
    return kilobytes["MemAvailable"] * 1024, kilobytes["MemTotal"] * 1024


async def files(at: Scene) -> list[Finding]:
    """Open file descriptors against what the process may have. Linux only."""
    counted = await aside("files", _open_files)
    if counted is None or counted[0] < MANY_FILES * counted[1]:
        return []
    count, limit = counted
    return [
        Finding(
            "machine.files",
            ERROR if count >= ALL_FILES * limit else WARNING,
            f"{count} of {limit} file descriptors are open",
            "At the limit no client is accepted and no upstream is reached.",
            "Raise the limit (`ulimit -n`, LimitNOFILE), or lower MAX_CONNECTIONS.",
        )
    ]


def _open_files() -> tuple[int, int] | None:
    if sys.platform == "win32":
        return None
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        return len(os.listdir("/proc/self/fd")), limit
    except OSError:
        return None


async def loop(at: Scene) -> list[Finding]:
    """How late the event loop calls back: what everything else waits for."""
    running = asyncio.get_running_loop()
    lates = []
    for _ in range(TICKS):
        due = running.time() + TICK_S
        woken: asyncio.Future[None] = running.create_future()
        handle = running.call_at(due, woken.set_result, None)
        try:
            await woken
        finally:
            handle.cancel()
        lates.append(running.time() - due)
    # One pause alone may be a collection of garbage, or the machine's.
    worst = sorted(lates)[-2]
    if worst < LATE_S:
        return []
    return [
        Finding(
            "machine.loop_late",
            ERROR if worst >= STUCK_S else WARNING,
            f"the event loop was {worst * 1000:.0f} ms late",
            "Every answer waits that long now and then.",
            "Give the process more CPU; where it has enough, the log may show what takes long.",
        )
    ]


async def clock(at: Scene) -> list[Finding]:
    """This machine's clock against the Date headers of upstreams that do not know each other."""
    offsets = list(clock_offsets(at))
    if len(offsets) < HOSTS:
        return []
    middle = median(offsets)
    agreeing = sum(abs(offset - middle) <= AGREE_S for offset in offsets)
    if agreeing < HOSTS or agreeing <= len(offsets) / 2 or abs(middle) < SKEW_S:
        return []
    return [
        Finding(
            "machine.clock",
            ERROR if abs(middle) >= LARGE_SKEW_S else WARNING,
            f"this machine's clock is {abs(middle):.0f} s {'fast' if middle > 0 else 'slow'}, by {agreeing} of {len(offsets)} upstreams",
            "Ages and candles are dated wrongly, and tokens end too early or too late.",
            "Set the clock by NTP (`timedatectl set-ntp true`, or the host's setting).",
        )
    ]


def clock_offsets(at: Scene) -> Iterable[float]:
    """Seconds that this clock is ahead of each independent upstream. Of several replies the one that is least behind
    counts: an answer out of a cache carries the time at which it was put there."""
    now = at.clock.now_ms()
    families: dict[str, list[float]] = {}
    for source in at.running.gateway.sources.values():
        for header, received_ms in source.health.dated:
            sent_ms = _http_date_ms(header)
            if sent_ms is not None and abs(now - received_ms) < FRESH_MS:
                families.setdefault(source.entry.source, []).append((received_ms - sent_ms) / 1000)
    # Date is cut to the second: half of one is what it lacks on average.
    return [min(found) - 0.5 for found in families.values()]


def _http_date_ms(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
