"""`cdts providers check` of recorded bodies: read through the gateway, summed up by category."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crypto_dt_source.cli.main import main

HEAD = '{"chain": "mainnet", "cycle": 1100, "level": 11000001, "timestamp": "2026-11-21T14:47:23Z"}'


@pytest.fixture
def bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one body that fits and one that does not."""
    monkeypatch.chdir(tmp_path)
    for provider, body in (("tzkt", HEAD), ("tonapi", "<html>")):
        (tmp_path / "bodies" / provider).mkdir(parents=True)
        (tmp_path / "bodies" / provider / "chain_stats.json").write_text(body, encoding="utf-8")
    return tmp_path / "bodies"


def test_recorded_bodies_are_read_through_the_gateway(
    bodies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["providers", "check", "--bodies", str(bodies)]) == 1
    told = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert told == [
        ["id", "category", "answer"],
        ["tonapi", "onchain", "payload_changed"],
        ["tzkt", "onchain", "ok"],
        [],
        ["category", "answered", "asked"],
        ["onchain", "1", "2"],
        ["all", "1", "2"],
    ]
    assert not (bodies.parent / "data").exists(), "what is tried out is not the operator's data"
    assert main(["providers", "check", "--bodies", str(bodies), "--json", "tzkt", "binance"]) == 1
    rows = {row["id"]: row["failure"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {"binance": "upstream_unreachable", "tzkt": None}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bodies", "nowhere"], "there is no folder 'nowhere'"),
        (["--bodies", ".", "--simulator"], "give one of them"),
    ],
    ids=["no folder", "both"],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], words: str, bodies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["providers", "check", *options]) == 2
    assert words in capsys.readouterr().err
