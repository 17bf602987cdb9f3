"""The resolver by example: text, history, learning, aggregators' ids and venues."""

from __future__ import annotations

import time
from itertools import count

import pytest

from crypto_dt_source.model.asset import Asset, AssetListing, Rename
from crypto_dt_source.model.errors import InvalidParameter, UnknownSymbol
from crypto_dt_source.providers.assets import Registered
from crypto_dt_source.providers.resolver import Resolver

MS_2020 = 1_577_836_800_000
MS_2023 = 1_672_531_200_000
MS_2025 = 1_735_689_600_000


def listing(
    provider: str, native_id: str, ticker: str, name: str, rank: int | None = None, active: bool = True
) -> AssetListing:
    return AssetListing(provider, native_id, ticker, name, rank, active)


@pytest.fixture
def resolver() -> Resolver:
    return Resolver()


@pytest.mark.parametrize(
    ("text", "asset_id", "quote", "via"),
    [
        ("BTC", "bitcoin", None, "ticker"),
        ("btc", "bitcoin", None, "ticker"),
        (" BTC ", "bitcoin", None, "ticker"),
        ("BTC-USD", "bitcoin", "USD", "pair"),
        ("BTC/USDT", "bitcoin", "USDT", "pair"),
        ("BTCUSDT", "bitcoin", "USDT", "pair"),
        ("btc_usdt", "bitcoin", "USDT", "pair"),
        ("btc:eur", "bitcoin", "EUR", "pair"),
        ("BTC USD", "bitcoin", "USD", "pair"),
        ("XBTUSD", "bitcoin", "USD", "pair"),
        ("ETH/XBT", "ethereum", "BTC", "pair"),
        ("XDG-EUR", "dogecoin", "EUR", "pair"),
        ("SOL/ETH", "solana", "ETH", "pair"),
        ("avalanche-2/usd", "avalanche-2", "USD", "pair"),
        ("BTCFDUSD", "bitcoin", "FDUSD", "pair"),
        ("BTTUSD", "bittorrent", "USD", "pair"),
        ("USDCUSDT", "usd-coin", "USDT", "pair"),
        ("EUR/USD", "eur", "USD", "pair"),
        ("FRAX-USD", "frax", "USD", "pair"),
        ("frax-usd", "frax-usd", None, "id"),
        ("bitcoin", "bitcoin", None, "id"),
        ("usd-coin", "usd-coin", None, "id"),
        ("near", "near", None, "id"),
        ("NEAR", "near", None, "ticker"),
        ("Bitcoin", "bitcoin", None, "id"),
        ("bitcoin cash", "bitcoin-cash", None, "name"),
        ("Toncoin", "the-open-network", None, "name"),
        ("Ripple USD", "ripple-usd", None, "name"),
        ("XBT", "bitcoin", None, "alias"),
        ("MATIC", "polygon-ecosystem-token", None, "rename"),
        ("MATICUSDT", "polygon-ecosystem-token", "USDT", "pair"),
        ("RNDR-USD", "render-token", "USD", "pair"),
        ("FTM", "sonic-3", None, "rename"),
        ("EOS", "vaulta", None, "rename"),
        ("TON", "the-open-network", None, "rename"),
        ("WBTC", "wrapped-bitcoin", None, "ticker"),
        ("TUSD", "true-usd", None, "ticker"),
        ("AUSD", "agora-dollar", None, "ticker"),
        ("FDUSD", "first-digital-usd", None, "ticker"),
        ("usd", "usd", None, "id"),
        ("USD", "usd", None, "ticker"),
    ],
)
def test_text(resolver: Resolver, text: str, asset_id: str, quote: str | None, via: str) -> None:
    found = resolver.resolve(text)
    assert (found.asset.id, found.quote, found.via) == (asset_id, quote, via)
    assert resolver.resolve(text) is found


def test_ambiguity_is_named_largest_first(resolver: Resolver) -> None:
    luna = resolver.resolve("LUNA")
    assert luna.asset.id == "terra-luna-2"
    assert [a.id for a in luna.ambiguous] == ["terra-luna"]
    assert [a.id for a in resolver.resolve("HONEY-USD").ambiguous] == ["hivemapper"]
    assert resolver.resolve("BTC").ambiguous == ()


def test_a_currency_code_alone_is_the_currency_and_as_a_base_the_coin(resolver: Resolver) -> None:
    assert resolver.resolve("RON").asset.kind == "fiat"
    assert [a.id for a in resolver.resolve("RON").ambiguous] == ["ronin"]
    assert resolver.resolve("RONUSDT").asset.id == "ronin"
    assert resolver.resolve("RON/EUR").asset.id == "ronin"
    assert resolver.resolve("BTC/RON").quote == "RON"


@pytest.mark.parametrize("text", ["", "   ", "B" * 65, "BTC\n", "BT\x00C", "BTC\u2028", "\ud800"])
def test_text_that_is_no_symbol(resolver: Resolver, text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        resolver.resolve(text)
    assert set(caught.value.details) == {"parameter", "got", "allowed"}
    caught.value.details["got"].encode()


@pytest.mark.parametrize(
    ("text", "near"),
    [("BTX", "BTC"), ("bitcion", "bitcoin"), ("etherum", "ethereum"), ("DGOE", "DOGE"), ("usdtt", "USDT")],
)
def test_unknown_symbols_get_near_ones(resolver: Resolver, text: str, near: str) -> None:
    with pytest.raises(UnknownSymbol) as caught:
        resolver.resolve(text)
    assert caught.value.details["symbol"] == text
    assert near in caught.value.details["did_you_mean"]
    assert len(caught.value.details["did_you_mean"]) <= 3
    assert near in caught.value.message


def test_nothing_near_is_an_empty_list(resolver: Resolver) -> None:
    with pytest.raises(UnknownSymbol) as caught:
        resolver.resolve("qqqqzzzz")
    assert caught.value.details["did_you_mean"] == []


def test_tickers_over_time(resolver: Resolver) -> None:
    ids = lambda ticker, at=None: [a.id for a in resolver.by_ticker(ticker, at)]  # noqa: E731 - a table below
    assert ids("MATIC") == []
    assert ids("matic", MS_2023) == ["polygon-ecosystem-token"]
    assert ids("MATIC", MS_2025) == []
    assert ids("POL", MS_2023) == []
    assert ids("POL", MS_2025) == ["polygon-ecosystem-token"]
    assert ids("LUNA", MS_2020)[0] == "terra-luna"
    assert ids("LUNA", MS_2023) == ["terra-luna-2"]
    assert ids("XRB", MS_2020) == []
    assert ids("NANO", MS_2020) == ["nano"]
    assert ids("XBT", MS_2020) == ["bitcoin"]
    assert ids("HONEY") == ["honey-3", "hivemapper"]
    assert ids("NOSUCH") == []


def test_a_rename_ends_on_its_day() -> None:
    asset = Asset("coin", "NEW", "Coin", rank=1, renames=(Rename("OLD", "2024-09-04"),))
    resolver = Resolver([Registered(asset, (), {})])
    switch = 1_725_408_000_000
    assert resolver.by_ticker("OLD", switch - 1) == (asset,)
    assert resolver.by_ticker("NEW", switch - 1) == ()
    assert resolver.by_ticker("OLD", switch) == ()
    assert resolver.by_ticker("NEW", switch) == (asset,)


def test_a_listed_leftover_does_not_take_a_renamed_ticker(resolver: Resolver) -> None:
    resolver.learn([listing("coingecko", "matic-network", "matic", "Polygon", 2000)])
    found = resolver.resolve("MATIC")
    assert found.asset.id == "polygon-ecosystem-token"
    assert [a.id for a in found.ambiguous] == ["matic-network"]
    assert resolver.resolve("matic-network").asset.ticker == "MATIC"
    resolver.learn([listing("coingecko", "giant", "matic", "Giant", 3)])
    assert resolver.resolve("MATIC").asset.id == "giant"


def test_learning_canonical_listings(resolver: Resolver) -> None:
    before = len(resolver)
    with pytest.raises(UnknownSymbol):
        resolver.resolve("NEWCOIN")
    learned = resolver.learn(
        [
            listing("coingecko", "new-coin", "newcoin", "New Coin", 40),
            listing("coingecko_pro", "dead-coin", "dead", "Dead Coin", None, active=False),
            listing("coingecko", "bitcoin", "btc", "Bitcoin", 7),
            listing("coingecko", "", "x", "X"),
            listing("coingecko", "usd", "fake", "Dollar", 1),
        ]
    )
    assert learned == (1, 0, 0)
    assert len(resolver) == before + 1
    assert resolver.resolve("NEWCOIN").asset == Asset("new-coin", "NEWCOIN", "New Coin", "coin", 40)
    assert resolver.by_id("bitcoin").rank == 7  # type: ignore[union-attr]
    assert resolver.by_id("dead-coin") is None
    assert resolver.by_id("usd").ticker == "USD"  # type: ignore[union-attr]


def test_a_known_asset_answers_to_the_ticker_its_upstream_gives_now(resolver: Resolver) -> None:
    resolver.learn([listing("coingecko", "optimism", "opx", "Optimism", 90)])
    assert resolver.resolve("OPX").asset.id == resolver.resolve("OP").asset.id == "optimism"


def test_ids_that_are_tickers_of_larger_assets_yield(resolver: Resolver) -> None:
    resolver.learn([listing("coingecko", "eth", "eth", "Eth Clone"), listing("coingecko", "doge", "zz", "Z")])
    assert resolver.resolve("eth").asset.id == "ethereum"
    assert resolver.resolve("doge").asset.id == "dogecoin"
    assert resolver.by_id("eth") is not None


def test_a_name_larger_than_a_joke_ticker_wins(resolver: Resolver) -> None:
    resolver.learn([listing("coingecko", "harry", "bitcoin", "HarryPotter", 900)])
    assert resolver.resolve("BITCOIN").asset.id == "bitcoin"


def test_joined_pairs_prefer_registered_bases(resolver: Resolver) -> None:
    resolver.learn([listing("coingecko", "bt-clone", "bt", "Bt Clone")])
    assert resolver.resolve("BTTUSD").asset.id == "bittorrent"
    assert resolver.resolve("BTEUR").asset.id == "bt-clone"


def test_growth_is_bounded() -> None:
    resolver = Resolver(max_assets=500)
    resolver.learn(listing("coingecko", f"c{i}", f"C{i}", f"C {i}") for i in range(300))
    assert len(resolver) == 500
    resolver.learn(listing("coinpaprika", f"c{i}-x", f"NO{i}", f"N {i}") for i in range(900))
    assert len(resolver.unmatched()) == 500


def test_spellings_of_one_asset_are_bounded(resolver: Resolver) -> None:
    resolver.learn(listing("coingecko", "bitcoin", f"BTC{i}", f"Bitcoin {i}") for i in range(100))
    assert len(resolver.by_id("bitcoin").aliases) == 12  # type: ignore[union-attr]
    with pytest.raises(UnknownSymbol):
        resolver.resolve("Bitcoin 99")


def test_the_memo_is_bounded_and_cleared_on_learn() -> None:
    resolver = Resolver(max_memo=3)
    for text in ("BTC", "ETH", "SOL", "XRP", "ADA"):
        resolver.resolve(text)
    assert len(resolver._memo) <= 3
    resolver.learn([listing("coingecko", "clone", "ADA", "Clone", 9000)])
    assert [a.id for a in resolver.resolve("ADA").ambiguous] == ["clone"]


def test_registered_native_ids(resolver: Resolver) -> None:
    for family, native_id in [
        ("coingecko", "bitcoin"),
        ("coinpaprika", "btc-bitcoin"),
        ("coincap", "bitcoin"),
        ("coinlore", "90"),
        ("coinmarketcap", "1"),
    ]:
        assert resolver.native(family, native_id) == resolver.by_id("bitcoin")
        assert resolver.native_id("bitcoin", family) == native_id
    assert resolver.native_id("binancecoin", "coincap") == "binance-coin"
    assert resolver.native("coinpaprika", "nope") is None
    assert resolver.native("coingecko", "usd") is None
    assert resolver.native_id("usd", "coingecko") is None
    assert resolver.native_id("nope", "coingecko") is None


def test_native_ids_are_matched_by_ticker_and_name_or_not_at_all(resolver: Resolver) -> None:
    learned = resolver.learn(
        [
            listing("coinlore", "1001", "KAS", "kaspa"),
            listing("coinlore", "1002", "KAS", "Kassandra"),
            listing("coinlore", "1003", "HONEY", "Hivemapper"),
            listing("coinlore", "1004", "KAS", "Kaspa"),
            listing("coinlore", "90", "BTC", "Bitcoin"),
            listing("newsource", "x9", "MATIC", "Polygon"),
        ]
    )
    assert learned == (0, 4, 2)
    assert resolver.native("coinlore", "1001") == resolver.by_id("kaspa")
    assert resolver.native("coinlore", "1002") is None
    assert resolver.native("coinlore", "1003") == resolver.by_id("hivemapper")
    assert resolver.native("coinlore", "1004") is None
    assert resolver.native("newsource", "x9") == resolver.by_id("polygon-ecosystem-token")
    assert [u.native_id for u in resolver.unmatched()] == ["1002", "1004"]


def test_two_assets_of_one_ticker_and_name_are_not_guessed(resolver: Resolver) -> None:
    resolver.learn([listing("coingecko", f"twin-{i}", "TWIN", "Twin") for i in range(2)])
    assert resolver.learn([listing("coinlore", "5", "TWIN", "Twin")]).unmatched == 1


def test_an_unmatched_listing_is_matched_once_its_asset_is_known(resolver: Resolver) -> None:
    late = listing("coinpaprika", "zyx-zyx", "ZYX", "Zyx", 321)
    assert resolver.learn([late]).unmatched == 1
    resolver.learn([listing("coingecko", "zyx", "zyx", "Zyx")])
    assert resolver.learn([late]).matched == 1
    assert resolver.unmatched() == []
    assert resolver.by_id("zyx").rank == 321  # type: ignore[union-attr]


def test_venue_tickers() -> None:
    resolver = Resolver(venue_tickers={"somewhere": {"HNY": "HONEY", "HONEY": "hivemapper"}})
    venue = lambda provider, ticker: getattr(resolver.venue_asset(provider, ticker), "id", None)  # noqa: E731
    assert venue("binance", "BTC") == "bitcoin"
    assert venue("kraken", "XBT") == "bitcoin"
    assert venue("bitfinex", "UST") == "tether"
    assert venue("kraken", "UST") == "terrausd"
    assert venue("kraken", "LUNA") == "terra-luna"
    assert venue("binance", "LUNA") == "terra-luna-2"
    assert venue("binance", "MATIC") == "polygon-ecosystem-token"
    assert venue("gate", "RON") == "ronin"
    assert venue("kraken", "EUR") == "eur"
    assert venue("somewhere", "HONEY") == "hivemapper"
    assert venue("somewhere", "HNY") == "honey-3"
    assert venue("binance", "NOSUCH") is None


def test_search(resolver: Resolver) -> None:
    ids = lambda text, limit=20: [a.id for a in resolver.search(text, limit)]  # noqa: E731
    assert ids("btc")[0] == "bitcoin"
    assert ids("bitco")[:2] == ["bitcoin", "bitcoin-cash"]
    assert ids("ethereum", 2) == ["ethereum", "ethereum-classic"]
    assert "wrapped-bitcoin" in ids("bitcoin")
    assert "polygon-ecosystem-token" in ids("matic")
    assert ids("usd")[0] == "usd"
    assert ids("zzzzz") == []
    assert len(ids("a", 7)) == 7
    assert ids("a", 0) == []
    assert len(set(ids("e", 50))) == 50
    with pytest.raises(InvalidParameter):
        resolver.search("")


def test_speed() -> None:
    """Bounds of the design, with room for a busy machine: the least of several runs is compared."""
    resolver = Resolver()
    resolver.learn(
        listing("coingecko", f"coin-{i}", f"C{i}", f"Coin number {i}", 500 + i) for i in range(9_500)
    )

    def least(action: object, runs: int = 7) -> float:
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            action()  # type: ignore[operator]
            times.append(time.perf_counter() - start)
        return min(times)

    def unknown() -> None:
        with pytest.raises(UnknownSymbol):
            resolver.resolve(next(texts))

    texts = (f"coin-numb{i}" for i in count())
    resolver.resolve("BTC-USD")
    assert least(lambda: [resolver.resolve("BTC-USD") for _ in range(1000)]) / 1000 < 5e-6
    assert least(lambda: resolver.search("umber 94", 20)) < 5e-3
    assert least(unknown) < 5e-3
