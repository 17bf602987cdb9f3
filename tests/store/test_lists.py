"""Market snapshots, trending, coins, categories, exchanges, assets, listings, instruments."""

from __future__ import annotations

from crypto_dt_source.model.asset import Asset, AssetListing, Instrument
from crypto_dt_source.model.market import Category, CoinDetail, CoinMarket, ExchangeInfo, TrendingCoin
from crypto_dt_source.store import MarketRow, PriceRow, Store, open_store
from crypto_dt_source.store.repos import assets, coins, market, prices

from .conftest import DAY, T0


def coin(native_id: str, rank: int | None, price: float = 2.5) -> CoinMarket:
    return CoinMarket(
        "coingecko", native_id, native_id[:3].upper(), native_id.title(), rank, price, 1e12, None, -0.5, 1.5, None,
        3.0, 2.0, 19e6, None, 21e6, None, T0,
    )  # fmt: skip


async def test_market_snapshots(store: Store) -> None:
    assert await market.latest(store) is None
    first = MarketRow(T0, "coingecko", 37_000.5, None, 1.4e12, 5e10, 51.2, 17.1, 10_000, None)
    later = first._replace(timestamp=T0 + 300_000, provider="coinpaprika", active_coins=9_000)
    await market.write(store, [later, first])
    assert await market.latest(store) == later
    assert await market.history(store, T0, T0 + DAY) == [first, later]
    assert await market.history(store, T0, T0 + 1) == [first]
    await market.write(store, [first._replace(btc_price=1.0)])
    assert [row.btc_price for row in await market.history(store, T0, T0 + DAY)] == [1.0, 37_000.5]


async def test_trending_is_the_newest_list(store: Store) -> None:
    assert await market.latest_trending(store) is None
    old = [TrendingCoin("coingecko", f"old{n}", "OLD", "Old", n, None, None, None) for n in (1, 2, 3)]
    new = [TrendingCoin("coingecko", f"new{n}", "NEW", "New", n, 5, 0.1, -3.0) for n in (1, 2)]
    await market.write_trending(store, T0, old)
    await market.write_trending(store, T0 + 1, old)
    await market.write_trending(store, T0 + 1, new[::-1])
    assert await market.latest_trending(store) == (T0 + 1, new)


async def test_coin_markets_are_ranked_and_replaced(store: Store) -> None:
    await coins.write_markets(store, [coin("nobody", None), coin("ethereum", 2), coin("bitcoin", 1)])
    await coins.write_markets(store, [coin("bitcoin", 1, 9.0)])
    found = await coins.markets(store, "coingecko")
    assert found == [coin("bitcoin", 1, 9.0), coin("ethereum", 2), coin("nobody", None)]
    assert await coins.markets(store, "coingecko", limit=1, offset=1) == [coin("ethereum", 2)]
    assert await coins.market(store, "coingecko", "ethereum") == coin("ethereum", 2)
    assert await coins.market(store, "coinlore", "ethereum") is None
    small, large = (
        coin("a-small", None)._replace(market_cap=1e9),
        coin("z-large", None)._replace(market_cap=1e10),
    )
    await coins.write_markets(store, [small, large])
    unranked = [row.native_id for row in await coins.markets(store, "coingecko")][2:]
    assert unranked == ["nobody", "z-large", "a-small"]


async def test_coin_detail_survives_hostile_text(store: Store) -> None:
    detail = CoinDetail(
        "coingecko", "bitcoin", "BTC", "Bitcoin", 1, description="a\x00b \u2028 \U0001f600", categories=("x", "y"),
        contracts=(("ethereum", "0x0"),), ath=69_000.0,
    )  # fmt: skip
    await coins.write_detail(store, detail, T0)
    assert await coins.detail(store, "coingecko", "bitcoin") == (detail, T0)
    assert await coins.detail(store, "coingecko", "nothing") is None


async def test_text_no_database_can_hold_is_replaced(store: Store) -> None:
    await coins.write_markets(store, [coin("bitcoin", 1)._replace(name="Bit\x00coin\ud800")])
    assert (await coins.markets(store, "coingecko"))[0].name == "Bit\ufffdcoin\ufffd"


async def test_categories_and_exchanges(store: Store) -> None:
    small = Category("coingecko", "b", "Small", None, None, None, None, None)
    large = Category("coingecko", "a", "Large", 1e12, -1.0, 1e9, 40, T0)
    await coins.write_categories(store, [small, large], T0)
    assert await coins.categories(store, "coingecko") == [large, small]
    first = ExchangeInfo("coingecko", "gdax", "Coinbase", "United States", 2012, "https://x", 1, None, 4e4)
    other = ExchangeInfo("coingecko", "xx", "Nowhere", None, None, None, None, 1.0, None)
    await coins.write_exchanges(store, [other, first], T0)
    assert await coins.exchanges(store, "coingecko") == [first, other]


async def test_assets_keep_their_number_when_described_later(store: Store) -> None:
    await prices.write_prices(store, [PriceRow("bitcoin", T0, 1.0)])
    assert await assets.all_assets(store) == []
    bitcoin = Asset("bitcoin", "BTC", "Bitcoin", rank=1, aliases=("XBT",))
    tether = Asset("tether", "USDT", "Tether", kind="stablecoin")
    await assets.put(store, [bitcoin, tether])
    await assets.put(store, [tether])
    assert await assets.all_assets(store) == [bitcoin, tether]
    assert (await prices.latest_all(store))["bitcoin"].price == 1.0


async def test_listings_and_instruments(store: Store) -> None:
    listing = AssetListing("coinpaprika", "btc-bitcoin", "BTC", "Bitcoin", 1, True)
    gone = AssetListing("coinpaprika", "zzz", "ZZZ", "Zzz", None, False)
    await assets.put_listings(store, [gone, listing], T0)
    assert await assets.listings(store, "coinpaprika") == [listing, gone]
    pair = Instrument("kraken", "XXBTZUSD", "BTC", "USD", True)
    await assets.put_instruments(store, [pair._replace(active=False)], T0)
    await assets.put_instruments(store, [pair], T0 + 1)
    assert await assets.instruments(store, "kraken") == [pair]
    assert await assets.instruments(store, "okx") == []


async def test_names_survive_a_restart(url: str) -> None:
    store = await open_store(url)
    await prices.write_prices(store, [PriceRow(name, T0, 1.0) for name in ("bitcoin", "ethereum")])
    numbers = dict(await store.numbers.assets(["bitcoin", "ethereum"]))
    await store.close()
    store = await open_store(url)
    assert dict(await store.numbers.assets(["ethereum", "bitcoin", "solana"])).items() >= numbers.items()
    assert {name: row.price for name, row in (await prices.latest_all(store)).items()} == {
        "bitcoin": 1.0,
        "ethereum": 1.0,
    }
    await store.close()
