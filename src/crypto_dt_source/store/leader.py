"""Which of several processes on one database runs the timetable: one at a time, by a session advisory lock of PostgreSQL
(https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS) on a connection of its own.

A killed process loses the lock with its socket. One that hangs, or whose connection does, is ended by the server itself:
the session asks for `idle_session_timeout` (https://www.postgresql.org/docs/current/runtime-config-client.html) and has to
be heard of within it. The holder believes in its lock for a shorter time than the server does, so that it has stopped
before another can begin, also when it was suspended meanwhile.

    heard of every HEARD_EVERY_S · believes for LEASE_S · the server ends the session after IDLE_S · others try every TRY_EVERY_S
"""

from __future__ import annotations

import asyncio
import os
import platform
from typing import Any, Literal, Protocol

from sqlalchemy import URL

from ..clock import Clock
from ..telemetry import logger
from .engine import Store, parse_url

log = logger("leader")
HEARD_EVERY_S = 2.0
TRY_EVERY_S = 1.0
ANSWER_S = 2.5
LEASE_S = 5.0
IDLE_S = 6.0
_CLASS, _LOCK = 0x63647473, 6
"""The advisory lock's two numbers."""
_TAG = "cdts "
_KEEPALIVE = "SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3"
_IDLE_SINCE_VERSION = 14
_HOLDER = """SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 2
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

Standing = Literal["leads", "follows", "unknown"]


class Leader(Protocol):
    """Who runs the timetable. `standing` of this process: `unknown` while the database does not answer. `name` is who
    leads, None where nobody is known to; `since_ms` since when, None with it."""

    standing: Standing
    name: str | None
    since_ms: int | None

    def leads(self) -> bool:
        """Whether this process may run a job now."""
        ...

    async def look(self) -> None:
        """Be heard of, or try to take over. Raises nothing that is to be expected."""
        ...

    async def close(self) -> None:
        """Give the lock back."""
        ...


def here() -> str:
    """This process's name for people: host and process id."""
    return f"{platform.node()[:24] or 'host'}:{os.getpid()}"


class Alone:
    """The one process that has the database, as SQLite's has: it leads from the start."""

    def __init__(self, clock: Clock) -> None:
        self.standing: Standing = "leads"
        self.name: str | None = here()
        self.since_ms: int | None = clock.now_ms()

    def leads(self) -> bool:
        return True

    async def look(self) -> None:
        return None

    async def close(self) -> None:
        return None


class PostgresLeader:
    """One of several processes. `idle_s` and `lease_s` are as the module says; the lease must be the shorter one."""

    def __init__(
        self,
        url: URL,
        clock: Clock,
        *,
        name: str | None = None,
        idle_s: float = IDLE_S,
        lease_s: float = LEASE_S,
    ) -> None:
        self._url = url
        self._clock = clock
        self._me = name or here()
        self._idle_s, self._lease_s = idle_s, lease_s
        self._connection: Any = None
        self._held = False
        self._heard: tuple[float, int] = (0.0, 0)
        self.standing: Standing = "unknown"
        self.name: str | None = None
        self.since_ms: int | None = None

    def leads(self) -> bool:
        """Whether the lock is certainly still this process's. Both clocks count: the monotonic one may stand still while
        the host is suspended, the wall clock may be set."""
        if not self._held:
            return False
        passed = self._clock.monotonic() - self._heard[0]
        wall = (self._clock.now_ms() - self._heard[1]) / 1000
        return passed < self._lease_s and wall < self._lease_s

    async def look(self) -> None:
        """Be heard of as the holder, or try to become it. An answer that takes longer than ANSWER_S counts as none."""
        import asyncpg

        try:
            async with asyncio.timeout(ANSWER_S):
                await self._look()
        except (
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            # The driver's state and the server's differ: a connection that broke off in the midst of something.
            asyncpg.InternalClientError,
            # The event loop's own word for a connection that is closed already.
            RuntimeError,
            OSError,
        ) as error:
            self._lost(f"{type(error).__name__}: {error}")
        except BaseException as error:
            # Of a connection whose state nobody knows the next look would make the same again, for ever.
            if not isinstance(error, asyncio.CancelledError):
                self._lost(type(error).__name__)
            raise
        if self._held and not self.leads():
            # Heard too late: the server may have given the lock away since.
            self._lost("the lease ran out")

    async def _look(self) -> None:
        began = (self._clock.monotonic(), self._clock.now_ms())
        if self._connection is None:
            self._connection = await self._connect()
        if self._held:
            await self._connection.fetchval("SELECT 1")
            self._heard = began
            return
        if await self._connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _CLASS, _LOCK):
            self._held, self._heard = True, began
            tag = f"{_TAG}{self._me} {began[1]}"
            await self._connection.execute("SELECT set_config('application_name', $1, false)", tag)
            self.standing, self.name, self.since_ms = "leads", self._me, began[1]
            log.info("this process runs the timetable", name=self._me)
            return
        if self.standing != "follows":
            log.info("another process runs the timetable")
        self.standing = "follows"
        self.name, self.since_ms = _read(await self._connection.fetch(_HOLDER, _CLASS, _LOCK))

    async def _connect(self) -> Any:
        import asyncpg

        from .postgres_watch import arguments_of

        connection = await asyncpg.connect(
            **arguments_of(self._url), timeout=ANSWER_S, command_timeout=ANSWER_S, statement_cache_size=0
        )
        try:
            if connection.get_server_version().major >= _IDLE_SINCE_VERSION:
                await connection.execute(f"SET idle_session_timeout = {round(self._idle_s * 1000)}")
            else:
                await connection.execute(_KEEPALIVE)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _lost(self, reason: str) -> None:
        if self.standing != "unknown":
            log.warning("the database does not answer; the timetable stands still", reason=reason[:200])
        if self._connection is not None:
            # Not an orderly end: it would wait for the answer of a server that gives none.
            self._connection.terminate()
        self._connection, self._held = None, False
        self.standing, self.name, self.since_ms = "unknown", None, None

    async def close(self) -> None:
        """Give the lock back at once: the server does so when the connection ends."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection, self._held = None, False


def _read(rows: list[Any]) -> tuple[str | None, int | None]:
    """The holder's name and since when, out of what it calls its session; unknown where the server does not show it."""
    for (text,) in rows:
        parts = str(text or "").split(" ")
        if len(parts) == 3 and parts[0] == _TAG.strip() and parts[2].isdigit():
            return parts[1], int(parts[2])
    return None, None


def leader_of(store: Store, url: str, clock: Clock) -> Leader:
    """Who leads on this database. Raises StoreOpenError for an address that is none."""
    return Alone(clock) if store.dialect == "sqlite" else PostgresLeader(parse_url(url), clock)
