"""A feed: what is wanted stays subscribed, what brings nothing is not counted as live."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from feed_rig import BTC, ETH, Rig, price, topic

from crypto_dt_source.gateway.feed import REFUSED_S, Live, Missed, Stalled
from crypto_dt_source.gateway.feed_line import CUT_EARLY_S, HANDOVER_AGAIN_S, NO_DATA_S
from crypto_dt_source.gateway.feed_pacing import JITTER, LONGEST_REST_S
from crypto_dt_source.gateway.feed_talk import UNANSWERED_S, UNREADABLE
from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers.streaming import Topic

SOL = Pair("SOL", "USD")
OK = '{"ok": [["BTC", "USD"]]}'
BYE = '{"bye": "maintenance"}'


@pytest_asyncio.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.close()


async def test_what_is_wanted_is_subscribed_and_delivered(rig: Rig) -> None:
    rig.feed.want([topic(BTC), topic(ETH)])
    await rig.clock.advance(0)
    (socket,) = rig.sockets
    assert json.loads(socket.heard[0]) == {"sub": [["BTC", "USD"], ["ETH", "USD"]]}
    assert rig.feed.live() == set()
    socket.say(price(BTC, 100.0, 1))
    await rig.clock.advance(0)
    assert [q.price for q in rig.of(Quote)] == [100.0]
    assert rig.of(Live) == [Live("v", (topic(BTC), topic(ETH)))]
    assert rig.feed.live() == {topic(BTC), topic(ETH)}
    assert rig.feed.status().state == "live"


async def test_more_topics_than_a_connection_takes_open_another_up_to_the_bound(rig: Rig) -> None:
    pairs = [Pair(f"C{n}", "USD") for n in range(7)]
    rig.feed.want([topic(pair) for pair in pairs])
    await rig.clock.advance(0)
    assert [len(json.loads(s.heard[0])["sub"]) for s in rig.sockets] == [2, 2]
    assert rig.feed.status().wanted == 4


async def test_changed_wishes_change_the_subscriptions_and_an_idle_connection_ends(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(1)
    rig.feed.want([topic(ETH)])
    await rig.clock.advance(1)
    (socket,) = rig.sockets
    assert [json.loads(frame) for frame in socket.heard] == [
        {"sub": [["BTC", "USD"]]},
        {"unsub": [["BTC", "USD"]]},
        {"sub": [["ETH", "USD"]]},
    ]
    rig.feed.want([])
    await rig.clock.advance(1)
    assert socket.closed
    assert rig.feed.status().state == "idle"


async def test_frames_go_out_no_faster_than_the_venue_listens(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    (socket,) = rig.sockets
    for pair in (ETH, SOL, ETH, SOL):
        rig.feed.want([topic(BTC), topic(pair)])
    await rig.clock.advance(0.05)
    assert len(socket.heard) == 1
    await rig.clock.advance(0.3)
    assert len(socket.heard) == 4


async def test_an_hours_frames_are_not_passed() -> None:
    rig = Rig(frames_an_hour=4, silent_s=1e6)
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(1)
    for pair in (ETH, SOL, ETH, SOL):
        rig.feed.want([topic(BTC), topic(pair)])
        rig.sockets[0].say(price(BTC, 1.0, len(rig.said) + 1))
        await rig.clock.advance(5)
    assert len(rig.sockets[0].heard) == 4
    for number in range(20, 200):
        rig.sockets[0].say(price(BTC, 1.0, number))
        await rig.clock.advance(20)
    assert len(rig.sockets[0].heard) > 4
    await rig.close()


async def test_a_ping_of_the_venue_is_answered_before_what_waits(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    (socket,) = rig.sockets
    rig.feed.want([topic(BTC), topic(ETH)])
    socket.say('{"ping": 7}')
    await rig.clock.advance(0.11)
    assert json.loads(socket.heard[1]) == {"pong": 7}


async def test_a_cut_connection_is_said_at_once_and_made_again(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 100.0, 1))
    await rig.clock.advance(0)
    rig.sockets[0].cut()
    await rig.clock.advance(0)
    assert [(s.topics, s.code) for s in rig.of(Stalled)] == [((topic(BTC),), "upstream_unreachable")]  # type: ignore[attr-defined]
    assert rig.feed.live() == set()
    await rig.clock.advance(1)
    rig.sockets[1].say(price(BTC, 101.0, 1))
    await rig.clock.advance(0)
    assert len(rig.of(Live)) == 2
    assert rig.feed.status().reconnects == 1


async def test_a_venue_that_is_down_is_asked_within_five_seconds_again_and_not_hammered(rig: Rig) -> None:
    rig.down = True
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(120)
    waits = [b - a for a, b in zip(rig.attempts, rig.attempts[1:], strict=False)]
    assert max(waits) <= LONGEST_REST_S * JITTER[1] < 4.6
    assert len(rig.attempts) < 60
    assert rig.of(Stalled) == []


@pytest.mark.parametrize("beats", [False, True], ids=["silent", "only heartbeats"])
async def test_an_open_connection_without_data_is_given_up(rig: Rig, beats: bool) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 100.0, 1))
    for _ in range(int(NO_DATA_S) + 2):
        await rig.clock.advance(1)
        if beats:
            rig.sockets[0].say('{"beat": 1}')
    (stalled,) = rig.of(Stalled)[:1]
    assert isinstance(stalled, Stalled)
    assert stalled.code == "stream_silent"
    assert rig.sockets[0].closed
    assert len(rig.sockets) > 1


async def test_garbage_is_counted_and_too_much_of_it_ends_the_connection(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(*["{"] * (UNREADABLE - 1), price(BTC, 1.0, 1), *["{"] * (UNREADABLE - 1))
    await rig.clock.advance(0)
    assert not rig.sockets[0].closed
    rig.sockets[0].say("{")
    await rig.clock.advance(0)
    assert rig.sockets[0].closed
    assert rig.feed.status().unreadable == 2 * UNREADABLE - 1


async def test_gaps_are_told_and_duplicates_are_not(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 1.0, 1), price(BTC, 1.0, 1), price(BTC, 2.0, 4), price(BTC, 1.5, 3))
    await rig.clock.advance(0)
    assert rig.of(Missed) == [Missed("v", topic(BTC), 2)]
    assert [q.price for q in rig.of(Quote)] == [1.0, 2.0]


async def test_a_refused_topic_is_not_asked_for_again(rig: Rig) -> None:
    rig.feed.want([topic(BTC), topic(ETH)])
    await rig.clock.advance(0)
    rig.sockets[0].say('{"no": [["ETH", "USD"]]}')
    await rig.clock.advance(0)
    rig.feed.want([topic(BTC), topic(ETH)])
    rig.sockets[0].cut()
    await rig.clock.advance(1)
    assert json.loads(rig.sockets[1].heard[0]) == {"sub": [["BTC", "USD"]]}
    assert rig.feed.refused == {topic(ETH): "no such pair"}


async def test_before_the_venues_cut_a_successor_takes_over_without_a_gap() -> None:
    rig = Rig(lifetime_s=CUT_EARLY_S + 3600.0, silent_s=1e6)
    rig.feed.want([Topic("trades", BTC)])
    trade = '{"trade": ["BTC", "USD"], "id": "%s", "price": 5.0}'
    await rig.clock.advance(0)
    for hour in range(2):
        if len(rig.sockets) == 2:
            break
        for number in range(130):
            rig.sockets[0].say(trade % f"{hour}-{number}")
            await rig.clock.advance(27)
            if len(rig.sockets) == 2:
                break
    old, new = rig.sockets
    assert rig.clock.monotonic() <= 3600
    assert not old.closed
    old.say(trade % "a", trade % "b")
    await rig.clock.advance(0)
    new.say(trade % "b", trade % "c")
    await rig.clock.advance(0)
    assert old.closed
    assert not new.closed
    assert [t.trade_id for t in rig.of(Trade)][-3:] == ["a", "b", "c"]  # type: ignore[attr-defined]
    assert rig.of(Stalled) == []
    await rig.close()


async def test_a_venue_may_ask_for_a_new_connection(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.answers = False
    rig.sockets[0].say(price(BTC, 1.0, 1), BYE)
    await rig.clock.advance(0)
    assert len(rig.sockets) == 2
    rig.sockets[1].say(price(BTC, 1.5, 1))
    await rig.clock.advance(0)
    assert not rig.sockets[0].closed, "not every topic of the successor was confirmed"
    rig.sockets[1].say(OK, price(BTC, 2.0, 2))
    await rig.clock.advance(0)
    assert rig.sockets[0].closed
    assert [q.price for q in rig.of(Quote)] == [1.0, 1.5, 2.0]
    assert rig.of(Stalled) == []


async def test_a_successor_that_fails_leaves_the_old_connection_as_it_is(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 1.0, 1))
    rig.down = True
    rig.sockets[0].say(BYE)
    await rig.clock.advance(1)
    rig.sockets[0].say(price(BTC, 2.0, 2))
    await rig.clock.advance(1)
    assert [q.price for q in rig.of(Quote)] == [1.0, 2.0]
    assert rig.of(Stalled) == []
    assert len(rig.attempts) == 2
    rig.down = False
    for number in range(3, 9):
        rig.sockets[0].say(price(BTC, 2.0, number))
        await rig.clock.advance(HANDOVER_AGAIN_S / 6)
    assert len(rig.sockets) == 2
    rig.sockets[1].say(OK, price(BTC, 3.0, 1))
    await rig.clock.advance(0)
    assert rig.sockets[0].closed
    assert rig.of(Stalled) == []


async def test_an_old_connection_that_ends_before_its_successor_delivers_is_a_stall(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 1.0, 1), BYE)
    await rig.clock.advance(0)
    rig.sockets[0].cut()
    await rig.clock.advance(0)
    assert len(rig.of(Stalled)) == 1
    assert rig.feed.status().state == "stalled"
    rig.sockets[1].say(OK, price(BTC, 2.0, 1))
    await rig.clock.advance(0)
    assert rig.feed.status().state == "live"
    assert len(rig.sockets) == 2


async def test_closing_while_a_successor_connects_ends_both() -> None:
    rig = Rig()
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 1.0, 1), BYE)
    await rig.clock.advance(0)
    await rig.feed.close()
    assert [socket.closed for socket in rig.sockets] == [True, True]


async def test_a_connection_that_answers_no_subscription_is_left_soon(rig: Rig) -> None:
    rig.answers = False
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    await rig.clock.advance(UNANSWERED_S + 2.6)
    assert rig.sockets[0].closed
    assert len(rig.sockets) == 2
    rig.sockets[1].say(OK)
    await rig.clock.advance(UNANSWERED_S + 2.6)
    assert not rig.sockets[1].closed, "what is confirmed may be quiet"


async def test_a_stall_names_what_was_dropped_too(rig: Rig) -> None:
    rig.feed.want([topic(BTC), topic(ETH)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 1.0, 1), price(ETH, 1.0, 1))
    await rig.clock.advance(0)
    rig.feed.want([topic(BTC)])
    rig.sockets[0].cut()
    await rig.clock.advance(0)
    (stalled,) = rig.of(Stalled)
    assert isinstance(stalled, Stalled)
    assert stalled.topics == (topic(BTC), topic(ETH))


async def test_all_connections_of_a_venue_share_its_pace(rig: Rig) -> None:
    rig.down = True
    rig.feed.want([topic(Pair(f"C{n}", "USD")) for n in range(4)])
    await rig.clock.advance(600)
    assert len(rig.feed._lines) == 2
    busiest = max(sum(1 for at in rig.attempts if start <= at < start + 60) for start in range(60, 540))
    assert 12 <= busiest <= 20
    assert 120 <= len(rig.attempts) <= 150


async def test_a_dead_socket_is_not_waited_for(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 1.0, 1))
    await rig.clock.advance(0)
    rig.sockets[0].lingers = True
    rig.sockets[0].cut()
    await rig.clock.advance(0)
    assert len(rig.of(Stalled)) == 1
    await rig.clock.advance(1)
    assert len(rig.sockets) == 2
    rig.sockets[0].gone.set()


async def test_a_refusal_is_not_for_ever(rig: Rig) -> None:
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say('{"no": [["BTC", "USD"]]}')
    await rig.clock.advance(0)
    rig.feed.want([topic(BTC)])
    assert rig.feed.status().wanted == 0
    await rig.clock.advance(REFUSED_S + 1)
    rig.feed.want([topic(BTC)])
    assert rig.feed.status().wanted == 1


async def test_closing_ends_every_task_and_connection() -> None:
    rig = Rig()
    rig.feed.want([topic(BTC), topic(ETH), topic(SOL)])
    await rig.clock.advance(0)
    await rig.feed.close()
    assert all(socket.closed for socket in rig.sockets)
