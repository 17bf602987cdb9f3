"""Whose price a venue's ticker shows: what counts at once, what must be proven first, what is withdrawn and reported."""

from __future__ import annotations

import pytest
from test_board_prices import Desk

from crypto_dt_source.model.asset import AssetListing
from crypto_dt_source.pricing.source import Reason
from crypto_dt_source.services import identity


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.resolver.learn([AssetListing("coingecko", "fresh", "FRSH", "Fresh", None, True)])
    return made


def named(desk: Desk, price: float, provider: str = "coingecko") -> None:
    """An aggregator's price of the coin by its own id."""
    desk.board.update(provider, [desk.quote(provider, price, "FRSH", symbol="fresh")])


def test_a_namesake_at_two_venues_is_nobodys_price(desk: Desk) -> None:
    desk.hear("gate", 4.0, "FRSH")
    desk.hear("mexc", 4.01, "FRSH")
    assert desk.pricer.point("fresh") is None
    assert desk.board.source_quotes("fresh") == []
    assert desk.board.pairs("gate", "fresh") == []  # nor its candles or books


async def test_a_listed_coin_counts_where_its_price_agrees_with_an_aggregators(desk: Desk) -> None:
    desk.hear("gate", 4.0, "FRSH")
    desk.hear("mexc", 1.004, "FRSH")
    named(desk, 1.0)
    point = desk.point("fresh")
    assert point.providers == ("coingecko", "mexc")
    assert point.price == pytest.approx(1.0, rel=0.05)
    shown = {v.provider: v for v in desk.pricer.judge("fresh", "USD").verdicts}
    assert (shown["gate"].excluded, shown["gate"].weight) == (Reason.UNPROVEN, 0.0)
    assert shown["gate"].deviation_pct == pytest.approx(300, rel=0.05)
    assert [q.provider for q in desk.board.source_quotes("fresh")] == ["coingecko", "mexc"]
    # What was proven stays so when the aggregator falls silent.
    await desk.clock.advance(desk.pricer.ttl_s + 1)
    desk.hear("mexc", 1.5, "FRSH")
    desk.hear("gate", 4.0, "FRSH")
    assert desk.point("fresh").providers == ("mexc",)


def test_a_stale_quote_proves_nothing(desk: Desk) -> None:
    old = desk.clock.now_ms() - desk.pricer.ttl_s * 1000 - 1
    desk.hear("gate", 1.0, "FRSH", received_ms=old)
    named(desk, 1.0)
    assert desk.point("fresh").providers == ("coingecko",)


async def test_an_aggregator_alone_is_evidence_against_a_single_venue(desk: Desk) -> None:
    jto = desk.resolver.resolve("JTO").asset.id
    desk.resolver.learn([AssetListing("coingecko", "other-jto", "JTO", "Other", None, True)])
    assert desk.resolver.counts("gate", "JTO")
    for _ in range(3):
        assert desk.resolver.venue_asset("gate", "JTO") is not None
        desk.hear("gate", 0.02, "JTO")
        desk.board.update("coingecko", [desk.quote("coingecko", 2.0, "JTO", symbol=jto)])
        await desk.clock.advance(2)
        desk.pricer.observe([jto])
    assert desk.resolver.venue_asset("gate", "JTO") is None
    await desk.clock.advance(2)
    assert desk.point(jto).providers == ("coingecko",)
    told = identity.statistics(desk.board, desk.resolver, "gate", "gate")["withdrawn"]
    assert told["count"] == 1
    assert told["top"][0]["ticker"] == "JTO"
    assert told["top"][0]["candidates"] == ["other-jto"]


def test_statistics_name_what_is_uncertain(desk: Desk) -> None:
    desk.hear("gate", 4.0, "FRSH")
    desk.hear("gate", 4.0, "NOSUCHCOIN")
    desk.resolver.learn([AssetListing("coinlore", "77", "ODD", "Odd", None, True)])
    told = identity.statistics(desk.board, desk.resolver, "gate", "gate")
    assert told["unmapped"] == {"count": 1, "top": ["NOSUCHCOIN"]}
    assert told["unproven"] == {"count": 1, "top": [{"ticker": "FRSH", "asset": "fresh"}]}
    assert told["withdrawn"]["count"] == told["unmatched"]["count"] == 0
    told = identity.statistics(desk.board, desk.resolver, "coinlore", "coinlore")
    assert told["unmatched"] == {"count": 1, "top": [{"id": "77", "ticker": "ODD", "name": "Odd"}]}
