"""`cdts db backup|verify|restore` as a person calls them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from crypto_dt_source.cli.main import main
from crypto_dt_source.settings import BASE_URL_PREFIX, Settings
from crypto_dt_source.store import open_store
from crypto_dt_source.store.marker import MARK
from crypto_dt_source.store.repos import identity


@pytest.fixture(autouse=True)
def fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, and no variable of ours from outside."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.upper().startswith(BASE_URL_PREFIX):
            monkeypatch.delenv(name)
    return tmp_path


def test_a_backup_is_made_verified_and_restored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["db", "backup"]) == 2
    assert "there is no database at" in capsys.readouterr().err
    assert main(["db", "upgrade"]) == 0
    monkeypatch.setenv("BACKUP_URL", str(tmp_path / "kept"))
    assert main(["db", "backup", "--json"]) == 0
    name = json.loads(capsys.readouterr().out.splitlines()[-1])["name"]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [name, "cdts-target.json"]
    assert main(["db", "verify"]) == 0
    assert "restored into a scratch database and compared" in capsys.readouterr().out
    # By the name of the backup, then by the place it is in.
    assert main(["db", "restore", str(tmp_path / "kept" / name), "--data-dir", "elsewhere"]) == 0
    assert (tmp_path / "elsewhere" / "crypto-dt-source.db").is_file()
    # Where the database before had its backups beside it, they are begun anew with it; not where only it was replaced.
    monkeypatch.setenv("BACKUP_URL", "")
    begun = tmp_path / "third" / "backups" / MARK
    assert main(["db", "restore", "kept", "--data-dir", "third"]) == 0
    begun.unlink()
    assert main(["db", "restore", "kept", "--data-dir", "third", "--force"]) == 0
    assert not begun.exists()
    monkeypatch.setenv("BACKUP_URL", str(tmp_path / "kept"))
    capsys.readouterr()
    file = tmp_path / "kept" / name / "database.gz"
    file.write_bytes(file.read_bytes()[:-9])
    assert main(["db", "verify"]) == 1
    assert "PROBLEM" in capsys.readouterr().out
    assert main(["db", "restore", "kept", "--data-dir", "fourth"]) == 2
    assert not (tmp_path / "fourth" / "crypto-dt-source.db").exists()
    assert main(["db", "verify", "nowhere"]) == 2
    assert "there is no backup at nowhere" in capsys.readouterr().err


def test_of_several_databases_the_one_here_is_meant_or_one_has_to_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_URL", str(tmp_path / "kept"))
    assert main(["db", "upgrade"]) == 0
    ids = {}
    for folder in ("one", "two"):
        shutil.copytree("data", folder)
        ids[folder] = asyncio.run(_given(tmp_path / folder))
        assert main(["db", "backup", "--data-dir", folder]) == 0
    capsys.readouterr()
    assert main(["db", "verify", "--json", "--data-dir", "one"]) == 0
    assert ids["one"] in json.loads(capsys.readouterr().out)["name"]
    assert main(["db", "restore", "kept", "--data-dir", "new"]) == 2
    told = capsys.readouterr().err
    assert "2 databases" in told
    assert all(found in told for found in ids.values())
    # Neither removes what the other made.
    monkeypatch.setenv("BACKUP_KEEP", "1")
    assert main(["db", "backup", "--data-dir", "one"]) == 0
    left = [path.name.split("-")[2] for path in (tmp_path / "kept").iterdir() if path.is_dir()]
    assert sorted(left) == sorted(ids.values())


async def _given(folder: Path) -> str:
    store = await open_store(f"sqlite:///{folder / 'crypto-dt-source.db'}", pool_size=1)
    try:
        return await identity.of(store)
    finally:
        await store.close()


def test_a_target_is_taken_as_it_is_when_somebody_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["db", "accept", "ship"]) == 2
    assert "SHIP_URL is not set" in capsys.readouterr().err
    monkeypatch.setenv("SHIP_URL", str(tmp_path / "shipped"))
    assert main(["db", "accept", "ship"]) == 0
    assert (tmp_path / "shipped" / MARK).is_file()
