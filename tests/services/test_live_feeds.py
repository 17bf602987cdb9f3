"""What is asked of the streams while listeners and entries come and go, tasks crash, and a venue tells where to connect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import AddressRefused
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.providers.streaming import Topic
from crypto_dt_source.services import live_feeds
from crypto_dt_source.services.endless import REST_S
from crypto_dt_source.services.live import LiveMarket
from crypto_dt_source.services.live_feeds import LiveFeeds
from crypto_dt_source.services.runtime import Runtime
from sim_connector import SimConnector

Going = tuple[Runtime, LiveFeeds, ManualClock]


@pytest_asyncio.fixture
async def going(tmp_path: Path) -> AsyncIterator[Going]:
    """The streams of Kraken and KuCoin, started."""
    async with harness.running(tmp_path) as (rt, sim, clock):
        live = LiveMarket(rt.board, rt.pricer, rt.resolver, rt.bus, clock, rt.hub.listened)
        for provider in [p for p, s in rt.gateway.sources.items() if s.entry.stream]:
            if provider not in ("kraken", "kucoin"):
                rt.gateway.remove(provider)
        urls = {"kraken": "ws://sim/kraken"}
        feeds = LiveFeeds(rt, live, rt.hub, SimConnector(sim), top=2, urls=urls)
        feeds.start()
        yield rt, feeds, clock
        await feeds.stop()


def wanted(feeds: LiveFeeds, provider: str = "kraken") -> set[Topic]:
    return {topic for line in feeds.feeds[provider]._lines for topic in line.wanted}


async def test_trades_linger_as_their_prices_do(going: Going, monkeypatch: pytest.MonkeyPatch) -> None:
    rt, feeds, clock = going
    listened: dict[str, set[str]] = {}
    monkeypatch.setattr(live_feeds, "LINGER_S", 4.0)
    monkeypatch.setattr(rt.hub, "wanted", lambda channel: listened.get(channel, set()))
    await harness.drive(clock, clock.sleep(3))
    dot = Topic("trades", Pair("DOT", "USD"))
    assert dot not in wanted(feeds)
    for _ in range(3):
        listened["candles"] = {"DOT"}
        await harness.drive(clock, clock.sleep(1.5))
        assert dot in wanted(feeds)
        listened.clear()
        await harness.drive(clock, clock.sleep(1.5))
        assert dot in wanted(feeds)
    await harness.drive(clock, clock.sleep(6))
    assert not {topic for topic in wanted(feeds) if topic.pair.base == "DOT"}


async def test_a_feed_comes_back_with_its_entry(going: Going) -> None:
    rt, feeds, clock = going
    await harness.drive(clock, clock.sleep(2))
    entry = rt.gateway.sources["kraken"].entry
    first = feeds.feeds["kraken"]
    rt.gateway.remove("kraken")
    await harness.drive(clock, feeds.drop("kraken"))
    await harness.drive(clock, clock.sleep(2))
    assert "kraken" not in feeds.feeds
    rt.gateway.add(entry)
    await harness.drive(clock, clock.sleep(2))
    assert feeds.feeds["kraken"] is not first
    assert wanted(feeds)
    assert first.status().wanted == 0


async def test_publishing_goes_on_after_a_bug(
    going: Going, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, clock = going
    await harness.drive(clock, clock.sleep(3))
    published: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(LiveMarket, "publish", lambda *_: 1 // 0)
        await harness.drive(clock, clock.sleep(1))
    monkeypatch.setattr(LiveMarket, "publish", lambda _, asset: published.append(asset))
    await harness.drive(clock, clock.sleep(REST_S + 2))
    assert published
    assert "the live market crashed" in capsys.readouterr().err


async def test_a_token_is_not_followed_to_another_site(going: Going) -> None:
    rt, feeds, clock = going
    opening = feeds.feeds["kucoin"].opening
    transport: Any = rt.gateway.sources["kucoin"].transport

    def bent(provider: str, request: Request, reply: Reply) -> Reply:
        if "bullet" not in request.target():
            return reply
        told = b"wss://" + (b"169.254.169.254" if bad else b"ws-api-spot.kucoin.com") + b"/"
        body = b'{"code":"200000","data":{"token":"t","instanceServers":[{"endpoint":"%s"}]}}' % told
        return Reply(provider, 200, body, reply.received_ms, reply.headers)

    transport.bend = bent
    bad = True
    with pytest.raises(AddressRefused):
        await harness.drive(clock, opening())
    bad = False
    assert (await harness.drive(clock, opening())).url == "wss://ws-api-spot.kucoin.com/?token=t"
    bad = True
    assert (await harness.drive(clock, opening())).url == "wss://ws-api-spot.kucoin.com/?token=t"
