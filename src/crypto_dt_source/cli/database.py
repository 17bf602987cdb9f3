"""`cdts db upgrade|check|backup|restore|verify|accept`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import msgspec

from .. import __version__
from ..clock import SystemClock, rfc3339
from ..settings import Settings, load
from ..store import StoreError, backup, open_store, parse_url
from ..store.backup import Verdict
from ..store.marker import admit, mark
from ..store.repos import backups, identity, integrity
from ..store.targets import Target, TargetError
from ..wiring_keeping import backups_of, begin_backups


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says; exit 1 when something is wrong with the database or the backup."""
    if arguments.action == "upgrade":
        return asyncio.run(_upgrade())
    if arguments.action == "check":
        return asyncio.run(_check(arguments.json))
    settings = load(data_dir=Path(arguments.data_dir) if arguments.data_dir else None)
    if arguments.action == "accept":
        return asyncio.run(_accept(settings, arguments.use))
    if arguments.action == "backup":
        work = _backup(settings, arguments.place)
    elif arguments.action == "restore":
        work = _restore(settings, arguments.place, arguments.force)
    else:
        work = _verify(settings, arguments.place)
    return _told(asyncio.run(work), arguments.json)


async def _upgrade() -> int:
    store = await open_store(load().sql_url())
    try:
        print(f"{store.address} is up to date")
    finally:
        await store.close()
    return 0


async def _check(as_json: bool) -> int:
    store = await open_store(load().sql_url(), read_only=True)
    try:
        report = await integrity.check(store)
    finally:
        await store.close()
    if as_json:
        print(msgspec.json.encode(report._asdict()).decode())
    else:
        print(f"{store.address}  schema {report.schema}  {report.size_bytes / 1e6:.1f} MB")
        for table, count in sorted(report.rows.items()):
            print(f"  {table:20} {count}")
        for problem in report.problems:
            print(f"  PROBLEM {problem}")
        if not report.problems:
            print("  integrity ok")
    return 1 if report.problems else 0


async def _backup(settings: Settings, place: str | None) -> Verdict:
    target = Target(place) if place else backups_of(settings)
    database, used = await _known(settings, target)
    await admit(target, "backup", used=used)
    verdict = await backup.make(settings.sql_url(), target, SystemClock().now_ms(), __version__, database)
    if not verdict.problems and database is not None:
        try:
            await backup.rotate(target, settings.backup_keep, database)
        except TargetError as error:
            print(f"cdts: older backups could not be removed: {error.message}", file=sys.stderr)
    return verdict


async def _known(settings: Settings, target: Target) -> tuple[str | None, bool]:
    """(the id of the database here, whether it was backed up to `target` before); nothing of one that cannot be read,
    which may be why a backup is wanted."""
    try:
        store = await open_store(settings.sql_url(), read_only=True)
    except StoreError:
        return None, False
    try:
        return await identity.known(store), await backups.went_to(store, target.shown)
    except StoreError:
        return None, False
    finally:
        await store.close()


async def _accept(settings: Settings, use: str) -> int:
    """Mark a target that has lost everything: what is set up to use it goes on there from nothing."""
    url = settings.ship_url if use == "ship" else settings.archive_url
    if use != "backup" and not url:
        raise StoreError(f"{use.upper()}_URL is not set")
    target = backups_of(settings) if use == "backup" else Target(url)
    await mark(target)
    print(f"{target.shown} is taken as it is")
    return 0


async def _verify(settings: Settings, place: str | None) -> Verdict:
    target, name = await _found(settings, Target(place) if place else backups_of(settings), place)
    return await backup.verify(target, name, settings.sql_url())


async def _restore(settings: Settings, place: str, force: bool) -> Verdict:
    target, name = await _found(settings, Target(place), place)
    anew = await asyncio.to_thread(_no_file, settings)
    verdict = await backup.restore(target, name, settings.sql_url(), force=force)
    if anew:
        await begin_backups(settings)
    return verdict


def _no_file(settings: Settings) -> bool:
    """Whether the database is a SQLite file that is not there."""
    parsed = parse_url(settings.sql_url())
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()


async def _found(settings: Settings, target: Target, place: str | None) -> tuple[Target, str]:
    """A backup, or the newest of those in a place: of the database that is here, or of the only one that has any. Raises
    StoreError where there is none, or where it is not plain which is meant."""
    if place is not None:
        above, _, name = place.rstrip("/").rpartition("/")
        if name.startswith(backup.PREFIX):
            return Target(above or ("/" if place.startswith("/") else ".")), name
    names = await backup.names(target)
    if not names:
        raise StoreError(f"there is no backup at {target.shown}")
    newest: dict[str | None, str] = {}
    for name in names:
        newest.setdefault(backup.database_of(name), name)
    if len(newest) == 1:
        return target, names[0]
    here, _ = await _known(settings, target)
    if here is None or here not in newest:
        raise StoreError(
            f"at {target.shown} are backups of {len(newest)} databases; name one: {', '.join(newest.values())}"
        )
    return target, newest[here]


def _told(verdict: Verdict, as_json: bool) -> int:
    manifest = verdict.manifest
    if as_json:
        told = {"name": verdict.name, "manifest": manifest, "problems": verdict.problems}
        print(msgspec.json.encode(told).decode())
    else:
        print(
            f"{verdict.name}  {manifest.database}  schema {manifest.schema}  {rfc3339(manifest.made_ms)}  "
            f"{manifest.rows} rows in {len(manifest.tables)} tables  {manifest.size_bytes / 1e6:.1f} MB"
        )
        for problem in verdict.problems:
            print(f"  PROBLEM {problem}")
        if not verdict.problems:
            print("  restored into a scratch database and compared: the same rows, the same content")
    return 1 if verdict.problems else 0
