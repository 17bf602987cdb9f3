"""The database: does it answer, take writes, hold what this version expects, and is every page of it whole."""

from __future__ import annotations

from functools import partial

from ...store import StoreError
from ...store.repos import integrity, upkeep
from .. import fixes
from .finding import CRITICAL, ERROR, INFO, WARNING, Finding, Fix, Scene, aside, database_lost, refused
from .installation import identity

SAFE_SQLITE = (3, 51, 3)
"""From here on two connections that write at one moment cannot corrupt a database with a log
(https://sqlite.org/wal.html#walresetbug)."""
LARGE_LOG = 128 * 1024 * 1024
"""Twice what the log is cut to after a checkpoint."""
FREE_SHARE, FREE_BYTES = 0.3, 64 * 1024 * 1024
"""Share and bytes of pages that hold nothing, from which giving them back is worth rewriting the file."""
VACUUM_BYTES = 2_000_000_000
"""A larger file is not rewritten unasked: writers wait meanwhile."""
QUICK_BYTES = 300_000_000
"""A larger database is not read through while somebody waits."""
MANY_WAITING = 100
SHOWN = 3


async def answers(at: Scene) -> list[Finding]:
    """Whether it reads, and what became of the last write."""
    try:
        await integrity.alive(at.opened)
    except StoreError as error:
        return [refused(error)]
    if at.rt is None:
        return []
    found = []
    if not at.opened.writable:
        found.append(
            Finding(
                "database.writer_stopped",
                CRITICAL,
                "the task that writes has ended",
                "Nothing is stored until a restart; answers come from memory.",
                "Restart the service, and report what the log says of component store.",
            )
        )
    elif at.opened.write_error is not None:
        found.append(refused(at.opened.write_error))
    if at.opened.waiting > MANY_WAITING:
        found.append(
            Finding(
                "database.queue",
                WARNING,
                f"{at.opened.waiting} writes wait",
                "The database takes less than there is to store; writers wait for it.",
                "Look for a slow disk (`iostat -x`), or another process that uses it.",
            )
        )
    return found


async def writes(at: Scene) -> list[Finding]:
    """Whether a write gets through to its commit."""
    if not at.opened.writable:
        return []
    try:
        await upkeep.write_nothing(at.opened)
    except StoreError as error:
        return [refused(error)]
    return []


async def pages(at: Scene) -> list[Finding]:
    """Every page, read from the disk; thoroughly also every index against its table. A large database is only read where
    that was asked for, and once a day."""
    file = at.place.database
    if file is not None:
        there = await aside("database.pages", partial(identity, file))
        if there is None or at.place.database_identity not in (None, there):
            return [database_lost("removed" if there is None else "replaced by another")]
    try:
        if not at.thorough and (await upkeep.room(at.opened)).file > QUICK_BYTES:
            return []
        problems = await upkeep.problems(at.opened, thorough=at.thorough)
    except StoreError as error:
        return [refused(error)]
    if not problems:
        return []
    more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return [
        Finding(
            "database.damaged",
            CRITICAL,
            f"{'; '.join(' '.join(text.split())[:160] for text in problems[:SHOWN])}{more}",
            "Rows are lost or wrong; more may be lost with every write.",
            "Stop the service, keep a copy of the file, restore the newest backup (`cdts db restore`).",
        )
    ]


async def schema(at: Scene) -> list[Finding]:
    """Its revision, its tables and its indexes against this version's."""
    store = at.opened
    there = await upkeep.schema(store)
    found = []
    if there.revision != there.wanted:
        found.append(
            Finding(
                "database.schema",
                CRITICAL,
                f"the database has the schema {there.revision or 'of no version'}, this version wants {there.wanted}",
                "Reads and writes fail or go to the wrong columns.",
                "`cdts db upgrade` brings an older one up to date; a newer one needs the version that made it.",
            )
        )
    if there.tables:
        found.append(
            Finding(
                "database.table_missing",
                CRITICAL,
                f"tables are missing: {', '.join(there.tables)}",
                "What they held is gone, and what would be stored in them is lost.",
                "Restore the newest backup (`cdts db restore`).",
            )
        )
    for name in there.indexes:
        # A database opened for reading only is another process's to repair.
        fix = Fix(f"create the index {name} again", partial(fixes.make_index, store, name))
        found.append(
            Finding(
                "database.index_missing",
                ERROR,
                f"the index {name} is missing",
                "Queries that need it read whole tables: answers are slow.",
                "Let the diagnosis create it (auto_fix).",
                name,
                fix if store.writable else None,
            )
        )
    return found


async def room(at: Scene) -> list[Finding]:
    """The log beside the file, and pages that hold nothing."""
    store = at.opened
    if at.rt is None:
        return []
    space = await upkeep.room(store)
    found = []
    if space.log > LARGE_LOG:
        found.append(
            Finding(
                "database.log_large",
                WARNING,
                f"the log beside the database has {space.log / 1e6:.0f} MB",
                "A reader holds an old state open, so that the log cannot be taken into the file: it grows, and reads slow down.",
                "Let the diagnosis take it in (auto_fix); if it comes back, find who keeps the file open (`fuser`).",
                fix=Fix("take the log into the file", partial(fixes.checkpoint, store)),
            )
        )
    if space.free > max(FREE_BYTES, FREE_SHARE * space.file):
        small = space.file <= VACUUM_BYTES
        fix = Fix("give unused pages back", partial(fixes.vacuum, store, at.place.database))
        found.append(
            Finding(
                "database.unused_pages",
                INFO,
                f"{space.free / 1e6:.0f} of {space.file / 1e6:.0f} MB hold nothing",
                "The file is larger than its rows; new rows use the space first.",
                "Let the diagnosis give it back (auto_fix)."
                if small
                else "Stop the service and run VACUUM on the file.",
                fix=fix if small else None,
            )
        )
    return found


async def engine(at: Scene) -> list[Finding]:
    """The version of SQLite."""
    if at.opened.dialect != "sqlite" or upkeep.sqlite_version() >= SAFE_SQLITE:
        return []
    return [
        Finding(
            "database.sqlite_old",
            INFO,
            f"SQLite is {'.'.join(map(str, upkeep.sqlite_version()))}, older than {'.'.join(map(str, SAFE_SQLITE))}",
            "Such a version can damage a database when two connections write at the same moment. This service writes through one "
            "and locks others out, so it is safe as long as no other program writes into the file.",
            "Do not open the file with other programs while the service runs; use a Python with a newer SQLite when there is one.",
        )
    ]
