"""`cdts watch`."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from crypto_dt_source.cli import get, key_given, watch
from crypto_dt_source.cli.main import main
from crypto_dt_source.client import Frame, Price
from crypto_dt_source.model.errors import InvalidParameter
from crypto_dt_source.security.tiers import READ
from crypto_dt_source.services import access
from crypto_dt_source.services.checks.installation import unknown_settings
from socket_server import Live, live


def frame(symbol: str, price: float | None, **more: object) -> Frame:
    return Frame(
        "update",
        channel="prices",
        symbol=symbol,
        data={"symbol": symbol, "id": symbol, "vs": "usd", "price": price, **more},
    )


async def follow(server: Live, symbols: list[str], count: int, key: str = "") -> int:
    async def publish() -> None:
        while True:
            for symbol in ("BTC", "ETH", "SOL"):
                server.publish("prices", symbol, {"symbol": symbol, "id": symbol, "vs": "usd", "price": 1.25})
            await server.clock.settle()

    work = asyncio.create_task(publish())
    try:
        async with asyncio.timeout(10):
            return await watch._watch(server.http, symbols, count, terminal=False, key=key)
    finally:
        work.cancel()


async def test_lines_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with live(tmp_path, collected=True) as server:
        capsys.readouterr()
        assert await follow(server, ["btc", "ETH", "NOPE0"], 4) == 0
        printed = capsys.readouterr()
        lines = printed.out.splitlines()
        assert len(lines) == 4
        assert {line.split()[1] for line in lines} == {"BTC", "ETH"}
        assert "2026-09-21T" in lines[0]
        assert "cdts: NOPE0: No asset is known" in printed.err
        assert await follow(server, ["NOPE0"], 1) == watch.NONE_KNOWN


async def test_a_server_without_a_price_says_why_nothing_moves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with live(tmp_path) as server:
        assert await follow(server, [], 1) == 0
        said = capsys.readouterr().err
        assert "cdts: the server says: No price has been collected yet. Waiting; /api/failures" in said


async def test_a_key_counts_and_a_refusal_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["BTC", "ETH", "SOL", "XRP"]
    async with live(tmp_path, collected=True, free_tier_symbols=2, free_tier_subscriptions=3) as server:
        secret, key = await access.create(server.rt.access, "mine", tier="pro", scopes=(READ,))
        file = tmp_path / "key"
        file.write_text(f"{secret}\n")
        assert await follow(server, names, 3) == 0
        told = capsys.readouterr()
        # A call has two symbols, the stream three: all are asked for, and the server says what it leaves out.
        assert "The free tier has 3 subscriptions" in told.err
        assert {line.split()[1] for line in told.out.splitlines()} == {"BTC", "ETH", "SOL"}
        assert await follow(server, names, 3, key_given.given(str(file))) == 0
        assert capsys.readouterr().err == ""
        status, body = await get._remote(server.http, "/api/usage", secret)
        assert (status, b"pro" in body) == (200, True)
        await access.revoke(server.rt.access, key.id)
        with pytest.raises(InvalidParameter, match="whoever runs the server can make another") as refused:
            await follow(server, ["BTC"], 1, secret)
        assert secret not in str(refused.value)


def test_the_key_is_read_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(key_given.VARIABLE, raising=False)
    assert key_given.given(None) == ""
    monkeypatch.setenv(key_given.VARIABLE, " cdts_live_a ")
    assert key_given.given(None) == "cdts_live_a"
    # A server that is started in the same shell does not take it for a misspelt setting.
    assert unknown_settings([], [key_given.VARIABLE], ["CDTS_ADMIN_KEY"], ()) == ()
    monkeypatch.setattr("sys.stdin", io.StringIO("cdts_live_b\nmore\n"))
    assert key_given.given("-") == "cdts_live_b"
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_text("x" * 10_000)
    for name, said in (
        (str(tmp_path / "empty"), "it is empty"),
        (str(tmp_path / "binary"), "cannot be read (UnicodeDecodeError)"),
        (str(tmp_path / "long"), "printable ASCII"),
        ("cdts_live_typed_in_place_of_a_file", "has no place on a command line"),
    ):
        # argparse takes `--key` for it as well.
        assert main(["watch", "BTC", "--key", name]) == 2
        told = capsys.readouterr().err
        assert told.startswith("cdts: --key-file: ")
        assert said in told
        assert name not in told
    assert main(["get", "/api/health", "--key-file", str(tmp_path / "long")]) == 2
    assert "it is for --url" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["ws://h", "http://u:secret@h", "http://h?token=secret"])
def test_an_address_with_a_secret_is_refused_and_not_repeated(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "--url", url]) == 2
    told = capsys.readouterr().err
    assert told.startswith("cdts: --url: the address must")
    assert "secret" not in told


@pytest.mark.parametrize(
    ("status", "key", "said"),
    [
        (401, "", "Put a key into CDTS_API_KEY"),
        (401, "k", "is not good there"),
        (403, "k", "does not reach that"),
        (429, "", "a key of your own"),
        (429, "k", ""),
        (503, "", ""),
        (200, "", ""),
    ],
)
def test_what_to_do_about_a_refusal(status: int, key: str, said: str) -> None:
    assert said in key_given.advice(status, key)
    assert bool(said) == bool(key_given.advice(status, key))


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTC", "--url", "http://127.0.0.1:9"]) == 2
    assert (
        capsys.readouterr().err == "cdts: --url: http://127.0.0.1:9 does not answer (ClientConnectorError).\n"
    )


def test_the_table_shows_the_newest_and_which_way_it_went() -> None:
    rows: dict[str, tuple[Price, int]] = {}
    for told in (
        frame("BTC", 95_000.5),
        frame("BTC", 95_001.25, change_24h_pct=-1.5, volume_24h=1234567.8, sources=9, status="ok"),
        frame("PEPE", 0.00001234567, stale=True),
        frame("NONE", None),
        Frame("heartbeat"),
        Frame("update", channel="prices", data={"symbol": 5}),
    ):
        watch.take(rows, told)
    assert {symbol: moved for symbol, (_, moved) in rows.items()} == {"BTC": 1, "PEPE": 0, "NONE": 0}
    watch.take(rows, frame("BTC", 95_000.0, sources=9))
    assert rows["BTC"][1] == -1
    out = io.StringIO()
    Console(file=out, width=120).print(watch.table(rows, "http://here  live", "it is [bold]full[/]"))
    shown = out.getvalue()
    assert "http://here  live" in shown
    assert "it is [bold]full[/]" in shown
    assert "95,000.00" in shown
    assert "1.23457e-05" in shown
    assert "–" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (95097.452, "95,097.45"), (1.0, "1.00"), (0.15096542, "0.150965"), (123456.7, "123,457")],
)
def test_numbers_as_people_read_them(value: float | None, text: str) -> None:
    assert watch.number(value) == text
