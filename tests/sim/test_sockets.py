"""The simulator's sockets over ASGI: every venue with a stream, spoken to as the feed does, and every fault of a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.errors import PayloadChanged, UpstreamUnreachable
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.streaming import Alive, Answer, Event, Gap, Session, Subscribed, Topic
from crypto_dt_source.sim.app import SimApp, create_app
from crypto_dt_source.sim.faults import STREAM
from crypto_dt_source.sim.sockets import GARBAGE
from sim_connector import SimConnector, SimSocket

START_MS = 1_789_983_437_000
ENTRIES = catalog.load()
STREAMED = sorted(entry.id for entry in ENTRIES.values() if entry.stream)


class Caller:
    """A client of one venue's socket in the simulator, with the venue's own Session and pace. Frames that cannot be read
    are counted."""

    def __init__(self, app: SimApp, clock: ManualClock, provider: str) -> None:
        self.app, self.clock, self.provider = app, clock, provider
        self.stream = catalog.stream(ENTRIES[provider].stream)
        quotes = ENTRIES[provider].quotes_in
        view = app.market.view(provider)
        self.pair = next(pair for quote in quotes if view.lists(pair := Pair("BTC", quote)))
        self.topics = [Topic("ticker", self.pair), Topic("trades", self.pair)]
        self.session: Session = self.stream.session(provider)
        self.socket: SimSocket | None = None
        self.raw: list[str | bytes] = []
        self.unreadable = 0
        self.closed: str | None = None

    async def open(self) -> None:
        self.socket = await SimConnector(self.app).connect(f"ws://sim/{self.provider}")

    async def tell(self, frames: list[str]) -> None:
        assert self.socket is not None
        for frame in frames:
            stamped = self.stream.stamp(frame, self.clock.now_ms()) if self.stream.stamp else frame
            await self.socket.send(stamped)

    async def hear(self, seconds: float) -> list[Event]:
        """What comes in so much time."""
        assert self.socket is not None
        events: list[Event] = []
        for _ in range(round(seconds / 0.1)):
            await self.clock.advance(0.1)
            while not self.closed and self.socket._to_feed.qsize():
                try:
                    self.raw.append(await self.socket.receive())
                    found = self.session.read(self.raw[-1], self.clock.now_ms())
                except UpstreamUnreachable as error:
                    self.closed = error.message
                    break
                except PayloadChanged:
                    self.unreadable += 1
                    continue
                await self.tell([event.frame for event in found if isinstance(event, Answer)])
                events += found
        return events

    async def subscribed(self, *, lead_s: float = 2.0) -> list[Event]:
        await self.open()
        await self.tell(self.session.subscribe(self.topics))
        return await self.hear(lead_s)


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[tuple[SimApp, ManualClock]]:
    clock = ManualClock(START_MS)
    yield create_app(7, clock), clock


async def calling(sim: tuple[SimApp, ManualClock], provider: str) -> tuple[Caller, list[Event]]:
    caller = Caller(*sim, provider)
    return caller, await caller.subscribed()


async def over(caller: Caller) -> None:
    assert caller.socket is not None
    await caller.socket.close()
    assert caller.app.sockets.open == {caller.provider: 0}


def test_every_venue_of_the_issue_is_streamed() -> None:
    named = "binance bitfinex bitstamp bybit coinbase_exchange crypto_com gate htx kraken kucoin okx"
    assert named.split() == STREAMED


@pytest.mark.parametrize("provider", STREAMED)
async def test_a_venue_confirms_and_delivers_quotes_and_trades(
    sim: tuple[SimApp, ManualClock], provider: str
) -> None:
    caller, events = await calling(sim, provider)
    events += await caller.hear(4)
    assert {topic for event in of(Subscribed, events) for topic in event.topics} == set(caller.topics)
    quotes, trades = of(Quote, events), of(Trade, events)
    assert len(quotes) >= 3
    assert len(trades) >= 1
    true = caller.app.market.view(provider).price(caller.pair, caller.clock.now_ms())
    for record in (*quotes, *trades):
        assert violation(record, caller.clock.now_ms()) is None
        assert (record.provider, record.base, record.quote) == (provider, *caller.pair)
        assert record.price == pytest.approx(true, rel=0.02)
    assert caller.unreadable == 0
    assert of(Gap, events) == []
    await over(caller)


@pytest.mark.parametrize("provider", STREAMED)
async def test_what_is_ended_comes_no_more_and_the_connection_stays_alive(
    sim: tuple[SimApp, ManualClock], provider: str
) -> None:
    caller, _ = await calling(sim, provider)
    await caller.tell(caller.session.unsubscribe(caller.topics))
    await caller.hear(0.5)
    assert of(Quote, await caller.hear(3)) == []
    ping = caller.session.ping()
    if ping is not None:
        await caller.tell([ping])
        assert of(Alive, await caller.hear(0.5)) != []
    assert caller.closed is None
    await over(caller)


@pytest.mark.parametrize("provider", ["kraken", "htx"])
async def test_a_silent_socket_says_nothing_and_goes_on_afterwards(
    sim: tuple[SimApp, ManualClock], provider: str
) -> None:
    caller, _ = await calling(sim, provider)
    caller.app.faults.add(provider, "ws_silent", for_s=20)
    heard = len(caller.raw)
    assert await caller.hear(19) == []
    assert len(caller.raw) == heard
    assert of(Quote, await caller.hear(3)) != []
    await over(caller)


async def test_a_refused_handshake_has_the_status_that_was_asked_for(
    sim: tuple[SimApp, ManualClock],
) -> None:
    app, _ = sim
    app.faults.add("bybit", "ws_refuse", params={"status": 451})
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/bybit", "query_string": b"", "headers": []}
    await app({**scope, "extensions": {"websocket.http.response": {}}}, receive, send)
    assert [message.get("status") for message in said] == [451, None]


async def test_a_half_open_connection_is_lost_for_good_and_another_works(
    sim: tuple[SimApp, ManualClock],
) -> None:
    caller, _ = await calling(sim, "kraken")
    caller.app.faults.add("kraken", "ws_half_open")
    assert await caller.hear(5) == []
    caller.app.faults.clear()
    await caller.tell(['{"method": "ping"}'])
    assert await caller.hear(5) == []
    lost, caller.socket = caller.socket, None
    caller.app.faults.add("kraken", "ws_half_open")
    await caller.clock.advance(1)
    assert of(Quote, await caller.subscribed(lead_s=4)) != []
    assert lost is not None
    await lost.close()
    await over(caller)


async def test_a_stuck_socket_sends_heartbeats_alone(sim: tuple[SimApp, ManualClock]) -> None:
    caller, _ = await calling(sim, "kraken")
    caller.app.faults.add("kraken", "ws_stuck")
    events = await caller.hear(10)
    assert {type(event) for event in events} == {Alive}
    await over(caller)


async def test_a_gap_is_a_number_left_out_and_is_counted(sim: tuple[SimApp, ManualClock]) -> None:
    caller, _ = await calling(sim, "kraken")
    assert caller.app.sockets.jumps == {}
    caller.app.faults.add("kraken", "ws_gap", for_s=3)
    events = await caller.hear(6)
    (gap,) = of(Gap, events)
    assert gap.topic == caller.topics[1]
    assert gap.missing in (2, 3)
    assert caller.app.sockets.jumps["kraken", gap.topic] == 1
    await over(caller)


@pytest.mark.parametrize("provider", STREAMED)
async def test_duplicates_are_sent_and_read_once(sim: tuple[SimApp, ManualClock], provider: str) -> None:
    caller, _ = await calling(sim, provider)
    caller.app.faults.add(provider, "ws_duplicate")
    heard = len(caller.raw)
    events = await caller.hear(6)
    sent = caller.raw[heard:]
    frames = len(set(sent))
    assert len(sent) > frames
    assert 3 <= len(of(Trade, events)) <= frames
    assert 3 <= len(of(Quote, events)) <= frames
    await over(caller)


async def test_reordered_records_come_later_and_show_as_a_gap(sim: tuple[SimApp, ManualClock]) -> None:
    caller = Caller(*sim, "kraken")
    caller.topics = caller.topics[1:]
    await caller.subscribed()
    caller.app.faults.add("kraken", "ws_reorder", p=0.5)
    events = await caller.hear(20)
    numbers = [int(trade.trade_id) for trade in of(Trade, events)]
    assert numbers == sorted(numbers)
    assert len(of(Gap, events)) == caller.app.sockets.jumps["kraken", caller.topics[0]] > 0
    await over(caller)


async def test_garbage_is_no_frame_of_any_venue(sim: tuple[SimApp, ManualClock]) -> None:
    caller, _ = await calling(sim, "okx")
    caller.app.faults.add("okx", "ws_garbage", for_s=3)
    await caller.hear(5)
    assert caller.unreadable == caller.raw.count(GARBAGE) >= 3
    await over(caller)


async def test_a_slow_socket_is_late_by_so_much(sim: tuple[SimApp, ManualClock]) -> None:
    caller, _ = await calling(sim, "binance")
    caller.app.faults.add("binance", "ws_slow", params={"ms": 4000})
    quotes = of(Quote, await caller.hear(12))
    assert quotes
    assert all(quote.received_ms - quote.event_ms >= 3900 for quote in quotes[1:])
    await over(caller)


@pytest.mark.parametrize(("code", "told"), [(1006, "1001"), (1012, "1012"), (4000, "4000")])
async def test_a_socket_is_closed_with_a_code(sim: tuple[SimApp, ManualClock], code: int, told: str) -> None:
    caller, _ = await calling(sim, "gate")
    caller.app.faults.add("gate", "ws_close", params={"code": code})
    await caller.hear(1)
    assert caller.closed is not None
    assert told in caller.closed
    await over(caller)


@pytest.mark.parametrize("fault", ["ws_refuse", "hang", "reset", "5xx"])
async def test_no_handshake_succeeds_while_a_venue_refuses_or_its_host_is_down(
    sim: tuple[SimApp, ManualClock], fault: str
) -> None:
    app, clock = sim
    app.faults.add("bybit", fault, for_s=10)
    with pytest.raises(UpstreamUnreachable):
        await Caller(app, clock, "bybit").open()
    await clock.advance(10)
    caller, events = await calling(sim, "bybit")
    assert of(Quote, events)
    await over(caller)


@pytest.mark.parametrize(("fault", "cut"), [("hang", False), ("reset", True), ("5xx", True)])
async def test_a_host_that_goes_down_silences_or_cuts_what_is_open(
    sim: tuple[SimApp, ManualClock], fault: str, cut: bool
) -> None:
    caller, _ = await calling(sim, "bitstamp")
    caller.app.faults.add("bitstamp", fault)
    assert await caller.hear(3) == []
    assert (caller.closed is not None) == cut
    await over(caller)


@pytest.mark.parametrize(
    ("fault", "params", "factor"),
    [("power_of_ten", {"k": 2}, 100.0), ("inverted", {}, None), ("frozen", {}, 1.0)],
)
async def test_price_faults_reach_the_socket(
    sim: tuple[SimApp, ManualClock], fault: str, params: dict[str, Any], factor: float | None
) -> None:
    caller, events = await calling(sim, "okx")
    before = of(Quote, events)[-1].price
    caller.app.faults.add("okx", fault, params=params)
    prices = [quote.price for quote in of(Quote, await caller.hear(5))][1:]
    wanted = 1 / before if factor is None else before * factor
    assert prices == [pytest.approx(wanted, rel=0.01)] * len(prices)
    assert len(prices) >= 3
    if fault == "frozen":
        assert len(set(prices)) == 1
    await over(caller)


async def test_a_pair_that_is_hidden_comes_no_more(sim: tuple[SimApp, ManualClock]) -> None:
    caller, _ = await calling(sim, "okx")
    caller.app.faults.add("okx", "missing_symbols", params={"symbols": ["BTC"]})
    await caller.hear(0.5)
    assert of(Quote, await caller.hear(4)) == []
    await over(caller)


async def test_a_path_of_no_stream_is_refused(sim: tuple[SimApp, ManualClock]) -> None:
    for path in ("nobody", "coingecko", ""):
        with pytest.raises(UpstreamUnreachable):
            await SimConnector(sim[0]).connect(f"ws://sim/{path}")


def test_every_fault_of_a_socket_is_told_here() -> None:
    """A kind that is added wants a test."""
    assert set(STREAM) == {
        "ws_refuse", "ws_silent", "ws_half_open", "ws_stuck", "ws_gap", "ws_duplicate", "ws_reorder", "ws_garbage", "ws_slow", "ws_close",
    }  # fmt: skip
