"""A venue in memory: its stream, its sockets, and what a feed says of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.feed import Feed, FeedEvent
from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.errors import PayloadChanged, UpstreamUnreachable
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers.streaming import (
    Alive,
    Answer,
    Channel,
    Ending,
    Event,
    Gap,
    Opening,
    Refused,
    Stream,
    Subscribed,
    Topic,
    ordered,
)

BTC, ETH = Pair("BTC", "USD"), Pair("ETH", "USD")
CHANNELS: tuple[Channel, ...] = ("ticker", "trades")


def topic(pair: Pair = BTC) -> Topic:
    return Topic("ticker", pair)


def price(pair: Pair, value: float, number: int) -> str:
    return json.dumps({"pair": list(pair), "price": value, "n": number})


class RigSession:
    """Frames are JSON: `sub`, `unsub` to the venue; `ok`, `no`, `beat`, `ping`, `bye`, `pair` or `trade` from it."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.last: dict[Pair, int] = {}

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        return [json.dumps({"sub": [list(t.pair) for t in topics]})]

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        return [json.dumps({"unsub": [list(t.pair) for t in topics]})]

    def ping(self) -> str | None:
        return "ping"

    def read(self, frame: str | bytes, received_ms: int) -> list[Event]:
        try:
            said = json.loads(frame)
        except ValueError:
            raise PayloadChanged("not JSON") from None
        if "beat" in said:
            return [Alive()]
        if "ping" in said:
            return [Answer(json.dumps({"pong": said["ping"]}))]
        if "bye" in said:
            return [Ending(said["bye"])]
        if "ok" in said:
            granted = (Topic(channel, Pair(*p)) for p in said["ok"] for channel in CHANNELS)
            return [Subscribed(tuple(granted))]
        if "no" in said:
            return [Refused(tuple(topic(Pair(*p)) for p in said["no"]), "no such pair")]
        if "trade" in said:
            pair = Pair(*said["trade"])
            return [
                Trade(self.provider, str(pair), *pair, said["id"], said["price"], 1.0, "buy", received_ms)
            ]
        pair = Pair(*said["pair"])
        jump = ordered(self.last.get(pair), said["n"])
        if jump == 0:
            return []
        self.last[pair] = said["n"]
        quote = Quote(
            self.provider, "".join(pair), *pair, said["price"], None, None, None, None, None, None, None, None, received_ms
        )  # fmt: skip
        return [Gap(topic(pair), jump - 1), quote] if jump > 1 else [quote]


@dataclass
class RigSocket:
    """The venue's end: `say` to the feed, `heard` from it, `cut` ends it."""

    inbox: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    heard: list[str] = field(default_factory=list)
    closed: bool = False
    answers: bool = True
    """It confirms what is asked for."""
    lingers: bool = False
    """Its end takes until `gone`."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, *frames: str) -> None:
        for frame in frames:
            self.inbox.put_nowait(frame)

    def cut(self) -> None:
        self.inbox.put_nowait(None)

    async def receive(self) -> str | bytes:
        frame = await self.inbox.get()
        if frame is None:
            raise UpstreamUnreachable("cut")
        return frame

    async def send(self, frame: str) -> None:
        if self.closed:
            raise UpstreamUnreachable("closed")
        self.heard.append(frame)
        if self.answers and frame.startswith('{"sub"'):
            self.say(json.dumps({"ok": json.loads(frame)["sub"]}))

    async def close(self) -> None:
        self.closed = True
        if self.lingers:
            await self.gone.wait()


class Rig:
    """A feed of the venue `v` and everything it says. `down = True`: no connection can be made."""

    def __init__(self, **stream: object) -> None:
        self.clock = ManualClock()
        self.sockets: list[RigSocket] = []
        self.said: list[FeedEvent] = []
        self.down = False
        self.answers = True
        self.attempts: list[float] = []
        defaults: dict[str, object] = {
            "session": RigSession,
            "channels": CHANNELS,
            "topics_a_connection": 2,
            "frames_a_second": 10.0,
            "silent_s": 10.0,
            "connections": 2,
        }
        self.feed = Feed(
            "v", Stream(**{**defaults, **stream}), self.opening, self, self.clock, self.said.append, seed=1  # type: ignore[arg-type]
        )  # fmt: skip

    async def opening(self) -> Opening:
        return Opening("ws://v")

    async def connect(self, url: str) -> RigSocket:
        self.attempts.append(self.clock.monotonic())
        if self.down:
            raise UpstreamUnreachable("down")
        socket = RigSocket(answers=self.answers)
        self.sockets.append(socket)
        return socket

    async def close(self) -> None:
        await self.feed.close()

    def of(self, kind: type) -> list[FeedEvent]:
        """What it said of one kind."""
        return [event for event in self.said if isinstance(event, kind)]
