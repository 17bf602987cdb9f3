"""HF_SPACE: what it chooses, what it leaves alone, where data goes, and what is said of it."""

from __future__ import annotations

import json
import os
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import harness
from crypto_dt_source import settings
from crypto_dt_source.cli import main as command
from crypto_dt_source.gateway.sockets import Connector
from crypto_dt_source.services import providers, shipping
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.settings import Settings
from crypto_dt_source.settings_ops import SPACE, data_folder, file_system, lasts
from crypto_dt_source.wiring_live import live_of

ROOT = Path(__file__).resolve().parents[1]
OVERLAY = "overlay / overlay rw 0 0\nproc /proc proc rw 0 0\n"
REFUSING = ["binance_futures", "binance_main", "bybit", "bybit_futures"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No `.env`, no variable of ours, a home that is empty and no /data."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name in ("SPACE_ID",):
            monkeypatch.delenv(name)
    places = (tmp_path / "disk", tmp_path / "home", tmp_path / "shared")
    monkeypatch.setattr(settings, "data_places", lambda: places)
    return tmp_path


def chosen(found: Settings) -> dict[str, Any]:
    return {name: getattr(found, name) for name in SPACE if name != "data_dir"}


@pytest.mark.parametrize(
    "variables", [{"HF_SPACE": "true"}, {"SPACE_ID": "owner/name"}], ids=["set", "found"]
)
def test_a_space_is_what_its_proxy_and_its_network_are(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = settings.load()
    assert chosen(found) == {name: value for name, value in SPACE.items() if name != "data_dir"}
    assert found.data_dir == tmp_path / "home"
    assert found.ports() == {80, 443, 8080}
    assert found.log_lines() == "json"


def test_what_is_set_wins_wherever_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_SPACE", "true")
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("UPSTREAM_REGION", "any")
    monkeypatch.setenv("UPSTREAM_PORTS", "any")
    (tmp_path / ".env").write_text(f"TRUSTED_PROXY_HOPS=0\nDATA_DIR={tmp_path / 'own'}\n")
    found = settings.load(host="127.0.0.1")
    assert (found.host, found.port, found.trusted_proxy_hops) == ("127.0.0.1", 9000, 0)
    assert (found.upstream_region, found.ports(), found.data_dir) == ("", None, tmp_path / "own")
    monkeypatch.setenv("SPACE_ID", "owner/name")
    monkeypatch.setenv("HF_SPACE", "false")
    off = settings.load()
    assert (off.hf_space, off.host, off.log_format) == (False, "127.0.0.1", "console")


def test_data_goes_where_it_can_be_written_and_lasts_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, home, shared = places = (tmp_path / "disk", tmp_path / "home", tmp_path / "shared")
    assert data_folder(places, OVERLAY) == home
    assert not disk.exists()
    disk.mkdir()
    assert data_folder(places, OVERLAY) == disk
    # A bucket mounted there is no place for SQLite.
    for kind in ("fuse.hf-mount", "fuse", "nfs4"):
        assert data_folder(places, f"{OVERLAY}hf-mount {disk} {kind} rw 0 0\n") == home
    disk.rmdir()
    home.rmdir()
    home.write_text("in the way")
    assert data_folder(places, OVERLAY) == shared
    assert shared.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in tmp_path.rglob("*")] == ["home", "shared"] or not list(shared.iterdir())
    monkeypatch.setattr(os, "getuid", lambda: shared.stat().st_uid + 1)
    with pytest.raises(ValueError, match="a folder that can be written in"):
        data_folder(places, OVERLAY)


def test_a_folder_lasts_by_the_file_system_under_it() -> None:
    mounts = f"{OVERLAY}/dev/sdb /data ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/sdc /a\\040b xfs rw 0 0\n"
    told = {"/data/x": "ext4", "/database": "overlay", "/tmp/y": "tmpfs", "/a b/c": "xfs"}
    assert {path: file_system(Path(path), mounts) for path in told} == told
    assert [lasts(Path(path), mounts) for path in told] == [True, False, False, True]
    # Where nothing can be told nobody is alarmed.
    assert lasts(Path("/data"), "")


@pytest.mark.parametrize(
    ("given", "mounts", "kept"),
    [
        ({}, OVERLAY, False),
        ({}, "/dev/sda / ext4 rw 0 0\n", True),
        ({"ship_url": "/elsewhere"}, OVERLAY, True),
        ({"database_url": "postgresql://a@b/c"}, OVERLAY, True),
        ({"data_dir": Path("/own")}, OVERLAY, True),
    ],
    ids=["container", "disk", "shipped", "postgresql", "own"],
)
def test_it_is_known_whether_anything_outlives_the_container(
    given: dict[str, Any], mounts: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "mounted", lambda: mounts)
    assert settings.load(hf_space=True, **given).kept() is kept


def test_health_says_what_will_be_lost() -> None:
    def told(mode: str, lasting: bool) -> tuple[str, str | None]:
        rt = SimpleNamespace(mode=mode, keeping=SimpleNamespace(shipper=None, lasting=lasting))
        found = shipping.component(cast(Runtime, rt))
        return found["status"], found["reason"]

    assert told("live", False) == ("degraded", shipping.LOST)
    assert told("live", True) == told("demo", False) == ("ok", None)


def test_the_doctor_says_that_the_preset_is_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_SPACE", "true")
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setattr(settings, "mounted", lambda: OVERLAY)
    assert command.main(["doctor", "--json"]) == 0
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert "TRUSTED_PROXY_HOPS=1" in rows["preset"]["found"]
    assert "PORT=" not in rows["preset"]["found"]
    assert rows["data folder"]["found"] == shipping.LOST
    assert rows["providers"]["found"].endswith(f"out of reach from here: {', '.join(sorted(REFUSING))}")


async def test_what_refuses_the_country_is_off_and_says_why(tmp_path: Path) -> None:
    async with harness.running(tmp_path, upstream_region="US", upstream_ports="80,443,8080") as (rt, _, _):
        away = sorted(entry.id for entry in rt.entries.values() if rt.gateway.out_of_reach(entry))
        assert away == REFUSING
        assert not set(away) & set(rt.gateway.sources)
        # Its public data has another host, which refuses nobody.
        assert "binance" in rt.gateway.sources
        row = providers.one(rt, "bybit")
        assert (row["state"], row["status"], row["enabled"]) == ("off", "live", False)
        assert row["reason"] == "refuses requests from US (UPSTREAM_REGION)"
        # Streams have addresses of their own.
        for name in ("kraken", "okx"):
            source = rt.gateway.sources[name]
            source.entry = replace(source.entry, ws_url="wss://stream.example.org:9443")
        given = harness.settings(tmp_path)
        feeds = live_of(given, rt, {"okx": "ws://127.0.0.1:9000/okx"}, cast(Connector, None)).feeds
        assert set(feeds) & {"kraken", "okx", "binance", "kucoin"} == {"okx", "binance", "kucoin"}


def test_the_app_of_the_space_serves_with_the_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    def main(argv: list[str]) -> int:
        called.append(argv)
        return 3

    monkeypatch.setattr(command, "main", main)
    monkeypatch.setattr(sys, "argv", ["app.py", "--port", "0"])
    monkeypatch.setenv("HF_SPACE", "")
    monkeypatch.delenv("HF_SPACE")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "spaces" / "app.py"), run_name="__main__")
    assert (ended.value.code, called, os.environ["HF_SPACE"]) == (3, [["serve", "--port", "0"]], "true")
