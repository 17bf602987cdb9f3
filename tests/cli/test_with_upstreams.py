"""Commands that ask upstreams, against the simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from bench.running import CDTS, Process, fault, process

from crypto_dt_source.cli.main import main


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def quick_round(simulated: str) -> Iterator[str]:
    """Without the one venue that is asked pair by pair: a round of quotes then takes a second instead of six."""
    with fault(simulated, {"provider": "coinbase_exchange", "fault": "5xx"}):
        yield simulated


def test_get_answers_in_process(quick_round: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["get", "api/prices?symbols=BTC,ETH&vs=usd", "--status"]) == 0
    said = capfdbinary.readouterr()
    answer = json.loads(said.out)
    assert [row["symbol"] for row in answer["data"]] == ["BTC", "ETH"]
    assert all(row["sources"] >= 8 for row in answer["data"])
    assert answer["meta"]["mode"] == "live"
    assert said.err.strip() == b"200"


def test_get_of_what_is_not_there_is_the_error_and_status_1(
    simulated: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["get", "/api/nothing hëre"]) == 1
    assert json.loads(capfdbinary.readouterr().out)["code"] == "not_found"


def test_get_asks_a_running_server(simulated: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["get", "/__sim__/market", "--url", simulated]) == 0
    assert "BTC" in json.loads(capfdbinary.readouterr().out)["prices"]


def test_providers_check_names_those_that_do_not_answer(
    simulated: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["providers", "check", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) >= 20
    assert all(row["ok"] for row in rows)
    with fault(simulated, {"provider": "okx", "fault": "5xx"}):
        assert main(["providers", "check", "okx", "bybit"]) == 1
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(words[0], words[2]) for words in told[:3]] == [
        ("id", "answer"),
        ("bybit", "ok"),
        ("okx", "upstream_server_error"),
    ]
    assert told[3:] == [[], ["category", "answered", "asked"], ["exchange", "1", "2"], ["all", "1", "2"]]


def test_backfill_stores_and_the_next_run_has_nothing_left(
    quick_round: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backfill", "BTC", "--interval", "1d", "--days", "20", "--json"]) == 0
    told = lines(capsys.readouterr().out)
    assert told[-1] == {"stored": 20, "failed": 0}
    assert told[-2]["done"] == told[-2]["total"] == 20
    assert main(["backfill", "BTC", "--interval", "1d", "--days", "20"]) == 0
    assert capsys.readouterr().out == "0 candles stored\n"
    assert main(["backfill", "NOTACOIN"]) == 2
    assert capsys.readouterr().err.startswith("cdts: ")


def _acknowledged(child: Process) -> dict[str, Any]:
    """The first line that says something is done."""
    for line in child.lines(time.perf_counter() + 60):
        told = json.loads(line)
        if told.get("done"):
            return told
    raise AssertionError("the backfill ended without progress")


def test_an_interrupted_backfill_goes_on_where_it_was(
    quick_round: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["backfill", "BTC", "--interval", "5m", "--days", "90", "--json"]
    with (
        fault(quick_round, {"provider": "*", "capability": "candles", "fault": "delay", "ms": 100}),
        process([*CDTS, *arguments], dict(os.environ)) as child,
    ):
        before = _acknowledged(child)
        child.child.send_signal(signal.SIGINT)
        assert child.child.wait(5) == 130
    assert main(arguments) == 0
    told = [row for row in lines(capsys.readouterr().out) if row.get("series") == before["series"]]
    assert told[0]["done"] >= before["done"] - 1
    assert 0 < before["done"] < before["total"]
    assert told[-1]["done"] == told[-1]["total"]


def test_an_interrupt_says_what_it_means_and_no_traceback(simulated: str) -> None:
    with (
        fault(simulated, {"provider": "*", "fault": "hang"}),
        subprocess.Popen([*CDTS, "backfill", "BTC"], stderr=subprocess.PIPE, text=True) as child,
    ):
        assert child.stderr is not None
        while not os.path.exists("data/crypto-dt-source.db-wal"):
            assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 130
        assert child.stderr.read() == (
            "cdts: stopped; what was fetched is stored, the next run goes on from there\n"
        )
