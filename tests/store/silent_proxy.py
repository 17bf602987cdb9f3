"""A TCP proxy in front of a PostgreSQL's socket file, which can stop to forward with nothing said, and cut a COMMIT off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import parse_qs, urlsplit


class SilentProxy:
    """`cut` silences the connections there are, and with `new` those that come too."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._server = parse_qs(parts.query)["host"][0] + "/.s.PGSQL.5432"
        self._name = parts.path
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self.piece_s = 0.0
        """How long each 64 KiB takes."""
        self.commit: Literal["unanswered", "lost", "late"] | None = None
        """What becomes of the next COMMIT, and of its connection, which is closed to whoever sent it: the server has it
        and nobody hears the answer; the server never has it; it has it once `late` is set."""
        self.late = asyncio.Event()

    @property
    def url(self) -> str:
        assert self._listener is not None
        port = self._listener.sockets[0].getsockname()[1]
        return f"postgresql://postgres:@127.0.0.1:{port}{self._name}"

    def cut(self, *, new: bool = False) -> None:
        # Each connection keeps the event it began with.
        self._open.clear()
        self._open = asyncio.Event()
        if not new:
            self._open.set()

    def heal(self) -> None:
        """New connections get through again; those that were cut stay so."""
        self._open = asyncio.Event()
        self._open.set()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._server)
        gate = self._open
        pipes = [
            asyncio.create_task(self._pipe(reader, far_writer, gate, asks=writer)),
            asyncio.create_task(self._pipe(far_reader, writer, gate)),
        ]
        self._tasks.update(pipes)
        await asyncio.wait(pipes)
        far_writer.close()
        writer.close()

    async def _pipe(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: asyncio.Event,
        asks: asyncio.StreamWriter | None = None,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await gate.wait()
                if asks is not None and self.commit is not None and b"COMMIT\0" in data:
                    way, self.commit = self.commit, None
                    asks.transport.abort()
                    if way == "lost":
                        break
                    if way == "late":
                        await self.late.wait()
                if self.piece_s:
                    await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=self.piece_s)
                writer.write(data)
                await writer.drain()
            # The end is not told either while it is cut.
            await gate.wait()
            writer.close()

    async def start(self) -> None:
        self._open.set()
        self._listener = await asyncio.start_server(self._joined, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def silent_proxy(server: str) -> AsyncIterator[SilentProxy]:
    """One in front of the server at that address."""
    proxy = SilentProxy(server)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
