"""Two listeners on one port, one of which must not be reached, and a guarded client before them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hostile_urls import GOOD, PUBLIC_4

from crypto_dt_source.clock import ManualClock, SystemClock
from crypto_dt_source.gateway.outbound import (
    PORTS,
    Outbound,
    OutboundReply,
    is_public,
)
from crypto_dt_source.gateway.outbound_url import Address

VICTIM, VETTED = "127.0.0.1", "127.0.0.2"
"""Two listeners on one port: one stands for what must not be reached, the other for the public internet."""
FEED = "news.example.org"
Part = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def reachable(address: Address) -> bool:
    return str(address) == VETTED or is_public(address)


class Stage:
    """Both listeners, what the victim saw, the heads the vetted one got, and every address a socket was sent to."""

    def __init__(self) -> None:
        self.port = 0
        self.reached = 0
        self.heads: list[str] = []
        self.answers: dict[str, Part] = {}
        self.tried: list[str] = []
        self.asked: list[str] = []
        self.addresses: dict[str, list[tuple[str, ...]]] = {FEED: [(VETTED,)], GOOD: [(PUBLIC_4,)]}

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """The answers set for the host, one each time, the last one for ever."""
        self.asked.append(host)
        answers = self.addresses.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def outbound(self, **changes: object) -> Outbound:
        given = {"resolve": self.resolve, "public": reachable, "ports": PORTS | {self.port}, "timeout_s": 5.0}
        return Outbound(SystemClock(), **{**given, **changes})  # type: ignore[arg-type]

    def url(self, path: str = "/", host: str = FEED) -> str:
        return f"http://{host}:{self.port}{path}"

    def says(self, path: str, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        length = "" if "Content_Length" in headers else f"Content-Length: {len(body)}\r\n"
        self.answers[path] = f"HTTP/1.1 {status}\r\nConnection: close\r\n{lines}{length}\r\n".encode() + body

    def redirects(self, path: str, location: str, status: str = "302 Found") -> None:
        self.says(path, status=status, Location=location)

    async def _victim(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        writer.close()

    async def _vetted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            answer = self.answers.get(
                head.split(" ")[1], b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            )
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def staged(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    told = Stage()
    connect = socket.socket.connect

    def noted(self: socket.socket, address: tuple[str, int]) -> None:
        told.tried.append(address[0])
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    victim = await asyncio.start_server(told._victim, VICTIM, 0)
    told.port = victim.sockets[0].getsockname()[1]
    vetted = await asyncio.start_server(told._vetted, VETTED, told.port)
    try:
        yield told
    finally:
        for server in (victim, vetted):
            server.close()
            await server.wait_closed()
        await ManualClock().settle()


async def got(stage: Stage, url: str, **changes: object) -> OutboundReply:
    door = stage.outbound(**changes)
    try:
        return await door.get(url)
    finally:
        await door.close()


OK = b"HTTP/1.1 200 OK\r\n"


async def flood(writer: asyncio.StreamWriter, head: bytes, block: bytes, sent: list[int]) -> None:
    writer.write(head)
    while True:
        writer.write(block)
        await writer.drain()
        sent[0] += len(block)


async def hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()
