"""The live stream of a running service. After a break it connects again and goes on where it was: of channels where every
frame counts none is lost or given twice while the server still has them, and where it has not the next frame says `gap`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable
from types import SimpleNamespace, TracebackType
from typing import NamedTuple, Self

import aiohttp
import msgspec

from ..clock import Clock, SystemClock
from .frames import Frame, read_frame
from .key import base_of, headers_of

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LONGEST_TOLD_S = 300.0
"""How long a server may ask to be left alone."""
STEADY_S = 10.0
"""A connection that lasted so long was one: waits begin anew after it. One that breaks at once again and again does not."""
HANDSHAKE_S = 20.0
SILENT_S = 45.0
"""Without a frame for so long the connection is given up, until the server has told how often its heart beats."""
BEATS = 3
"""Heartbeats that may be missed after that."""
FRAME_BYTES = 4 * 1024 * 1024
"""No frame of the service is near it."""
SINCE_BYTES = 56 * 1024
"""Of a message's 64 KiB, for where sequences are."""
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
REFUSED = {
    400: "the server does not understand this client",
    401: "the key is unknown, revoked or expired",
    403: "this key, or who has none, may not have this stream",
    404: "there is no such stream",
    422: "what is asked for does not exist",
}
BUSY = (408, 425, 429)
"""Refusals that pass."""
RESTART = 1012
RESTART_WAIT_S = (1.0, 5.0)
ALL, NOTICES, EVERY = "all", "system", "*"


class Wanted(NamedTuple):
    """A channel, and its symbols where it has some; none of them means the largest assets, `*` every one."""

    channel: str
    symbols: tuple[str, ...] = ()


class Ended(Exception):
    """The stream is over and connecting again would not help; `code` is the WebSocket's or the HTTP status, 0 for an
    address that cannot be one."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"The stream ended: {reason} ({code}).")
        self.code = code
        self.reason = reason


class Stream:
    """Iterate over it for snapshots, updates, and errors of what is wanted. Use it as an async context manager, or call
    `close`; a wait for a frame that is cancelled ends it too. Without anything wanted it gives what the service sends to whoever only listens. `reconnects` counts how often
    it tried to come back; `connected` says whether it is there now, `trouble` why not. Raises Ended; ValueError for an
    address or a key that cannot be one."""

    def __init__(
        self, url: str, wanted: Iterable[Wanted] = (), key: str = "", clock: Clock | None = None
    ) -> None:
        self._url = base_of(url)
        self._headers = headers_of(key)
        self._wanted = list(wanted)
        self._clock = clock or SystemClock()
        self._seen: dict[tuple[str, str | None], int] = {}
        self._begun: dict[str, dict[str, None]] = {}
        """What is sent, by channel, with its symbols."""
        self._told: list[tuple[str, tuple[str, ...]]] = []
        """What the server said is sent since the last frame of it."""
        self._epoch = ""
        self._frames = self._follow()
        self._silent_s = SILENT_S
        self._wait_s = FIRST_WAIT_S
        self._there_s: float | None = None
        """Since when the connection is there, on the monotonic clock."""
        self._told_s: tuple[float, float] | None = None
        """Between what the server asked to come back after, and at the latest."""
        self._code: int | None = None
        """What the server closed the connection with."""
        self.reconnects = 0
        self.connected = False
        self.trouble = ""

    def __aiter__(self) -> AsyncGenerator[Frame]:
        return self._frames

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End it, from the task that iterates; another one cancels that task."""
        await self._frames.aclose()

    async def _follow(self) -> AsyncGenerator[Frame]:
        # Notices come on every connection: the least there is to begin with.
        address = f"{self._url}/ws/{NOTICES}" if self._wanted else f"{self._url}/ws"
        traces = aiohttp.TraceConfig()
        traces.on_request_redirect.append(_moved)
        async with aiohttp.ClientSession(headers=self._headers, trace_configs=[traces]) as session:
            while True:
                self._told_s = self._code = self._there_s = None
                try:
                    async with await self._connected(session, address) as socket:
                        async for frame in self._frames_of(socket):
                            yield frame
                    self._ended()
                except aiohttp.WSServerHandshakeError as error:
                    self._refused(error)
                except aiohttp.InvalidURL as error:
                    raise Ended(0, "the address is not one of a server") from error
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    # Nobody there, or nobody any more. The text of the error may hold more than is to be shown.
                    self.trouble = f"no answer ({type(error).__name__})"
                finally:
                    self.connected = False
                await self._rest()
                self.reconnects += 1

    async def _connected(
        self, session: aiohttp.ClientSession, address: str
    ) -> aiohttp.ClientWebSocketResponse[bool]:
        closing = aiohttp.ClientWSTimeout(ws_close=2.0)
        async with asyncio.timeout(HANDSHAKE_S):
            return await session.ws_connect(address, max_msg_size=FRAME_BYTES, timeout=closing)

    def _ended(self) -> None:
        """Whether to come back after a connection that was there. Raises Ended."""
        code = self._code
        if code is not None and code in FINAL:
            raise Ended(code, FINAL[code])
        if code == RESTART and self._told_s is None:
            self._told_s = RESTART_WAIT_S
        self.trouble = "the connection broke" if code is None else f"the server closed it ({code})"

    def _refused(self, error: aiohttp.WSServerHandshakeError) -> None:
        """The same after a handshake that did not pass. Raises Ended."""
        status = error.status
        if 400 <= status < 500 and status not in BUSY:
            raise Ended(status, REFUSED.get(status, "the server refuses the connection")) from error
        told = error.headers.get("Retry-After", "") if error.headers else ""
        if told.isdecimal():
            least = min(float(told), LONGEST_TOLD_S)
            self._told_s = (least, least + LONGEST_WAIT_S)
        self.trouble = "the server is busy" if status in (*BUSY, 503) else "no stream there"
        self.trouble += f" ({status})"

    async def _rest(self) -> None:
        """At random, so that not all clients of a server come back at the same moment."""
        if self._there_s is not None and self._clock.monotonic() - self._there_s >= STEADY_S:
            self._wait_s = FIRST_WAIT_S
        least, most = self._told_s or (self._wait_s / 2, self._wait_s * 1.5)
        await self._clock.sleep(random.uniform(least, most))  # noqa: S311 - no secret
        self._wait_s = min(LONGEST_WAIT_S, self._wait_s * 2)

    async def _frames_of(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> AsyncGenerator[Frame]:
        while True:
            async with asyncio.timeout(self._silent_s):
                message = await socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                # Only what the server said: a frame that cannot be read closes the connection with a code as well.
                self._code = message.data if message.type is aiohttp.WSMsgType.CLOSE else None
                return
            try:
                frame = read_frame(message.data)
            except ValueError:
                # Of a newer server: what this client does not know is not for it.
                continue
            if frame.type == "welcome":
                await self._welcomed(socket, frame)
            elif frame.type == "subscribed":
                self._told.append((frame.channel, frame.symbols))
            elif frame.type == "error" or (frame.type in ("snapshot", "update") and self._is_new(frame)):
                yield frame

    async def _welcomed(self, socket: aiohttp.ClientWebSocketResponse[bool], welcome: Frame) -> None:
        data = welcome.data if isinstance(welcome.data, dict) else {}
        beat = data.get("heartbeat_seconds")
        if isinstance(beat, int | float) and 0 < beat <= 3600:
            self._silent_s = max(SILENT_S / BEATS, BEATS * beat)
        self.connected, self.trouble, self._there_s = True, "", self._clock.monotonic()
        self._told.clear()
        for said in self._subscriptions():
            await socket.send_str(said)
        # Numbers of another run of the server mean nothing in this one.
        epoch = str(data.get("epoch", ""))
        if epoch != self._epoch:
            self._epoch = epoch
            self._seen.clear()

    def _subscriptions(self) -> list[str]:
        """What is asked for: what is wanted, and after a break each channel of it from where it was."""
        lines: list[dict[str, object]] = []
        again: dict[str, dict[str, None]] = {}
        for channel, symbols in self._wanted:
            begun = self._begun if channel == ALL else {channel: self._begun.get(channel)}
            if not begun or None in begun.values():
                lines.append(_subscribe(channel, symbols))
                continue
            for name, held in begun.items():
                again.setdefault(name, {}).update(held or {})
            if channel != ALL:
                again[channel].update(dict.fromkeys(symbols))
        for name, held in again.items():
            seen = {symbol: seq for (channel, symbol), seq in self._seen.items() if channel == name}
            line = _subscribe(name, (EVERY,) if EVERY in held else held)
            since = seen[None] if None in seen else _fitting(seen)
            lines.append({**line, "since": since, "epoch": self._epoch} if seen else line)
        return [msgspec.json.encode(line).decode() for line in lines]

    def _is_new(self, frame: Frame) -> bool:
        if frame.channel == NOTICES:
            self._noticed(frame)
            if self._wanted and not self._wants_notices():
                return False
        for name, symbols in self._told:
            self._begun.setdefault(name, {}).update(dict.fromkeys(symbols))
        self._told.clear()
        key = (frame.channel, frame.symbol)
        last = self._seen.get(key)
        if frame.type == "update" and last is not None and frame.seq <= last:
            return False
        self._seen[key] = frame.seq
        return True

    def _noticed(self, frame: Frame) -> None:
        """Take what a stopping server says of when to come back."""
        data = frame.data if isinstance(frame.data, dict) else {}
        after, within = data.get("reconnect_after_ms"), data.get("reconnect_within_ms")
        if isinstance(after, int) and isinstance(within, int) and 0 <= after <= within:
            self._told_s = (min(after / 1000, LONGEST_TOLD_S), min(within / 1000, LONGEST_TOLD_S))

    def _wants_notices(self) -> bool:
        return any(wanted.channel in (NOTICES, ALL) for wanted in self._wanted)


def _subscribe(channel: str, symbols: Iterable[str]) -> dict[str, object]:
    said: dict[str, object] = {"action": "subscribe", "channel": channel}
    named = list(dict.fromkeys(symbols))
    return {**said, "symbols": named} if named else said


def _fitting(seen: dict[str | None, int]) -> dict[str, int]:
    """As much of it as a message takes."""
    left = SINCE_BYTES
    kept: dict[str, int] = {}
    for symbol, seq in seen.items():
        left -= len(f'"{symbol}":{seq},'.encode())
        if symbol is not None and left >= 0:
            kept[symbol] = seq
    return kept


async def _moved(
    _: aiohttp.ClientSession, __: SimpleNamespace, about: aiohttp.TraceRequestRedirectParams
) -> None:
    """Raises Ended: a key is for the server that was named, and goes nowhere else."""
    about.response.close()
    raise Ended(about.response.status, "the server sends elsewhere; use the address it names")
