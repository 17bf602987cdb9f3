"""A feed against a venue that means it badly, or whose clocks, topics and doors are odd."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
from feed_rig import BTC, ETH, Rig, RigSession, RigSocket, price, topic

from crypto_dt_source.gateway.feed import Missed, Stalled
from crypto_dt_source.gateway.feed_line import LONGEST_NO_DATA_S, NO_DATA_S
from crypto_dt_source.gateway.feed_pacing import ATTEMPTS, REFUSED_REST_S
from crypto_dt_source.gateway.feed_talk import TURN
from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.errors import RegionBlocked, UpstreamError, UpstreamRateLimited
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers.streaming import Event, Topic


async def test_what_nobody_asked_for_counts_for_nothing() -> None:
    rig = Rig()
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    (socket,) = rig.sockets
    socket.say(price(ETH, 1.0, 1), '{"trade": ["BTC", "USD"], "id": "1", "price": 5.0}')
    socket.say(price(ETH, 1.0, 9))
    await rig.clock.advance(0)
    assert rig.said == []
    assert rig.feed.live() == set()
    assert rig.feed.gaps == 0
    socket.say(price(BTC, 2.0, 1))
    await rig.clock.advance(0)
    assert [q.price for q in rig.of(Quote)] == [2.0]  # type: ignore[attr-defined]
    assert rig.feed.want([topic(ETH)]) == {topic(BTC)}
    socket.say(price(BTC, 3.0, 2), price(BTC, 4.0, 9))
    await rig.clock.advance(0)
    assert [q.price for q in rig.of(Quote)] == [2.0]  # type: ignore[attr-defined]
    assert rig.of(Missed) == []
    await rig.close()


async def test_only_what_was_asked_for_can_be_refused_and_what_was_left_is_bounded() -> None:
    rig = Rig()
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(*(json.dumps({"no": [[f"C{n}", "USD"]]}) for n in range(500)))
    await rig.clock.advance(0)
    assert rig.feed.refused == {}
    rig.sockets[0].say(price(BTC, 1.0, 1))
    for number in range(50):
        rig.feed.want([topic(BTC), topic(Pair(f"C{number}", "USD"))])
    await rig.clock.advance(0)
    rig.sockets[0].cut()
    await rig.clock.advance(0)
    (stalled,) = rig.of(Stalled)
    assert isinstance(stalled, Stalled)
    # BTC, the last one wanted, and as many of those before as a connection takes.
    assert len(stalled.topics) == 2 + rig.feed.stream.topics_a_connection
    await rig.close()


async def test_a_closed_feed_wants_nothing() -> None:
    rig = Rig()
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    await rig.feed.close()
    rig.feed.want([topic(BTC), topic(ETH)])
    await rig.clock.advance(1)
    assert len(rig.sockets) == 1
    assert rig.feed.status().wanted == 0


async def test_topics_that_are_known_to_be_quiet_are_waited_for_longer() -> None:
    rig = Rig()
    rig.feed.want([Topic("trades", BTC)])
    await rig.clock.advance(0)

    async def trades(every_s: int, count: int) -> None:
        for _ in range(count):
            for _ in range(every_s):
                rig.sockets[-1].say('{"beat": 1}')
                await rig.clock.advance(1)
            trade = {"trade": ["BTC", "USD"], "id": str(rig.clock.now_ms()), "price": 1.0}
            rig.sockets[-1].say(json.dumps(trade))
        await rig.clock.advance(0)

    await trades(45, 20)
    assert len(rig.of(Trade)) == 20
    assert len(rig.sockets) <= 3
    opened = len(rig.sockets)
    await trades(1, 30)
    assert rig.feed._lines[0].no_data_s == NO_DATA_S
    begun = rig.clock.monotonic()
    while len(rig.sockets) == opened:
        rig.sockets[-1].say('{"beat": 1}')
        await rig.clock.advance(1)
    assert NO_DATA_S < rig.clock.monotonic() - begun <= NO_DATA_S + 3 < LONGEST_NO_DATA_S
    await rig.close()


async def test_a_venue_that_lets_everybody_in_and_drops_them_is_not_hammered() -> None:
    rig = Rig(connections=8, topics_a_connection=1)
    connect = rig.connect

    async def dropped(url: str) -> RigSocket:
        socket = await connect(url)
        socket.cut()
        return socket

    rig.feed.connector.connect = dropped  # type: ignore[method-assign]
    rig.feed.want([topic(Pair(f"C{n}", "USD")) for n in range(8)])
    await rig.clock.advance(300)
    busiest = max(sum(1 for at in rig.attempts if start <= at < start + 60) for start in range(240))
    assert busiest <= ATTEMPTS
    assert len(rig.attempts) > 60
    await rig.close()


@pytest.mark.parametrize(
    ("error", "first_hour", "after_a_day"),
    [(RegionBlocked("not here"), 14, 38), (UpstreamRateLimited("slow down", retry_after_s=600.0), 7, 40)],
    ids=["blocked", "told when to come back"],
)
async def test_a_refused_handshake_is_tried_less_and_less(
    error: UpstreamError, first_hour: int, after_a_day: int
) -> None:
    rig = Rig()

    async def refused(url: str) -> RigSocket:
        rig.attempts.append(rig.clock.monotonic())
        raise error

    connect, rig.feed.connector.connect = rig.connect, refused  # type: ignore[method-assign]
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(3600)
    assert 5 <= len(rig.attempts) <= first_hour
    await rig.clock.advance(23 * 3600)
    assert 20 <= len(rig.attempts) <= after_a_day
    rig.feed.connector.connect = connect  # type: ignore[method-assign]
    await rig.clock.advance(REFUSED_REST_S * 1.1)
    assert len(rig.sockets) >= 1
    await rig.close()


async def test_a_frame_of_thousands_of_records_leaves_the_loop_to_others() -> None:
    class Many(RigSession):
        def read(self, frame: str | bytes, received_ms: int) -> list[Event]:
            return super().read(frame, received_ms) * (10 * TURN) if "price" in str(frame) else []

    rig = Rig(session=Many)
    rig.feed.want([topic(BTC)])
    await rig.clock.advance(0)
    rig.sockets[0].say(price(BTC, 1.0, 1), price(BTC, 1.0, 2))
    seen = [0]
    while seen[-1] < 20 * TURN:
        await asyncio.sleep(0)
        seen.append(len(rig.of(Quote)))
    assert max(after - before for before, after in pairwise(seen)) <= TURN
    await rig.close()
