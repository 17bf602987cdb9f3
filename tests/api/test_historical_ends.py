"""How an export ends that cannot go on: its client leaves or waits, the store fails, there is no place for it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from historical import CANDLES, KEYS, PATH, QUERIES, Connection, get, with_history
from in_process import Service, error_of

from crypto_dt_source.api.protocol import Protocol
from crypto_dt_source.services import exports
from crypto_dt_source.store import StoreError

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with with_history(tmp_path_factory.mktemp("history")) as running:
        yield running


@pytest.fixture
def pages(filled: Service, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pages of 20 rows; what is asked of the store from now on."""
    monkeypatch.setattr(exports, "PAGE", 20)
    asked: list[str] = []
    fetch = filled.rt.store.fetch

    async def counted(sql: str, params: Any = ()) -> list[Any]:
        if "ORDER BY o.open_ms" in sql:
            asked.append(sql)
        return await fetch(sql, params)

    monkeypatch.setattr(filled.rt.store, "fetch", counted)
    return asked


async def test_a_client_that_leaves_ends_the_query(filled: Service, pages: list[str]) -> None:
    connection = Connection(filled, QUERIES["ohlcv"], patience=4)
    await connection.full.wait()
    assert filled.edge.app.state.exports.free == exports.AT_ONCE - 1  # type: ignore[attr-defined]
    connection.gone.set()
    await connection.task
    assert not connection.whole
    assert filled.edge.app.state.exports.free == exports.AT_ONCE  # type: ignore[attr-defined]
    # A start and three pages are gone, one waits for the client, one was read ahead.
    assert 4 <= len(pages) <= 6


async def test_a_slow_client_is_not_overrun_and_outlives_the_deadline(
    filled: Service, pages: list[str]
) -> None:
    connection = Connection(filled, f"{QUERIES['ohlcv']}&format=csv", patience=3)
    await connection.full.wait()
    assert connection.scope["cdts.deadline"].when() is None
    assert len(pages) <= 5
    before = len(pages)
    await asyncio.sleep(0)
    assert len(pages) <= before + 1
    for _ in range(1000):
        connection.more.release()
    await connection.task
    assert connection.whole
    assert connection.body.count(b"\r\n") == len(CANDLES) + 1
    assert len(pages) == -(-len(CANDLES) // 20)


async def test_more_exports_than_places_are_refused(filled: Service, pages: list[str]) -> None:
    under_way = [Connection(filled, QUERIES["ohlcv"], patience=2) for _ in range(exports.AT_ONCE)]
    for connection in under_way:
        await connection.full.wait()
    refused = error_of(await get(filled, QUERIES["market"]), 503, "overloaded")
    assert refused["retry_after"] > 0
    for connection in under_way:
        connection.gone.set()
        await connection.task
    assert (await get(filled, QUERIES["market"])).status_code == 200


async def test_a_store_that_fails_in_the_middle_breaks_the_answer_off(
    filled: Service, pages: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch = filled.rt.store.fetch

    async def failing(sql: str, params: Any = ()) -> list[Any]:
        if len(pages) == 4:
            raise StoreError("the disk is gone")
        return await fetch(sql, params)

    monkeypatch.setattr(filled.rt.store, "fetch", failing)
    connection = Connection(filled, QUERIES["ohlcv"])
    await connection.task
    assert connection.messages[0]["status"] == 200
    assert not connection.whole
    with pytest.raises(json.JSONDecodeError):
        json.loads(connection.body)
    assert "the disk is gone" in capsys.readouterr().err


async def test_a_store_that_fails_at_first_is_an_error_answer(
    filled: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(sql: str, params: Any = ()) -> list[Any]:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(filled.rt.store, "fetch", failing)
    body = error_of(await get(filled, QUERIES["market"]), 503, "store_unavailable")
    assert "disk" not in body["error"]


@pytest_asyncio.fixture(loop_scope="module")
async def port(filled: Service) -> AsyncIterator[int]:
    """The service behind uvicorn on a free port of the loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        filled.edge, lifespan="off", http=Protocol, log_level="critical", access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


def sent(query: str) -> bytes:
    head = f"GET {PATH}?{query} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEYS['enterprise']}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode()


async def test_over_a_socket_the_end_is_marked_and_a_broken_end_is_not(
    filled: Service, port: int, pages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answered() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent(f"{QUERIES['ohlcv']}&format=csv"))
        body = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await writer.wait_closed()
        return body

    whole = await answered()
    assert b"transfer-encoding: chunked" in whole
    assert whole.endswith(b"\r\n0\r\n\r\n")
    fetch, begun = filled.rt.store.fetch, len(pages)

    async def failing(sql: str, params: Any = ()) -> list[Any]:
        if len(pages) - begun == 9:
            raise StoreError("the disk is gone")
        return await fetch(sql, params)

    monkeypatch.setattr(filled.rt.store, "fetch", failing)
    broken = await answered()
    assert broken.startswith(b"HTTP/1.1 200")
    assert not broken.endswith(b"0\r\n\r\n")
    assert 0 < broken.count(b"binance") < len(CANDLES) / 2


async def test_over_a_socket_a_client_that_leaves_is_noticed(
    filled: Service, port: int, pages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = filled.rt.store.fetch
    never = asyncio.Event()
    room = filled.edge.app.state.exports  # type: ignore[attr-defined]

    async def waiting(sql: str, params: Any = ()) -> list[Any]:
        if len(pages) == 5:
            await never.wait()
        return await fetch(sql, params)

    monkeypatch.setattr(filled.rt.store, "fetch", waiting)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent(QUERIES["ohlcv"]))
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert room.free == exports.AT_ONCE - 1
    writer.transport.abort()
    while room.free < exports.AT_ONCE:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0)
    # A page that was under way is given up too.
    assert 1 <= len(pages) <= 5
