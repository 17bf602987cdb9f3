"""Backups of both databases: proved when made, found out when damaged, restored only where that harms nobody."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from pathlib import Path

import msgspec
import pytest

from crypto_dt_source.store import (
    PoolMemberRow,
    PoolRow,
    PriceRow,
    QuoteRow,
    Store,
    StoreError,
    backup,
    open_store,
    snapshots,
)
from crypto_dt_source.store.repos import audit, integrity, pools, prices
from crypto_dt_source.store.rows import AuditRow
from crypto_dt_source.store.targets import Target

NOW = 1_700_006_400_000
ID = "5d0c7e11"


async def filled(store: Store) -> None:
    await prices.write_prices(store, [PriceRow(f"asset{n}", NOW + n, n + 0.1) for n in range(300)])
    members = (PoolMemberRow(provider="okx", priority=1, weight=1.0, enabled=True),)
    await pools.put(
        store,
        PoolRow(
            id="p",
            name="ünïcode \U0001f4b0",
            category="market",
            strategy="priority",
            enabled=True,
            created_ms=1,
            members=members,
        ),
    )
    for number in range(3):
        await audit.begun(store, AuditRow(0, NOW + number, "a", "::1", "POST /x", "t", f"r{number}", None))


@pytest.fixture
def place(tmp_path: Path) -> Target:
    return Target(str(tmp_path / "backups"))


async def test_a_backup_restored_is_the_same_database(store: Store, url: str, place: Target) -> None:
    await filled(store)
    before = (await integrity.check(store)).rows
    made = await backup.make(url, place, NOW, "1.2.3", ID)
    assert made.problems == []
    assert made.name.startswith("cdts-20231115T000000Z-5d0c7e11-")
    assert made.manifest.version == "1.2.3"
    assert made.manifest.tables["prices"].rows == 300
    with pytest.raises(StoreError):  # in use
        await backup.restore(place, made.name, url, force=True)
    await pools.remove(store, "p")
    await store.close()
    with pytest.raises(StoreError, match="--force"):
        await backup.restore(place, made.name, url, force=False)
    assert (await backup.restore(place, made.name, url, force=True)).problems == []
    again = await open_store(url, pool_size=1)
    try:
        assert (await integrity.check(again)).rows == before
        assert (await pools.all_pools(again))[0].members[0].provider == "okx"
        # Numbers go on after those that were restored.
        await audit.begun(again, AuditRow(0, NOW + 9, "a", "::1", "POST /x", "t", "r9", None))
        assert [row.request for row in await audit.page(again, 9)] == ["r9", "r2", "r1", "r0"]
    finally:
        await again.close()


async def test_a_backup_beside_writes_is_one_moment(store: Store, url: str, place: Target) -> None:
    over = asyncio.Event()

    async def write() -> int:
        number = 0
        while not over.is_set():
            at = NOW + number
            quotes = [
                QuoteRow(f"a{n}", at, "okx", "okx", "venue", "A", "USD", 1.0, None, None, None, None, at, at)
                for n in range(7)
            ]
            await prices.write_prices(store, [PriceRow(f"a{n}", at, 1.0) for n in range(7)], quotes)
            number += 1
        return number

    await filled(store)
    writer = asyncio.create_task(write())
    made = await backup.make(url, place, NOW, "1", ID)
    over.set()
    written = await writer
    assert made.problems == []
    batches, rest = divmod(made.manifest.tables["quotes"].rows, 7)
    assert rest == 0
    assert made.manifest.tables["prices"].rows == 300 + 7 * batches
    assert batches < written


async def test_damage_is_found_whatever_is_damaged(store: Store, url: str, place: Target) -> None:
    await filled(store)
    made = await backup.make(url, place, NOW, "1", ID)
    folder = Path(place.shown) / made.name
    manifest = folder / backup.MANIFEST
    told = manifest.read_bytes()
    # Contents: the manifest tells of other rows than the files hold.
    harmed = msgspec.json.decode(told)
    harmed["tables"]["prices"][0] += 1
    harmed["tables"]["pools"][1] = "0" * 64
    manifest.write_bytes(msgspec.json.encode(harmed))
    problems = (await backup.verify(place, made.name, url)).problems
    assert [line.split(":")[0] for line in problems] == ["pools", "prices"]
    with pytest.raises(StoreError, match="damaged"):
        await backup.restore(place, made.name, url, force=True)
    # Files: a byte differs, then one is gone.
    manifest.write_bytes(told)
    file = folder / made.manifest.files[0].name
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "hash" in (await backup.verify(place, made.name, url)).problems[0]
    file.unlink()
    assert "not there" in (await backup.verify(place, made.name, url)).problems[0]
    manifest.unlink()
    with pytest.raises(StoreError, match="no backup"):
        await backup.verify(place, made.name, url)


async def test_a_restore_keeps_whatever_it_replaces(
    sqlite_store: Store, tmp_path: Path, place: Target
) -> None:
    await filled(sqlite_store)
    path = Path(sqlite_store.address.removeprefix("sqlite+aiosqlite:///"))
    made = await backup.make(f"sqlite:///{path}", place, NOW, "1", ID)
    await pools.remove(sqlite_store, "p")
    log = path.with_name(path.name + "-wal").read_bytes()
    to = tmp_path / "elsewhere" / path.name
    to.parent.mkdir()

    async def restored(*, force: bool) -> None:
        await backup.restore(place, made.name, f"sqlite:///{to}", force=force)
        assert snapshots.differences(made.manifest.tables, snapshots.look_at(to)[2]) == []

    # The log of a database that is gone is not played into the one restored.
    to.with_name(to.name + "-wal").write_bytes(log)
    await restored(force=False)
    # A damaged database is what a backup is for.
    for number, damaged in enumerate((b"no database", b"nor this")):
        to.write_bytes(damaged)
        with pytest.raises(StoreError, match="--force"):
            await restored(force=False)
        await restored(force=True)
        kept = to.with_name(to.name + (".replaced", ".replaced-2")[number])
        assert kept.read_bytes() == damaged
    to.write_bytes(b"")
    await restored(force=False)


async def test_a_damaged_page_is_found(sqlite_store: Store, tmp_path: Path, place: Target) -> None:
    await filled(sqlite_store)
    url = f"sqlite:///{tmp_path}/data/cdts.db"
    made = await backup.make(url, place, NOW, "1", ID)
    folder = Path(place.shown) / made.name
    plain = bytearray(gzip.decompress((folder / "database.gz").read_bytes()))
    at = plain.rindex(b"asset123")
    plain[at : at + 8] = b"ASSET123"
    packed = gzip.compress(bytes(plain))
    (folder / "database.gz").write_bytes(packed)
    harmed = msgspec.json.decode((folder / backup.MANIFEST).read_bytes())
    harmed["files"][0]["sha256"] = snapshots.sha256_of(folder / "database.gz")
    harmed["files"][0]["size_bytes"] = len(packed)
    (folder / backup.MANIFEST).write_bytes(msgspec.json.encode(harmed))
    problems = (await backup.verify(place, made.name, url)).problems
    assert any("assets" in line for line in problems)


async def test_the_oldest_go_and_what_is_not_whole(
    sqlite_store: Store, tmp_path: Path, place: Target
) -> None:
    url = f"sqlite:///{tmp_path}/data/cdts.db"
    await place.put("cdts-20200101T000000Z-5d0c7e11-dead/database.gz", b"half")
    # And what killed processes were writing.
    for dead in ("cdts-20200101T000000Z-5d0c7e11-dead", "cdts-20200102T000000Z-5d0c7e11-dead"):
        (Path(place.shown) / dead).mkdir(exist_ok=True)
        (Path(place.shown) / dead / f".database.gz.{'0' * 32}").touch()
    await place.put("other/file", b"not ours")
    others = ["cdts-20200101T000000Z-0b5e55ed-1a2b", "cdts-20200101T000000Z-1a2b"]
    for other in others:
        await place.put(f"{other}/manifest.json", b"{}")
    made = [(await backup.make(url, place, NOW + n * 86_400_000, "1", ID)).name for n in range(3)]
    assert await backup.names(place) == made[::-1] + others[::-1]
    removed = await backup.rotate(place, 2, ID)
    assert sorted(removed) == [
        "cdts-20200101T000000Z-5d0c7e11-dead",
        "cdts-20200102T000000Z-5d0c7e11-dead",
        made[0],
    ]
    assert await backup.names(place) == made[:0:-1] + others[::-1]
    assert sorted(await place.folders()) == sorted([*made[1:], *others, "other"])


async def test_a_backup_unpacks_to_what_was_written_down_and_no_more(
    store: Store, url: str, place: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(store)
    made = await backup.make(url, place, NOW, "1", ID)
    folder = Path(place.shown) / made.name
    told = msgspec.json.decode((folder / backup.MANIFEST).read_bytes())
    number = max(range(len(told["files"])), key=lambda n: told["files"][n]["size_bytes"])
    file = told["files"][number]
    packed = (folder / file["name"]).read_bytes()

    async def problem(data: bytes, **other: object) -> str:
        (folder / file["name"]).write_bytes(data)
        said = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **other}
        told["files"][number] = file | said
        (folder / backup.MANIFEST).write_bytes(msgspec.json.encode(told))
        try:
            return (await backup.verify(place, made.name, url)).problems[0]
        except StoreError as error:
            return error.message

    size = file["plain_bytes"]
    assert f"the {size}" in await problem(gzip.compress(gzip.decompress(packed) + bytes(5_000_000)))
    assert f"the {size}" in await problem(gzip.compress(gzip.decompress(packed)[:-1]))
    assert f"instead of {len(packed) + 1}" in await problem(packed, size_bytes=len(packed) + 1)
    # Of PostgreSQL nothing is unpacked to the disk.
    told_of = "needs" if url.startswith("sqlite") else "written down"
    assert told_of in await problem(packed, plain_bytes=10**15)
    assert "-5" in await problem(packed, plain_bytes=-5)
    told["tables"]['x"; DROP TABLE prices; --'] = told["tables"]["prices"]
    assert "no table" in await problem(packed)


async def test_what_nobody_wrote_the_size_of_is_bound_by_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, plain = tmp_path / "x.gz", tmp_path / "x"
    packed.write_bytes(gzip.compress(bytes(3_000_000)))
    free = snapshots.shutil.disk_usage(tmp_path)._replace(free=snapshots.SPARE_BYTES + 2_000_000)
    monkeypatch.setattr(snapshots.shutil, "disk_usage", lambda _: free)
    with pytest.raises(StoreError) as full:
        snapshots.unpack(packed, plain)
    assert full.value.kind == snapshots.NO_ROOM
    assert not plain.exists()


async def test_a_backup_of_another_kind_is_refused(
    sqlite_store: Store, tmp_path: Path, place: Target
) -> None:
    made = await backup.make(f"sqlite:///{tmp_path}/data/cdts.db", place, NOW, "1", ID)
    with pytest.raises(StoreError, match="postgresql"):
        await backup.restore(place, made.name, "postgresql://nobody@127.0.0.1/none", force=True)
