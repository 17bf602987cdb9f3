"""The simulator's WebSockets: `/{provider id}` is that venue's public stream, with the faults that are set."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from ..clock import Clock
from ..model.ask import Capability
from ..model.quote import Pair
from ..providers.catalog import Entry
from ..providers.streaming import Topic
from .faults import Faults
from .noise import key_of
from .streaming import Frame, SimSession, SimStream
from .venue import HONEST, Sight, VenueView

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
View = Callable[[str, Sight], VenueView]

TICK_S = 0.2
"""A socket looks this often which of its topics have something new."""
EVERY_S = 1.0
"""A topic has something new this often; topics take turns."""
GARBAGE = '{"unexpected": [1, 2'
NO_CODE = 1006


class Cut(Exception):
    """The connection ends under the client."""


class Sockets:
    """All sockets of the simulator. `every_s` may be lowered for more frames."""

    def __init__(self, clock: Clock, entries: Mapping[str, Entry], faults: Faults, view: View) -> None:
        self._clock = clock
        self._entries = entries
        self._faults = faults
        self._view = view
        self.every_s = EVERY_S
        self.tick_s = TICK_S
        self.open: dict[str, int] = {}
        """Connections by provider."""
        self.frames = 0
        self.jumps: dict[tuple[str, Topic], int] = {}
        """How often a client saw the number of a topic's records jump, by provider: on one connection, from a record that
        reached it to a later one that is not the next. Of a venue that numbers its connections, under the topic of the
        record that showed it."""

    async def serve(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One connection from handshake to end."""
        provider = scope["path"].strip("/").partition("/")[0]
        entry = self._entries.get(provider)
        await receive()
        now = self._clock.now_ms()
        refused = self._faults.strike_stream(provider, now).get("ws_refuse")
        if refused is not None and "websocket.http.response" in scope.get("extensions", {}):
            status = refused.params["status"]
            await send({"type": "websocket.http.response.start", "status": status, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        if entry is None or not entry.stream or refused or self._faults.host_down(provider, now):
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        self.open[provider] = self.open.get(provider, 0) + 1
        try:
            await _Connection(self, entry, stream_of(entry.stream), receive, send).run()
        finally:
            self.open[provider] -= 1

    def sight(self, provider: str) -> Sight:
        """What price faults do to the venue's view now."""
        return self._faults.strike(provider, (Capability.QUOTES,), self._clock.now_ms()).sight


class _Record(NamedTuple):
    topic: Topic
    counted: Topic | None
    number: int
    frame: Frame


class _Connection:
    def __init__(
        self, sockets: Sockets, entry: Entry, stream: SimStream, receive: Receive, send: Send
    ) -> None:
        self._sockets = sockets
        self._entry = entry
        self._stream = stream
        self._receive = receive
        self._send = send
        self._clock = sockets._clock
        self._session: SimSession = stream.session(self._lists)
        self._numbers: dict[Topic | None, int] = {}
        # Ids of a venue's trades go on over connections: they rise with time, one a turn.
        turn = sockets._clock.now_ms() // max(1, int(sockets.every_s * 1000))
        self._first = 0 if stream.numbers_connection else turn
        self._told: dict[Topic, int] = {}
        self._held: _Record | None = None
        self._reached: dict[Topic | None, int] = {}
        # Venues do not tick in step.
        self._phase_ms = key_of("phase", entry.id) % 1000
        self._opened_ms = sockets._clock.now_ms()
        self._lost = False
        """Half-open: it goes on without anything getting through."""

    def _lists(self, pair: Pair) -> bool:
        return self._sockets._view(self._entry.id, HONEST).lists(pair)

    async def run(self) -> None:
        for frame in self._session.opened(self._clock.now_ms()):
            await self._say(frame)
        tasks = {
            asyncio.create_task(self._listen(), name="simulated socket listens"),
            asyncio.create_task(self._tell(), name="simulated socket tells"),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, Cut | OSError):
                raise error

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return
            frame = message.get("text") if message.get("text") is not None else message.get("bytes")
            if self._struck_by_loss():
                continue
            for answer in self._session.received(frame or "", self._clock.now_ms()):
                await self._say(answer)

    def _struck_by_loss(self) -> bool:
        fault = self._sockets._faults.strike_stream(self._entry.id, self._clock.now_ms()).get("ws_half_open")
        if fault is not None and fault.since_ms >= self._opened_ms:
            self._lost = True
        return self._lost

    async def _tell(self) -> None:
        """Whatever is new, in turns; heartbeats; and the end where a fault says so."""
        beat = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._sockets.tick_s)
            now = self._clock.now_ms()
            if self._struck_by_loss():
                continue
            struck = self._sockets._faults.strike_stream(self._entry.id, now)
            if "ws_close" in struck:
                await self._end(struck["ws_close"].params["code"])
            if self._sockets._faults.host_down(self._entry.id, now) in ("reset", "5xx"):
                await self._end(NO_CODE)
            every = self._stream.heartbeat_s
            if every is not None and self._clock.monotonic() - beat >= every:
                beat = self._clock.monotonic()
                frame = self._session.heartbeat(now)
                if frame is not None:
                    await self._say(frame)
            sight = self._sockets.sight(self._entry.id)
            view = self._sockets._view(self._entry.id, sight)
            every_ms = int(self._sockets.every_s * 1000)
            for place, topic in enumerate(sorted(self._session.topics)):
                turn = (now + self._phase_ms + place * 97) // every_ms
                if self._told.get(topic) == turn or not view.lists(topic.pair):
                    continue
                self._told[topic] = turn
                await self._record(view, topic, now + sight.skew_ms)

    async def _record(self, view: VenueView, topic: Topic, now_ms: int) -> None:
        counted = None if self._stream.numbers_connection else topic
        number = self._numbers[counted] = self._numbers.get(counted, self._first) + 1
        struck = self._sockets._faults.strike_stream(self._entry.id, self._clock.now_ms())
        if "ws_stuck" in struck or "ws_gap" in struck:
            return
        if topic.channel == "ticker":
            frame = self._session.ticker(topic.pair, view.ticker(topic.pair, now_ms), now_ms, number)
        else:
            trade = view.trades(topic.pair, 1, now_ms)[-1]
            frame = self._session.trade(topic.pair, trade, now_ms, number)
        record = _Record(topic, counted, number, frame)
        if "ws_reorder" in struck and self._held is None:
            self._held = record
            return
        await self._deliver(record)
        if "ws_duplicate" in struck:
            await self._say(frame)
        if self._held is not None:
            held, self._held = self._held, None
            await self._deliver(held)

    async def _deliver(self, record: _Record) -> None:
        """Say a record, and count the jump that a client sees by it."""
        topic, counted, number, frame = record
        if not await self._say(frame):
            return
        last = self._reached.get(counted, number)
        if number > last + 1:
            key = (self._entry.id, topic)
            self._sockets.jumps[key] = self._sockets.jumps.get(key, 0) + 1
        self._reached[counted] = max(last, number)

    async def _say(self, frame: Frame) -> bool:
        """Whether the frame went out as it is."""
        struck = self._sockets._faults.strike_stream(self._entry.id, self._clock.now_ms())
        if (
            self._lost
            or "ws_silent" in struck
            or self._sockets._faults.host_down(self._entry.id, self._clock.now_ms())
        ):
            return False
        if "ws_slow" in struck:
            await self._clock.sleep(struck["ws_slow"].params["ms"] / 1000)
        if "ws_garbage" in struck:
            frame = GARBAGE
        self._sockets.frames += 1
        kind = "text" if isinstance(frame, str) else "bytes"
        await self._send({"type": "websocket.send", kind: frame})
        return "ws_garbage" not in struck

    async def _end(self, code: int) -> None:
        await self._send({"type": "websocket.close", "code": 1001 if code == NO_CODE else code})
        raise Cut


def stream_of(name: str) -> SimStream:
    """The simulated side of a stream module. Raises ModuleNotFoundError."""
    found: SimStream = importlib.import_module(f"{__package__}.streams.{name}").SIM
    return found
