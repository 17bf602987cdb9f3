"""A thousand forced drops: of channels where every frame counts none is missing or comes twice, of others the last state
is right and no number goes back; by sequence numbers as WebSocket clients do it, and by one place as event streams do."""

from __future__ import annotations

import json
import random
from collections import defaultdict

import pytest

from crypto_dt_source.stream import Client, Event, Hub, HubLimits

NOW = 1_700_000_000_000
DROPS = 1000
SYMBOLS = ("BTC", "ETH", "SOL")
KEYS = [("trades", s) for s in SYMBOLS] + [("prices", s) for s in SYMBOLS] + [("news", None)]


class Reader:
    """A client that loses its connection again and again, and what it has seen."""

    def __init__(self, hub: Hub, by_place: bool) -> None:
        self.hub = hub
        self.by_place = by_place
        self.seen: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        self.data: dict[tuple[str, str | None], object] = {}
        self.gaps = 0
        self.place: int | None = None
        self.client: Client | None = None

    def connect(self) -> None:
        self.client = self.hub.join()
        if self.by_place and self.place is not None:
            self.hub.resume(self.client, KEYS, self.place)
            return
        for channel, symbol in KEYS:
            last = self.seen[(channel, symbol)]
            since = {(channel, symbol): last[-1]} if last else None
            self.hub.subscribe(self.client, channel, [symbol], since)

    def read(self, most: int) -> None:
        assert self.client is not None
        for _ in range(most):
            frame = self.client.pop()
            if frame is None:
                return
            self.place = self.client.position
            told = json.loads(frame.data)
            key = (told["channel"], told.get("symbol"))
            self.gaps += told.get("gap", False)
            if told["type"] == "update":
                self.data[key] = told["data"]
                self.seen[key].append(told["seq"])
            elif told.get("gap") or not self.seen[key]:
                self.seen[key] = [told["seq"]]

    def drop(self) -> None:
        assert self.client is not None
        self.hub.leave(self.client)


@pytest.mark.parametrize("by_place", [False, True], ids=["numbers", "one place"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_gap_and_no_duplicate_over_a_thousand_drops(seed: int, by_place: bool) -> None:
    rng = random.Random(seed)
    hub = Hub(lambda: NOW, HubLimits(queue_bytes=10**6, ring_frames=500))
    counts: dict[tuple[str, str | None], int] = defaultdict(int)
    newest: dict[tuple[str, str | None], int] = {}

    def happen(most: int) -> None:
        for _ in range(rng.randrange(most)):
            key = rng.choice(KEYS)
            counts[key] += 1
            newest[key] = rng.randrange(10**6)
            hub.publish(Event(*key, newest[key], NOW))

    reader = Reader(hub, by_place)
    for _ in range(DROPS):
        reader.connect()
        for _ in range(rng.randrange(3)):
            happen(6)
            reader.read(rng.randrange(12))
        reader.drop()
        happen(6)
    reader.connect()
    reader.read(10**9)
    assert reader.gaps == 0
    for key in KEYS:
        numbers = reader.seen[key]
        if key[0] in ("trades", "news"):
            assert numbers == list(range(numbers[0], counts[key] + 1))
        else:
            assert numbers == sorted(numbers)
            assert numbers[-1] == counts[key]
        assert reader.data[key] == newest[key]


@pytest.mark.parametrize("by_place", [False, True], ids=["numbers", "one place"])
def test_with_short_rings_every_hole_has_its_mark(by_place: bool) -> None:
    rng = random.Random(7)
    hub = Hub(lambda: NOW, HubLimits(ring_frames=4))
    reader = Reader(hub, by_place)
    holes = 0
    for _ in range(300):
        reader.connect()
        gaps = reader.gaps
        before = {key: list(numbers) for key, numbers in reader.seen.items()}
        reader.read(10**9)
        for key in KEYS:
            old, new = before.get(key, []), reader.seen[key]
            if key[0] == "trades" and old and new[: len(old)] != old:
                holes += 1
                assert reader.gaps > gaps
            elif old:
                assert new == list(range(new[0], new[0] + len(new))) or key[0] != "trades"
        reader.drop()
        for _ in range(rng.randrange(20)):
            hub.publish(Event("trades", rng.choice(SYMBOLS), 1, NOW))
    assert holes > 20
