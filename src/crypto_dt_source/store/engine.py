"""Opening the store: the address, the folder, the migrations, the connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..clock import Clock, SystemClock
from ..telemetry import logger
from .errors import StoreError, StoreOpenError
from .migrations.upgrade import SCHEMA, upgrade
from .numbers import Numbers
from .sql import Params, Write, promised
from .sqlite import FileLock, SqliteDatabase, Turn
from .writer import Writer

if TYPE_CHECKING:
    from .postgres import PostgresDatabase

log = logger("store")
_SQLITE = ("sqlite", "sqlite+aiosqlite")
_POSTGRES = ("postgres", "postgresql", "postgresql+asyncpg")
_POSTGRES_OPTIONS = {"host", "port", "ssl"}


class Follower(Protocol):
    """What is told of every transaction and asked whether it is safe elsewhere too (`shipping.Shipper`)."""

    def committed(self, writes: Sequence[Write]) -> None:
        """A transaction has been committed."""

    def ready(self) -> None:
        """Raises StoreError where what is written now could not be kept safe."""

    async def landed(self) -> None:
        """Return once everything committed until now is safe. Raises StoreError when that takes too long."""


class Store:
    """An open database: reads, acknowledged writes, and the map of names. Made by `open_store`, used through `repos`.

    `dialect` is `sqlite` or `postgresql`; `address` is the URL without its password.
    """

    def __init__(
        self,
        database: SqliteDatabase | PostgresDatabase,
        address: str,
        clock: Clock,
        *,
        read_only: bool = False,
    ) -> None:
        self._database = database
        self._writer = Writer(database)
        self._read_only = read_only
        self._unreadable = False
        self._follower: Follower | None = None
        self._ending: asyncio.TimerHandle | None = None
        self.address = address
        self.clock = clock
        self.dialect = database.dialect
        self.numbers = Numbers(self.fetch, self.write)

    async def start(self) -> None:
        """Connect and load the map of names. Raises StoreError."""
        await self._database.start()
        if not self._read_only:
            self._writer.start()
        await self.numbers.load()

    async def fetch(self, sql: str, params: Params = ()) -> list[Any]:
        """All rows of a query with `?` placeholders, as tuples. Raises StoreError."""
        try:
            rows = await self._database.fetch(sql, params)
        except StoreError as error:
            if not self._unreadable:
                log.warning("a read failed", kind=error.kind, reason=error.message)
            self._unreadable = True
            raise
        if self._unreadable:
            self._unreadable = False
            log.info("reads work again")
        return rows

    async def write(self, batch: Sequence[Write]) -> int:
        """Commit `batch` as one transaction; returns once it is durable, with the number of rows that its counted
        statements changed. Waits while the queue is full. Raises StoreError (nothing of the batch is there) and
        StoreClosed. A batch of what people decided waits until it is safe elsewhere too, where the store is shipped;
        raises NotShipped (the batch is here) when that takes too long."""
        if self._read_only:
            raise StoreError("the store was opened for reading only")
        follower = self._follower if self._follower is not None and promised(batch) else None
        if follower is not None:
            follower.ready()
        changed = await self._writer.write(batch)
        if follower is not None:
            await follower.landed()
        return changed

    def follow(self, follower: Follower) -> None:
        """Tell `follower` of every transaction from now on."""
        self._follower = follower
        self._writer.on_commit = follower.committed

    @asynccontextmanager
    async def between(self) -> AsyncIterator[int]:
        """A moment between two transactions of a SQLite database; gives a number that changes when another process has
        committed meanwhile. Raises StoreError."""
        if not isinstance(self._database, SqliteDatabase):
            raise StoreError("only a SQLite database is shipped")
        async with self._writer.between:
            yield await self._database.others()

    async def tend(self, statement: str) -> list[Any]:
        """Run a statement that looks after the database itself (an index, a checkpoint, VACUUM), between two
        transactions; gives its rows. Raises StoreError."""
        if self._read_only:
            raise StoreError("the store was opened for reading only")
        return await self._database.tend(statement)

    @property
    def owned(self) -> bool:
        """Whether no other process can have the database open for writing, but for a command beside this one."""
        return isinstance(self._database, SqliteDatabase) and self._database.owned

    @property
    def write_error(self) -> StoreError | None:
        """Why the last write failed; None once one succeeded."""
        return self._writer.last_error

    @property
    def writable(self) -> bool:
        """Whether the writer takes batches. A store opened for reading never does."""
        return self._writer.alive

    @property
    def waiting(self) -> int:
        """Batches that wait for the writer now."""
        return self._writer.waiting

    async def integrity(self) -> list[str]:
        """Problems a full check finds, empty when clean. Reads everything: seconds on a large store."""
        return await self._database.integrity()

    async def size_bytes(self) -> int:
        """Bytes of the database on disk."""
        return await self._database.size_bytes()

    def give_up(self) -> None:
        """Wait for a server no longer that does not answer: what is under way and all that follows fails. A file has no
        server."""
        if not isinstance(self._database, SqliteDatabase):
            self._database.give_up()

    def end_within(self, seconds: float) -> None:
        """Give up after that long, unless the store is closed before."""
        self._ending = asyncio.get_running_loop().call_later(seconds, self.give_up)

    async def close(self) -> None:
        """Commit what waits and close every connection."""
        await self._writer.close()
        await self._database.close()
        if self._ending is not None:
            self._ending.cancel()


async def open_store(
    url: str,
    *,
    pool_size: int = 4,
    clock: Clock | None = None,
    read_only: bool = False,
    beside: bool = False,
) -> Store:
    """Open the database at `url` (`sqlite:///data/cdts.db`, `postgresql://user:secret@host/name`), creating the folder
    and bringing the schema up to date.

    `pool_size` is the number of connections that read. `read_only` opens a database that may be in use by another
    process: no migration, no writer. `beside` writes into a SQLite file that another process has open, in turns with it;
    its schema is then as that process left it. Raises StoreOpenError.
    """
    parsed = parse_url(url)
    address = parsed.render_as_string(hide_password=True)
    database: SqliteDatabase | PostgresDatabase
    if parsed.drivername in _SQLITE:
        database = await _sqlite(parsed.set(drivername="sqlite+aiosqlite"), pool_size, read_only, beside)
    else:
        database = await _postgres(parsed, pool_size, read_only)
    store = Store(database, address, clock or SystemClock(), read_only=read_only)
    try:
        await store.start()
    except StoreError as error:
        await store.close()
        raise StoreOpenError(f"{address} cannot be opened: {error.message}", kind=error.kind) from error
    return store


def parse_url(url: str) -> URL:
    """The address with the driver the store uses. Raises StoreOpenError, never repeating a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreOpenError(
            "DATABASE_URL is not an address; write sqlite:///path/to/file.db or postgresql://user:password@host/name"
        ) from None
    if parsed.drivername in _SQLITE:
        if not parsed.database or parsed.database == ":memory:":
            raise StoreOpenError("DATABASE_URL names no file; write sqlite:///path/to/file.db")
        return parsed.set(drivername="sqlite+aiosqlite")
    if parsed.drivername not in _POSTGRES:
        raise StoreOpenError(
            f"DATABASE_URL begins with {parsed.drivername}://; the store knows sqlite:/// and postgresql://"
        )
    query = dict(parsed.query)
    if "sslmode" in query:
        # libpq's name, which hosting panels print; asyncpg's is `ssl`, with the same words.
        query["ssl"] = query.pop("sslmode")
    if unknown := sorted(set(query) - _POSTGRES_OPTIONS):
        raise StoreOpenError(
            f"DATABASE_URL has the option {unknown[0]!r}; the store knows sslmode, host and port"
        )
    return parsed.set(drivername="postgresql+asyncpg", query=query)


async def _postgres(url: URL, pool_size: int, read_only: bool) -> PostgresDatabase:
    # Here and not above: asyncpg costs a tenth of a start that does not need it.
    from .postgres import PostgresDatabase

    if not read_only:
        await asyncio.to_thread(upgrade, url)
    return PostgresDatabase(url, pool_size)


async def _sqlite(url: URL, pool_size: int, read_only: bool, beside: bool) -> SqliteDatabase:
    path = Path(url.database or "")
    if read_only:
        if not await asyncio.to_thread(path.is_file):
            raise StoreOpenError(f"there is no database at {path}")
        return SqliteDatabase(url, pool_size, None)
    lock, turn = FileLock(path.with_name(path.name + ".lock")), Turn(path.with_name(path.name + ".turn"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.take()
    except OSError as error:
        raise StoreOpenError(
            f"{path.parent} cannot be written ({error.strerror}); give a folder this process may write to in DATABASE_URL"
        ) from None
    except StoreOpenError:
        if not beside:
            raise
        return SqliteDatabase(url, pool_size, None, turn)
    try:
        async with turn:
            await asyncio.to_thread(upgrade, url)
    except BaseException:
        turn.close()
        lock.release()
        raise
    return SqliteDatabase(url, pool_size, lock, turn)


__all__ = ["SCHEMA", "Store", "open_store", "parse_url"]
