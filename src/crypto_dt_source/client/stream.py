"""The live stream of a running service. After a break it connects again and goes on where it was: of channels where every
frame counts none is lost or given twice while the server still has them, and where it has not the next frame says `gap`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
import msgspec

from ..clock import Clock, SystemClock
from .frames import Frame, read_frame

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
SILENT_S = 45.0
"""Without a frame for so long (heartbeats come every ten seconds) the connection is given up."""
FINAL = {
    1002: "the server does not understand this client",
    1007: "the server does not understand this client",
    1008: "the server refuses this client's messages",
    1009: "a message was too long for the server",
    4401: "the key has ended",
    4408: "no key came in time, and there are too many connections",
    4429: "the key has as many connections as it may",
}
"""Close codes after which coming back does not help."""
RESTART = 1012
RESTART_WAIT_S = 2.0
ALL, NOTICES = "all", "system"
_REFUSED = (400, 401, 403, 404, 422)


class Wanted(NamedTuple):
    """A channel, and its symbols where it has some; none of them means the largest assets."""

    channel: str
    symbols: tuple[str, ...] = ()


class Ended(Exception):
    """The stream is over and connecting again would not help; `code` is the WebSocket's or the HTTP status."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"The stream ended: {reason} ({code}).")
        self.code = code
        self.reason = reason


class Stream:
    """Iterate over it for snapshots, updates, and errors of what is wanted. Use it as an async context manager, or call
    `close`. Without anything wanted it gives what the service sends to whoever only listens. `reconnects` counts how often
    it tried to come back; `connected` says whether it is there now. Raises Ended."""

    def __init__(
        self, url: str, wanted: Iterable[Wanted] = (), key: str = "", clock: Clock | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._wanted = list(wanted)
        self._clock = clock or SystemClock()
        self._seen: dict[tuple[str, str | None], int] = {}
        self._epoch = ""
        self._frames = self._follow()
        self.reconnects = 0
        self.connected = False

    def __aiter__(self) -> AsyncGenerator[Frame]:
        return self._frames

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End it."""
        await self._frames.aclose()

    async def _follow(self) -> AsyncGenerator[Frame]:
        wait_s = FIRST_WAIT_S
        headers = {"X-API-Key": self._key} if self._key else {}
        # Notices come on every connection: the least there is to begin with.
        address = f"{self._url}/ws/{NOTICES}" if self._wanted else f"{self._url}/ws"
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                try:
                    closing = aiohttp.ClientWSTimeout(ws_close=2.0)
                    async with session.ws_connect(address, max_msg_size=0, timeout=closing) as socket:
                        async for frame in self._frames_of(socket):
                            wait_s = FIRST_WAIT_S
                            yield frame
                        code = socket.close_code
                    if code in FINAL:
                        raise Ended(code, FINAL[code])
                    if code == RESTART:
                        wait_s = RESTART_WAIT_S
                except aiohttp.WSServerHandshakeError as error:
                    if error.status in _REFUSED:
                        raise Ended(error.status, "the server refuses the connection") from error
                except (aiohttp.ClientError, TimeoutError, OSError):
                    # Nobody there, or nobody any more.
                    pass
                finally:
                    self.connected = False
                # At random, so that not all clients of a server come back at the same moment.
                await self._clock.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
                wait_s = min(LONGEST_WAIT_S, wait_s * 2)
                self.reconnects += 1

    async def _frames_of(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncGenerator[Frame]:
        while True:
            async with asyncio.timeout(SILENT_S):
                message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            try:
                frame = read_frame(message.data)
            except msgspec.DecodeError:
                # Of a newer server: what this client does not know is not for it.
                continue
            if frame.type == "welcome":
                self.connected = True
                for said in self._subscriptions():
                    await socket.send_str(said)
                self._take_epoch(frame)
            elif frame.type == "error" or (frame.type in ("snapshot", "update") and self._is_new(frame)):
                yield frame

    def _subscriptions(self) -> list[str]:
        """What is asked for: at first what is wanted, after a break each channel from where it was."""
        lines: list[dict[str, object]] = []
        for wanted in self._wanted:
            seen: dict[str, dict[str | None, int]] = {}
            for (name, symbol), seq in self._seen.items():
                if wanted.channel in (name, ALL):
                    seen.setdefault(name, {})[symbol] = seq
            for name, since in seen.items():
                said: dict[str, object] = {"action": "subscribe", "channel": name, "epoch": self._epoch}
                if None in since:
                    lines.append({**said, "since": since[None]})
                else:
                    symbols = list(dict.fromkeys([*wanted.symbols, *(s for s in since if s is not None)]))
                    lines.append({**said, "symbols": symbols, "since": since})
            if not seen:
                lines.append({"action": "subscribe", "channel": wanted.channel})
                if wanted.symbols:
                    lines[-1]["symbols"] = wanted.symbols
        return [msgspec.json.encode(line).decode() for line in lines]

    def _take_epoch(self, welcome: Frame) -> None:
        """Numbers of another run of the server mean nothing in this one."""
        epoch = str(welcome.data.get("epoch", "")) if isinstance(welcome.data, dict) else ""
        if epoch != self._epoch:
            self._epoch = epoch
            self._seen.clear()

    def _is_new(self, frame: Frame) -> bool:
        if self._wanted and frame.channel == NOTICES and not self._wants_notices():
            return False
        key = (frame.channel, frame.symbol)
        last = self._seen.get(key)
        if frame.type == "update" and last is not None and frame.seq <= last:
            return False
        self._seen[key] = frame.seq
        return True

    def _wants_notices(self) -> bool:
        return any(wanted.channel in (NOTICES, ALL) for wanted in self._wanted)
