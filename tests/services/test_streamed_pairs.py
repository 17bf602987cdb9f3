"""Which pair of an asset is streamed at a venue: the one that counts there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

import harness
from crypto_dt_source.gateway.sockets import Socket
from crypto_dt_source.model.errors import UpstreamUnreachable
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.services.live_feeds import CLEARLY, LiveFeeds
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.settings import Settings
from crypto_dt_source.wiring_live import live_of

USD, USDT, BTC = (Pair("ETH", quote) for quote in ("USD", "USDT", "BTC"))


class Nowhere:
    """A network without venues."""

    async def connect(self, url: str) -> Socket:
        raise UpstreamUnreachable("nobody there")

    async def close(self) -> None:
        return None


@pytest_asyncio.fixture
async def feeds(tmp_path: Path) -> AsyncIterator[LiveFeeds]:
    async with harness.running(tmp_path) as (rt, _, _):
        made = live_of(Settings(_env_file=None, data_dir=tmp_path), rt, {}, Nowhere())  # type: ignore[call-arg]
        yield made
        await made.stop()


def quoted(rt: Runtime, **volumes: float) -> None:
    now = rt.clock.now_ms()
    quotes = [
        Quote("kraken", f"ETH{q}", "ETH", q, 3000.0, None, None, None, v, None, None, None, now, now)
        for q, v in volumes.items()
    ]
    rt.board.update("kraken", quotes)


def chosen(feeds: LiveFeeds, *listed: Pair) -> Pair | None:
    asset = feeds._rt.resolver.resolve("ETH").asset
    return feeds._pair("kraken", asset, set(listed))


async def test_before_anything_was_polled_it_is_the_usual_currency(feeds: LiveFeeds) -> None:
    usual = feeds._rt.entries["kraken"].quotes_in[0]
    assert chosen(feeds, Pair("ETH", usual), BTC) == Pair("ETH", usual)
    assert chosen(feeds, Pair("SOL", usual)) is None


async def test_the_most_liquid_against_money_counts(feeds: LiveFeeds) -> None:
    quoted(feeds._rt, USD=10.0, USDT=500.0, BTC=9000.0)
    assert chosen(feeds, USD, USDT, BTC) == USDT
    assert chosen(feeds, USD, BTC) == USD


async def test_a_choice_stays_until_another_is_clearly_more_liquid(feeds: LiveFeeds) -> None:
    quoted(feeds._rt, USD=100.0, USDT=90.0)
    assert chosen(feeds, USD, USDT) == USD
    quoted(feeds._rt, USD=100.0, USDT=100.0 * CLEARLY)
    assert chosen(feeds, USD, USDT) == USD
    quoted(feeds._rt, USD=100.0, USDT=101.0 * CLEARLY)
    assert chosen(feeds, USD, USDT) == USDT
