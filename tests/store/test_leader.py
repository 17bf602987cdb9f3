"""Who runs the timetable: one process at a time, also when the one that did hangs or loses its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.store import parse_url
from crypto_dt_source.store.leader import LEASE_S, Alone, PostgresLeader, leader_of

from .conftest import T0

IDLE_S = 0.4


def one(url: str, name: str, clock: ManualClock | None = None, idle_s: float = 30.0) -> PostgresLeader:
    return PostgresLeader(parse_url(url), clock or ManualClock(T0), name=name, idle_s=idle_s)


async def until(ready: Callable[[], Awaitable[bool]]) -> None:
    """Ask the server until it says so: what is waited for is its own timeout."""
    async with asyncio.timeout(10):
        while not await ready():  # noqa: ASYNC110 - the server is asked, nothing sleeps
            await asyncio.sleep(0)


async def test_one_leads_and_the_other_knows_who(postgres_url: str) -> None:
    first, second = one(postgres_url, "a:1"), one(postgres_url, "b:2")
    try:
        assert (first.standing, first.leads()) == ("unknown", False)
        for leader in (first, second, first):
            await leader.look()
        assert (first.standing, first.leads(), second.standing, second.leads()) == (
            "leads",
            True,
            "follows",
            False,
        )
        assert (second.name, second.since_ms) == (first.name, first.since_ms) == ("a:1", T0)
        await first.close()

        async def taken() -> bool:
            await second.look()
            return second.leads()

        await until(taken)
        await first.look()
        assert (first.standing, first.name) == ("follows", "b:2")
    finally:
        await first.close()
        await second.close()


async def test_the_server_ends_a_holder_it_does_not_hear_of(postgres_url: str) -> None:
    """A process that was stopped, a connection that hangs: nobody closes anything."""
    clock = ManualClock(T0)
    first, second = one(postgres_url, "a:1", clock, IDLE_S), one(postgres_url, "b:2")
    try:
        await first.look()
        assert first.leads()

        async def taken() -> bool:
            await second.look()
            return second.leads()

        await until(taken)
        # It wakes up: before it has heard anything its lease is over, and then it hears that.
        await clock.advance(LEASE_S)
        assert not first.leads()
        await first.look()
        assert first.standing == "unknown"
        await first.look()
        assert (first.standing, first.name) == ("follows", "b:2")
    finally:
        await first.close()
        await second.close()


async def test_a_lease_ends_before_the_lock_does(postgres_url: str) -> None:
    clock = ManualClock(T0)
    leader = one(postgres_url, "a:1", clock)
    try:
        await leader.look()
        await clock.advance(LEASE_S - 0.1)
        assert leader.leads()
        await clock.advance(0.2)
        assert not leader.leads()
        await leader.look()
        assert leader.leads()
        # The host was suspended: the monotonic clock stood still.
        clock._start_ms += 60_000
        assert not leader.leads()
    finally:
        await leader.close()


async def test_a_session_the_server_ended_is_noticed(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    leader = one(postgres_url, "a:1")
    try:
        await leader.look()
        connection = await asyncpg.connect(postgres_url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'cdts a:1 %'"
        )
        await connection.close()
        await leader.look()
        assert (leader.standing, leader.leads(), leader.name) == ("unknown", False, None)
        await leader.look()
        assert leader.leads()
    finally:
        await leader.close()
    assert capsys.readouterr().err.count("the database does not answer") == 1


async def test_a_connection_whose_state_nobody_knows_is_given_up(postgres_url: str) -> None:
    """Whatever the driver raises, an error that is a bug too: the next look makes a new connection."""
    for error in (asyncpg.InternalClientError(), RuntimeError("the handler is closed"), ZeroDivisionError()):
        leader = one(postgres_url, "a:1")

        async def broken(_: str, error: Exception = error) -> None:
            raise error

        try:
            await leader.look()
            real = leader._connection
            leader._connection = SimpleNamespace(fetchval=broken, terminate=real.terminate)
            with suppress(ZeroDivisionError):
                await leader.look()
            assert (leader.standing, leader.leads()) == ("unknown", False)

            async def again(leader: PostgresLeader = leader) -> bool:
                await leader.look()
                return leader.leads()

            await until(again)
        finally:
            await leader.close()


async def test_a_database_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    leader = PostgresLeader(parse_url(f"postgresql://postgres@/postgres?host={tmp_path}"), ManualClock(T0))
    await leader.look()
    assert (leader.standing, leader.leads()) == ("unknown", False)
    await leader.close()


async def test_the_one_process_of_a_sqlite_file_always_leads(sqlite_store: object, tmp_path: Path) -> None:
    clock = ManualClock(T0)
    leader = leader_of(sqlite_store, f"sqlite:///{tmp_path}/data/cdts.db", clock)  # type: ignore[arg-type]
    await clock.advance(86_400)
    await leader.look()
    assert isinstance(leader, Alone)
    assert (leader.leads(), leader.standing, leader.since_ms) == (True, "leads", T0)
    await leader.close()
