"""`cdts db backup|verify|restore` as a person calls them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crypto_dt_source.cli.main import main
from crypto_dt_source.settings import BASE_URL_PREFIX, Settings


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
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [name]
    assert main(["db", "verify"]) == 0
    assert "restored into a scratch database and compared" in capsys.readouterr().out
    # By the name of the backup, then by the place it is in.
    assert main(["db", "restore", str(tmp_path / "kept" / name), "--data-dir", "elsewhere"]) == 0
    assert (tmp_path / "elsewhere" / "crypto-dt-source.db").is_file()
    assert main(["db", "restore", "kept", "--data-dir", "third"]) == 0
    capsys.readouterr()
    file = tmp_path / "kept" / name / "database.gz"
    file.write_bytes(file.read_bytes()[:-9])
    assert main(["db", "verify"]) == 1
    assert "PROBLEM" in capsys.readouterr().out
    assert main(["db", "restore", "kept", "--data-dir", "fourth"]) == 2
    assert not (tmp_path / "fourth" / "crypto-dt-source.db").exists()
    assert main(["db", "verify", "nowhere"]) == 2
    assert "there is no backup at nowhere" in capsys.readouterr().err
