"""PostgreSQL: a pool that reads, one connection that writes, so that both databases keep the same order of commits.

Whoever loses his connection during COMMIT does not know whether the transaction is there. So each begins with leaving its
number in a row that is the process's own (of `kept`, where it goes by age once the process is gone), and the row is asked
over the next connection. PostgreSQL's own word, pg_xact_status
(https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT), does not do: after a crash of the
server a number whose transaction had not reached the disk is given to another, and then `committed` is said of that.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from weakref import WeakSet

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from ..clock import SystemClock
from ..telemetry import logger
from .defi_tables import WRITER
from .errors import UNREACHABLE, InDoubt, StoreError
from .postgres_watch import PING_S, Pace, Watch
from .sql import Params, Write, dollars

log = logger("store")
# The driver raises the last three for a value it cannot bind, and InternalClientError where its state and the server's
# differ: a connection that broke off, or was ended, in the midst of something. RuntimeError is an event loop's word for one.
_DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    RuntimeError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
)

CONNECT_S = 10.0
"""Within this a server answers who connects."""
DOUBT_S = 60.0
"""How long a server is asked whether a transaction is there: one that crashed needs a while to be back."""
DOUBT_REST_S = 0.5
# The row is locked from before the first write until the transaction is over, also one whose client is gone: whoever asks
# waits for that, and a COMMIT that comes late cannot come after the answer.
_LEAVE = """INSERT INTO kept (timestamp, key, source, payload)
    VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint, '{key}', '', '{number}')
    ON CONFLICT (key) DO UPDATE SET timestamp = excluded.timestamp"""
_BEGIN = f"BEGIN; {_LEAVE}, payload = excluded.payload"
_ASK = f"{_LEAVE} RETURNING payload"


async def _driver(connection: AsyncConnection) -> asyncpg.Connection[Any]:
    return cast("asyncpg.Connection[Any]", (await connection.get_raw_connection()).driver_connection)


def _words(error: BaseException) -> str:
    # A wait that was too long has none.
    return str(error) or "no answer"


def _over(driver: asyncpg.Connection[Any], error: BaseException) -> bool:
    """Whether a connection can be used no more after this."""
    if isinstance(error, asyncpg.InternalClientError):
        driver.terminate()
    return driver.is_closed()


class PostgresDatabase:
    """Reads and transactions on one PostgreSQL database. `pace`: how soon a connection that was cut is known."""

    dialect = "postgresql"

    def __init__(self, url: URL, pool_size: int, pace: Pace | None = None) -> None:
        given = {"timeout": CONNECT_S}
        self._readers = create_async_engine(
            url, pool_size=max(1, pool_size), max_overflow=0, pool_reset_on_return=None, connect_args=given
        )
        self._writer = create_async_engine(url, pool_size=1, max_overflow=0, connect_args=given)
        self._watch = Watch(url, pace)
        self._drivers: WeakSet[asyncpg.Connection[Any]] = WeakSet()
        self._given_up = False
        self._key = WRITER + secrets.token_hex(8)
        self._begun = 0
        for engine in (self._readers, self._writer):
            event.listen(engine.sync_engine, "do_connect", self._refuse)
            event.listen(engine.sync_engine, "connect", self._connected)

    def _connected(self, connection: Any, _: object) -> None:
        self._drivers.add(connection.driver_connection)

    def give_up(self) -> None:
        """Break every connection off, whatever it waits for, and make no other: what is asked fails at once from now on."""
        self._given_up = True
        for driver in list(self._drivers):
            driver.terminate()

    def _refuse(self, *_: object) -> None:
        if self._given_up:
            raise StoreError("the database did not answer as the service ended")

    async def start(self) -> None:
        """Open one reader. Raises StoreError."""
        await self.fetch("SELECT 1", ())

    async def fetch(self, sql: str, params: Params) -> list[Any]:
        """All rows, as tuples. A read whose connection had died is tried once more. Raises StoreError."""
        text = dollars(sql)
        for attempt in (1, 2):
            self._refuse()
            try:
                async with self._readers.connect() as connection:
                    driver = await _driver(connection)
                    try:
                        await self._watch.enter(driver)
                        async with self._watch.over(driver):
                            return list(map(tuple, await driver.fetch(text, *params)))
                    except _DRIVER_ERRORS as error:
                        over = _over(driver, error)
                        if over:
                            await connection.invalidate()
                        if not over or attempt == 2:
                            raise
            except (*_DRIVER_ERRORS, SQLAlchemyError) as error:
                raise StoreError(f"the database could not be read: {_words(error)}") from error
        raise AssertionError("unreachable")

    async def apply(self, writes: Sequence[Write]) -> list[int]:
        """Run `writes` in one transaction; rows changed by each counted one, else 0. Raises StoreError, and then nothing
        of them is there: where the connection is lost during COMMIT the server is asked. InDoubt where it cannot be."""
        self._refuse()
        living = False
        changed: list[int] | None = None
        try:
            async with self._writer.connect() as connection:
                driver = await self._living(connection)
                living = True
                try:
                    async with self._watch.over(driver), self._transaction(driver):
                        changed = [await self._run(driver, write) for write in writes]
                except _DRIVER_ERRORS as error:
                    refused = isinstance(error, asyncpg.PostgresError)
                    if not _over(driver, error) and (refused or changed is None):
                        raise
                    driver.terminate()
                    await connection.invalidate()
                    if changed is None or not await self._there(connection):
                        raise
                return changed
        except (*_DRIVER_ERRORS, SQLAlchemyError) as error:
            kind = getattr(error, "sqlstate", None) or (None if living else UNREACHABLE)
            raise StoreError(f"the database refused a write: {_words(error)}", kind=kind) from error

    @asynccontextmanager
    async def _transaction(self, driver: asyncpg.Connection[Any]) -> AsyncIterator[None]:
        self._begun += 1
        try:
            # In one message: the mark costs no round trip.
            await driver.execute(_BEGIN.format(key=self._key, number=self._begun))
            yield
        except BaseException:
            if not driver.is_closed():
                try:
                    await driver.execute("ROLLBACK")
                except BaseException:
                    driver.terminate()
                    raise
            raise
        await driver.execute("COMMIT")

    async def _there(self, connection: AsyncConnection) -> bool:
        """Whether the last transaction is there, whose COMMIT had no answer. Raises InDoubt."""
        log.warning("the connection was lost during COMMIT; the database is asked whether it took place")
        clock, reason = SystemClock(), "no answer"
        try:
            async with asyncio.timeout(DOUBT_S):
                while not self._given_up:
                    try:
                        driver = await self._living(connection)
                        async with self._watch.over(driver):
                            found = await driver.fetchval(_ASK.format(key=self._key, number=0))
                        return bool(found == str(self._begun))
                    except (*_DRIVER_ERRORS, SQLAlchemyError) as error:
                        reason = _words(error)
                    await clock.sleep(DOUBT_REST_S)
        except TimeoutError:
            pass
        except StoreError as error:
            reason = error.message
        raise InDoubt(
            f"the connection was lost during COMMIT, and whether that took place is not known: {reason}"
        )

    async def _living(self, connection: AsyncConnection) -> asyncpg.Connection[Any]:
        """The driver's connection, another one where it had died since: a transaction is not begun twice."""
        for attempt in (1, 2):
            driver = await _driver(connection)
            try:
                await self._watch.enter(driver)
                async with asyncio.timeout(PING_S):
                    await driver.fetchval("SELECT 1")
            except _DRIVER_ERRORS:
                driver.terminate()
                await connection.invalidate()
                if attempt == 2:
                    raise
            else:
                return driver
        raise AssertionError("unreachable")

    @staticmethod
    async def _run(driver: asyncpg.Connection[Any], write: Write) -> int:
        text = dollars(write.sql)
        if not write.counted:
            await driver.executemany(text, write.rows)
            return 0
        # The server answers `DELETE 12`; executemany has no such answer.
        return sum([int((await driver.execute(text, *row)).rsplit(" ", 1)[1]) for row in write.rows])

    async def tend(self, statement: str) -> list[Any]:
        """Run what cannot be part of a transaction, between two of them; gives no rows. Raises StoreError."""
        try:
            async with self._writer.connect() as connection:
                driver = await self._living(connection)
                try:
                    async with self._watch.over(driver):
                        await driver.execute(statement)
                except _DRIVER_ERRORS as error:
                    if _over(driver, error):
                        await connection.invalidate()
                    raise
        except (*_DRIVER_ERRORS, SQLAlchemyError) as error:
            raise StoreError(
                f"the database refused to be looked after: {_words(error)}",
                kind=getattr(error, "sqlstate", None),
            ) from error
        return []

    async def integrity(self) -> list[str]:
        """PostgreSQL has no check of the whole file over SQL; each table is read once. Raises StoreError for a page that
        fails its checksum."""
        tables = await self.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()", ())
        for (name,) in tables:
            await self.fetch(f'SELECT count(*) FROM "{name}"', ())  # noqa: S608 the server's own table names
        return []

    async def size_bytes(self) -> int:
        """Bytes of the database on the server's disk."""
        return int((await self.fetch("SELECT pg_database_size(current_database())", ()))[0][0])

    async def close(self) -> None:
        await self._readers.dispose()
        await self._writer.dispose()
