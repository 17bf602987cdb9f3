"""The board and the prices read off it: what is remembered, for how long, and what is never guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.asset import AssetListing
from crypto_dt_source.model.quote import Quote
from crypto_dt_source.pricing.rates import Rate
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.resolver import Resolver
from crypto_dt_source.services import prices as prices_module
from crypto_dt_source.services.board import FORGET_MS, Board
from crypto_dt_source.services.prices import MEMO_LIMIT, PricePoint, Pricer

VENUES = ("coinbase_exchange", "kraken", "bitstamp", "crypto_com", "gemini")


class Desk:
    """A board and a pricer on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.resolver = Resolver()
        self.board = Board(catalog.load(), self.resolver)
        self.pricer = Pricer(self.board, self.resolver, self.clock)

    def quote(self, provider: str, price: float, base: str = "BTC", quote: str = "USD", **more: Any) -> Quote:
        fields: dict[str, Any] = {
            "symbol": f"{base}{quote}",
            "bid": None,
            "ask": None,
            "base_volume": None,
            "quote_volume": 1000.0,
            "change_pct": 1.0,
            "high": None,
            "low": None,
            "event_ms": None,
            "received_ms": self.clock.now_ms(),
            **more,
        }
        return Quote(provider=provider, base=base, quote=quote, price=price, **fields)

    def hear(self, provider: str, price: float, base: str = "BTC", quote: str = "USD", **more: Any) -> None:
        self.board.update(provider, [self.quote(provider, price, base, quote, **more)])

    def all_say(self, price: float, base: str = "BTC", quote: str = "USD", **more: Any) -> None:
        for provider in VENUES:
            self.hear(provider, price, base, quote, **more)

    def point(self, asset: str = "bitcoin", vs: str = "USD") -> PricePoint:
        found = self.pricer.point(asset, vs)
        assert found is not None
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_price_is_recomputed_at_most_once_a_second(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    real = prices_module.consensus

    def counting(asset: str, *args: Any, **more: Any) -> Any:
        counted.append(asset)
        return real(asset, *args, **more)

    monkeypatch.setattr(prices_module, "consensus", counting)
    desk.all_say(100.0)
    assert desk.point().price == 100
    for _ in range(100):
        desk.all_say(101.0)
        assert desk.point().price == 100
    assert counted.count("bitcoin") == 1
    await desk.clock.advance(1)
    assert desk.point().price == 101
    await desk.clock.advance(4)  # nothing new came
    desk.point()
    assert counted.count("bitcoin") == 2
    await desk.clock.advance(2)  # ages have changed
    desk.point()
    assert counted.count("bitcoin") == 3


def test_who_bounds_how_often_it_asks_has_every_quote_that_came(desk: Desk) -> None:
    desk.all_say(100.0)
    assert desk.point().price == 100  # somebody asked a moment before
    desk.all_say(101.0)
    newest = desk.pricer.newest("bitcoin")
    assert newest is not None
    assert newest.price == 101
    assert desk.point().price == 101


def test_an_asset_without_a_price_has_one_as_soon_as_a_quote_comes(desk: Desk) -> None:
    assert desk.pricer.point("bitcoin") is None
    desk.hear("kraken", 100.0)
    assert desk.point().status == "single_source"


async def test_when_every_quote_is_stale_the_last_price_is_served_marked(desk: Desk) -> None:
    desk.all_say(100.0)
    seen = desk.point()
    assert not seen.stale
    await desk.clock.advance(301)
    stale = desk.point()
    assert (stale.price, stale.stale, stale.as_of_ms) == (100.0, True, seen.as_of_ms)
    desk.all_say(102.0)
    await desk.clock.advance(1)
    assert (desk.point().price, desk.point().stale) == (102.0, False)


async def test_a_price_beyond_the_hard_age_is_not_served(desk: Desk) -> None:
    desk.pricer.max_stale_s = 3600
    desk.all_say(100.0)
    desk.point()
    await desk.clock.advance(3601)
    assert desk.pricer.point("bitcoin") is None


async def test_an_aggregator_that_updates_every_ten_minutes_counts_while_fresh(desk: Desk) -> None:
    desk.board.update("coingecko", [desk.quote("coingecko", 100.0, symbol="bitcoin")])
    assert desk.point().status == "single_source"
    await desk.clock.advance(299)
    assert not desk.point().stale
    await desk.clock.advance(30)
    assert desk.point().stale


async def test_no_consensus_stays_no_consensus(desk: Desk) -> None:
    desk.all_say(100.0)
    assert desk.point().status == "ok"
    await desk.clock.advance(2)
    for index, provider in enumerate(VENUES):
        desk.hear(provider, 100.0 * 1.5**index)
    split = desk.point()
    assert (split.status, split.price, split.sources, split.stale) == ("no_consensus", None, 0, False)
    await desk.clock.advance(100)
    assert desk.point().price is None


def test_two_hosts_of_a_venue_report_one_volume_and_two_pairs_add_up(desk: Desk) -> None:
    desk.all_say(1.0, "USDT", "USD")
    for provider in ("binance", "binance_main"):
        desk.hear(provider, 100.0, "BTC", "USDT", quote_volume=5000.0)
    desk.hear("binance", 100.0, "BTC", "USDC", quote_volume=70.0)
    desk.all_say(1.0, "USDC", "USD")
    desk.hear("kraken", 100.0, quote_volume=300.0)
    desk.hear("kraken", 9999.0, "BTC", "EUR", quote_volume=1e9)  # not convertible: no rate
    point = desk.point()
    assert point.sources == 2
    assert point.volume_24h == pytest.approx(5370.0)


def test_other_currencies(desk: Desk) -> None:
    desk.all_say(100.0)
    desk.all_say(1.25, "EUR", "USD")
    assert desk.point(vs="EUR").price == pytest.approx(80.0)
    assert desk.point("euro" if desk.resolver.by_id("euro") else "eur").price == pytest.approx(1.25)
    assert {key[1] for key in desk.pricer.last} == {"USD"}


async def test_an_old_rate_makes_no_price_of_now(desk: Desk) -> None:
    desk.all_say(100.0)
    desk.all_say(1.25, "EUR", "USD")
    desk.point()
    before = desk.point(vs="EUR")
    await desk.clock.advance(700)
    desk.all_say(200.0)
    assert desk.point().price == 200
    late = desk.point(vs="EUR")
    assert late.stale
    assert late.as_of_ms <= before.as_of_ms + 1000
    assert late.price == pytest.approx(160.0)


async def test_last_prices_and_rates_from_before_a_restart(desk: Desk) -> None:
    now = desk.clock.now_ms()
    old = PricePoint(
        "bitcoin", "USD", 50.0, "ok", None, 5, None, None, None, now - 600_000, True, (), "cdts-1"
    )
    desk.pricer.restore([old], [Rate("EUR", 1.25, "ok", 0, now - 900_000)])
    assert (desk.point().price, desk.point().stale) == (50.0, True)
    assert (desk.point(vs="EUR").price, desk.point(vs="EUR").as_of_ms) == (40.0, now - 900_000)
    desk.all_say(60.0)
    assert (desk.point().price, desk.point().stale) == (60.0, False)


async def test_what_is_remembered_is_bounded(desk: Desk) -> None:
    listings = [AssetListing("coingecko", f"coin-{i}", f"C{i}", f"Coin {i}", None, True) for i in range(4000)]
    desk.resolver.learn(listings)
    desk.board.update(
        "coingecko", [desk.quote("coingecko", 1.0, f"C{i}", symbol=f"coin-{i}") for i in range(4000)]
    )
    for i in range(4000):
        desk.pricer.point(f"coin-{i}")
    assert len(desk.pricer._memo) <= MEMO_LIMIT
    for i in range(3000):
        desk.pricer.note_asked(f"coin-{i}")
    assert len(desk.pricer.asked) == prices_module.ASKED_LIMIT
    assert "coin-2999" in desk.pricer.asked
    assert "coin-0" not in desk.pricer.asked


async def test_quotes_nobody_renews_leave_the_board(desk: Desk) -> None:
    desk.all_say(100.0)
    desk.hear("kraken", 5.0, "ETH")
    await desk.clock.advance(FORGET_MS / 1000 + 1)
    for _ in range(64):
        desk.hear("kraken", 100.0)
    assert set(desk.board.quotes) == {"bitcoin"}
    assert {key[0] for key in desk.board.quotes["bitcoin"]} == {"kraken"}


def _two_lunas(desk: Desk) -> tuple[str, str]:
    """The id LUNA means at Gate, and another asset that uses the ticker."""
    meant = desk.resolver.venue_asset("gate", "LUNA")
    assert meant is not None
    other = next(h.asset.id for h in desk.resolver.holders("LUNA") if h.asset.id != meant.id)
    return meant.id, other


async def test_a_ticker_that_is_another_asset_loses_its_mapping_its_quote_and_gets_both_back(
    desk: Desk,
) -> None:
    luna, _ = _two_lunas(desk)
    honest = [v for v in (*VENUES, "okx", "mexc") if desk.resolver.venue_asset(v, "LUNA") is not None]
    honest = [v for v in honest if desk.resolver.venue_asset(v, "LUNA").id == luna]  # type: ignore[union-attr]
    assert len(honest) >= 3

    async def round_at(price: float) -> None:
        for provider in honest:
            desk.hear(provider, 0.5, "LUNA")
        desk.hear("gate", price, "LUNA")
        await desk.clock.advance(2)
        desk.pricer.observe([luna])
        desk.pricer.observe_withdrawn()

    def says(provider: str, symbol: str) -> None:
        desk.board.update(provider, [desk.quote(provider, 0.5, "LUNA", symbol=symbol)])

    says("coingecko", luna)  # the ticker is shared: the venues count once an aggregator has named the price
    await round_at(0.5)
    for _ in range(2):
        await round_at(0.000_071)
        assert ("gate", "LUNAUSD") in desk.board.quotes[luna]
    await round_at(0.000_071)
    assert desk.resolver.venue_asset("gate", "LUNA") is None
    assert ("gate", "LUNAUSD") not in desk.board.quotes[luna]
    assert [c.ticker for c in desk.resolver.conflicts()] == ["LUNA"]
    await round_at(0.000_071)
    assert ("gate", "LUNAUSD") not in desk.board.quotes[luna]
    assert desk.board.aside["gate", "LUNA"] is not None
    for _ in range(3):
        await round_at(0.501)
    assert desk.resolver.venue_asset("gate", "LUNA") is not None
    assert desk.board.aside == {}
    await round_at(0.5)
    assert ("gate", "LUNAUSD") in desk.board.quotes[luna]


async def test_evidence_is_under_the_venues_own_ticker(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(desk.resolver, "evidence", lambda p, t, r: told.append((p, t)))
    for provider in ("kraken", "bitstamp", "okx"):
        desk.hear(provider, 0.4, "POL")
    assert desk.resolver.venue_asset("gate", "MATIC") == desk.resolver.resolve("POL").asset
    desk.hear("gate", 0.4, "MATIC")
    desk.hear("gate", 0.4, "MATIC", "USDT")
    desk.pricer.observe([desk.resolver.resolve("POL").asset.id])
    assert sorted(told) == [("bitstamp", "POL"), ("gate", "MATIC"), ("kraken", "POL"), ("okx", "POL")]


def test_of_two_currencies_with_one_ticker_the_larger_makes_the_rate(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tether, dai = (desk.resolver.by_id(asset_id) for asset_id in ("tether", "dai"))
    assert tether is not None
    assert dai is not None
    shared = [tether, replace(dai, ticker="USDT")]
    monkeypatch.setattr(desk.resolver, "of_kind", lambda *kinds: shared)
    desk.all_say(0.999, "USDT")
    desk.all_say(0.5, "DAI")
    assert [found for found in desk.pricer.currencies() if found[0] == "USDT"] == [
        ("USDT", "tether"),
        ("USDT", "dai"),
    ]
    desk.pricer.refresh_rates()
    assert desk.pricer.rates["USDT"].usd == pytest.approx(0.999)
