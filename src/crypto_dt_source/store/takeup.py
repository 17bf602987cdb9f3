"""What a start does about a database that is shipped: take up the file that is here, or make it from what was shipped."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from glob import escape
from pathlib import Path
from typing import NamedTuple

from ..clock import Clock
from ..telemetry import logger
from . import chain
from .errors import StoreError, StoreOpenError
from .lineage import Lineage
from .refill import Refilled, appear, caught_up, refill
from .sqlite import FileLock
from .targets import Target, TargetError

log = logger("shipping")
_ABOVE_ALL = "~"


class TakenUp(NamedTuple):
    """`epoch` was claimed already where the file had to be made; `base` is what it was made from."""

    lineage: Lineage
    epoch: str | None
    base: Refilled | None


async def take_up(target: Target, database: Path, clock: Clock) -> TakenUp:
    """See the module. A file that is here is kept while nothing at the target is newer; one that has been overtaken is
    put aside under another name. Without a file the target must answer. What was shipped is read before the epoch is
    claimed, so that whoever ships now goes on where it cannot be used. Raises StoreOpenError; nothing is claimed then."""
    lock = FileLock(database.with_name(database.name + ".lock"))
    try:
        await asyncio.to_thread(database.parent.mkdir, parents=True, exist_ok=True)
        lock.take()
        return await _take_up(target, database, clock)
    except TargetError as error:
        raise StoreOpenError(
            f"SHIP_URL: there is no database at {database}, and what was shipped cannot be read: {error.message}"
        ) from error
    except StoreOpenError:
        raise
    except (StoreError, OSError, sqlite3.Error) as error:
        raise StoreOpenError(f"{database} cannot be taken up: {error}") from error
    finally:
        lock.release()


async def _take_up(target: Target, database: Path, clock: Clock) -> TakenUp:
    lineage, aside = Lineage(database, target.shown), None
    await asyncio.to_thread(lineage.load)
    await asyncio.to_thread(_sweep, database)
    if await asyncio.to_thread(database.is_file):
        try:
            newest = await chain.newest_epoch(target, _ABOVE_ALL)
        except TargetError as error:
            log.warning(
                "the shipping target does not answer; going on with the file here", reason=error.message
            )
            return TakenUp(lineage, None, None)
        if newest is None or lineage.knows(newest):
            return TakenUp(lineage, None, None)
        if not lineage.shipped:
            raise StoreOpenError(
                f"SHIP_URL holds the copy of another database than {database}; move that file away to go on from the "
                "copy, or give an empty SHIP_URL to go on from the file"
            )
        aside = database.with_name(f"{database.name}.overtaken-{newest}")
    scratch = database.with_name(database.name + ".refill")
    made = await refill(target, scratch, _ABOVE_ALL)
    epoch = await chain.claim(target, clock, lineage.word)
    try:
        made = await caught_up(target, scratch, made, epoch)
        await asyncio.to_thread(lineage.begin, epoch)
        if aside is not None:
            await asyncio.to_thread(put_aside, database, aside)
            log.warning("the database here was overtaken by another start and put aside", name=aside.name)
        if made is not None:
            await asyncio.to_thread(appear, scratch, database)
            await asyncio.to_thread(lineage.add, made.epoch)
            log.info("restored from what was shipped", epoch=made.epoch, segments=len(made.segments))
    except BaseException:
        await give_back(target, TakenUp(lineage, epoch, made))
        raise
    return TakenUp(lineage, epoch, made)


async def give_back(target: Target, taken: TakenUp) -> None:
    """Of a start that fails before it shipped anything: whoever shipped before goes on, and what he ships from now on is
    not in the file here. Raises nothing that is to be expected."""
    if taken.epoch is None:
        return
    try:
        await asyncio.to_thread(taken.lineage.begin, taken.epoch)
    except OSError as error:
        # The next start would take the file here for the newest.
        log.warning("the claim at the shipping target stays", reason=str(error.strerror))
        return
    await chain.give_back(target, taken.epoch)


def _sweep(database: Path) -> None:
    """Remove what a killed process was making of this database."""
    for kind in ("snapshot-*", "refill*"):
        for path in database.parent.glob(f"{escape(database.name)}.{kind}"):
            path.unlink(missing_ok=True)


def put_aside(database: Path, to: Path) -> None:
    """Rename a database nobody writes to, its log folded in; one that is damaged or being read keeps its log beside it.
    Blocks. Raises OSError."""
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error:
        busy = 1
    database.replace(to)
    for suffix in ("-wal", "-shm"):
        log_file = database.with_name(database.name + suffix)
        if busy and log_file.is_file():
            log_file.replace(to.with_name(to.name + suffix))
        log_file.unlink(missing_ok=True)


async def enlist(target: Target, clock: Clock, lineage: Lineage) -> tuple[str | None, str | None]:
    """Take an epoch for a database that was here at the start: (the epoch, None), or (None, the newer epoch) where another
    has gone on elsewhere meanwhile. Raises StoreError, OSError."""
    epoch = await chain.claim(target, clock, lineage.word)
    try:
        newest = await chain.newest_epoch(target, epoch)
        if newest is None or lineage.knows(newest):
            await asyncio.to_thread(lineage.add, epoch)
            return epoch, None
    except BaseException:
        await chain.give_back(target, epoch)
        raise
    # The other goes on: a claim that stays would stop it too.
    await chain.give_back(target, epoch)
    return None, newest
