"""Faults of the database, its disk and its folders."""

from __future__ import annotations

import asyncio
import json
import shutil
from functools import partial

from crypto_dt_source.services.checks.database import LARGE_LOG
from crypto_dt_source.store import Write
from crypto_dt_source.store.repos import upkeep

from .diagnosed import World, elsewhere, fill, opened_beside, shell

MB = 1024 * 1024


async def corrupt_page(at: World) -> None:
    """Noise in the place of one page of an index."""

    await upkeep.checkpoint(at.rt.store)
    ((page,),) = await at.rt.store.fetch(
        "SELECT rootpage FROM sqlite_master WHERE name = 'ix_pool_events_at_ms'"
    )
    ((size,),) = await at.rt.store.fetch("PRAGMA page_size")
    elsewhere(
        "import sys; f = open(sys.argv[1], 'r+b'); f.seek(int(sys.argv[2])); f.write(b'\\xa5' * int(sys.argv[3]))",
        at.database,
        (page - 1) * size,
        size,
    )


async def cut_short(at: World) -> None:
    """The second half of the file is gone."""

    await upkeep.checkpoint(at.rt.store)
    half = at.database.stat().st_size // 2 // 4096 * 4096
    elsewhere("import os, sys; os.truncate(sys.argv[1], int(sys.argv[2]))", at.database, half)


async def drop_index(at: World) -> None:
    """An index is gone."""

    await at.rt.store.tend("DROP INDEX ix_news_heads")


async def drop_table(at: World) -> None:
    """A table is gone."""

    await at.rt.store.tend("DROP TABLE trending")


async def other_schema(at: World) -> None:
    """Another version was here."""

    await at.rt.store.write([Write("UPDATE alembic_version SET version_num = ?", [("9999",)])])


async def lock(at: World) -> None:
    """Another program is in the middle of a write."""

    opened_beside(at).execute("BEGIN IMMEDIATE")


async def stop_writer(at: World) -> None:
    """The task that writes has ended."""

    task = at.rt.store._writer._task
    assert task is not None
    task.cancel()
    await asyncio.wait({task})


async def grow_log(at: World) -> None:
    """Another program reads an old state while much is written."""
    reader = at.held["reader"] = opened_beside(at)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM assets").fetchone()
    row = "INSERT OR REPLACE INTO kept (timestamp, key, source, payload) VALUES (?, ?, ?, ?)"
    for number in range(LARGE_LOG // (4 * MB) + 2):
        payload = json.dumps(str(number % 10) * (4 * MB))
        await at.rt.store.write([Write(row, [(number, f"large:{number % 4}", "", payload)])])


async def end_reader(at: World) -> None:
    """The other program is done."""

    at.held["reader"].close()


async def empty_pages(at: World) -> None:
    """Much was stored and deleted again."""

    row = "INSERT INTO kept (timestamp, key, source, payload) VALUES (?, ?, ?, ?)"
    for number in range(24):
        payload = json.dumps("x" * (4 * MB))
        await at.rt.store.write([Write(row, [(number, f"large:{number}", "", payload)])])
    await at.rt.store.write([Write("DELETE FROM kept WHERE key LIKE ?", [("large:%",)])])
    await upkeep.checkpoint(at.rt.store)


async def full_disk(at: World) -> None:
    """No room is left."""

    fill(at.folder / "data")


async def read_only_disk(at: World) -> None:
    """The system lets nobody write any more."""

    folder = str(at.folder / "data")
    # Files that are open for writing keep a disk from becoming read-only; a bind of it becomes so all the same.
    shell("mount", "--bind", folder, folder)
    at.undo.callback(partial(shell, "umount", "-l", folder))
    shell("mount", "-o", "remount,bind,ro", folder)


async def lose_folder(at: World) -> None:
    """Somebody removed DATA_DIR."""

    shutil.rmtree(at.folder / "data")


async def lose_database(at: World) -> None:
    """Somebody removed the database."""

    at.database.unlink()


async def lose_logs(at: World) -> None:
    """Somebody removed the log files and their folder."""

    folder = at.folder / "data" / "logs"
    at.rt.logs.put({"level": "info", "event": "a line"})
    while not folder.is_dir():
        await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.05)
    shutil.rmtree(folder)


async def open_secret(at: World) -> None:
    """Everybody may read a secret."""

    (at.folder / "data" / "secrets" / "api_key_salt").chmod(0o644)


async def lose_secret(at: World) -> None:
    """Somebody removed a secret."""

    (at.folder / "data" / "secrets" / "jwt_secret_key").unlink()
