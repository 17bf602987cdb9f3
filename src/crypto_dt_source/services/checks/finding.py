"""What a check says: findings, each with what it means, what to do, and what may be done about it at once."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ...analysis.threads import Worker
from ...clock import Clock
from ...store import Store, StoreError
from .installation import Installation

if TYPE_CHECKING:
    from ..runtime import Runtime

T = TypeVar("T")
INFO, WARNING, ERROR, CRITICAL = "info", "warning", "error", "critical"
SEVERITIES = (INFO, WARNING, ERROR, CRITICAL)
"""From what is good to know to what stops the service or loses what it has acknowledged."""
THREAD = "check "
"""What the name of a thread begins with in which a check touches the disk."""
MOVED = ("SQLITE_READONLY_DBMOVED",)
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002")
LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
FULL = ("SQLITE_FULL", "53100")
UNWRITABLE = ("SQLITE_READONLY", "25006")
"""What the names of a driver's failures begin with: SQLite's (https://sqlite.org/rescode.html), PostgreSQL's
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


class Fix(NamedTuple):
    """Something safe and reversible. `action` says it in the imperative; `apply` does it and gives one sentence on what
    was done, and raises a CdtsError or OSError where it could not. `first`: others need it done before them."""

    action: str
    apply: Callable[[], Awaitable[str]]
    first: bool = False


class Finding(NamedTuple):
    """One thing that is not as it should be. `id` names the kind, `subject` what it is about where there can be several.
    `found` is what is the case, `meaning` what follows from it, `advice` what to do."""

    id: str
    severity: str
    found: str
    meaning: str
    advice: str
    subject: str = ""
    fix: Fix | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes two findings the same one."""
        return self.id, self.subject


@dataclass(frozen=True, slots=True)
class Scene:
    """What checks look at. `rt` is None where nothing runs (`cdts doctor`), `store` where there is no database yet.
    `thorough`: take the time a full reading of the database needs."""

    clock: Clock
    place: Installation
    store: Store | None = None
    rt: Runtime | None = None
    thorough: bool = False

    @property
    def running(self) -> Runtime:
        """The Runtime, for checks that are only run with one."""
        assert self.rt is not None  # noqa: S101 - a check that needs it says so in `Check.needs`
        return self.rt

    @property
    def opened(self) -> Store:
        """The store, for checks that are only run with one."""
        assert self.store is not None  # noqa: S101 - as above
        return self.store


@dataclass(frozen=True, slots=True)
class Check:
    """`needs` is `nothing`, `store` or `runtime`. A check that takes longer than `timeout_s` is itself a finding; one may
    raise StoreError, anything else is a defect of the check and told as one."""

    id: str
    about: str
    run: Callable[[Scene], Awaitable[list[Finding]]]
    needs: str = "runtime"
    timeout_s: float = 6.0


async def aside(name: str, call: Callable[[], T]) -> T:
    """What `call` gives, in a thread of its own that keeps neither the loop nor the process waiting when a disk hangs.
    Raises what it raises."""
    worker = Worker(THREAD + name)
    try:
        return await worker.submit(call)
    finally:
        worker.stop()


def still_hanging(name: str) -> bool:
    """Whether a thread of an earlier run of that check has not come back."""
    return any(thread.name == THREAD + name for thread in threading.enumerate())


def database_lost(how: str) -> Finding:
    """The finding of a database whose file was taken away or replaced while it is open."""
    return Finding(
        "database.lost",
        CRITICAL,
        f"the database file is not the one that was opened ({how})",
        "The service holds the file that was removed; nothing is stored any more, and with its end everything stored is gone.",
        "Stop the service and restore the newest backup (`cdts db restore`); on Linux the removed file can be copied from "
        "/proc/PID/fd before that.",
    )


def refused(error: StoreError) -> Finding:
    """The finding that stands for a database that did not do what it was asked."""
    kind = error.kind or "no code"
    if kind.startswith(MOVED):
        return database_lost(kind)
    if kind.startswith(DAMAGED):
        return Finding(
            "database.damaged",
            CRITICAL,
            f"the database says that it is damaged ({kind})",
            "Rows are lost or wrong; more may be lost with every write.",
            "Stop the service, keep a copy of the file, restore the newest backup (`cdts db restore`).",
        )
    if kind.startswith(LOCKED):
        return Finding(
            "database.locked",
            ERROR,
            f"another process holds the database ({kind})",
            "Nothing can be stored while it does; answers come from memory.",
            "Find the process that has the file open (`fuser` on the database) and end it.",
        )
    if kind.startswith(FULL):
        return Finding(
            "machine.disk_full",
            CRITICAL,
            f"the database has no room to write ({kind})",
            "Nothing is stored any more: prices, keys and settings that change now are lost with the process.",
            "Free space on the disk of DATA_DIR, or shorten RETENTION_DAYS.",
        )
    if kind.startswith(UNWRITABLE):
        return Finding(
            "database.read_only",
            CRITICAL,
            f"the database cannot be written ({kind})",
            "Nothing is stored any more; answers come from memory and from what is stored already.",
            "Mount its disk for writing and give this user the file, its folder and the files beside it.",
        )
    return Finding(
        "database.unavailable",
        CRITICAL,
        f"the database does not answer ({kind})",
        "Nothing can be read or stored; answers come from memory.",
        "The log has the database's own words. Check that it runs and that DATABASE_URL is right.",
    )
