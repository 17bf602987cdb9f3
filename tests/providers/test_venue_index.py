"""Venues' tickers: which count at once, which must be proven, and which evidence withdraws."""

from __future__ import annotations

import pytest

from crypto_dt_source.model.asset import Asset, AssetListing
from crypto_dt_source.providers.resolver import Resolver, ranking


def listing(provider: str, native_id: str, ticker: str, name: str, rank: int | None = None) -> AssetListing:
    return AssetListing(provider, native_id, ticker, name, rank, True)


@pytest.fixture
def resolver() -> Resolver:
    return Resolver()


def test_evidence_withdraws_a_mapping_after_three_disagreements(resolver: Resolver) -> None:
    for ratio in (0.01234, 7.0):
        resolver.evidence("gate", "HONEY", ratio)
    assert resolver.venue_asset("gate", "HONEY") is not None
    assert resolver.conflicts() == []
    resolver.evidence("gate", "HONEY", 0.03)
    assert resolver.venue_asset("gate", "HONEY") is None
    assert resolver.venue_asset("mexc", "HONEY") is not None
    (conflict,) = resolver.conflicts()
    assert (conflict.provider, conflict.ticker, conflict.ratio) == ("gate", "HONEY", 0.03)
    assert conflict.asset.id == "honey-3"
    assert [a.id for a in conflict.candidates] == ["hivemapper"]


def test_agreement_in_between_starts_the_count_again(resolver: Resolver) -> None:
    for ratio in (5.0, 5.0, 1.01, 5.0, 5.0):
        resolver.evidence("gate", "HONEY", ratio)
    assert resolver.conflicts() == []


@pytest.mark.parametrize("ratio", [None, float("nan"), float("inf"), 0.0, -3.0])
def test_nonsense_is_no_evidence(resolver: Resolver, ratio: float | None) -> None:
    for _ in range(5):
        resolver.evidence("gate", "HONEY", ratio)
        assert not resolver.prove("gate", "HONEY", ratio if ratio is not None else 0.0)
    assert resolver.conflicts() == []


@pytest.mark.parametrize(
    ("ticker", "withdrawn"),
    [("1000HONEY", False), ("10000HONEY", False), ("1MHONEY", False), ("100HONEY", True), ("HONEY", True)],
)
def test_a_power_of_ten_is_a_unit_only_under_a_ticker_that_names_a_lot(ticker: str, withdrawn: bool) -> None:
    resolver = Resolver(venue_tickers={"gate": {ticker: "HONEY"}})
    resolver.learn([listing("coingecko", "other", ticker, "Other")])
    for ratio in (1000.0, 0.001, 1040.0):
        resolver.evidence("gate", ticker, ratio)
    assert bool(resolver.conflicts()) is withdrawn
    assert resolver.prove("gate", ticker, 1000.0) is not withdrawn


def test_a_ticker_counts_at_once_only_where_it_is_one_registered_assets_own(resolver: Resolver) -> None:
    counts = resolver.counts
    assert all(counts("gate", ticker) for ticker in ("BTC", "WETH", "USDF", "RON", "EUR", "MATIC"))
    assert counts("kraken", "LUNA")  # its own spelling
    assert not any(counts("gate", ticker) for ticker in ("LUNA", "HONEY", "ACT", "FRAX", "NOSUCH"))
    resolver.learn(
        [
            listing("coingecko", "fresh", "FRESH", "Fresh", 40),
            listing("coingecko", "tail", "BTC", "Tail"),
            listing("coingecko", "namesake", "JTO", "Namesake", 300),
        ]
    )
    assert resolver.venue_asset("gate", "FRESH") is not None
    assert not counts("gate", "FRESH")  # known from a list alone
    assert counts("gate", "BTC")  # nobody knows how large the other is
    assert not counts("gate", "JTO")  # the other may be as large


def test_a_mapping_is_proven_by_a_price_within_ten_percent_for_that_venue_and_asset(
    resolver: Resolver,
) -> None:
    for ratio in (1.2, 0.85, 10.0, 1000.0, float("nan")):
        assert not resolver.prove("gate", "HONEY", ratio)
    assert resolver.prove("gate", "HONEY", 1.09)
    assert resolver.counts("gate", "HONEY")
    assert not resolver.counts("mexc", "HONEY")
    for _ in range(3):
        resolver.evidence("gate", "HONEY", 5.0)
    assert not resolver.counts("gate", "HONEY")
    for _ in range(3):
        resolver.evidence("gate", "HONEY", 1.6)
    assert not resolver.counts("gate", "HONEY")  # not close enough to be given back
    for _ in range(3):
        resolver.evidence("gate", "HONEY", 1.05)
    assert resolver.counts("gate", "HONEY")
    assert resolver.prove("mexc", "HONEY", 1.0)
    resolver.learn([listing("coingecko", "hivemapper", "HONEY", "Hivemapper", 1)])
    assert not resolver.counts("mexc", "HONEY")  # means another asset now


def test_what_was_known_before_is_restored_with_aliases(resolver: Resolver) -> None:
    resolver.restore(
        [
            Asset("newcoin", "NEWC", "New Coin", rank=70, aliases=("NWC", "OLDC")),
            Asset("bitcoin", "BTC", "Bitcoin", rank=2, aliases=("XBT", "BTCX")),
            Asset("usd", "USD", "Something", rank=1),
        ]
    )
    resolver.adopt(ranking(resolver.snapshot()))
    assert resolver.resolve("OLDC").asset.id == "newcoin"
    assert resolver.resolve("BTCX").asset.id == "bitcoin"
    assert resolver.resolve("bitcoin").asset.rank == 2
    assert resolver.resolve("usd").asset.name != "Something"
    assert not resolver.counts("gate", "NEWC")


def test_without_another_candidate_the_mapping_stays(resolver: Resolver) -> None:
    for _ in range(5):
        resolver.evidence("gate", "BTC", 5.0)
    assert resolver.venue_asset("gate", "BTC") is not None
    resolver.learn([listing("coingecko", "clone", "BTC", "Clone")])
    resolver.evidence("gate", "BTC", 5.0)
    assert resolver.venue_asset("gate", "BTC") is None


def test_three_agreements_give_a_mapping_back(resolver: Resolver) -> None:
    for _ in range(3):
        resolver.evidence("gate", "HONEY", 5.0)
    for ratio in (1.0, 7.0, 1.0, 1.0):
        resolver.evidence("gate", "HONEY", ratio)
    assert resolver.venue_asset("gate", "HONEY") is None
    resolver.evidence("gate", "HONEY", 1.0)
    assert resolver.venue_asset("gate", "HONEY") is not None
    assert resolver.conflicts() == []


def test_evidence_is_bounded() -> None:
    resolver = Resolver(max_evidence=4)
    for i in range(20):
        for _ in range(3):
            resolver.evidence(f"venue{i}", "HONEY", 5.0)
    assert [c.provider for c in resolver.conflicts()] == ["venue16", "venue17", "venue18", "venue19"]
    for i in range(20):
        resolver.evidence(f"other{i}", "HONEY", 5.0)
    assert len(resolver._streaks) == 4
