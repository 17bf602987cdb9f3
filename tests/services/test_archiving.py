"""Rows past their retention are in the archive before they leave, and stay while it cannot be written."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from crypto_dt_source.clock import ManualClock, rfc3339
from crypto_dt_source.model.candle import DAY_MS
from crypto_dt_source.services import archive, backup, shipping
from crypto_dt_source.services.keeping import Keeping
from crypto_dt_source.store import PriceRow, Store, StoreError, open_store
from crypto_dt_source.store import backup as store_backup
from crypto_dt_source.store.marker import mark
from crypto_dt_source.store.repos import archives, prices, retention
from crypto_dt_source.store.repos import backups as backup_repo
from crypto_dt_source.store.repos.retention import Retention
from crypto_dt_source.store.shipping import Shipped
from crypto_dt_source.store.targets import Target, TargetError

NOW = 1_700_006_400_000 + 100 * DAY_MS
KEEP = Retention(prices_ms=10 * DAY_MS)


@pytest.fixture
async def rt(tmp_path: Path) -> AsyncIterator[Any]:
    url = f"sqlite:///{tmp_path}/cdts.db"
    clock = ManualClock(NOW)
    store = await open_store(url, pool_size=1, clock=clock)
    keeping = Keeping(
        url, "1", Target(str(tmp_path / "backups")), 2, archive=Target(str(tmp_path / "archive"))
    )
    yield SimpleNamespace(store=store, clock=clock, keeping=keeping)
    await store.close()


async def _days(store: Store, *days: int) -> None:
    rows = [PriceRow(f"asset{n}", NOW - day * DAY_MS + n, 1.0 + n) for day in days for n in range(4)]
    await prices.write_prices(store, rows)


async def _left(store: Store) -> int:
    return int((await store.fetch("SELECT COUNT(*) FROM prices"))[0][0])


async def test_what_leaves_is_in_the_archive(rt: Any, tmp_path: Path) -> None:
    await _days(rt.store, 3, 10, 11, 30)
    keep = await archive.before_leaving(rt, KEEP, NOW)
    deleted = await retention.sweep(rt.store, keep, NOW)
    assert deleted == {"prices": 8}
    assert await _left(rt.store) == 8
    files = sorted((tmp_path / "archive" / "prices").rglob("*.parquet"))
    assert [path.name for path in files] == ["prices-2024-01-24.parquet", "prices-2024-02-12.parquet"]
    table = pq.read_table(files[0])
    assert table.column("asset").to_pylist() == [f"asset{n}" for n in range(4)]
    assert table.column("price").to_pylist() == [1.0, 2.0, 3.0, 4.0]
    rows = await archives.page(rt.store, 9)
    assert [(row.dataset, row.rows, row.from_ms) for row in rows] == [
        ("prices", 4, NOW - 11 * DAY_MS),
        ("prices", 4, NOW - 30 * DAY_MS),
    ]
    assert [row.size_bytes for row in rows] == [path.stat().st_size for path in files[::-1]]
    # What comes late gets a file of its own.
    await _days(rt.store, 30)
    await retention.sweep(rt.store, await archive.before_leaving(rt, KEEP, NOW), NOW)
    assert len(list((tmp_path / "archive" / "prices").rglob("*.parquet"))) == 3
    assert archive.component(rt)["status"] == "ok"


async def test_nothing_leaves_while_the_archive_fails(rt: Any, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("no folder")
    await _days(rt.store, 3, 11, 19)
    keep = await archive.before_leaving(rt, KEEP, NOW)
    assert await retention.sweep(rt.store, keep, NOW) == {}
    told = archive.component(rt)
    assert told["status"] == "degraded"
    assert told["reason"].startswith("rows past their retention are held back")
    # Until they are twice as old as they are kept.
    await _days(rt.store, 21)
    keep = await archive.before_leaving(rt, KEEP, NOW)
    assert await retention.sweep(rt.store, keep, NOW) == {"prices": 4}
    assert archive.component(rt)["reason"].endswith("the oldest have left without")
    (tmp_path / "archive").unlink()
    keep = await archive.before_leaving(rt, KEEP, NOW)
    assert await retention.sweep(rt.store, keep, NOW) == {"prices": 8}
    assert archive.component(rt)["reason"] is None


async def test_the_days_before_a_failure_leave_and_are_not_written_again(rt: Any, tmp_path: Path) -> None:
    await _days(rt.store, 11, 12, 13)
    day = NOW // DAY_MS * DAY_MS - 12 * DAY_MS
    year = tmp_path / "archive" / "prices" / rfc3339(day)[:4]
    (year / f"prices-{rfc3339(day)[:10]}.parquet").mkdir(parents=True)
    for expected in ({"prices": 4}, {}):
        keep = await archive.before_leaving(rt, KEEP, NOW)
        assert await retention.sweep(rt.store, keep, NOW) == expected
        assert [path.name[:10] for path in year.glob("*") if path.is_file()] == ["prices-202"]
    assert archive.component(rt)["status"] == "degraded"


async def test_without_an_archive_retention_stays_as_it_is(rt: Any) -> None:
    rt.keeping.archive = None
    assert await archive.before_leaving(rt, KEEP, NOW) is KEEP


async def test_the_nightly_backup_is_recorded_and_old_ones_leave(rt: Any) -> None:
    await _days(rt.store, 1)
    for _ in range(3):
        await rt.clock.advance(86_400)
        assert await backup.job(rt) >= 4
    names = await store_backup.names(rt.keeping.backups)
    rows = await backup_repo.page(rt.store, 9)
    assert [row.detail for row in rows][:2] == names
    assert len(rows) == 3
    assert {row.outcome for row in rows} == {"ok"}
    rt.keeping.last_backup = None
    await backup.recall(rt)
    assert backup.component(rt)["last"]["size_bytes"] == rows[0].size_bytes


@pytest.mark.parametrize("use", ["backup", "archive"])
async def test_a_target_that_is_empty_now_gets_nothing_until_it_is_taken(
    rt: Any, tmp_path: Path, use: str
) -> None:
    component = backup.component if use == "backup" else archive.component

    async def work() -> None:
        await rt.clock.advance(86_400)
        if use == "backup":
            await backup.job(rt)
        else:
            await _days(rt.store, 30)
            await archive.before_leaving(rt, KEEP, NOW)

    await work()
    folder = tmp_path / ("backups" if use == "backup" else "archive")
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(StoreError) if use == "backup" else nullcontext():
        await work()
    assert list(folder.iterdir()) == []
    assert component(rt)["status"] == "degraded"
    assert "is its disk mounted" in component(rt)["reason"]
    await mark(Target(str(folder)))
    await work()
    assert component(rt)["status"] == "ok"
    assert len(list(folder.iterdir())) == 2


async def test_who_may_not_delete_has_backups_all_the_same(rt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(_: Target, names: Any) -> None:
        raise TargetError("a call failed: Permission denied")

    monkeypatch.setattr(Target, "remove", refuses)
    for _ in range(3):
        await rt.clock.advance(86_400)
        await backup.job(rt)
    assert backup.component(rt)["status"] == "ok"
    assert len(await store_backup.names(rt.keeping.backups)) == 3


async def test_a_backup_that_fails_is_recorded_and_told(rt: Any, tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("no folder")
    with pytest.raises(StoreError):
        await backup.job(rt)
    (row,) = await backup_repo.page(rt.store, 9)
    assert row.outcome != "ok"
    assert backup.component(rt)["status"] == "degraded"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (Shipped("t", confirmed_ms=1, superseded="9"), "newer start"),
        (Shipped("t", confirmed_ms=1, awaited="9"), "taking over"),
        (Shipped("t", error="it does not answer"), "failed"),
        (Shipped("t", behind_ms=NOW - 61_000), "61 s ago"),
        (Shipped("t", behind_ms=NOW - 59_000), None),
    ],
    ids=["superseded", "awaited", "failed", "behind", "well"],
)
def test_health_says_how_shipping_goes(state: Shipped, word: str | None) -> None:
    shipper = SimpleNamespace(state=state, every_s=30)
    rt: Any = SimpleNamespace(clock=ManualClock(NOW), keeping=SimpleNamespace(shipper=shipper))
    told = shipping.component(rt)
    assert told["status"] == ("ok" if word is None else "degraded")
    assert word is None or word in told["reason"]
