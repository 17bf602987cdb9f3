"""Commands that need no upstream, as a person calls them: what they print and how they end."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from crypto_dt_source.cli.main import MODULES, main, parser
from crypto_dt_source.settings import BASE_URL_PREFIX, Settings

BOOK = b'{"lastUpdateId":1,"bids":[["100.5","2"]],"asks":[["100.6","3"]]}'


@pytest.fixture(autouse=True)
def fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, and no variable of ours from outside."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.upper().startswith(BASE_URL_PREFIX):
            monkeypatch.delenv(name)
    return tmp_path


def feed(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(body)))


def test_every_command_has_a_module_that_runs_it() -> None:
    actions = next(a for a in parser()._actions if a.dest == "command")
    assert actions.choices is not None
    assert set(actions.choices) == set(MODULES)


def test_version_and_help_load_no_library() -> None:
    code = (
        "import sys\nfrom crypto_dt_source.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'pydantic', 'fastapi', 'sqlalchemy', 'aiohttp', 'structlog', 'uvicorn'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "serve" in ended.stdout


def test_the_service_starts_without_what_only_some_installations_use() -> None:
    code = (
        "import sys\nimport crypto_dt_source.cli.serve\n"
        "heavy = {'asyncpg', 'alembic', 'rich', 'pygments', 'crypto_dt_source.sim.app'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_providers_list_is_a_line_a_provider(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "category", "status", "capabilities", "key"]
    kraken = next(line for line in lines if line.startswith("kraken "))
    assert kraken.split()[1:3] == ["exchange", "live"]
    assert all(line == line.rstrip() for line in lines)


def test_providers_list_as_json_of_one_category(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "list", "--json", "--category", "gone"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(row["category"] == "gone" and row["reason"] for row in rows)


def test_an_unknown_category_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "list", "--category", "x"]) == 2
    assert (
        "allowed: defi, derivatives, exchange, explorer, gone, market, news, onchain, rpc, sentiment"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nobody", "There is no provider 'nobody'"),
        ("coinmarketcap", "in use once COINMARKETCAP_API_KEY is set"),
    ],
)
def test_a_check_of_a_provider_not_in_use_says_why(
    name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["providers", "check", name]) == 2
    assert text in capsys.readouterr().err


def test_normalize_prints_records_as_json_lines(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    feed(monkeypatch, BOOK)
    at = "2026-01-02T03:04:05Z"
    assert main(["normalize", "binance", "book", "--symbol", "ETHUSDT", "--at", at]) == 0
    (line,) = capfdbinary.readouterr().out.splitlines()
    record = json.loads(line)
    assert (record["record"], record["base"], record["quote"]) == ("OrderBook", "ETH", "USDT")
    assert record["received_ms"] == 1_767_323_045_000


def test_normalize_without_a_symbol_reads_a_whole_list(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    body = {"RAW": {t: {"USD": {"PRICE": 5.0, "LASTUPDATE": 1_767_323_045}} for t in ("BTC", "ETH", "SOL")}}
    feed(monkeypatch, json.dumps(body).encode())
    assert main(["normalize", "cryptocompare", "quotes", "--symbol", "BTC,SOL"]) == 0
    bases = [json.loads(line)["base"] for line in capfdbinary.readouterr().out.splitlines()]
    assert set(bases) >= {"BTC", "SOL"}


@pytest.mark.parametrize(
    ("body", "path"),
    [(b'{"bids":[]}', "$"), (BOOK[:20], "$"), (b"", "$"), (b'{"bids":[["x"]]}', "$.bids[0]")],
)
def test_a_body_that_does_not_fit_is_named_by_its_path(
    body: bytes, path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, body)
    assert main(["normalize", "binance", "book"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"cdts: the body does not fit at {path}")
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["normalize", "nobody", "book"], "There is no provider 'nobody'"),
        (["normalize", "binance", "coins"], "binance has no 'coins'; it has book, candles"),
        (["normalize", "binance", "candles", "--interval", "7q"], "--interval: '7q' is not one of 1m"),
        (["normalize", "binance", "book", "--at", "noon"], "--at: 'noon'"),
        (["normalize", "binance", "book", "--symbol", ","], "--symbol: got ''"),
        (["sim", "--port", "70000"], "--port: got 70000; allowed: 0 to 65535"),
        (["sim", "--print-env"], "--print-env: give --port"),
        (["backfill", "--days", "0"], "--days: got 0; allowed: 1 to 3650"),
        (["backfill", "--interval", "7q"], "--interval: got '7q'; allowed: 1m"),
        (["serve", "--port", "70000"], "PORT: got 70000; allowed: a whole number"),
        (["db", "check"], "there is no database at data/"),
        (["get", "/api/health", "--url", "127.0.0.1"], "--url: the address must be http://"),
        (["get", "/api/health", "--url", "http://127.0.0.1:9"], "--url: no answer from there"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_2(
    arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, BOOK)
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert text in said.err
    assert said.err.startswith("cdts: ")
    assert len(said.err.splitlines()) == 1
    assert said.out == ""


def test_print_env_points_every_provider_at_one_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "--port", "9000", "--print-env"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "export CDTS_BASE_URL__KRAKEN=http://127.0.0.1:9000/kraken" in lines
    assert any(line.startswith("export COINMARKETCAP_API_KEY=") for line in lines)
    assert all(line.startswith("export ") for line in lines)


def test_the_database_is_made_upgraded_and_checked(
    fresh_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "upgrade"]) == 0
    assert (fresh_folder / "data" / "crypto-dt-source.db").is_file()
    assert main(["db", "upgrade"]) == 0
    assert main(["db", "check"]) == 0
    assert "integrity ok" in capsys.readouterr().out
    assert main(["db", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []


def test_a_broken_database_is_told_without_a_traceback(
    fresh_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (fresh_folder / "data").mkdir()
    (fresh_folder / "data" / "crypto-dt-source.db").write_bytes(b"this is no database" * 500)
    assert main(["db", "check"]) == 2
    assert main(["serve", "--port", "0"]) == 2
    assert main(["doctor"]) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    assert "not a database" in said.err + said.out
    (told,) = (line for line in said.out.splitlines() if line.startswith("critical"))
    assert told.split()[1] == "database"
    assert "cdts db restore" in said.out
    assert "sqlalche" not in said.out


def test_doctor_makes_no_file_and_finds_nothing_wrong(
    fresh_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert findings["database"]["level"] == "ok"
    assert "COINMARKETCAP_API_KEY" in findings["providers"]["advice"]
    assert list(fresh_folder.iterdir()) == []


def test_doctor_names_what_is_wrong(
    fresh_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (fresh_folder / "file").write_text("")
    monkeypatch.setenv("DATA_DIR", "file/data")
    monkeypatch.setenv("DATABASE_URL", "mysql://user:verysecret@host/name")
    monkeypatch.setenv("CDTS_BASE_URL__NOBODY", "http://127.0.0.1:1")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    wrong = [line.split()[1] for line in out.splitlines() if line.startswith(("error", "critical"))]
    assert wrong == ["database", "folders.data", "base"]
    assert "verysecret" not in out


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, "-m", "crypto_dt_source.cli.main", "providers", "list", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert (child.wait(20), child.stderr.read()) == (0, b"")
