"""Backups: a consistent copy of the database while it is in use, proved by making a database of it again.

cdts-20261122T020000Z-5d0c7e11-1a2b/manifest.json     what is in the others; written last
cdts-20261122T020000Z-5d0c7e11-1a2b/database.gz       SQLite: the file, as `gunzip` gives it back
cdts-20261122T020000Z-5d0c7e11-1a2b/TABLE.copy.gz     PostgreSQL: each table as its binary COPY (`postgres_backup.py`)

The eight digits are those of the database (`repos/identity.py`): several may have one target, each with its own backups.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import URL

from ..clock import rfc3339
from . import snapshots
from .engine import parse_url
from .errors import StoreError, StoreOpenError
from .migrations.upgrade import upgrade
from .refill import appear
from .snapshots import Contents, View
from .sqlite import FileLock
from .takeup import put_aside
from .targets import Target, TargetError

FORMAT = 1
PREFIX = "cdts-"
MANIFEST = "manifest.json"
_DATABASE = "database.gz"
_SCRATCH = "cdts-backup-"
_LEFT_S = 86_400
_MOST_MANIFEST_BYTES = 1 << 22
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OF = re.compile(rf"{PREFIX}[0-9]{{8}}T[0-9]{{6}}Z-([0-9a-f]{{8}})-[0-9a-f]+")


class BackupFile(msgspec.Struct, frozen=True):
    """A file of a backup; `sha256` is that of the file as it lies there, `plain_bytes` how many it unpacks to, None where
    an older version did not say."""

    name: str
    size_bytes: int
    sha256: str
    plain_bytes: int | None = None


class BackupManifest(msgspec.Struct, frozen=True):
    """`database` is sqlite or postgresql, `schema` the revision, `tables` rows and content hash by table in the order in
    which they may be filled, `columns` their columns where the files do not tell."""

    format: int
    database: str
    schema: str
    version: str
    made_ms: int
    tables: dict[str, Contents]
    files: tuple[BackupFile, ...]
    columns: dict[str, tuple[str, ...]] = {}

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(found.rows for found in self.tables.values())

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)


class Copied(NamedTuple):
    """What one kind of database gives for a manifest."""

    schema: str
    tables: dict[str, Contents]
    files: tuple[BackupFile, ...]
    columns: dict[str, tuple[str, ...]]


class Verdict(NamedTuple):
    """A backup that was looked at: `problems` is empty for one that can be relied on."""

    name: str
    manifest: BackupManifest
    problems: list[str]


async def make(url: str, target: Target, now_ms: int, version: str, database: str | None) -> Verdict:
    """Back the database at `url` up to `target`, fetch it back, make a scratch database of it and compare. Reads beside a
    service that writes. `database` is its id, None where it has none. Raises StoreError."""
    parsed = parse_url(url)
    stamp = rfc3339(now_ms)[:19].replace("-", "").replace(":", "")
    name = "-".join(filter(None, (f"{PREFIX}{stamp}Z", database, secrets.token_hex(2))))
    async with _scratch(parsed) as folder:
        if parsed.get_backend_name() == "sqlite":
            copied = await asyncio.to_thread(_copy_sqlite, _path(parsed), folder)
        else:
            from . import postgres_backup

            copied = await postgres_backup.copy(parsed, folder)
        manifest = BackupManifest(
            FORMAT,
            parsed.get_backend_name(),
            copied.schema,
            version,
            now_ms,
            copied.tables,
            copied.files,
            copied.columns,
        )
        for file in copied.files:
            await target.put_file(f"{name}/{file.name}", folder / file.name)
    await target.put(f"{name}/{MANIFEST}", msgspec.json.format(msgspec.json.encode(manifest)))
    return await verify(target, name, url)


async def verify(target: Target, name: str, url: str) -> Verdict:
    """Fetch a backup, make a scratch database of it and compare: hashes of the files, SQLite's own check, rows and content
    of each table. `url` names the database whose server makes the scratch of a PostgreSQL backup. Raises StoreError where
    it cannot be looked at."""
    manifest = await read_manifest(target, name)
    async with _scratch(parse_url(url)) as folder:
        problems = await _fetch(target, name, manifest, folder)
        if not problems:
            if manifest.database == "sqlite":
                problems = await asyncio.to_thread(_check_sqlite, folder, manifest)
            else:
                from . import postgres_backup

                problems = await postgres_backup.check(_same_kind(url, manifest), folder, manifest)
    return Verdict(name, manifest, problems)


async def restore(target: Target, name: str, url: str, *, force: bool) -> Verdict:
    """Make the database at `url` what a backup says, after proving the backup. Raises StoreError: for a backup that does
    not prove itself, for a database with rows in it without `force`, and for one that is in use. Of a SQLite database
    that is replaced the file is kept, `.replaced` (and a number, where there is one) added to its name."""
    verdict = await verify(target, name, url)
    if verdict.problems:
        raise StoreError(f"{name} is not restored; it is damaged: {verdict.problems[0]}")
    parsed = _same_kind(url, verdict.manifest)
    async with _scratch(parsed) as folder:
        problems = await _fetch(target, name, verdict.manifest, folder)
        if problems:
            raise StoreError(f"{name} is not restored; it changed meanwhile: {problems[0]}")
        if verdict.manifest.database == "sqlite":
            size = _plain_bytes(verdict.manifest)
            await asyncio.to_thread(_restore_sqlite, folder / _DATABASE, _path(parsed), size, force)
        else:
            from . import postgres_backup

            await postgres_backup.fill(parsed, folder, verdict.manifest, force=force)
    await asyncio.to_thread(upgrade, parsed)
    return verdict


async def names(target: Target) -> list[str]:
    """Every whole backup, the newest first, whatever database it is of. Raises TargetError."""
    found = sorted((n for n in await target.folders() if n.startswith(PREFIX)), reverse=True)
    return [name for name in found if MANIFEST in await target.sizes(name)]


def database_of(name: str) -> str | None:
    """The id of the database a backup is of, from its name; None where the name has none."""
    found = _OF.fullmatch(name)
    return found[1] if found else None


async def rotate(target: Target, keep: int, database: str) -> list[str]:
    """Remove all but the newest `keep` whole backups of a database, and what a broken attempt at one left; gives their
    names. Those of other databases stay. Raises TargetError."""
    own = sorted((n for n in await target.folders() if database_of(n) == database), reverse=True)
    kept = [name for name in own if MANIFEST in await target.sizes(name)][:keep]
    if not kept:
        return []
    old = [name for name in own if name not in kept and name < max(kept)]
    for name in old:
        # The manifest first: what is left of a removal that is cut short is no backup.
        files = [MANIFEST, *sorted((await target.sizes(name)).keys() - {MANIFEST})]
        await target.remove(f"{name}/{file}" for file in files)
    return old


async def read_manifest(target: Target, name: str) -> BackupManifest:
    """What a backup says of itself. Raises StoreError."""
    try:
        if (await target.sizes(name)).get(MANIFEST, 0) > _MOST_MANIFEST_BYTES:
            raise StoreError(f"{name} is no backup: its manifest is too long")
        found = msgspec.json.decode(await target.get(f"{name}/{MANIFEST}"), type=BackupManifest)
    except TargetError as error:
        raise StoreError(f"{name} is no backup that can be read: {error.message}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{name} is no backup: {error}") from error
    if found.format != FORMAT:
        raise StoreError(f"{name} has format {found.format}; this version reads {FORMAT}")
    # They become part of statements.
    words = [*found.tables, *found.columns, *(word for part in found.columns.values() for word in part)]
    if not all(map(_NAME.fullmatch, words)):
        raise StoreError(f"{name} is no backup: it names what is no table")
    return found


@asynccontextmanager
async def _scratch(url: URL) -> AsyncIterator[Path]:
    """A folder for what is made on the way; raises StoreError where none can be made."""
    try:
        folder = await asyncio.to_thread(_make_scratch, url)
    except OSError as error:
        raise StoreError(f"there is no room to work in: {error.strerror}") from error
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _make_scratch(url: URL) -> Path:
    # Beside the database, where there is a disk for it; the system's own folder may be memory.
    beside = _path(url).parent if url.get_backend_name() == "sqlite" else None
    if beside is None or not os.access(beside, os.W_OK):
        return Path(tempfile.mkdtemp(prefix=_SCRATCH))
    made = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=beside))
    for left in beside.glob(f"{_SCRATCH}*"):
        # Of a process that was killed.
        if left != made and left.stat().st_mtime < made.stat().st_mtime - _LEFT_S:
            shutil.rmtree(left, ignore_errors=True)
    return made


def _path(url: URL) -> Path:
    return Path(url.database or "")


def _same_kind(url: str, manifest: BackupManifest) -> URL:
    parsed = parse_url(url)
    if parsed.get_backend_name() != manifest.database:
        raise StoreOpenError(
            f"the backup is of {manifest.database} and DATABASE_URL names {parsed.get_backend_name()}"
        )
    return parsed


async def _fetch(target: Target, name: str, manifest: BackupManifest, folder: Path) -> list[str]:
    """Bring the files of a backup here; gives what is wrong with them."""
    problems = []
    # Tables of PostgreSQL are unpacked on their way to the server.
    needed = manifest.size_bytes + (_plain_bytes(manifest) or 0)
    if needed > (free := await asyncio.to_thread(snapshots.room, folder)):
        raise StoreError(
            f"{name} needs {needed} bytes to look at and {free} are free", kind=snapshots.NO_ROOM
        )
    there = await target.sizes(name)
    for file in manifest.files:
        path = folder / file.name
        if path.parent != folder:
            raise StoreError(f"{name} names a file outside of itself")
        if (size := there.get(file.name, file.size_bytes)) != file.size_bytes:
            problems.append(f"{file.name}: {size} bytes instead of {file.size_bytes}")
            continue
        try:
            await target.get_file(f"{name}/{file.name}", path, file.size_bytes)
        except TargetError as error:
            problems.append(f"{file.name}: {error.message}")
            continue
        if await asyncio.to_thread(snapshots.sha256_of, path) != file.sha256:
            problems.append(f"{file.name}: another hash than the manifest says")
    return problems


def _copy_sqlite(path: Path, folder: Path) -> Copied:
    if not path.is_file():
        raise StoreOpenError(f"there is no database at {path}")
    plain, packed = folder / "copy", folder / _DATABASE
    view = View(path)
    try:
        # Both from the same moment: what the copy is compared with is read apart from it.
        schema, contents = view.schema(), view.contents()
        view.copy(plain)
    finally:
        view.close()
    sha256, size = snapshots.pack(plain, packed), snapshots.size_of(plain)
    plain.unlink()
    return Copied(schema, contents, (BackupFile(_DATABASE, snapshots.size_of(packed), sha256, size),), {})


def _check_sqlite(folder: Path, manifest: BackupManifest) -> list[str]:
    plain = folder / "scratch"
    try:
        snapshots.unpack(folder / _DATABASE, plain, _plain_bytes(manifest))
    except StoreError as error:
        if error.kind == snapshots.NO_ROOM:
            raise
        return [error.message]
    problems, schema, contents = snapshots.look_at(plain)
    if schema != manifest.schema:
        problems.append(f"schema {schema} instead of {manifest.schema}")
    return problems + snapshots.differences(manifest.tables, contents)


def _plain_bytes(manifest: BackupManifest) -> int | None:
    return next((file.plain_bytes for file in manifest.files if file.name == _DATABASE), None)


def _holds_something(path: Path) -> bool:
    """Whether a file may hold rows that somebody wants; one that is damaged may."""
    try:
        return any(found.rows for found in snapshots.look_at(path)[2].values())
    except StoreError:
        return snapshots.size_of(path) > 0


def _aside(path: Path) -> Path:
    """A name that is free: a second restore must not cost the file that the first one kept."""
    to, number = path.with_name(path.name + ".replaced"), 1
    while to.exists():
        number += 1
        to = path.with_name(f"{path.name}.replaced-{number}")
    return to


def _restore_sqlite(packed: Path, path: Path, size: int | None, force: bool) -> None:
    """Put the database of a backup at `path`. Raises StoreError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(path.name + ".lock"))
    made = path.with_name(path.name + ".restored")
    lock.take()
    try:
        if path.is_file() and not force and _holds_something(path):
            raise StoreError(
                f"{path} has rows in it or cannot be read; give --force to replace it (the file is kept under another "
                "name)"
            )
        snapshots.unpack(packed, made, size)
        if path.is_file():
            put_aside(path, _aside(path))
        appear(made, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be replaced: {error}") from error
    finally:
        made.unlink(missing_ok=True)
        lock.release()
