"""PostgreSQL's part of a backup: each table as its binary COPY (https://www.postgresql.org/docs/current/sql-copy.html),
all of one REPEATABLE READ transaction, so that the tools of a server need not be there."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import secrets
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import URL, Text

from . import snapshots, tables
from .errors import StoreError
from .migrations.upgrade import upgrade
from .postgres_watch import PING_S, Watch, Watched, arguments_of
from .snapshots import Contents

if TYPE_CHECKING:
    from .backup import BackupManifest, Copied

COMPRESSION = 5
_PIECE = 1 << 20
_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@asynccontextmanager
async def _connected(url: URL) -> AsyncIterator[tuple[Any, Watched]]:
    """A connection, and what is told of every piece of it; what the driver raises leaves as StoreError, also where the
    connection was cut with nothing said."""
    watch = Watch(url)
    try:
        connection = await asyncpg.connect(**arguments_of(url), timeout=PING_S)
        try:
            await watch.enter(connection, idle_s=0)
            async with watch.over(connection) as watched:
                yield connection, watched
        finally:
            with suppress(TimeoutError):
                await connection.close(timeout=PING_S)
    except _ERRORS as error:
        raise StoreError(f"the database refused: {error}") from error


class _Packed:
    """COPY's bytes on their way into a compressed file, with their hash."""

    def __init__(self, path: Path | None, watched: Watched) -> None:
        self._watched = watched
        self._file = None if path is None else gzip.GzipFile(path, "wb", COMPRESSION)
        self._parts: list[bytes] = []
        self._size = 0
        self.plain_bytes = 0
        self._digest = hashlib.sha256()

    async def add(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _PIECE:
            await self.flush()

    async def flush(self) -> None:
        data, self._parts, self._size = b"".join(self._parts), [], 0
        with self._watched.here():
            await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self.plain_bytes += len(data)
        if self._file is not None:
            self._file.write(data)

    async def end(self) -> str:
        """Close the file; gives the hash of what went in."""
        await self.flush()
        if self._file is not None:
            await asyncio.to_thread(self._file.close)
        return self._digest.hexdigest()


def _select(name: str, columns: tuple[str, ...]) -> str:
    # Texts by their bytes: a backup is compared on whatever server, with whatever collation.
    key = ", ".join(
        f'"{column.name}"' + (' COLLATE "C"' if isinstance(column.type, Text) else "")
        for column in tables.metadata.tables[name].primary_key.columns
    )
    names = ", ".join(f'"{column}"' for column in columns)
    return f'SELECT {names} FROM "{name}" ORDER BY {key}'  # noqa: S608 the schema's own names


async def _copied(
    connection: Any, watched: Watched, name: str, columns: tuple[str, ...], path: Path | None
) -> tuple[Contents, int]:
    packed = _Packed(path, watched)
    status = await connection.copy_from_query(_select(name, columns), output=packed.add, format="binary")
    return Contents(int(status.rpartition(" ")[2]), await packed.end()), packed.plain_bytes


async def copy(url: URL, folder: Path) -> Copied:
    """Write every table to `folder` as of one moment. Raises StoreError."""
    from .backup import BackupFile, Copied

    contents: dict[str, Contents] = {}
    files = []
    columns = {
        str(table.name): tuple(str(column.name) for column in table.columns)
        for table in tables.metadata.sorted_tables
    }
    async with (
        _connected(url) as (connection, watched),
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        schema = await connection.fetchval("SELECT version_num FROM alembic_version")
        for name, names in columns.items():
            path = folder / f"{name}.copy.gz"
            contents[name], plain = await _copied(connection, watched, name, names, path)
            with watched.here():
                sha256 = await asyncio.to_thread(snapshots.sha256_of, path)
                size = await asyncio.to_thread(snapshots.size_of, path)
            files.append(BackupFile(path.name, size, sha256, plain))
    return Copied(schema, contents, tuple(files), columns)


async def _pieces(path: Path, watched: Watched, size: int | None) -> AsyncIterator[bytes]:
    """What a file unpacks to. Raises StoreError where that is not `size` bytes, None where nobody wrote them down."""
    file = await asyncio.to_thread(gzip.open, path, "rb")
    read = 0
    try:
        while True:
            with watched.here():
                try:
                    piece = await asyncio.to_thread(file.read, _PIECE)
                except (OSError, EOFError, zlib.error) as error:
                    raise StoreError(f"{path.name} cannot be unpacked: {error}") from error
            read += len(piece)
            if size is not None and (read > size or (not piece and read < size)):
                raise StoreError(f"{path.name} does not unpack to the {size} bytes that were written down")
            if not piece:
                return
            yield piece
    finally:
        file.close()


async def _fill(connection: Any, watched: Watched, folder: Path, manifest: BackupManifest) -> None:
    sizes = {file.name: file.plain_bytes for file in manifest.files}
    for name, columns in manifest.columns.items():
        source = _pieces(folder / f"{name}.copy.gz", watched, sizes.get(f"{name}.copy.gz"))
        await connection.copy_to_table(name, source=source, columns=list(columns), format="binary")


async def check(url: URL, folder: Path, manifest: BackupManifest) -> list[str]:
    """Fill scratch tables beside the real ones, compare what is then in them, and roll it all back; gives what differs.
    Raises StoreError."""
    scratch = f"cdts_check_{secrets.token_hex(4)}"
    async with _connected(url) as (connection, watched):
        schema = await connection.fetchval("SELECT version_num FROM alembic_version")
        if schema != manifest.schema:
            raise StoreError(
                f"the backup has schema {manifest.schema} and this database {schema}; it can be compared only with the "
                "version that made it"
            )
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"CREATE SCHEMA {scratch}")
            for name in manifest.columns:
                await connection.execute(f'CREATE TABLE {scratch}."{name}" (LIKE "{name}")')
            await connection.execute(f"SET LOCAL search_path TO {scratch}")
            await _fill(connection, watched, folder, manifest)
            found = {
                name: (await _copied(connection, watched, name, columns, None))[0]
                for name, columns in manifest.columns.items()
            }
        finally:
            await transaction.rollback()
    return snapshots.differences(manifest.tables, found)


async def fill(url: URL, folder: Path, manifest: BackupManifest, *, force: bool) -> None:
    """Replace every row of the database by those of a backup, in one transaction. Raises StoreError for a database that
    others have open, that has rows in it without `force`, or another schema than the backup."""
    await asyncio.to_thread(upgrade, url, manifest.schema)
    async with _connected(url) as (connection, watched), connection.transaction():
        others = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        if others:
            raise StoreError(f"{others} other connections have this database open; stop the service first")
        if await connection.fetchval("SELECT version_num FROM alembic_version") != manifest.schema:
            raise StoreError(f"the database is newer than the backup, which has schema {manifest.schema}")
        names = ", ".join(f'"{name}"' for name in manifest.columns)
        if not force:
            for name in manifest.columns:
                if await connection.fetchval(f'SELECT EXISTS (SELECT 1 FROM "{name}")'):  # noqa: S608 the schema's own names
                    raise StoreError(f"the database has rows in it ({name}); give --force to replace them")
        await connection.execute(f"TRUNCATE {names}")
        await _fill(connection, watched, folder, manifest)
        for name in manifest.columns:
            await _count_on(connection, name)


async def _count_on(connection: Any, name: str) -> None:
    """Let a table's own numbers go on after those it has now."""
    for column in tables.metadata.tables[name].primary_key.columns:
        sequence = await connection.fetchval("SELECT pg_get_serial_sequence($1, $2)", name, column.name)
        if sequence is not None:
            highest = f'SELECT max("{column.name}") FROM "{name}"'  # noqa: S608 the schema's own names
            await connection.execute(
                f"SELECT setval('{sequence}', COALESCE(({highest}), 1), ({highest}) IS NOT NULL)"
            )
