"""Whether PostgreSQL still works on a statement that takes long.

A connection that was cut with nothing said (a host that is gone, a router that forgot it) looks like one whose answer is
not there yet, and a fixed limit would cut a clean-up or a backup of a large database. So the server is asked, over a
connection of its own: https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW.
While it works on the statement, or bytes come and go, there is no limit. Where it does not answer, knows of no such
session, has nothing to do there or waits for us, `SILENT_LOOKS` times in a row, the connection is thrown away, and its
session ended.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import URL

from ..telemetry import logger

log = logger("store")
EVERY_S = 3.0
LOOK_S = 5.0
SILENT_LOOKS = 3
UNWIND_S = 1.0
"""What waits beside the connection (its buffer, say) is cut off so long after it."""
PING_S = 10.0
"""Within this a connection that is there answers nothing in particular."""
IDLE_TRANSACTION_S = 30
"""The server ends a session that holds rows and says nothing for so long."""
_PROBE_S = 10
_ENTER = f"""SELECT pg_backend_pid(),
    set_config('idle_in_transaction_session_timeout', $1, false),
    set_config('tcp_keepalives_idle', '{_PROBE_S}', false),
    set_config('tcp_keepalives_interval', '{_PROBE_S}', false),
    set_config('tcp_keepalives_count', '3', false)"""
_LOOK = "SELECT state, wait_event FROM pg_stat_activity WHERE pid = $1"
_END = "SELECT pg_terminate_backend($1)"
_WAITS_FOR_US = frozenset({"ClientRead", "ClientWrite"})


class Pace(NamedTuple):
    """How often the server is asked, seconds, how long it may take to say, and how many bad answers end it."""

    every_s: float = EVERY_S
    look_s: float = LOOK_S
    silent: int = SILENT_LOOKS


def arguments_of(url: URL) -> dict[str, Any]:
    """The driver's arguments for an address of the store."""
    from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

    _, given = PGDialect_asyncpg().create_connect_args(url)  # type: ignore[no-untyped-call]
    return dict(given)


class _Counted(asyncio.Protocol):
    """The driver's own protocol; `pieces` counts what it received."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self.pieces = 0

    def data_received(self, data: bytes) -> None:
        self.pieces += 1
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class _Session(NamedTuple):
    """A connection that was entered. `number`: the server's of its process."""

    number: int
    transport: Any
    counted: _Counted

    def moved(self) -> tuple[int, int]:
        """Another pair than before where bytes came or went since."""
        return self.counted.pieces, self.transport.get_write_buffer_size()


class Watch:
    """Of the connections to one database. `over(driver)` is put around each use of one."""

    def __init__(self, url: URL, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._url = url
        self._sessions: WeakKeyDictionary[asyncpg.Connection[Any], _Session] = WeakKeyDictionary()

    async def enter(self, driver: asyncpg.Connection[Any], idle_s: int = IDLE_TRANSACTION_S) -> None:
        """Get to know a connection, before its first use. `idle_s`: 0 for one that may pause in a transaction. Raises what
        the driver does, TimeoutError among it; the connection is closed then."""
        if driver in self._sessions:
            return
        # The driver has no name for it.
        transport: Any = driver._transport  # type: ignore[attr-defined]
        _probe(transport)
        try:
            async with asyncio.timeout(PING_S):
                row = await driver.fetchrow(_ENTER, f"{idle_s}s")
        except BaseException:
            # Whoever comes next would wait for it as long.
            driver.terminate()
            raise
        counted = _Counted(transport.get_protocol())
        transport.set_protocol(counted)
        # Asked, for a pooler before the server makes a number of its own up.
        number = driver.get_server_pid() if row is None else int(row[0])
        self._sessions[driver] = _Session(number, transport, counted)

    def over(self, driver: asyncpg.Connection[Any]) -> Watched:
        """An async context, for a connection that was entered: what is done with it inside fails with TimeoutError, or as
        the driver does, once the server is known not to work on it."""
        return Watched(self, driver, self._sessions[driver])

    async def works(self, session: int, *, last: bool) -> bool:
        """Whether the server works on a statement of that session; where it does not and is not asked again (`last`), it
        ends the session, so that what that holds is free. Raises what the driver does."""
        looking = await self._connect()
        try:
            row = await looking.fetchrow(_LOOK, session)
            # A server that does not keep track of what is done says no state.
            works = (
                row is not None and not str(row[0] or "").startswith("idle") and row[1] not in _WAITS_FOR_US
            )
            if last and not works:
                await looking.fetchval(_END, session)
            return works
        finally:
            looking.terminate()

    async def _connect(self) -> asyncpg.Connection[Any]:
        made: asyncpg.Connection[Any] = await asyncpg.connect(
            **arguments_of(self._url), timeout=self.pace.look_s, statement_cache_size=0
        )
        return made


class Watched:
    """One use of a connection; see `Watch.over`."""

    def __init__(self, watch: Watch, driver: asyncpg.Connection[Any], session: _Session) -> None:
        self._watch, self._driver, self._session = watch, driver, session
        self._limit = asyncio.timeout(None)
        self._next: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._silent = 0
        self._here = False
        self._moved = session.moved()

    @contextmanager
    def here(self) -> Iterator[None]:
        """Around work of our own between two pieces of a stream: the server waits for us, which is no silence then."""
        self._here = True
        try:
            yield
        finally:
            self._here = False
            self._silent = 0

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self._arm()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        if self._next is not None:
            self._next.cancel()
        try:
            if self._looking is not None and not self._looking.done():
                self._looking.cancel()
                await asyncio.wait({self._looking})
        finally:
            await self._limit.__aexit__(*raised)

    def _arm(self) -> None:
        self._next = asyncio.get_running_loop().call_later(self._watch.pace.every_s, self._begin)

    def _begin(self) -> None:
        self._looking = asyncio.create_task(self._look(), name="looks after a statement")

    async def _look(self) -> None:
        pace = self._watch.pace
        before, self._moved = self._moved, self._session.moved()
        works = self._here or before != self._moved or await self._works()
        if works is not None:
            self._silent = 0 if works else self._silent + 1
        if self._silent < pace.silent:
            self._arm()
            return
        log.warning("a connection to the database is silent and thrown away", looks=self._silent)
        self._driver.terminate()
        self._limit.reschedule(asyncio.get_running_loop().time() + UNWIND_S)

    async def _works(self) -> bool | None:
        """None where the server answers and lets nobody in: that says nothing about the statement."""
        try:
            async with asyncio.timeout(self._watch.pace.look_s):
                return await self._watch.works(
                    self._session.number, last=self._silent + 1 >= self._watch.pace.silent
                )
        except asyncpg.PostgresError:
            return None
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, RuntimeError, OSError):
            return False


def _probe(transport: Any) -> None:
    """Have the system notice a peer that is gone, also while nothing is asked of it."""
    way = transport.get_extra_info("socket")
    if way is None or way.family not in (socket.AF_INET, socket.AF_INET6):
        return
    way.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _PROBE_S),
        ("TCP_KEEPINTVL", _PROBE_S),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 3 * _PROBE_S * 1000),
    ):
        if hasattr(socket, name):
            way.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
