"""One client's queue: what waits to be sent, bounded in bytes; the owner of the connection takes from it, in a task that
awaits `batch`, or in a function (`on_ready`) that is called when there is something to take."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hub import Hub, Sequence

Key = tuple[str, str | None]
"""A sequence: channel and symbol."""
BATCH_BYTES = 64 * 1024
"""What is handed out at once."""


class Frame:
    """One encoded frame, shared by every client it goes to.

    `serial` counts the frames of all sequences of a hub, `seq` those of its own; a frame for one client alone has the
    serial that the next published one will have, and no `seq`. `sequence` is set where a newer frame may take its
    place. `wire` is room for the transport's own encoding, made once for all clients.
    """

    __slots__ = ("data", "seq", "sequence", "serial", "wire")

    def __init__(self, data: bytes, serial: int, seq: int = 0, sequence: Sequence | None = None) -> None:
        self.data = data
        self.serial = serial
        self.seq = seq
        self.sequence = sequence
        self.wire: bytes | None = None


class Client:
    """One connection's queue. Whoever sends awaits `batch` in a loop, or sets `on_ready`: that is called once, and again
    after `rest` has said that all was taken.

    `too_slow` says that frames were lost which count; the connection is then to be closed. `conflated` counts the frames
    that newer ones took the place of.
    """

    __slots__ = (
        "_asleep", "_bytes", "_frames", "_hub", "_latest", "_limit", "_room", "_waiter", "closed", "conflated",
        "on_ready", "sent", "subscriptions", "too_slow", "wildcards",
    )  # fmt: skip

    def __init__(self, hub: Hub, limit: int) -> None:
        self._hub = hub
        self._limit = limit
        self._frames: deque[Frame] = deque()
        """In order. Of a sequence of whole states it has the first frame that waits, `_latest` the one to be sent."""
        self._latest: dict[Sequence, Frame] = {}
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._asleep = False
        self._room: asyncio.Future[None] | None = None
        self.subscriptions: dict[Key, None] = {}
        self.wildcards: set[str] = set()
        """Channels whose every symbol the client wants."""
        self.on_ready: Callable[[], None] | None = None
        self.closed = False
        self.too_slow = False
        self.conflated = 0
        self.sent = 0

    @property
    def waiting_bytes(self) -> int:
        """What waits to be sent."""
        return self._bytes

    @property
    def waiting_frames(self) -> int:
        """The same in frames: how far the client is behind."""
        return len(self._frames)

    @property
    def room_bytes(self) -> int:
        """What still fits."""
        return max(0, self._limit - self._bytes)

    @property
    def position(self) -> int:
        """A serial up to which everything for this client has been taken out of the queue."""
        return self._frames[0].serial - 1 if self._frames else self._hub.serial

    def put(self, data: bytes) -> None:
        """A frame for this client alone."""
        self.put_frame(Frame(data, self._hub.serial + 1))

    def put_frame(self, frame: Frame) -> None:
        """A frame that counts: with no room left the client is too slow."""
        if self.closed:
            return
        self._bytes += len(frame.data)
        if self._bytes > self._limit:
            self._give_up()
            return
        self._frames.append(frame)
        if self._asleep:
            self._asleep = False
            self._hub.wake(self)

    def put_state(self, frame: Frame) -> None:
        """A frame that takes the place of the one of its sequence that still waits."""
        if self.closed:
            return
        sequence = frame.sequence
        assert sequence is not None  # noqa: S101 - the hub sets it for such channels
        before = self._latest.get(sequence)
        if before is None:
            self._frames.append(frame)
        else:
            self._bytes -= len(before.data)
            self.conflated += 1
        self._latest[sequence] = frame
        self._bytes += len(frame.data)
        if self._bytes > self._limit:
            self._give_up()
        elif self._asleep:
            self._asleep = False
            self._hub.wake(self)

    def _give_up(self) -> None:
        self.too_slow = True
        self.close()

    def pop(self) -> Frame | None:
        """The next frame to send; None where nothing waits."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        if frame.sequence is not None:
            frame = self._latest.pop(frame.sequence)
        self._bytes = max(0, self._bytes - len(frame.data))
        self.sent += 1
        if self._room is not None and self._bytes <= self._limit // 2:
            _set(self._room)
        return frame

    async def ready(self) -> bool:
        """Wait until there is something to send; False when the client is closed and nothing is left to say."""
        while not self._frames:
            if self.closed:
                return False
            self._waiter = asyncio.get_running_loop().create_future()
            self._asleep = True
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._asleep = False
        return True

    async def batch(self, most: int = BATCH_BYTES) -> list[Frame]:
        """What waits, up to about `most` bytes, once there is any; empty when the client is closed and nothing is left
        to say."""
        frames: list[Frame] = []
        if await self.ready():
            left = most
            while left > 0 and (frame := self.pop()) is not None:
                frames.append(frame)
                left -= len(frame.data)
        return frames

    async def room(self) -> None:
        """Wait until at most half of what may wait does, or the client is closed."""
        while self._bytes > self._limit // 2 and not self.closed:
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None

    def wake(self) -> None:
        """Let whoever sends go on."""
        if self.on_ready is not None:
            self.on_ready()
        elif self._waiter is not None:
            _set(self._waiter)

    def rest(self) -> None:
        """Have `on_ready` called when there is something to take."""
        self._asleep = True

    def finish(self) -> None:
        """Take nothing more; what waits is still sent."""
        self.closed = True
        self.wake()
        if self._room is not None:
            _set(self._room)

    def close(self, last: bytes | None = None) -> None:
        """End it: what waits is thrown away, and `last` is all that is still sent."""
        self._frames.clear()
        self._latest.clear()
        self._bytes = 0
        if last is not None:
            self._frames.append(Frame(last, self._hub.serial + 1))
        self.finish()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
