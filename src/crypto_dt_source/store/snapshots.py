"""A consistent copy of a SQLite database while it is written to, and what is in one.

A copy is read inside one transaction of a connection that never writes and never checkpoints (see `sqlite.py` for why
that matters), by SQLite's own backup (https://www.sqlite.org/backup.html). Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from . import tables
from .errors import StoreError

COMPRESSION = 6
NO_ROOM = "no_room"
SPARE_BYTES = 64_000_000
"""What is left free on a disk that something is unpacked to."""
_PIECE = 1 << 20
_ROWS = 500
_READING = (
    "PRAGMA query_only=1",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA mmap_size=0",
    "PRAGMA busy_timeout=5000",
)


class Contents(NamedTuple):
    """A table's rows and the SHA-256 of them in the order of their key."""

    rows: int
    sha256: str


class View:
    """The database as it is at this moment, whatever is written to it afterwards. Close it soon: until then the log
    beside the database cannot be cut."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError."""
        try:
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
            for statement in _READING:
                self._connection.execute(statement)
            self._connection.execute("BEGIN")
            # The moment is that of the first read.
            self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the database could not be read: {error}") from error

    def copy(self, to: Path) -> None:
        """Write the copy as one file without a log beside it. Raises StoreError."""
        to.unlink(missing_ok=True)
        with _told(), closing(sqlite3.connect(to, isolation_level=None)) as made:
            made.execute("PRAGMA synchronous=OFF")
            self._connection.backup(made)
            # The copy says of itself that it has a log, as the original has.
            made.execute("PRAGMA journal_mode=DELETE")

    def schema(self) -> str:
        """The revision. Raises StoreError."""
        with _told():
            return schema_of(self._connection)

    def contents(self) -> dict[str, Contents]:
        """See `contents_of`. Raises StoreError."""
        with _told():
            return contents_of(self._connection)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise StoreError(f"the database could not be copied: {error}") from error


def schema_of(connection: sqlite3.Connection) -> str:
    """The revision of an open database."""
    ((revision,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(revision)


def contents_of(connection: sqlite3.Connection) -> dict[str, Contents]:
    """Rows and hash of each table that this version knows and the database has."""
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {name: _table(connection, name) for name in sorted(there & tables.metadata.tables.keys())}


def _table(connection: sqlite3.Connection, name: str) -> Contents:
    key = ", ".join(f'"{column.name}"' for column in tables.metadata.tables[name].primary_key.columns)
    cursor = connection.execute(f'SELECT * FROM "{name}" ORDER BY {key}')  # noqa: S608 the schema's own names
    digest, rows = hashlib.sha256(), 0
    encode = msgspec.msgpack.encode
    while piece := cursor.fetchmany(_ROWS):
        rows += len(piece)
        # In one piece: hashing a long text lets other threads run.
        digest.update(b"".join(map(encode, piece)))
    return Contents(rows, digest.hexdigest())


def look_at(path: Path) -> tuple[list[str], str, dict[str, Contents]]:
    """(what SQLite's check of the whole file finds, schema, contents) of a database nobody has open. Raises
    StoreError."""
    with _told(), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        return ([] if found == ["ok"] else found), schema_of(connection), contents_of(connection)


def differences(expected: Mapping[str, Contents], found: Mapping[str, Contents]) -> list[str]:
    """What two lists of contents do not agree on, a line each."""
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        a, b = expected.get(name), found.get(name)
        if a is None or b is None:
            lines.append(f"{name}: {'not expected' if a is None else 'missing'}")
        elif a.rows != b.rows:
            lines.append(f"{name}: {b.rows} rows instead of {a.rows}")
        elif a.sha256 != b.sha256:
            lines.append(f"{name}: other contents in {a.rows} rows")
    return lines


def pack(path: Path, to: Path) -> str:
    """Compress a file with gzip; gives the SHA-256 of what was made. Raises StoreError."""
    with _told():
        with (
            path.open("rb") as source,
            to.open("wb") as raw,
            gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as made,
        ):
            shutil.copyfileobj(source, made, _PIECE)
        return sha256_of(to)


def room(folder: Path) -> int:
    """Bytes that may be written to a folder's disk. Raises OSError."""
    return max(0, shutil.disk_usage(folder).free - SPARE_BYTES)


def unpack(path: Path, to: Path, size: int | None = None) -> None:
    """Undo `pack`. `size` is how many bytes come out, None where nobody wrote that down; never are more written than
    there is room for. Raises StoreError for what is no gzip, ends early or has another size, of the kind NO_ROOM where
    the disk is too small; `to` is then not there."""
    try:
        free = room(to.parent)
        if size is not None and size < 0:
            raise StoreError(f"{path.name} cannot unpack to {size} bytes")
        if size is not None and size > free:
            raise StoreError(f"{path.name} needs {size} bytes and {free} are free", kind=NO_ROOM)
        with gzip.open(path, "rb") as source, to.open("wb") as made:
            written = _copied(source, made, free if size is None else size)
        if size is None and written > free:
            raise StoreError(f"{path.name} unpacks to more than the {free} bytes that are free", kind=NO_ROOM)
        if size is not None and written != size:
            more = "more than" if written > size else f"{written} bytes and not"
            raise StoreError(f"{path.name} unpacks to {more} the {size} that were written down")
    except (OSError, EOFError, zlib.error) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        to.unlink(missing_ok=True)
        raise StoreError(
            f"{path.name} cannot be unpacked: {error}", kind=NO_ROOM if full else None
        ) from error
    except StoreError:
        to.unlink(missing_ok=True)
        raise


def _copied(source: gzip.GzipFile, made: IO[bytes], most: int) -> int:
    """Copy, giving up after the first byte more than `most`; gives the bytes read."""
    read = 0
    while piece := source.read(min(_PIECE, most - read + 1)):
        read += len(piece)
        if read > most:
            break
        made.write(piece)
    return read


def sha256_of(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size


def rows_of(contents: Mapping[str, Contents]) -> dict[str, Any]:
    """Contents as they stand in a manifest."""
    return {name: found._asdict() for name, found in contents.items()}
