"""SQLite: one connection that writes, a few that read.

SQLite before 3.51.3 can corrupt a WAL database when two connections write or checkpoint at the same moment
(https://sqlite.org/wal.html#walresetbug). So exactly one connection ever does either: readers are query-only and never
commit, the writer checkpoints inside its own commits, it is the last to close, and a lock file keeps a second process out.
A command that must write while the service runs (`cdts keys`) takes turns with it by a second lock file, transaction by
transaction, and leaves checkpoints to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import IO, Any, cast

import aiosqlite
from sqlalchemy import URL, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ..telemetry import logger
from .errors import StoreError, StoreOpenError
from .sql import Params, Write

if sys.platform != "win32":
    import fcntl

# FULL, not NORMAL: both survive a killed process, only FULL survives a power cut, and an acknowledged key or pool must.
# Group commit makes its fsync one per group of batches, off the event loop. mmap is off because a failing disk under a
# memory map is a crash instead of an error. 16 MB between checkpoints keeps a bulk load from rewriting hot pages often.
_WRITER = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA mmap_size=0",
    "PRAGMA cache_size=-16000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
)
_READER = (
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA mmap_size=0",
    "PRAGMA cache_size=-4000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA busy_timeout=5000",
    "PRAGMA query_only=1",
)
_NO_CHECKPOINT = "PRAGMA wal_autocheckpoint=0"
log = logger("store")
INTERRUPT_S = 0.05
"""How soon a statement that had not begun yet is interrupted again."""
# The driver raises the last three for a value it cannot bind.
_DRIVER_ERRORS = (sqlite3.Error, OverflowError, TypeError, ValueError)


class FileLock:
    """Held while a process owns the database; the system drops it with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises StoreOpenError when another process holds it, OSError when the folder cannot be written."""
        self._file = self._path.open("a+")
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                raise StoreOpenError(
                    f"{self._path.with_suffix('')} is open in another process; stop that one, or ask it through its API"
                ) from None
            except OSError:
                # A file system without locks: the one-writer rule is then the operator's to keep.
                return

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Turn:
    """Held around every transaction by each process that writes: the one that owns the database, and commands beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    async def __aenter__(self) -> None:
        if sys.platform == "win32":
            return
        # A file system without locks: no command gets as far as writing beside the owner there.
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = self._path.open("a+")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.to_thread(fcntl.flock, self._file, fcntl.LOCK_EX)

    async def __aexit__(self, *_: object) -> None:
        if sys.platform != "win32" and self._file is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def pragmas(engine: AsyncEngine, statements: Sequence[str]) -> None:
    """Run `statements` on every new connection of `engine`, and leave transactions to explicit BEGIN."""

    @event.listens_for(engine.sync_engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()


def _refusal(what: str, error: BaseException) -> StoreError:
    # What fails while a connection is made comes wrapped, with advice for programmers.
    cause = getattr(error, "orig", None) or error
    return StoreError(f"{what}: {cause}", kind=getattr(cause, "sqlite_errorname", None))


async def _driver(connection: AsyncConnection) -> aiosqlite.Connection:
    return cast(aiosqlite.Connection, (await connection.get_raw_connection()).driver_connection)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` whole even when the caller is cancelled meanwhile, who is told afterwards."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def _interrupted(driver: aiosqlite.Connection, work: asyncio.Future[Any]) -> None:
    """End a statement that nobody waits for any more: the thread that writes is free for the next. What still waits for
    that thread cannot be interrupted, so it is until it ended."""
    while not work.done():
        await driver.interrupt()
        await asyncio.wait({work}, timeout=INTERRUPT_S)
    if not work.cancelled():
        work.exception()


class SqliteDatabase:
    """Reads and transactions on one SQLite file. `lock` is None where another process owns it, `turn` for a read-only
    view."""

    dialect = "sqlite"

    def __init__(self, url: URL, pool_size: int, lock: FileLock | None, turn: Turn | None = None) -> None:
        self._lock = lock
        self._turn = turn
        # Nothing to roll back on a query-only connection, and a rollback would cost a hop to its thread per read.
        self._readers = create_async_engine(
            url, pool_size=max(1, pool_size), max_overflow=0, pool_reset_on_return=None
        )
        pragmas(self._readers, _READER)
        self._writer = create_async_engine(url, pool_size=1, max_overflow=0)
        pragmas(self._writer, _WRITER if lock is not None else (*_WRITER, _NO_CHECKPOINT))
        self._held: AsyncConnection | None = None
        self._write: aiosqlite.Connection | None = None
        self._one = asyncio.Lock()

    @property
    def owned(self) -> bool:
        """Whether this process holds the file's lock."""
        return self._lock is not None

    async def start(self) -> None:
        """Open the writer, which puts the file in WAL mode, and one reader. Raises StoreError."""
        if self._turn is not None:
            async with self._turn:
                await self._writing()
        await self.fetch("SELECT 1", ())

    async def fetch(self, sql: str, params: Params) -> list[Any]:
        """All rows, as tuples. Raises StoreError."""
        try:
            async with self._readers.connect() as connection:
                driver = await _driver(connection)
                return cast(list[Any], await driver.execute_fetchall(sql, params))
        except (*_DRIVER_ERRORS, SQLAlchemyError) as error:
            raise _refusal("the database could not be read", error) from error

    async def _writing(self) -> aiosqlite.Connection:
        """The connection that writes, opened where there is none. Raises StoreError."""
        if self._write is None:
            try:
                if self._held is None:
                    self._held = await self._writer.connect()
                self._write = await _driver(self._held)
            except (*_DRIVER_ERRORS, SQLAlchemyError) as error:
                raise _refusal("the database could not be opened for writing", error) from error
        return self._write

    async def apply(self, writes: Sequence[Write]) -> list[int]:
        """Run `writes` in one transaction; rows changed by each counted one, else 0. Raises StoreError, and then
        nothing of them is there. A connection that cannot roll back is replaced."""
        if self._turn is None:
            raise StoreError("the database was opened for reading only")
        async with self._one, self._turn:
            return await self._transact(writes)

    async def tend(self, statement: str) -> list[Any]:
        """Run what cannot be part of a transaction, between two of them, on the connection that writes; gives its rows.
        Cancelled, it is interrupted and has ended. Raises StoreError."""
        if self._turn is None:
            raise StoreError("the database was opened for reading only")
        async with self._one, self._turn:
            driver = await self._writing()
            work = asyncio.ensure_future(driver.execute_fetchall(statement))
            try:
                return cast(list[Any], await asyncio.shield(work))
            except asyncio.CancelledError:
                await _to_its_end(_interrupted(driver, work))
                raise
            except _DRIVER_ERRORS as error:
                raise _refusal("the database refused to be looked after", error) from error

    async def _transact(self, writes: Sequence[Write]) -> list[int]:
        driver = await self._writing()
        try:
            # IMMEDIATE takes the write lock at once: a transaction that begins as a reader cannot be upgraded later.
            await driver.execute_fetchall("BEGIN IMMEDIATE")
            changed = [await self._run(driver, write) for write in writes]
            await driver.execute_fetchall("COMMIT")
        except BaseException as error:
            await _to_its_end(self._undo(driver))
            if isinstance(error, _DRIVER_ERRORS):
                raise _refusal("the database refused a write", error) from error
            raise
        return changed

    async def _undo(self, driver: aiosqlite.Connection) -> None:
        """Leave no transaction open."""
        try:
            # Does nothing where SQLite has rolled back by itself. Queued behind whatever the thread still does.
            await driver.rollback()
        except _DRIVER_ERRORS as error:
            log.warning("a rollback failed; the writing connection is opened anew", reason=str(error))
            held, self._held, self._write = self._held, None, None
            if held is not None:
                with contextlib.suppress(*_DRIVER_ERRORS, SQLAlchemyError):
                    await held.invalidate()
                with contextlib.suppress(*_DRIVER_ERRORS, SQLAlchemyError):
                    await held.close()

    @staticmethod
    async def _run(driver: aiosqlite.Connection, write: Write) -> int:
        cursor = await driver.executemany(write.sql, write.rows)
        changed = cursor.rowcount
        await cursor.close()
        return changed if write.counted else 0

    async def others(self) -> int:
        """A number that changes when another process has committed, never by transactions of this one. Not to be called
        during one. Raises StoreError."""
        try:
            driver = await self._writing()
            ((version,),) = await driver.execute_fetchall("PRAGMA data_version")
        except _DRIVER_ERRORS as error:
            raise _refusal("the database could not be read", error) from error
        return int(version)

    async def integrity(self) -> list[str]:
        """What SQLite's own check of the whole file finds; empty when it is clean. Raises StoreError."""
        found = [str(row[0]) for row in await self.fetch("PRAGMA integrity_check", ())]
        return [] if found == ["ok"] else found

    async def size_bytes(self) -> int:
        """Bytes of the database file, free pages included, the log beside it not."""
        rows = await self.fetch("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", ())
        return int(rows[0][0])

    async def close(self) -> None:
        """Readers first: the last connection to close checkpoints, and only the writer may."""
        await self._readers.dispose()
        async with self._turn or contextlib.nullcontext():
            if self._held is not None:
                await self._held.close()
                self._held = self._write = None
            await self._writer.dispose()
        if self._turn is not None:
            self._turn.close()
        if self._lock is not None:
            self._lock.release()
