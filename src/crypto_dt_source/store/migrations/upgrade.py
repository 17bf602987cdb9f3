"""Brings a database to this version's schema, from a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, event, inspect, pool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from ..errors import StoreOpenError

if TYPE_CHECKING:
    from alembic.config import Config

SCHEMA = "0004"
"""The newest revision; a database that has it is left alone without loading Alembic, which costs a third of a start."""

_ADVISORY_KEY = 0x0063_6474_7300_0001
"""Two processes that start at once on one PostgreSQL: the second waits for the first's migration."""


def _errors(url: URL) -> tuple[type[Exception], ...]:
    """What opening this address can raise. asyncpg is loaded only where it is used: it costs a tenth of a start."""
    if url.get_backend_name() == "sqlite":
        return (SQLAlchemyError, sqlite3.Error, OSError)
    import asyncpg

    return (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


def config() -> Config:
    """Alembic's configuration: this folder, no file."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


def upgrade(url: URL, revision: str = "head") -> None:
    """Run every migration that is missing. Blocks; call it off the event loop. Raises StoreOpenError."""
    address = url.render_as_string(hide_password=True)
    try:
        asyncio.run(_upgrade(url, revision))
    except _errors(url) as error:
        reason = str(error.__cause__ or error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreOpenError(f"{address} cannot be opened: {reason}") from error


async def _upgrade(url: URL, revision: str) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    if engine.dialect.name == "sqlite":
        # The driver would commit before each CREATE; without its help the whole upgrade is one transaction.
        @event.listens_for(engine.sync_engine, "connect")
        def _on_connect(connection: sqlite3.Connection, _: object) -> None:
            connection.isolation_level = None

        @event.listens_for(engine.sync_engine, "begin")
        def _on_begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        async with engine.begin() as connection:
            await connection.run_sync(_step, revision)
    finally:
        await engine.dispose()


def _step(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
    if revision == "head" and current(connection) == SCHEMA:
        return
    from alembic import command
    from alembic.util.exc import CommandError

    made = config()
    made.attributes["connection"] = connection
    try:
        command.upgrade(made, revision)
    except CommandError as error:
        raise StoreOpenError(
            f"the database has schema {current(connection)}, which this version does not know; it was made by a newer one"
        ) from error


def current(connection: Connection) -> str | None:
    """The database's revision, or None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
