"""Fan-out: sequences, queues, rings, conflation."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from crypto_dt_source.stream import Client, Event, Hub, HubLimits

NOW = 1_700_000_000_000


def hub(**limits: int) -> Hub:
    return Hub(lambda: NOW, HubLimits(**limits))


def taken(client: Client) -> list[dict[str, Any]]:
    """Everything that waits."""
    found = []
    while (frame := client.pop()) is not None:
        found.append(json.loads(frame.data))
    return found


def publish(made: Hub, channel: str, symbol: str | None, *values: Any) -> None:
    for value in values:
        made.publish(Event(channel, symbol, value, NOW))


def test_a_frame_is_encoded_once_for_all() -> None:
    made = hub()
    clients = [made.join() for _ in range(3)]
    for client in clients:
        made.subscribe(client, "prices", ["BTC"])
        taken(client)
    publish(made, "prices", "BTC", {"price": 1})
    frames = [client.pop() for client in clients]
    assert frames[0] is not None
    assert frames[0] is frames[1] is frames[2]
    assert json.loads(frames[0].data) == {
        "type": "update", "channel": "prices", "symbol": "BTC", "seq": 1, "epoch": made.epoch,
        "ts": "2023-11-14T22:13:20Z", "data": {"price": 1},
    }  # fmt: skip


def test_numbers_rise_by_one_in_each_sequence() -> None:
    made = hub()
    client = made.join()
    made.subscribe(client, "trades", ["BTC", "ETH"])
    publish(made, "trades", "BTC", 1, 2)
    publish(made, "trades", "ETH", 3)
    publish(made, "trades", "BTC", 4)
    numbers = [(f["symbol"], f["seq"]) for f in taken(client) if f["type"] == "update"]
    assert numbers == [("BTC", 1), ("BTC", 2), ("ETH", 1), ("BTC", 3)]


def test_who_is_behind_gets_the_newest_state_in_the_old_place() -> None:
    made = hub()
    client = made.join()
    made.subscribe(client, "prices", ["BTC", "ETH"])
    taken(client)
    publish(made, "prices", "BTC", 1)
    publish(made, "prices", "ETH", 2)
    publish(made, "prices", "BTC", 3, 4)
    assert [(f["symbol"], f["seq"], f["data"]) for f in taken(client)] == [("BTC", 3, 4), ("ETH", 1, 2)]
    assert client.conflated == 2


def test_who_is_too_slow_for_frames_that_count_is_given_up() -> None:
    made = hub(queue_bytes=2000)
    slow, quick = made.join(), made.join()
    for client in (slow, quick):
        made.subscribe(client, "trades", ["BTC"])
    for _ in range(20):
        publish(made, "trades", "BTC", "x" * 100)
        taken(quick)
    assert slow.too_slow
    assert slow.closed
    assert slow.waiting_bytes == 0
    assert not quick.closed


def test_a_queue_of_states_does_not_grow() -> None:
    made = hub(queue_bytes=2000)
    client = made.join()
    made.subscribe(client, "prices", ["BTC"])
    for _ in range(1000):
        publish(made, "prices", "BTC", "x" * 500)
    assert not client.closed
    assert client.waiting_frames == 2
    assert client.waiting_bytes < 2000


def test_a_snapshot_is_what_services_know_and_else_what_was_published_last() -> None:
    made = hub()
    made.state = lambda channel, symbol: {"of": symbol} if symbol == "ETH" else None
    publish(made, "prices", "BTC", 5)
    publish(made, "news", None, "told")
    client = made.join()
    made.subscribe(client, "prices", ["BTC", "ETH", "SOL"])
    made.subscribe(client, "news", [None])
    assert [(f["seq"], f["data"]) for f in taken(client)] == [
        (1, 5),
        (0, {"of": "ETH"}),
        (0, None),
        (1, None),
    ]


@pytest.mark.parametrize(("since", "expected"), [(0, [1, 2, 3]), (1, [2, 3]), (3, [])])
def test_what_was_missed_is_replayed(since: int, expected: list[int]) -> None:
    made = hub()
    publish(made, "trades", "BTC", 1, 2, 3)
    client = made.join()
    made.subscribe(client, "trades", ["BTC"], {("trades", "BTC"): since})
    assert [(f["type"], f["seq"]) for f in taken(client)] == [("update", seq) for seq in expected]


@pytest.mark.parametrize("since", [1, 4, 2**53 + 1])
def test_what_the_ring_no_longer_has_is_a_gap(since: int) -> None:
    made = hub(ring_frames=1)
    publish(made, "trades", "BTC", 1, 2, 3)
    client = made.join()
    made.subscribe(client, "trades", ["BTC"], {("trades", "BTC"): since})
    (snapshot,) = taken(client)
    assert (snapshot["type"], snapshot["gap"], snapshot["seq"]) == ("snapshot", True, 3)


def test_of_states_only_the_newest_is_replayed() -> None:
    made = hub()
    publish(made, "prices", "BTC", 1, 2, 3)
    client = made.join()
    made.subscribe(client, "prices", ["BTC"], {("prices", "BTC"): 1})
    assert [(f["type"], f["seq"], f["data"]) for f in taken(client)] == [("update", 3, 3)]


def test_coming_back_never_fills_the_queue() -> None:
    made = hub(queue_bytes=4000)
    publish(made, "trades", "BTC", *("x" * 300 for _ in range(10)))
    client = made.join()
    made.subscribe(client, "trades", ["BTC"], {("trades", "BTC"): 0})
    assert not client.closed
    assert taken(client)[0]["gap"] is True


def test_rings_are_bounded_one_by_one_and_together() -> None:
    made = hub(ring_bytes=1000, rings_bytes=5000)
    for number in range(40):
        publish(made, "trades", f"S{number}", *("x" * 100 for _ in range(20)))
    rings = [sequence.ring for sequence in made._sequences.values()]
    assert all(sum(len(f.data) for f in ring) <= 1000 for ring in rings)
    assert sum(len(f.data) for ring in rings for f in ring) == made._rings_bytes
    # The newest frame of each stays whatever the bound.
    assert made._rings_bytes <= max(5000, sum(len(ring[-1].data) for ring in rings)) + 1000


def test_a_forgotten_sequence_never_goes_back() -> None:
    made = hub(sequences=2)
    publish(made, "trades", "A", 1, 2, 3)
    publish(made, "trades", "B", 1)
    publish(made, "trades", "C", 1)
    assert ("trades", "A") not in made._sequences
    client = made.join()
    made.subscribe(client, "trades", ["A"], {("trades", "A"): 3})
    publish(made, "trades", "A", 4)
    assert [(f["type"], f["seq"]) for f in taken(client)] == [("update", 4)]
    publish(made, "trades", "D", 1)
    publish(made, "trades", "E", 1)
    late = made.join()
    made.subscribe(late, "trades", ["B"], {("trades", "B"): 1})
    assert taken(late)[0]["gap"] is True


def test_what_somebody_listens_to_is_never_forgotten() -> None:
    made = hub(sequences=2)
    client = made.join()
    made.subscribe(client, "trades", ["A"])
    for symbol in "BCDEF":
        publish(made, "trades", symbol, 1)
    taken(client)
    publish(made, "trades", "A", 1)
    assert [f["symbol"] for f in taken(client)] == ["A"]


def test_what_was_left_out_while_nobody_listened_is_a_gap() -> None:
    now = NOW
    made = Hub(lambda: now)
    client = made.join()
    made.subscribe(client, "trades", ["BTC"])
    publish(made, "trades", "BTC", 1)
    made.leave(client)
    assert made.listened("trades", "BTC")
    now += 61_000
    assert not made.listened("trades", "BTC")
    assert not made.listened("trades", "BTC")
    again = made.join()
    made.subscribe(again, "trades", ["BTC"], {("trades", "BTC"): 1})
    assert taken(again)[0]["gap"] is True
    by_place = made.join()
    made.resume(by_place, [("trades", "BTC")], 1)
    assert taken(by_place)[0]["gap"] is True


def test_every_symbol_and_single_ones() -> None:
    made = hub()
    client = made.join()
    made.subscribe(client, "trades", ["BTC"])
    made.subscribe_all(client, "trades")
    taken(client)
    publish(made, "trades", "BTC", 1)
    publish(made, "trades", "ETH", 2)
    assert [f["data"] for f in taken(client)] == [1, 2]
    made.unsubscribe(client, "trades")
    publish(made, "trades", "BTC", 3)
    assert taken(client) == []
    assert made.wanted("trades") == set()


def test_who_leaves_is_forgotten_whole() -> None:
    made = hub()
    client = made.join()
    made.subscribe(client, "trades", ["BTC"])
    made.subscribe_all(client, "news")
    made.leave(client)
    publish(made, "trades", "BTC", 1)
    publish(made, "news", None, 1)
    assert made.delivered == 0
    assert not made.clients
    assert not any(sequence.clients for sequence in made._sequences.values())


async def test_a_sender_is_woken_and_told_of_the_end() -> None:
    made = hub()
    client = made.join()
    made.subscribe(client, "trades", ["BTC"])
    await client.batch()
    waiting = asyncio.create_task(client.batch())
    await asyncio.sleep(0)
    publish(made, "trades", "BTC", 1, 2)
    assert len(await waiting) == 2
    waiting = asyncio.create_task(client.batch())
    await asyncio.sleep(0)
    client.close(b"last words")
    assert [frame.data for frame in await waiting] == [b"last words"]
    assert await client.batch() == []


async def test_many_are_woken_in_turns() -> None:
    made = hub()
    woken: list[int] = []
    for number in range(600):
        client = made.join()
        made.subscribe(client, "trades", ["BTC"])
        taken(client)
        client.on_ready = lambda number=number: woken.append(number)  # type: ignore[misc]
        client.rest()
    publish(made, "trades", "BTC", 1, 2)
    await asyncio.sleep(0)
    assert len(woken) == 256
    for _ in range(3):
        await asyncio.sleep(0)
    assert woken == list(range(600))
