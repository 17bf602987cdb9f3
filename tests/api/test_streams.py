"""An answer made while it is sent: bounded by its client, ended with it, and never mistaken for whole when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from crypto_dt_source.api.streams import PIECE_BYTES, Streamed
from crypto_dt_source.model.errors import Overloaded, StoreUnavailable
from crypto_dt_source.services.exports import Room


class Client:
    """The server's side of one connection. `patience` messages are taken, then `send` waits for `more`."""

    def __init__(self, patience: int = 10_000) -> None:
        self.messages: list[Any] = []
        self.gone = asyncio.Event()
        self.more = asyncio.Semaphore(patience)

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.more.acquire()
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages)

    @property
    def whole(self) -> bool:
        """Whether the answer came to its end."""
        return bool(self.messages) and not self.messages[-1].get(
            "more_body", self.messages[-1]["type"][-5:] == "start"
        )


class Source:
    """Parts of an answer; `made` counts them, `closed` tells that nobody will make more."""

    def __init__(self, parts: int, failing: Exception | None = None, size: int = 1) -> None:
        self.parts, self.failing, self.size = parts, failing, size
        self.made = 0
        self.closed = False

    async def __call__(self) -> AsyncGenerator[bytes]:
        try:
            for number in range(self.parts):
                await asyncio.sleep(0)
                self.made += 1
                yield bytes([number % 256]) * self.size
            if self.failing is not None:
                raise self.failing
        finally:
            self.closed = True


def streamed(source: Source, room: Room | None = None, **bounds: float) -> Streamed:
    return Streamed(source, room or Room(1), "text/plain", {"X-Own": "1"}, **bounds)


def scope(**more: Any) -> dict[str, Any]:
    return {"type": "http", "path": "/x", **more}


async def settle(turns: int = 200) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_all_of_it_arrives_in_order() -> None:
    client, source, room = Client(), Source(5), Room(1)
    await streamed(source, room)(scope(), client.receive, client.send)
    start, *_ = client.messages
    assert start["status"] == 200
    assert (b"x-own", b"1") in start["headers"]
    assert [name for name, _ in start["headers"]].count(b"content-type") == 1
    assert b"content-length" not in dict(start["headers"])
    assert client.body == bytes(range(5))
    assert client.whole
    assert source.closed
    assert room.free == 1


async def test_a_large_part_is_handed_over_in_pieces() -> None:
    client = Client()
    await streamed(Source(2, size=3 * PIECE_BYTES + 1))(scope(), client.receive, client.send)
    assert max(len(m.get("body", b"")) for m in client.messages) == PIECE_BYTES
    assert client.body == b"\0" * (3 * PIECE_BYTES + 1) + b"\1" * (3 * PIECE_BYTES + 1)


async def test_without_any_part_the_answer_is_empty() -> None:
    client = Client()
    await streamed(Source(0))(scope(), client.receive, client.send)
    assert client.body == b""
    assert client.whole


async def test_a_client_that_takes_nothing_stops_the_work() -> None:
    client, source = Client(patience=3), Source(1000)
    task = asyncio.ensure_future(streamed(source)(scope(), client.receive, client.send))
    await settle()
    assert len(client.messages) == 3
    assert source.made == 3
    for _ in range(5):
        client.more.release()
    await settle()
    assert source.made == 8
    client.gone.set()
    await task
    assert source.made == 8
    assert source.closed


async def test_a_client_that_leaves_ends_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    client, source, room = Client(patience=4), Source(1000), Room(1)
    task = asyncio.ensure_future(streamed(source, room)(scope(), client.receive, client.send))
    await settle()
    assert room.free == 0
    client.gone.set()
    await task
    assert source.closed
    assert room.free == 1
    assert not client.whole
    assert "the client left" in capsys.readouterr().err


async def test_a_client_that_stalls_is_not_waited_for_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    client, source, room = Client(patience=2), Source(1000), Room(1)
    await streamed(source, room, stalled_s=0.01)(scope(), client.receive, client.send)
    assert source.closed
    assert room.free == 1
    assert not client.whole
    assert "took nothing for 0.01 s" in capsys.readouterr().err


async def test_an_answer_that_takes_too_long_is_broken_off(capsys: pytest.CaptureFixture[str]) -> None:
    client, source = Client(patience=2), Source(1000)
    await streamed(source, longest_s=0.01)(scope(request_id="1"), client.receive, client.send)
    assert source.closed
    assert not client.whole
    assert "not done after 0.01 s" in capsys.readouterr().err


async def test_a_failure_in_the_middle_leaves_the_answer_without_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client, room = Client(), Room(1)
    source = Source(3, failing=StoreUnavailable("the disk is gone"))
    await streamed(source, room)(scope(**{"cdts.request_id": "r7"}), client.receive, client.send)
    assert client.body == bytes(range(3))
    assert not client.whole
    assert room.free == 1
    logged = capsys.readouterr().err
    assert "the disk is gone" in logged
    assert "r7" in logged


async def test_a_mistake_in_the_middle_is_raised() -> None:
    client, room = Client(), Room(1)
    with pytest.raises(ZeroDivisionError):
        await streamed(Source(3, failing=ZeroDivisionError()), room)(scope(), client.receive, client.send)
    assert not client.whole
    assert room.free == 1


async def test_a_failure_before_the_first_part_is_an_error_answer() -> None:
    client, room = Client(), Room(1)
    with pytest.raises(StoreUnavailable):
        await streamed(Source(0, failing=StoreUnavailable("gone")), room)(
            scope(), client.receive, client.send
        )
    assert client.messages == []
    assert room.free == 1


async def test_no_more_answers_than_places() -> None:
    room = Room(2)
    clients = [Client(patience=2) for _ in range(2)]
    tasks = [
        asyncio.ensure_future(streamed(Source(9), room)(scope(), client.receive, client.send))
        for client in clients
    ]
    await settle()
    third = Client()
    with pytest.raises(Overloaded) as refused:
        await streamed(Source(9), room)(scope(), third.receive, third.send)
    assert refused.value.retry_after
    assert third.messages == []
    for client in clients:
        for _ in range(20):
            client.more.release()
    await asyncio.gather(*tasks)
    assert all(client.whole for client in clients)
    await streamed(Source(9), room)(scope(), third.receive, third.send)
    assert third.whole


async def test_a_cancelled_answer_gives_its_place_back() -> None:
    client, source, room = Client(patience=2), Source(1000), Room(1)
    task = asyncio.ensure_future(streamed(source, room)(scope(), client.receive, client.send))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.closed
    assert room.free == 1


async def test_of_a_head_only_the_headers_are_made() -> None:
    client, source = Client(), Source(1000)
    await streamed(source)(scope(**{"cdts.head": True}), client.receive, client.send)
    assert client.body == b""
    assert client.whole
    assert source.made == 1
    assert source.closed


async def test_the_deadline_ends_with_the_first_part() -> None:
    client = Client(patience=2)
    async with asyncio.timeout(600) as deadline:
        task = asyncio.ensure_future(
            streamed(Source(9))(scope(**{"cdts.deadline": deadline}), client.receive, client.send)
        )
        assert deadline.when() is not None
        await settle()
        assert deadline.when() is None
        client.gone.set()
        await task
