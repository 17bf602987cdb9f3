"""Making the database again from what was shipped."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ..telemetry import logger
from . import chain, snapshots
from .chain import Manifest, Ref, Segment
from .errors import StoreError
from .snapshots import NO_ROOM
from .targets import MISSING, Target, TargetError

log = logger("shipping")
AT_ONCE = 6
"""Segments fetched together."""
LOOKS = 3
"""Times the target is read anew where objects went away while they were read."""
# What statements of the store do, and what SQLite's full-text index asks for behind them. A segment that would attach a
# file or change the schema is none of ours.
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
    sqlite3.SQLITE_RECURSIVE,
}


class Refilled(NamedTuple):
    """What a database was made from: everything a manifest needs to say the same of another epoch. `until_ms` is when the
    newest of it was shipped, `seq` and `last` the number and the hash of what came last, `manifest` the number of the
    manifest it began with."""

    epoch: str
    schema: str
    snapshot: Ref
    segments: tuple[Ref, ...]
    until_ms: int
    manifest: int
    seq: int
    last: str


async def refill(target: Target, scratch: Path, below: str) -> Refilled | None:
    """Make the newest database of the epochs under `below` at `scratch`; None where there is none. A manifest whose objects
    turn out damaged is passed over for the one before. Raises TargetError, and StoreError where there are manifests and
    none can be used, or where the disk is too small: a start with nothing would replace what is there."""
    reason = None
    for _ in range(LOOKS):
        made, reason = await _newest(target, scratch, below)
        if made is not None:
            return made
        if reason is None:
            if not await chain.has_manifests(target, below):
                return None
            reason = "its manifests cannot be read, or what they name is not there"
    raise StoreError(
        f"nothing of what was shipped can be used: {reason}; move it away, or give another SHIP_URL, to begin anew"
    )


async def caught_up(target: Target, scratch: Path, made: Refilled | None, below: str) -> Refilled | None:
    """What `refill` made at `scratch` before the epoch `below` was claimed, with what was shipped until the claim could be
    seen; made anew where that does not follow. Raises as `refill` does."""
    async for newest in chain.manifests(target, below):
        if made is None or (newest.epoch, newest.seq) != (made.epoch, made.manifest):
            break
        try:
            return await _follow(target, made, scratch)
        except TargetError as error:
            if error.kind != MISSING:
                raise
        except StoreError as error:
            if error.kind == NO_ROOM:
                raise
        break
    return await refill(target, scratch, below)


async def _newest(target: Target, scratch: Path, below: str) -> tuple[Refilled | None, str | None]:
    """(what was made, why the last one passed over could not be used)."""
    reason = None
    async for manifest in chain.manifests(target, below):
        made = None
        await asyncio.to_thread(_clear, scratch)
        try:
            made = await _made(target, manifest, scratch)
            return made, None
        except TargetError as error:
            if error.kind != MISSING:
                raise
            reason = "an object is not there"
        except StoreError as error:
            if error.kind == NO_ROOM:
                raise
            reason = str(error)
        finally:
            if made is None:
                await asyncio.to_thread(_clear, scratch)
        log.warning("a shipped copy cannot be used", epoch=manifest.epoch, seq=manifest.seq, reason=reason)
    return None, reason


def appear(scratch: Path, to: Path) -> None:
    """Give a database that was made apart its name. Blocks. Raises OSError."""
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    # The log of a file that is gone would be played into this one.
    for suffix in ("-journal", "-wal", "-shm"):
        to.with_name(to.name + suffix).unlink(missing_ok=True)
    scratch.replace(to)


def _clear(scratch: Path) -> None:
    for suffix in ("", ".gz", "-journal", "-wal", "-shm"):
        scratch.with_name(scratch.name + suffix).unlink(missing_ok=True)


async def _made(target: Target, manifest: Manifest, scratch: Path) -> Refilled:
    packed = scratch.with_name(scratch.name + ".gz")
    if manifest.snapshot.size > (free := await asyncio.to_thread(snapshots.room, scratch.parent)):
        raise StoreError(f"the snapshot has {manifest.snapshot.size} bytes and {free} are free", kind=NO_ROOM)
    await target.get_file(manifest.snapshot.name, packed, manifest.snapshot.size)
    if await asyncio.to_thread(snapshots.sha256_of, packed) != manifest.snapshot.sha256:
        raise StoreError("the snapshot has another hash than its manifest says")
    await asyncio.to_thread(snapshots.unpack, packed, scratch, manifest.snapshot.plain)
    await asyncio.to_thread(packed.unlink)
    for at in range(0, len(manifest.segments), AT_ONCE):
        some = manifest.segments[at : at + AT_ONCE]
        bodies = await asyncio.gather(*(target.get(ref.name) for ref in some))
        for ref, data in zip(some, bodies, strict=True):
            if chain.digest(data) != ref.sha256:
                raise StoreError(f"{ref.name} has another hash than the manifest says")
            epoch = ref.name.partition("/")[0]
            segment = await chain.unpacked(data, epoch, chain.seq_of(ref.name))
            await asyncio.to_thread(replay, scratch, [segment])
    named = Refilled(
        manifest.epoch,
        manifest.schema,
        manifest.snapshot,
        manifest.segments,
        manifest.made_ms,
        manifest.seq,
        manifest.seq,
        manifest.last,
    )
    return await _follow(target, named, scratch)


async def _follow(target: Target, made: Refilled, scratch: Path) -> Refilled:
    """Replay the segments behind, as far as they can be seen one after the other."""
    sizes = await target.sizes(made.epoch)
    while True:
        seq = made.seq + 1
        name = chain.name_of(made.epoch, "segment", seq)
        if name.partition("/")[2] not in sizes:
            return made
        try:
            if sizes[name.partition("/")[2]] > chain.MOST_BYTES:
                raise StoreError("it is larger than any of ours")
            data = await target.get(name)
            segment = await chain.unpacked(data, made.epoch, seq)
        except TargetError:
            raise
        except StoreError as error:
            log.warning("a shipped segment is damaged; what follows it is left", name=name, reason=str(error))
            return made
        if segment.previous != made.last:
            return made
        await asyncio.to_thread(replay, scratch, [segment])
        ref = Ref(name, len(data), segment.sha256)
        until_ms = max(made.until_ms, segment.made_ms)
        made = made._replace(segments=(*made.segments, ref), until_ms=until_ms, seq=seq, last=ref.sha256)


def _authorize(action: int, first: str | None, _second: str | None, *_: object) -> int:
    if action in _ALLOWED and not (action == sqlite3.SQLITE_FUNCTION and _second == "load_extension"):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first == "data_version":
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def replay(path: Path, segments: Sequence[Segment]) -> None:
    """Commit the transactions of these segments again, in order. Blocks. Raises StoreError, of the kind NO_ROOM where
    they would fill the disk."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            # A file that a killed process leaves half made is thrown away: nothing of it need be on the disk yet.
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA journal_mode=MEMORY")
            connection.execute("PRAGMA foreign_keys=ON")
            ((page_bytes,),) = connection.execute("PRAGMA page_size").fetchall()
            ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
            connection.execute(f"PRAGMA max_page_count={pages + snapshots.room(path.parent) // page_bytes}")
            connection.set_authorizer(_authorize)
            for segment in segments:
                for transaction in segment.transactions:
                    connection.execute("BEGIN IMMEDIATE")
                    for sql, rows in transaction:
                        connection.executemany(sql, rows)
                    connection.execute("COMMIT")
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise StoreError(
            f"a shipped segment cannot be replayed: {error}", kind=NO_ROOM if full else None
        ) from error
