"""Fan-out: a frame is encoded once and put into the queue of every client that wants it.

A sequence is one channel, or one symbol of a channel that has symbols. Its frames are numbered by ones; `epoch` names the
run of the service the numbers belong to. The newest frames of a sequence are kept in a ring, from which a client that was
away is given what it missed. A queue is bounded in bytes: of a channel whose frames are whole states it holds the newest
frame of each sequence alone; a client that is too slow for the others is closed.

All frames of a hub are also counted together (`serial`): one number then says how far a client is in all its sequences.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ..clock import rfc3339
from .bus import Event
from .channels import CHANNELS, Channel
from .client import Client, Frame, Key

State = Callable[[str, str | None], Any]
"""What a sequence is at now, JSON-ready; None where nothing is known."""
WOKEN_AT_ONCE = 256
"""Clients whose senders go on in one turn of the loop: ten thousand at once would hold up everything else."""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class HubLimits:
    """`queue_bytes`: what may wait for one client. `ring_frames` and `ring_bytes`: what is kept of one sequence;
    `rings_bytes`: of all together, the sequences longest without a frame losing theirs first. `sequences`: how many are
    numbered at a time, those that somebody listens to always. `linger_ms`: how long a sequence counts as listened to
    after its last client left."""

    queue_bytes: int = 256 * 1024
    ring_frames: int = 256
    ring_bytes: int = 64 * 1024
    rings_bytes: int = 64 * 1024 * 1024
    sequences: int = 50_000
    linger_ms: int = 60_000


class Sequence:
    """The numbered frames of one channel or symbol. `since` is the serial of the newest frame that the ring no longer
    has."""

    __slots__ = (
        "broken",
        "channel",
        "clients",
        "data",
        "key",
        "left_ms",
        "ring",
        "ring_bytes",
        "seq",
        "since",
    )

    def __init__(self, key: Key, channel: Channel, seq: int, since: int) -> None:
        self.key = key
        self.channel = channel
        self.seq = seq
        self.since = since
        self.data: Any = None
        """What the newest frame says."""
        self.ring: deque[Frame] = deque()
        self.ring_bytes = 0
        self.clients: dict[Client, None] = {}
        self.left_ms = 0
        """When the last client left."""
        self.broken = False
        """Whether something happened since the newest frame that was not published."""

    def missed(self, last: int) -> list[Frame] | None:
        """The frames after number `last`; None where some are no longer there."""
        count = self.seq - last
        if count < 0 or count > len(self.ring):
            return None
        return self._newest(count)

    def missed_since(self, serial: int) -> list[Frame] | None:
        """The frames after a serial; None where some are no longer there."""
        if serial < self.since:
            return None
        count = 0
        for frame in reversed(self.ring):
            if frame.serial <= serial:
                break
            count += 1
        return self._newest(count)

    def _newest(self, count: int) -> list[Frame]:
        if self.channel.whole:
            # Each says all of it.
            count = min(count, 1)
        return list(self.ring)[len(self.ring) - count :]


class Hub:
    """All sequences and clients of one process. `now` is the wall clock in ms. `state` gives what a sequence is at; where
    it knows nothing, a snapshot is of what was published last."""

    def __init__(self, now: Callable[[], int], limits: HubLimits | None = None) -> None:
        self._now = now
        self._limits = limits or HubLimits()
        self.state: State = lambda channel, symbol: None
        self.epoch = secrets.token_hex(4)
        self.serial = 0
        self.clients: dict[Client, None] = {}
        self._sequences: OrderedDict[Key, Sequence] = OrderedDict()
        self._rings_bytes = 0
        self._wildcards: dict[str, dict[Client, None]] = {}
        self._first_seq = 0
        self._first_since = 0
        """What a new sequence begins with: beyond every forgotten one, so that none goes back."""
        self._wakes: deque[Client] = deque()
        self._waking = False
        self.delivered = 0

    def join(self) -> Client:
        """A new client without subscriptions."""
        client = Client(self, self._limits.queue_bytes)
        self.clients[client] = None
        return client

    def leave(self, client: Client) -> None:
        """Forget a client."""
        client.close()
        for key in list(client.subscriptions):
            self._drop(client, key)
        for name in client.wildcards:
            self._wildcards.get(name, {}).pop(client, None)
        client.wildcards.clear()
        self.clients.pop(client, None)

    def listened(self, channel: str, symbol: str | None) -> bool:
        """Whether an event of this sequence is worth publishing: somebody listens, or did a moment ago and may come
        back for it. Where not, the event counts as left out: whoever comes back later sees a gap."""
        sequence = self._sequences.get((channel, symbol))
        if self._wildcards.get(channel):
            return True
        if sequence is None:
            return False
        if sequence.clients or self._now() - sequence.left_ms < self._limits.linger_ms:
            return True
        if not sequence.broken:
            sequence.broken = True
            self._break(sequence)
        return False

    def _break(self, sequence: Sequence) -> None:
        """Make every number given so far one that cannot be gone on from."""
        self._rings_bytes -= sequence.ring_bytes
        sequence.ring.clear()
        sequence.ring_bytes = 0
        self.serial += 1
        sequence.seq += 1
        sequence.since = self.serial

    def wanted(self, channel: str) -> set[str]:
        """Symbols of a channel that somebody listens to by name."""
        return {
            key[1]
            for key, sequence in self._sequences.items()
            if key[0] == channel and key[1] and sequence.clients
        }

    def publish(self, event: Event) -> None:
        """Number an event, encode it once, keep it, and queue it for whoever listens."""
        sequence = self._sequence((event.channel, event.symbol))
        sequence.seq += 1
        self.serial += 1
        whole = sequence.channel.whole
        data = self._encoded("update", sequence, event.data, event.at_ms)
        frame = Frame(data, self.serial, sequence.seq, sequence if whole else None)
        sequence.data = event.data
        sequence.broken = False
        self._keep(sequence, frame)
        # A client that goes too far behind leaves only when its owner sees it: nothing is removed from these here.
        for clients in (sequence.clients, self._wildcards.get(event.channel)):
            if clients:
                for client in clients:
                    if whole:
                        client.put_state(frame)
                    else:
                        client.put_frame(frame)
                self.delivered += len(clients)

    def subscribe(
        self,
        client: Client,
        channel: str,
        symbols: Iterable[str | None],
        since: Mapping[Key, int] | None = None,
        place: int | None = None,
    ) -> None:
        """Begin to send these sequences: what was missed since a number of this epoch where the ring still has it, else a
        snapshot (with `gap` where a number was given). One that is subscribed already starts again. `place`: the serial a
        client is at until it has taken the snapshots, -1 for one that has none yet."""
        for symbol in symbols:
            sequence = self._sequence((channel, symbol))
            last = (since or {}).get(sequence.key)
            missed = None if last is None else sequence.missed(last)
            # Not what would fill the queue: a client that comes back is not to be closed for it.
            if missed is None or sum(len(frame.data) for frame in missed) > client.room_bytes // 2:
                self._snapshot(client, sequence, gap=last is not None, place=place)
            else:
                self._replay(client, missed)
            self._add(client, sequence)

    def resume(self, client: Client, keys: Collection[Key], serial: int) -> None:
        """Begin to send these sequences after a serial of this epoch: snapshots with `gap` of those whose ring no longer
        has all, then what was missed of the others in the order it was published."""
        frames, gaps = self._missed_since(keys, serial, client.room_bytes // 2)
        for key in gaps:
            self._snapshot(client, self._sequence(key), gap=True, place=self._place(serial))
        self._replay(client, sorted(frames, key=lambda frame: frame.serial))
        for key in keys:
            self._add(client, self._sequence(key))

    def lost(self, client: Client, keys: Collection[Key], serial: int) -> list[Key]:
        """Those of which not all can be sent after a serial: `resume` would give snapshots of them at once, more than a
        queue may hold where they are many."""
        return self._missed_since(keys, serial, client.room_bytes // 4)[1]

    def _missed_since(self, keys: Collection[Key], serial: int, room: int) -> tuple[list[Frame], list[Key]]:
        frames: list[Frame] = []
        gaps: list[Key] = []
        for key in keys:
            sequence = self._sequence(key)
            missed = sequence.missed_since(serial) if self._place(serial) >= 0 else None
            size = 0 if missed is None else sum(len(frame.data) for frame in missed)
            if missed is None or size > room:
                gaps.append(key)
            else:
                room -= size
                frames += missed
        return frames, gaps

    def _place(self, serial: int) -> int:
        """A serial of this epoch, else -1."""
        return serial if 0 <= serial <= self.serial else -1

    def numbers(self, key: Key) -> bool:
        """Whether a sequence is numbered now."""
        return key in self._sequences

    def keys_of(self, channel: str) -> list[Key]:
        """Every sequence of a channel that is numbered now."""
        return [key for key in self._sequences if key[0] == channel]

    def subscribe_all(self, client: Client, channel: str) -> None:
        """Begin to send every symbol of a channel, without snapshots."""
        for key in [key for key in client.subscriptions if key[0] == channel]:
            self._drop(client, key)
        client.wildcards.add(channel)
        self._wildcards.setdefault(channel, {})[client] = None

    def unsubscribe(self, client: Client, channel: str, symbols: Iterable[str | None] | None = None) -> None:
        """Stop sending these sequences; without `symbols`, all of the channel."""
        if symbols is None:
            keys = [key for key in client.subscriptions if key[0] == channel]
            client.wildcards.discard(channel)
            self._wildcards.get(channel, {}).pop(client, None)
        else:
            keys = [(channel, symbol) for symbol in symbols]
        for key in keys:
            self._drop(client, key)

    def wake(self, client: Client) -> None:
        """Let a client's sender go on, a few hundred in a turn of the loop."""
        self._wakes.append(client)
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake_some)

    def _wake_some(self) -> None:
        for _ in range(min(WOKEN_AT_ONCE, len(self._wakes))):
            self._wakes.popleft().wake()
        self._waking = bool(self._wakes)
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)

    def _add(self, client: Client, sequence: Sequence) -> None:
        if sequence.key[0] not in client.wildcards:
            sequence.clients[client] = None
            client.subscriptions[sequence.key] = None

    def _drop(self, client: Client, key: Key) -> None:
        client.subscriptions.pop(key, None)
        sequence = self._sequences.get(key)
        if sequence is not None and client in sequence.clients:
            del sequence.clients[client]
            sequence.left_ms = self._now()

    def _sequence(self, key: Key) -> Sequence:
        sequence = self._sequences.get(key)
        if sequence is not None:
            self._sequences.move_to_end(key)
            return sequence
        if len(self._sequences) >= self._limits.sequences:
            self._forget_one()
        sequence = Sequence(key, CHANNELS[key[0]], self._first_seq, self._first_since)
        self._sequences[key] = sequence
        return sequence

    def _forget_one(self) -> None:
        """The sequence longest without a frame that nobody listens to. Should it come back, its numbers go on beyond
        where they were, and a client that comes back to it sees a gap."""
        for _ in range(len(self._sequences)):
            key, sequence = next(iter(self._sequences.items()))
            if not sequence.clients:
                del self._sequences[key]
                self._rings_bytes -= sequence.ring_bytes
                self._first_seq = max(self._first_seq, sequence.seq)
                self._first_since = self.serial
                return
            self._sequences.move_to_end(key)

    def _keep(self, sequence: Sequence, frame: Frame) -> None:
        limits, ring = self._limits, sequence.ring
        ring.append(frame)
        sequence.ring_bytes += len(frame.data)
        self._rings_bytes += len(frame.data)
        while len(ring) > 1 and (len(ring) > limits.ring_frames or sequence.ring_bytes > limits.ring_bytes):
            self._shorten(sequence)
        if self._rings_bytes > limits.rings_bytes:
            # Some more than needed, so that the next frame does not walk through all of them again.
            for other in self._sequences.values():
                while len(other.ring) > 1:
                    self._shorten(other)
                if self._rings_bytes <= limits.rings_bytes * 0.9:
                    break

    def _shorten(self, sequence: Sequence) -> None:
        frame = sequence.ring.popleft()
        sequence.ring_bytes -= len(frame.data)
        sequence.since = frame.serial
        self._rings_bytes -= len(frame.data)

    def _replay(self, client: Client, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if frame.sequence is None:
                client.put_frame(frame)
            else:
                client.put_state(frame)

    def _snapshot(self, client: Client, sequence: Sequence, *, gap: bool, place: int | None) -> None:
        data = self.state(*sequence.key)
        if data is None and sequence.channel.whole:
            data = sequence.data
        frame = self._encoded("snapshot", sequence, data, self._now(), gap=gap)
        client.put_frame(Frame(frame, (self.serial if place is None else place) + 1))

    def _encoded(self, kind: str, sequence: Sequence, data: Any, at_ms: int, *, gap: bool = False) -> bytes:
        channel, symbol = sequence.key
        frame: dict[str, Any] = {"type": kind, "channel": channel}
        if symbol is not None:
            frame["symbol"] = symbol
        frame["seq"] = sequence.seq
        frame["epoch"] = self.epoch
        frame["ts"] = rfc3339(at_ms)
        if gap:
            frame["gap"] = True
        frame["data"] = data
        return _encode(frame)
