"""Where the database is shipped to, as the wiring reads it from the settings."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import harness
from crypto_dt_source import wiring, wiring_keeping
from crypto_dt_source.clock import SystemClock
from crypto_dt_source.services import access, backup, collect, pools
from crypto_dt_source.settings import SettingsError
from crypto_dt_source.store import StoreError, StoreOpenError, chain
from crypto_dt_source.store.targets import Target
from crypto_dt_source.wiring_keeping import open_kept

SALT = "5f0c9a7be1d2438f96b7a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708"


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"database_url": "postgresql://a@127.0.0.1/b", "api_key_salt": SALT}, "PostgreSQL"),
        ({}, "API_KEY_SALT"),
    ],
    ids=["postgresql", "no-salt"],
)
async def test_what_cannot_be_shipped_stops_the_start(
    tmp_path: Path, values: dict[str, str], word: str
) -> None:
    given = harness.settings(tmp_path, ship_url=str(tmp_path / "target"), **values)
    async with AsyncExitStack() as stack:
        with pytest.raises(SettingsError, match=word):
            await open_kept(given, SystemClock(), stack, ships=True)


async def test_only_a_process_that_serves_ships(tmp_path: Path) -> None:
    given = harness.settings(tmp_path, ship_url=str(tmp_path / "target"), api_key_salt=SALT)
    for ships in (False, True):
        async with AsyncExitStack() as stack:
            store, keeping = await open_kept(given, SystemClock(), stack, ships=ships)
            assert store.writable
            assert (keeping.shipper is not None) == ships
        assert (tmp_path / "target").exists() == ships
    assert str(tmp_path) in keeping.backups.shown


async def test_a_database_that_cannot_be_opened_gives_the_place_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = harness.settings(tmp_path, ship_url=str(tmp_path / "target"), api_key_salt=SALT)
    claimed = []

    async def failing(*_: Any, **__: Any) -> None:
        claimed.extend(await chain.claims(target))
        raise StoreOpenError("no")

    target = Target(str(tmp_path / "target"))
    monkeypatch.setattr(wiring_keeping, "open_store", failing)
    async with AsyncExitStack() as stack:
        with pytest.raises(StoreOpenError, match="no"):
            await open_kept(given, SystemClock(), stack, ships=True)
    assert (len(claimed), await chain.claims(target)) == (1, [])


async def test_backups_that_went_with_the_disk_are_begun_anew(tmp_path: Path) -> None:
    given = harness.settings(tmp_path, ship_url=str(tmp_path / "target"), api_key_salt=SALT)
    for _ in range(2):
        async with AsyncExitStack() as stack:
            store, keeping = await open_kept(given, SystemClock(), stack, ships=True)
            assert await backup.job(
                cast(Any, SimpleNamespace(keeping=keeping, clock=store.clock, store=store))
            )
        shutil.rmtree(given.data_dir)


async def test_what_the_store_refuses_at_the_end_keeps_nothing_else_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def refuses(name: str) -> Callable[[object], Awaitable[int]]:
        async def work(_: object) -> int:
            tried.append(name)
            raise StoreError("full")

        return work

    parts = [
        (access, "save"),
        (access, "save_uses"),
        (pools, "follow"),
        (collect, "store_accounts"),
        (collect, "store_budgets"),
    ]
    for module, name in parts:
        monkeypatch.setattr(module, name, refuses(name))
    schedule = SimpleNamespace(leader=SimpleNamespace(standing="leads"))
    await wiring._keep_accounts(cast("Any", SimpleNamespace(access=None, schedule=schedule, meters=True)))
    assert tried == [name for _, name in parts]
