"""Serves a corpus of places over HTTP/1.1, traps included, and counts who came where.

Two listeners on one port of two addresses of this machine: one stands for the public internet, the other for what must
never be reached.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ..clock import SystemClock
from .discovery import VETTED, Corpus, Said

VICTIM = "127.0.0.1"
DRIP_S = 0.02
HEAD_LIMIT = 16_384


class Internet:
    """A corpus and where it is served. `reached` counts connections to the inside, `asked` requests by host."""

    def __init__(self, corpus: Corpus, public: str) -> None:
        self.corpus = corpus
        self.public = public
        self.reached = 0
        self.asked: Counter[str] = Counter()
        self._clock = SystemClock()

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host of the corpus, the next answer each time. Raises OSError for a name without any."""
        spot = self.corpus.spots.get(host)
        if spot is None or not spot.addresses:
            raise OSError("the name does not resolve")
        answers = spot.addresses
        told = answers.pop(0) if len(answers) > 1 else answers[0]
        return [self.public if address == VETTED else address for address in told]

    async def inside(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Whoever comes here was led inside."""
        self.reached += 1
        writer.close()

    async def outside(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer or trap."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            host = next((line[5:].strip() for line in lines if line.lower().startswith("host:")), "")
            host = host.rsplit(":", 1)[0]
            self.asked[host] += 1
            await self._answer(reader, writer, self.corpus.say(host, lines[0].split(" ")[1]))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: Said) -> None:
        if said.trap == "close":
            return
        if said.trap == "hang":
            await reader.read()
            return
        more = "".join(f"{name}: {value}\r\n" for name, value in said.headers)
        length = "" if said.trap else f"Content-Length: {len(said.body)}\r\n"
        writer.write(
            f"HTTP/1.1 {said.status} X\r\nConnection: close\r\nContent-Type: {said.kind}\r\n{more}{length}".encode()
        )
        block = {"headers": b"X-More: 1\r\n" * 500, "endless": b"[1," * 20_000, "drip": b" "}.get(said.trap)
        if said.trap != "headers":
            writer.write(b"\r\n")
        if block is None:
            writer.write(said.body)
            await writer.drain()
            return
        while not writer.is_closing():
            writer.write(block)
            await writer.drain()
            # Over TLS a writer whose peer has gone learns of it only in the loop's next turn, and `drain` need not give one.
            await self._clock.sleep(DRIP_S if said.trap == "drip" else 0)


@asynccontextmanager
async def served(corpus: Corpus, public: str, tls: ssl.SSLContext) -> AsyncIterator[Internet]:
    """The corpus on `public` (an address of this machine), port `corpus.port`, until the block ends; what must not be reached
    on the same port of 127.0.0.1. Raises OSError where an address is taken."""
    internet = Internet(corpus, public)
    victim = await asyncio.start_server(internet.inside, VICTIM, corpus.port)
    outside = await asyncio.start_server(internet.outside, public, corpus.port, ssl=tls, limit=HEAD_LIMIT)
    try:
        yield internet
    finally:
        for server in (victim, outside):
            server.close()
            await server.wait_closed()
