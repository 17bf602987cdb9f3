"""Faults that a diagnosis has to find: each injected into a running Runtime over the simulator, in a folder of its own.

A fault names the finding that tells its cause, whether the diagnosis may put it right, and what goes away by itself before
that (the venue comes back, while its breaker still rests).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

import harness as harness  # noqa: E402
from crypto_dt_source.clock import ManualClock  # noqa: E402
from crypto_dt_source.gateway import HttpTransport, Transport  # noqa: E402
from crypto_dt_source.model.errors import CdtsError  # noqa: E402
from crypto_dt_source.services.diagnostics import Order, run  # noqa: E402
from crypto_dt_source.services.providers import probe_ask  # noqa: E402
from crypto_dt_source.services.runtime import Runtime  # noqa: E402
from crypto_dt_source.sim.app import SimApp, create_app  # noqa: E402
from crypto_dt_source.store import StoreError  # noqa: E402
from crypto_dt_source.store.repos import integrity  # noqa: E402
from crypto_dt_source.wiring import open_runtime  # noqa: E402

Keys = set[tuple[str, str | None]]
MAY_LOSE = frozenset({"kept", "diagnoses", "limiter_uses"})
"""Tables that may have fewer rows after a fix: what upstreams gave, and what is bounded."""
PASSING = frozenset({"machine.loop_late"})
"""What a busy machine brings about by itself."""


@dataclass(slots=True)
class World:
    """A running service. `undo` ends what a fault did to this process."""

    rt: Runtime
    sim: SimApp
    clock: ManualClock
    folder: Path
    undo: ExitStack
    held: dict[str, Any] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.folder / "data" / "crypto-dt-source.db"

    async def drive(self, work: Awaitable[Any]) -> Any:
        return await harness.drive(self.clock, work)

    async def ask(self, provider: str, times: int = 4) -> None:
        """Ask a provider for something cheap, whatever comes of it."""
        source = self.rt.gateway.source(provider)
        for _ in range(times):
            with contextlib.suppress(CdtsError):
                await self.drive(self.rt.gateway.ask_one(provider, probe_ask(source.entry)))
            await self.drive(self.clock.sleep(1.5))

    async def diagnose(self, **order: Any) -> dict[str, Any]:
        """A diagnosis, time moving on while it runs."""
        found: dict[str, Any] = await self.drive(run(self.rt, Order(**order)))
        return found


Step = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """`finds` is the id of the finding that tells the cause. `fixable`: the diagnosis puts it right, once `heal` has ended
    what it cannot end. `settings` and `base_urls` are those the service is started with; `mount`: its folder is a file
    system of its own, of so many MB."""

    name: str
    finds: str
    inject: Step
    fixable: bool = False
    heal: Step | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    base_urls: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    mount: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of one fault. `beside`: other findings it brought. `fix_s` is the longer of real and simulated time."""

    fault: Fault
    detected: bool = False
    beside: tuple[str, ...] = ()
    fixed: bool = False
    fix_s: float = 0.0
    worse: tuple[str, ...] = ()
    dry: bool = True
    told: str = ""


def keys_of(diagnosis: Mapping[str, Any], *, left: bool = False) -> Keys:
    """The findings by id and subject; with `left` only those that were not fixed."""
    rows = diagnosis["issues"]
    return {(row["id"], row["subject"]) for row in rows if not (left and row["fixed"])}


@contextlib.contextmanager
def _mounted(folder: Path, megabytes: int) -> Any:
    """A file system in memory at `folder`. Raises CalledProcessError where this process may not mount."""
    if not megabytes:
        yield
        return
    shell("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder))
    try:
        yield
    finally:
        shell("umount", "-l", str(folder))


@asynccontextmanager
async def world(fault: Fault | None) -> AsyncIterator[World]:
    """A service of its own in a fresh folder, started the way the fault wants it."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as undo:
        folder = Path(name)
        (folder / "data").mkdir()
        undo.enter_context(_mounted(folder / "data", fault.mount if fault else 0))
        clock = ManualClock(harness.START_MS)
        sim = create_app(7, clock)
        network = fault is not None and fault.network
        transport: Transport = HttpTransport(clock) if network else harness.SimTransport(sim, clock)
        settings = harness.settings(folder, **{"models_load": "lazy", **(fault.settings if fault else {})})
        urls = fault.base_urls if fault else {}
        async with open_runtime(
            settings, clock=clock, transport=transport, background=False, base_urls=urls
        ) as rt:
            with ExitStack() as inner:
                yield World(rt, sim, clock, folder, inner)


async def rows_of(rt: Runtime) -> dict[str, int]:
    """Rows of each table that no fix may take rows from; empty where the database cannot be read."""
    try:
        counts = (await integrity.check(rt.store)).rows
    except StoreError:
        return {}
    return {name: count for name, count in counts.items() if name not in MAY_LOSE}


async def trial(fault: Fault, clean: Keys) -> Outcome:
    """Inject a fault, diagnose, let the diagnosis put right what it may, compare. `clean` are the findings of a service
    without any fault."""
    done = Outcome(fault)
    async with world(fault) as at:
        await fault.inject(at)
        first = await at.diagnose()
        new = {key[0] for key in keys_of(first) - clean}
        done.detected = fault.finds in new
        done.beside = tuple(sorted(new - PASSING - {fault.finds}))
        done.told = next((row["found"] for row in first["issues"] if row["id"] == fault.finds), "")
        await _put_right(fault, at, done)
    return done


async def _put_right(fault: Fault, at: World, done: Outcome) -> None:
    planned = await at.diagnose(auto_fix=True, dry_run=True)
    done.dry = all(row["outcome"] == "planned" for row in planned["fixes_applied"])
    if fault.heal is not None:
        await fault.heal(at)
    before = await rows_of(at.rt)
    loop = asyncio.get_running_loop()
    began, began_ms = loop.time(), at.clock.now_ms()
    after = await at.diagnose(auto_fix=True)
    done.fix_s = max(loop.time() - began, (at.clock.now_ms() - began_ms) / 1000)
    rows = await rows_of(at.rt)
    lost = [f"rows of {name}" for name, count in before.items() if rows and rows.get(name, 0) < count]
    again = await at.diagnose()
    fresh = {key for key in keys_of(again) - keys_of(planned) if key[0] not in PASSING}
    done.worse = (*lost, *(str(key) for key in sorted(fresh, key=str)))
    mine = [row for row in after["fixes_applied"] if row["issue"] == fault.finds]
    gone = fault.finds not in {key[0] for key in keys_of(again)}
    done.fixed = bool(mine) and all(row["outcome"] == "fixed" for row in mine) and gone


def shell(*command: str) -> None:
    """Run a command of the system, quietly. Raises CalledProcessError."""
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def elsewhere(code: str, *arguments: object) -> None:
    """Run some lines in another process: closing a file of the database in this one would end its locks."""
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)


def opened_beside(at: World) -> sqlite3.Connection:
    """Another program's connection to the database."""
    connection = sqlite3.connect(at.database, isolation_level=None, check_same_thread=False)
    at.undo.callback(connection.close)
    return connection


def fill(folder: Path) -> None:
    """Leave no room on the file system of `folder`."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb") as file:
        while True:
            file.write(b"\0" * 65536)


def may_mount() -> bool:
    """Whether this process may mount a file system."""
    with tempfile.TemporaryDirectory() as name:
        try:
            with _mounted(Path(name), 1):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False
