"""The aggregators of the simulator tell of one market: sums, ranks, pages, ids, lag, history."""

from __future__ import annotations

from typing import Any

import pytest
from keyed import get, true
from sim_client import ENTRIES, START_MS, Client

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import CandlesAsk, Capability, CoinsAsk, GlobalAsk
from crypto_dt_source.model.candle import HOUR_MS, INTERVAL_MS, floor_open
from crypto_dt_source.model.errors import SymbolNotListed
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.sim.coins import lag_ms

AGGREGATORS = [entry for entry in ENTRIES.values() if entry.kind == "aggregator"]


async def markets(client: Client, **params: str) -> list[dict[str, Any]]:
    query = "&".join(
        f"{name}={value}" for name, value in {"vs_currency": "usd", "per_page": "250", **params}.items()
    )
    return list((await client.get(f"/coingecko/coins/markets?{query}")).json())


async def test_the_global_market_is_the_sum_of_the_coins(client: Client) -> None:
    for entry in AGGREGATORS:
        if Capability.GLOBAL not in entry.offers:
            continue
        rows = await client.ask(entry, Capability.COINS, CoinsAsk(per_page=100))
        assert len(rows) >= 60
        cap, volume = sum(row.market_cap for row in rows), sum(row.volume_24h for row in rows)
        (whole,) = await client.ask(entry, Capability.GLOBAL, GlobalAsk())
        assert violation(whole) is None
        assert whole.market_cap == pytest.approx(cap, rel=0.001)
        assert whole.volume_24h == pytest.approx(volume, rel=0.001)
        assert whole.active_coins == len(rows)
        bitcoin = next(row for row in rows if row.ticker == "BTC")
        assert whole.btc_dominance_pct == pytest.approx(bitcoin.market_cap / cap * 100, abs=0.05)


async def test_coins_are_ranked_by_price_times_supply(client: Client) -> None:
    rows = await markets(client)
    assert [row["market_cap_rank"] for row in rows] == list(range(1, len(rows) + 1))
    caps = [row["market_cap"] for row in rows]
    assert caps == sorted(caps, reverse=True)
    for row in rows:
        assert row["market_cap"] == pytest.approx(row["current_price"] * row["circulating_supply"], rel=0.002)
        assert row["current_price"] == pytest.approx(true(client, row["symbol"].upper()), rel=0.002)
        assert row["low_24h"] <= row["current_price"] <= row["high_24h"]
        assert row["atl"] <= row["low_24h"] <= row["high_24h"] <= row["ath"]


async def test_pages_orders_ids_and_categories_of_the_market_list(client: Client) -> None:
    whole = [row["id"] for row in await markets(client)]
    pages = [row["id"] for page in "123" for row in await markets(client, per_page="30", page=page)]
    assert pages == whole[:90]
    assert [row["id"] for row in await markets(client, order="id_asc")] == sorted(whole)
    some = await markets(client, ids="ethereum,bitcoin,nosuch")
    assert [row["id"] for row in some] == ["bitcoin", "ethereum"]
    # A blank after the comma drops the id behind it.
    assert [row["id"] for row in await markets(client, ids="bitcoin,%20ethereum")] == ["bitcoin"]
    stable = await markets(client, category="stablecoins")
    assert {row["symbol"] for row in stable} == {"usdt", "usdc", "dai", "fdusd", "tusd", "usdd"}
    in_euro = (await client.get("/coingecko/coins/markets?vs_currency=eur&ids=bitcoin")).json()[0]
    expected = true(client, "BTC") / true(client, "EUR")
    assert in_euro["current_price"] == pytest.approx(expected, rel=0.002)


async def test_categories_sum_their_coins(client: Client) -> None:
    rows = (await client.get("/coingecko/coins/categories")).json()
    assert len(rows) >= 8
    for row in rows:
        members = await markets(client, category=row["id"])
        assert row["market_cap"] == pytest.approx(sum(m["market_cap"] for m in members), rel=1e-6)
        assert row["top_3_coins_id"] == [m["id"] for m in members[:3]]


@pytest.mark.parametrize("entry", AGGREGATORS, ids=lambda entry: entry.id)
async def test_aggregators_lag_by_some_seconds(client: Client, clock: ManualClock, entry: Any) -> None:
    lag = lag_ms(entry.id)
    assert 3000 <= lag <= 18_000

    async def bitcoin() -> Any:
        rows = await client.ask(entry, Capability.COINS, CoinsAsk(per_page=10))
        return next(row for row in rows if row.ticker == "BTC")

    before = await bitcoin()
    assert before.price == pytest.approx(true(client, "BTC", START_MS - lag), rel=0.0005)
    if before.event_ms is not None:
        assert START_MS - lag - 1000 <= before.event_ms <= START_MS - lag
    client.app.market.shock("BTC", 2.0)
    assert (await bitcoin()).price == pytest.approx(before.price, rel=0.0001)
    await clock.advance(lag / 1000 + 1)
    assert (await bitcoin()).price == pytest.approx(2 * before.price, rel=0.002)


async def test_trending_turns_slowly(client: Client, clock: ManualClock) -> None:
    async def ids() -> list[str]:
        return [row["item"]["id"] for row in (await client.get("/coingecko/search/trending")).json()["coins"]]

    now = await ids()
    assert len(set(now)) == 15
    await clock.advance(300)
    soon = await ids()
    assert len(set(now) & set(soon)) >= 12
    await clock.advance(3 * 86_400)
    assert set(await ids()) != set(now)


async def test_native_ids_follow_each_provider(client: Client) -> None:
    lore = (await client.get("/coinlore/tickers/?limit=100")).json()["data"]
    cmc = (await get(client, "coinmarketcap", "/v1/cryptocurrency/map")).json()["data"]
    cap = (await get(client, "coincap", "/assets?limit=2000")).json()["data"]
    paprika = (await client.get("/coinpaprika/coins")).json()
    for known, rows in (({"BTC": 90, "ETH": 80}, lore), ({"BTC": 1, "ETH": 1027}, cmc)):
        ids = {row["symbol"]: int(row["id"]) for row in rows}
        assert len(set(ids.values())) == len(rows) >= 60
        assert {ticker: ids[ticker] for ticker in known} == known
        assert all(number > 100_000 for ticker, number in ids.items() if ticker not in known)
    slugs = {row["symbol"]: row["id"] for row in cap}
    assert (slugs["BTC"], slugs["BNB"], slugs["XRP"], slugs["SOL"]) == (
        "bitcoin",
        "binance-coin",
        "xrp",
        "solana",
    )
    names = {row["symbol"]: row["id"] for row in paprika}
    assert (names["BTC"], names["BCH"], names["POL"]) == (
        "btc-bitcoin",
        "bch-bitcoin-cash",
        "pol-pol-ex-matic",
    )


async def test_unknown_ids_in_a_batch(client: Client) -> None:
    lore = (await client.get("/coinlore/ticker/?id=90,1,80")).json()
    assert [row["id"] for row in lore] == ["90", "80"]
    cap = (await get(client, "coincap", "/assets?ids=bitcoin,nosuch")).json()["data"]
    assert [row["id"] for row in cap] == ["bitcoin"]
    strict = await get(client, "coinmarketcap", "/v2/cryptocurrency/quotes/latest?id=1,2")
    loose = await get(client, "coinmarketcap", "/v2/cryptocurrency/quotes/latest?id=1,2&skip_invalid=true")
    assert (strict.status, strict.json()["status"]["error_code"]) == (400, 400)
    assert list(loose.json()["data"]) == ["1"]
    ticks = (await get(client, "coindesk_data", "/index/cc/v1/latest/tick?instruments=BTC-USD,NO-USD")).json()
    assert (list(ticks["Data"]), ticks["Err"]["other_info"]["values"]) == (["BTC-USD"], ["NO-USD"])


async def test_coinmarketcap_keys_quotes_by_what_was_asked(client: Client) -> None:
    base = "/v{}/cryptocurrency/quotes/latest?{}"
    by_ticker = (await get(client, "coinmarketcap", base.format(2, "symbol=btc"))).json()["data"]
    by_id = (await get(client, "coinmarketcap", base.format(2, "id=1"))).json()["data"]
    older = (await get(client, "coinmarketcap", base.format(1, "symbol=BTC"))).json()["data"]
    assert by_ticker["BTC"][0]["id"] == by_id["1"]["id"] == older["BTC"]["id"] == 1
    paid = await get(client, "coinmarketcap", "/v1/cryptocurrency/trending/latest")
    assert (paid.status, paid.json()["status"]["error_code"]) == (403, 1006)


@pytest.mark.parametrize("provider", ["cryptocompare", "coindesk_data"])
@pytest.mark.parametrize("interval", ["1m", "1h", "1d"])
async def test_candles_of_keyed_aggregators_cover_the_window(
    client: Client, provider: str, interval: str
) -> None:
    entry, step, pair = ENTRIES[provider], INTERVAL_MS[interval], Pair("BTC", "USD")
    end = floor_open(START_MS, interval) - 5 * step
    ask = CandlesAsk(pair, interval, end - 30 * step, end)
    rows = await client.ask(entry, Capability.CANDLES, ask)
    assert [row.open_ms for row in rows] == list(range(end - 30 * step, end, step))
    assert all(violation(row) is None and row.closed for row in rows)
    assert rows[-1].close == pytest.approx(true(client, "BTC", end - 1), rel=0.002)
    newest = await client.ask(entry, Capability.CANDLES, CandlesAsk(pair, interval, limit=10))
    assert newest[-1].open_ms == floor_open(START_MS, interval)
    assert not newest[-1].closed
    with pytest.raises(SymbolNotListed):
        await client.ask(entry, Capability.CANDLES, CandlesAsk(Pair("NOSUCH", "USD"), interval))


async def test_coingecko_ohlc_is_stamped_with_the_close(client: Client) -> None:
    rows = (await client.get("/coingecko/coins/bitcoin/ohlc?vs_currency=usd&days=7")).json()
    last = floor_open(START_MS, "4h")
    assert [row[0] for row in rows[:-1]] == [last - n * 4 * HOUR_MS for n in range(40, -1, -1)]
    assert last < rows[-1][0] <= START_MS
    assert rows[0][4] == pytest.approx(true(client, "BTC", rows[0][0] - 1), rel=0.002)


async def test_a_history_in_another_currency_is_converted(client: Client) -> None:
    path = "/data/v2/histohour?fsym=BTC&tsym=EUR&limit=1"
    bars = (await get(client, "cryptocompare", path)).json()["Data"]["Data"]
    assert len(bars) == 2
    at = bars[0]["time"] * 1000
    expected = true(client, "BTC", at) / true(client, "EUR", at)
    assert bars[0]["open"] == pytest.approx(expected, rel=0.002)


async def test_search_finds_names_and_tickers(client: Client) -> None:
    for text, wanted in (
        ("bitcoin", {"bitcoin", "bitcoin-cash"}),
        ("cLASSIc", {"ethereum-classic"}),
        ("1INCH", {"1inch"}),
        ("", set()),
    ):
        rows = (await client.get(f"/coingecko/search?query={text}")).json()["coins"]
        assert {row["id"] for row in rows} == wanted


async def test_exchanges_share_out_the_volume(client: Client) -> None:
    rows = (await client.get("/coinlore/exchanges/")).json()
    whole = (await client.get("/coinlore/global/")).json()[0]
    assert sum(row["volume_usd"] for row in rows.values()) == pytest.approx(whole["total_volume"])
    volumes = [row["volume_usd"] for row in rows.values()]
    assert volumes == sorted(volumes, reverse=True)
    paged = (await client.get("/coingecko/exchanges?per_page=5&page=2")).json()
    assert [row["trust_score_rank"] for row in paged] == [6, 7, 8, 9, 10]
