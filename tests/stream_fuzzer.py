"""Hostile clients of the stream: what they send, and what they must get. Used by the suite for seconds and by
`bench/stream_fuzz.py` for minutes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import struct
from collections import Counter
from typing import Any

from crypto_dt_source.stream.protocol import CLOSE_CODES

STEP_S = 0.05
CODES = {*CLOSE_CODES, 1005, 1006}
"""Documented close codes, and how a connection without one is noted."""
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**64, 1e308, "", "x", "BTC", "prices", "all", "*", "\u0000", "🪙" * 20, [], ["BTC", 5], {}, {"BTC": 1},
    "x" * 5000, ["ETH"] * 600, [[]] * 50,
)  # fmt: skip
ACTIONS = ("subscribe", "unsubscribe", "get_status", "ping", "auth", "fly", 7, None)


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, length: int | None = None
) -> bytes:
    """A client's frame by hand, right or wrong: `length` lies about the payload."""
    size = len(payload) if length is None else length
    head = bytes((opcode | (0x80 if fin else 0),))
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes((mask_bit | size,))
    elif size < 65536:
        head += bytes((mask_bit | 126,)) + struct.pack("!H", size)
    else:
        head += bytes((mask_bit | 127,)) + struct.pack("!Q", size)
    return head + (b"\0\0\0\0" if masked else b"") + payload


class Attack:
    """One hostile connection. `frames` are what the server said, by type; `code` how it ended."""

    def __init__(self, port: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.port = port
        self.kinds: Counter[str] = Counter()
        self.code = 1006
        self.refused = 0
        self.half = False

    async def run(self) -> None:
        """Connect, do one hostile thing, read what comes, leave in one way or another."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**22)
        try:
            path = self.rng.choice(("/ws", "/ws/prices", "/ws/all", "/ws/trades?symbols=BTC", "/ws/nothing"))
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            self.refused = 0 if b" 101 " in head.split(b"\r\n", 1)[0] else int(head.split(b" ", 2)[1])
            if self.refused:
                return
            with contextlib.suppress(ConnectionError):
                await self._attack(writer)
            await self._read(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            if self.rng.random() < 0.5:
                writer.transport.abort()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _attack(self, writer: asyncio.StreamWriter) -> None:
        kind = self.rng.choice(
            (
                "json",
                "json",
                "text",
                "binary",
                "bytes",
                "huge",
                "deep",
                "flood",
                "pings",
                "parts",
                "slow",
                "half",
                "lies",
            )
        )
        rng = self.rng
        if kind == "json":
            for _ in range(rng.randrange(1, 80)):
                writer.write(frame(1, self._message().encode(errors="surrogatepass")))
        elif kind == "text":
            writer.write(frame(1, rng.randbytes(rng.randrange(200)).decode("latin-1").encode()))
        elif kind == "binary":
            writer.write(frame(2, rng.randbytes(rng.randrange(2000))))
        elif kind == "bytes":
            writer.write(rng.randbytes(rng.randrange(1, 500)))
        elif kind == "huge":
            writer.write(frame(1, b" " * rng.choice((65_536, 65_537, 300_000))))
        elif kind == "deep":
            depth = rng.choice((50, 5000, 30_000))
            writer.write(frame(1, b'{"action":"ping","id":' + b"[" * depth + b"]" * depth + b"}"))
        elif kind == "flood":
            writer.write(frame(1, b'{"action":"get_status"}') * rng.randrange(100, 1500))
        elif kind == "pings":
            writer.write(frame(9, os.urandom(rng.choice((0, 125)))) * 3000)
        elif kind == "parts":
            writer.write(frame(1, b"", fin=False) + frame(0, b"", fin=False) * rng.randrange(1, 600))
        elif kind == "half":
            writer.write(frame(1, b'{"action":"ping"}')[: rng.randrange(1, 20)])
            writer.write_eof()
            self.half = True
        elif kind == "lies":
            writer.write(
                frame(rng.randrange(16), b"x", masked=rng.random() < 0.5, length=rng.choice((0, 5, 2**40)))
            )
        await writer.drain()

    def _message(self) -> str:
        rng = self.rng
        made = {
            name: rng.choice(VALUES)
            for name in ("channel", "symbols", "since", "epoch", "id", "token")
            if rng.random() < 0.5
        }
        made["action"] = rng.choice(ACTIONS)
        text = json.dumps(made, ensure_ascii=rng.random() < 0.5)
        return text if rng.random() < 0.8 else text[: rng.randrange(len(text) + 1)]

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the server closes or has said nothing for a moment; then close, properly or not."""
        closing = self.rng.random() < 0.5
        while True:
            try:
                async with asyncio.timeout(STEP_S):
                    head = await reader.readexactly(2)
            except TimeoutError:
                if not closing or self.half:
                    return
                closing = False
                writer.write(frame(8, struct.pack("!H", 1000)))
                continue
            size = head[1] & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await reader.readexactly(8))
            payload = await reader.readexactly(size)
            if head[0] == 0x88:
                self.code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                return
            if head[0] == 0x81:
                told = json.loads(payload)
                self.kinds[told["type"]] += 1


async def storm(port: int, first: int, count: int, at_once: int = 20) -> tuple[Counter[int], Counter[str]]:
    """Many attacks; gives how they ended and what the server said. Raises AssertionError for a close code that is not
    documented."""
    codes: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    gate = asyncio.Semaphore(at_once)

    async def one(seed: int) -> None:
        async with gate:
            attack = Attack(port, seed)
            await attack.run()
            assert attack.code in CODES or attack.refused, attack.code
            codes[attack.refused or attack.code] += 1
            kinds.update(attack.kinds)

    await asyncio.gather(*(one(first + number) for number in range(count)))
    return codes, kinds
