"""`cdts watch`."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from crypto_dt_source.cli import watch
from crypto_dt_source.cli.main import main
from crypto_dt_source.client import Frame, Price
from socket_server import Live, live


def frame(symbol: str, price: float | None, **more: object) -> Frame:
    return Frame(
        "update",
        channel="prices",
        symbol=symbol,
        data={"symbol": symbol, "id": symbol, "vs": "usd", "price": price, **more},
    )


async def follow(server: Live, symbols: list[str], count: int) -> int:
    async def publish() -> None:
        while True:
            for symbol in ("BTC", "ETH"):
                server.publish("prices", symbol, {"symbol": symbol, "id": symbol, "vs": "usd", "price": 1.25})
            await server.clock.settle()

    work = asyncio.create_task(publish())
    try:
        async with asyncio.timeout(10):
            return await watch._watch(server.http, symbols, count, terminal=False)
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
    Console(file=out, width=120).print(watch.table(rows, "http://here", True))
    shown = out.getvalue()
    assert "http://here  live" in shown
    assert "95,000.00" in shown
    assert "1.23457e-05" in shown
    assert "–" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (95097.452, "95,097.45"), (1.0, "1.00"), (0.15096542, "0.150965"), (123456.7, "123,457")],
)
def test_numbers_as_people_read_them(value: float | None, text: str) -> None:
    assert watch.number(value) == text
