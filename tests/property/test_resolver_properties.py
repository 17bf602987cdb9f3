"""What must hold of the resolver for any text, any listing and every registered asset."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_dt_source.model.asset import Asset, AssetListing
from crypto_dt_source.model.errors import InvalidParameter, UnknownSymbol
from crypto_dt_source.providers.assets import load
from crypto_dt_source.providers.resolver import Resolver
from each_case import each

RESOLVER = Resolver()
ASSETS = [entry.asset for entry in load()]

tickers = st.sampled_from([asset.ticker for asset in ASSETS])
typed = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="ABCDEUSTabceu1-/_: .", max_size=14),
    st.builds(
        lambda a, s, b: a + s + b, tickers, st.sampled_from(["", "-", "/", "_", ":", " ", "--"]), tickers
    ),
)
words = st.text(alphabet="abcx1- ", max_size=6)
listings = st.builds(
    AssetListing,
    st.sampled_from(["coingecko", "coingecko_pro", "coinpaprika", "coinlore", "other"]),
    st.one_of(words, st.sampled_from([asset.id for asset in ASSETS])),
    st.one_of(words, tickers),
    st.one_of(words, st.sampled_from([asset.name for asset in ASSETS])),
    st.one_of(st.none(), st.integers(1, 5000)),
    st.booleans(),
)


def check(resolver: Resolver, text: str) -> None:
    refusal: UnknownSymbol | InvalidParameter
    try:
        found = resolver.resolve(text)
    except UnknownSymbol as error:
        refusal = error
    except InvalidParameter as error:
        refusal = error
    else:
        assert resolver.by_id(found.asset.id) == found.asset
        assert found.asset not in found.ambiguous
        assert len(set(found.ambiguous)) == len(found.ambiguous)
        assert found.via in {"id", "ticker", "alias", "rename", "name", "pair"}
        assert (found.quote is None) == (found.via != "pair")
        return
    near = refusal.details.get("did_you_mean", [])
    assert len(near) <= 3
    assert all(resolver.resolve(spelling) for spelling in near)
    assert near or {"symbol", "parameter"} & set(refusal.details)


@given(typed)
@settings(max_examples=400, deadline=None)
def test_any_text_resolves_or_is_refused_by_name(text: str) -> None:
    check(RESOLVER, text)


@given(st.lists(listings, max_size=30), typed)
@settings(max_examples=60, deadline=None)
def test_any_listings_leave_a_working_resolver(batch: list[AssetListing], text: str) -> None:
    resolver = Resolver(max_assets=len(ASSETS) + 10)
    learned = resolver.learn(batch)
    assert sum(learned) <= len(batch)
    assert len(resolver) <= len(ASSETS) + 10
    check(resolver, text)
    for asset in resolver.search("a", 5):
        assert resolver.by_id(asset.id) == asset
    for item in batch:
        known = resolver.native("coinlore", item.native_id)
        assert known is None or resolver.native_id(known.id, "coinlore") == item.native_id
    assert resolver.by_id("usd") == Asset("usd", "USD", "US Dollar", "fiat")


@each("asset", ASSETS, lambda asset: asset.id)
def test_round_trip(asset: Asset) -> None:
    assert RESOLVER.resolve(asset.id).asset == asset
    for spelling in (asset.ticker, asset.ticker.lower()):
        found = RESOLVER.resolve(spelling)
        assert found.asset.ticker == asset.ticker
        assert asset in (found.asset, *found.ambiguous)
        assert [a for a in RESOLVER.by_ticker(asset.ticker) if a != found.asset] == [
            a for a in found.ambiguous if asset.ticker in (a.ticker, *a.aliases)
        ]
    for old in (*asset.aliases, *(rename.ticker for rename in asset.renames)):
        found = RESOLVER.resolve(old)
        assert asset in (found.asset, *found.ambiguous)


@given(
    st.sampled_from([a for a in ASSETS if a.kind != "fiat"]), st.sampled_from(["USD", "EUR", "USDT", "BTC"])
)
@settings(max_examples=200, deadline=None)
def test_every_coin_pairs_with_every_separator(asset: Asset, quote: str) -> None:
    for separator in "-/_":
        found = RESOLVER.resolve(f"{asset.ticker}{separator}{quote}")
        assert (found.asset.ticker, found.quote, found.via) == (asset.ticker, quote, "pair")
