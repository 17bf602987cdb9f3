"""Connections to PostgreSQL that are cut with nothing said, through a proxy on the loopback that stops to forward, or in the
midst of a COMMIT; and long statements, which are not cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.store import StoreError, parse_url, postgres, postgres_backup, postgres_watch
from crypto_dt_source.store.errors import UNREACHABLE, InDoubt
from crypto_dt_source.store.leader import PostgresLeader
from crypto_dt_source.store.postgres import PostgresDatabase
from crypto_dt_source.store.postgres_watch import Pace, Watch
from crypto_dt_source.store.sql import Write
from crypto_dt_source.store.writer import Writer

from .conftest import T0
from .silent_proxy import SilentProxy, silent_proxy

PACE = Pace(every_s=0.03, look_s=5.0, silent=3)
SHORT_S = 0.3
"""For whoever will have no answer."""
BOUND_S = 30.0
"""Far above what PACE takes, also on a busy machine, and far below for ever."""


@pytest.fixture
async def proxy(
    postgres_tables: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SilentProxy]:
    monkeypatch.setattr(postgres_watch, "UNWIND_S", 0.1)
    async with silent_proxy(postgres_tables[0]) as found:
        yield found


@pytest.fixture
async def database(proxy: SilentProxy) -> AsyncIterator[PostgresDatabase]:
    opened = PostgresDatabase(parse_url(proxy.url), 1, PACE)
    await opened.start()
    yield opened
    opened.give_up()
    await opened.close()


async def test_a_read_whose_connection_was_cut_is_made_over_another(
    database: PostgresDatabase, proxy: SilentProxy
) -> None:
    proxy.cut()
    async with asyncio.timeout(BOUND_S):
        assert await database.fetch("SELECT 7", ()) == [(7,)]


async def test_a_database_that_is_cut_off_fails_in_time_and_is_found_again(
    database: PostgresDatabase, proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.apply([Write("SELECT 1", [()])])
    patience = {"timeout": SHORT_S}
    for engine in (database._readers, database._writer):
        event.listen(engine.sync_engine, "do_connect", lambda *given: given[3].update(patience))
    monkeypatch.setattr(postgres, "PING_S", SHORT_S)
    monkeypatch.setattr(database._watch, "pace", PACE._replace(look_s=SHORT_S))
    proxy.cut(new=True)
    async with asyncio.timeout(BOUND_S):
        for work in (
            database.fetch("SELECT 7", ()),
            database.apply([Write("SELECT 1", [()])]),
            database.tend("SELECT 1"),
        ):
            with pytest.raises(StoreError, match=r": ."):
                await work
        # Many that wait together fail together: one after the other each would wait as long again.
        writer = Writer(database)
        writer.start()
        many = [writer.write([Write("SELECT 1", [()])]) for _ in range(40)]
        failed = await asyncio.gather(*many, return_exceptions=True)
        assert {getattr(error, "kind", None) for error in failed} == {UNREACHABLE}
        await writer.close()
    proxy.heal()
    monkeypatch.undo()
    patience["timeout"] = BOUND_S
    async with asyncio.timeout(BOUND_S):
        assert await database.fetch("SELECT 7", ()) == [(7,)]
        await database.apply([Write("SELECT 1", [()])])


async def test_a_connection_cut_before_its_first_use_is_closed(
    proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_watch, "PING_S", SHORT_S)
    driver = await asyncpg.connect(proxy.url)
    proxy.cut()
    with pytest.raises(TimeoutError):
        await Watch(parse_url(proxy.url)).enter(driver)
    assert driver.is_closed()


async def test_a_connection_whose_state_nobody_knows_is_thrown_away(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's word for what is left of one that was ended in the midst of something."""
    for name in ("fetch", "execute"):
        asks, strange = getattr(asyncpg.Connection, name), []

        async def once(driver: Any, *given: Any, asks: Any = asks, strange: list[Any] = strange) -> Any:
            if not strange and "7" in given[0]:
                strange.append(driver)
                raise asyncpg.InternalClientError("cannot switch to state 12")
            return await asks(driver, *given)

        monkeypatch.setattr(asyncpg.Connection, name, once)
        if name == "fetch":
            assert await database.fetch("SELECT 7", ()) == [(7,)]
        else:
            for work in (database.tend("SELECT 7"), database.apply([Write("SELECT 7", [()])])):
                with pytest.raises(StoreError, match="state 12") if not strange else nullcontext():
                    await work
        assert strange[0].is_closed()


async def test_a_long_statement_that_lives_is_not_cut(database: PostgresDatabase) -> None:
    """Longer than it takes to cut one, also while it waits for another's lock."""
    longer_s = PACE.every_s * PACE.silent * 3
    async with asyncio.timeout(BOUND_S):
        begun = time.monotonic()
        await database.fetch("SELECT pg_sleep($1)", (longer_s,))
        await database.apply([Write(f"SELECT pg_sleep({longer_s})", [()])])
        await database.tend(f"SELECT pg_sleep({longer_s})")
        assert time.monotonic() - begun >= 3 * longer_s


async def _runs(asked: asyncpg.Connection[Any], statement: str) -> None:
    """Return once the server works on `statement`."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $1"
    while not await asked.fetchval(sql, statement):  # noqa: ASYNC110 - the server is asked, nothing sleeps
        await asyncio.sleep(0)


async def test_a_write_cut_in_its_midst_gives_free_what_it_held(
    database: PostgresDatabase, proxy: SilentProxy, postgres_tables: tuple[str, str]
) -> None:
    """Whether the cut comes while the server works, or while a batch too large for the system's buffers is sent."""
    other = await asyncpg.connect(postgres_tables[0])
    await other.execute("CREATE TABLE IF NOT EXISTS held (id int PRIMARY KEY, n int)")
    await other.execute("TRUNCATE held; INSERT INTO held VALUES (1, 0)")
    grow, wait = Write("UPDATE held SET n = n + 1", [()]), Write("SELECT pg_sleep(0.3)", [()])
    try:
        await database.apply([grow])
        for after in (grow, Write("SELECT length(?)", [("x" * 4_000_000,)] * 4)):
            writing = asyncio.create_task(database.apply([grow, wait, after]))
            async with asyncio.timeout(BOUND_S):
                await _runs(other, wait.sql)
                proxy.cut()
                with pytest.raises(StoreError):
                    await writing
                # The session that held the row is ended: nobody waits for it.
                assert await database.apply([Write("UPDATE held SET n = n + 10", [()], counted=True)]) == [1]
        assert await other.fetchval("SELECT n FROM held") == 21
    finally:
        await other.execute("DROP TABLE held")
        await other.close()


async def test_a_commit_whose_answer_is_lost_is_made_once(
    database: PostgresDatabase, proxy: SilentProxy, postgres_tables: tuple[str, str]
) -> None:
    """Plain inserts of several callers in one transaction, which the server has, or never had, or has later on; and a
    server that cannot be asked."""
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%RETURNING%'"
    )
    other = await asyncpg.connect(postgres_tables[0])
    await other.execute("CREATE TABLE IF NOT EXISTS landed (n int); TRUNCATE landed")
    writer, number = Writer(database), 0
    writer.start()
    try:
        for way in ("unanswered", "lost", "late", "late"):
            proxy.commit = way  # type: ignore[assignment]
            batches = [
                Write("INSERT INTO landed VALUES (?)", [(n,)], counted=True)
                for n in range(number, number + 4)
            ]
            writing = asyncio.gather(*(writer.write([batch]) for batch in batches))
            number += 4
            async with asyncio.timeout(BOUND_S):
                if way == "late":
                    while not await other.fetchval(waits):  # noqa: ASYNC110 - the server is asked
                        await asyncio.sleep(0)
                    proxy.late.set()
                assert await writing == [1] * 4
            proxy.late.clear()
            found = await other.fetch("SELECT n FROM landed ORDER BY n")
            assert [row["n"] for row in found] == list(range(number)), way
        proxy.commit = "unanswered"
        writing = asyncio.gather(*(writer.write([batch]) for batch in batches), return_exceptions=True)
        async with asyncio.timeout(BOUND_S):
            while proxy.commit is not None:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0)
            database.give_up()
            assert {type(error) for error in await writing} == {InDoubt}
        assert await other.fetchval("SELECT count(*) FROM landed") == number + 4
    finally:
        proxy.late.set()
        await writer.close()
        await other.execute("DROP TABLE landed")
        await other.close()


async def test_an_answer_that_stops_midway_is_no_life(
    database: PostgresDatabase, proxy: SilentProxy, postgres_tables: tuple[str, str]
) -> None:
    """The server is active all the while: it waits for us to take the rest."""
    other = await asyncpg.connect(postgres_tables[0])
    sql = "SELECT repeat('x', 8000000) FROM pg_sleep(0.1)"
    try:
        reading = asyncio.create_task(database.fetch(sql, ()))
        async with asyncio.timeout(BOUND_S):
            await _runs(other, sql)
            proxy.cut()
            # Made again over another connection.
            assert len((await reading)[0][0]) == 8_000_000
    finally:
        await other.close()


async def test_an_answer_that_comes_slowly_is_not_cut(database: PostgresDatabase, proxy: SilentProxy) -> None:
    """The server waits for the line at every look."""
    proxy.piece_s = PACE.every_s
    async with asyncio.timeout(BOUND_S):
        begun = time.monotonic()
        assert len((await database.fetch("SELECT repeat('x', 3000000)", ()))[0][0]) == 3_000_000
        assert time.monotonic() - begun > 3 * PACE.every_s * PACE.silent


async def test_a_backup_that_is_cut_fails(
    postgres_tables: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_backup, "Watch", lambda url: Watch(url, PACE))
    async with silent_proxy(postgres_tables[0]) as proxy:
        whole = await postgres_backup.copy(parse_url(proxy.url), tmp_path)
        assert whole.tables["providers"].rows >= 1
        copied = postgres_backup._copied

        async def cut(*arguments: object) -> object:
            proxy.cut()
            return await copied(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(postgres_backup, "_copied", cut)
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(StoreError):
                await postgres_backup.copy(parse_url(proxy.url), tmp_path)


async def test_a_leader_that_is_cut_off_lets_go(proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    leader = PostgresLeader(parse_url(proxy.url), ManualClock(T0), name="a:1", idle_s=30)
    try:
        await leader.look()
        assert leader.leads()
        monkeypatch.setattr("crypto_dt_source.store.leader.ANSWER_S", SHORT_S)
        proxy.cut(new=True)
        async with asyncio.timeout(BOUND_S):
            for _ in range(2):
                await leader.look()
                assert (leader.standing, leader.leads()) == ("unknown", False)
    finally:
        await leader.close()
