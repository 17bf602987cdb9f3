"""Errors, keys and the rules of single venues in the second half of the simulated providers."""

from __future__ import annotations

import importlib

import pytest
from keyed import KEYS, get
from sim_client import START_MS, Client

from crypto_dt_source.model.ask import CandlesAsk, Capability, CoinAsk, QuotesAsk
from crypto_dt_source.model.candle import DAY_MS, floor_open
from crypto_dt_source.model.errors import (
    KeyRefused,
    PlanRequired,
    SymbolNotListed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.kit import Reply
from crypto_dt_source.sim.coins import REFUSED_KEY

FIRST_PATH = {
    "coingecko_demo": "/global",
    "coingecko_pro": "/global",
    "coinmarketcap": "/v1/global-metrics/quotes/latest",
    "coincap": "/assets",
    "cryptocompare": "/data/pricemultifull?fsyms=BTC&tsyms=USD",
    "coindesk_data": "/index/cc/v1/latest/tick?market=cadli&instruments=BTC-USD",
}

# --- errors ----------------------------------------------------------------------------------------------------------

NAMES = sorted(
    {
        "kucoin", "gate", "bitstamp", "bitfinex", "gemini", "crypto_com", "htx", "coingecko", "coinpaprika", "coinlore",
        "coincap", "cryptocompare", "coindesk_data", "coinmarketcap",
    }
)  # fmt: skip
UNKNOWN = {"coinmarketcap": UpstreamRejected}
ASKS = {
    "coinlore": (Capability.COIN, CoinAsk("1")),
    "cryptocompare": (Capability.QUOTES, QuotesAsk(ids=("BTC",))),
}
VENUE_ASK = (Capability.CANDLES, CandlesAsk(Pair("BTC", "USDT"), "1h"))


def meaning(name: str, kind: str) -> UpstreamError | None:
    """What the real adapter makes of a wire module's error."""
    answer = importlib.import_module(f"crypto_dt_source.sim.wire.{name}").ERROR(kind)
    reply = Reply(name, answer.status, answer.body, START_MS, answer.headers)
    adapter = catalog.adapter(name)
    if answer.status >= 300:
        return adapter.explain(reply)
    capability, ask = ASKS.get(name, VENUE_ASK)
    with pytest.raises(UpstreamError) as caught:
        list(adapter.endpoints[capability].parse(reply, ask))
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_adapters_understand_the_unknown_symbol(name: str) -> None:
    assert type(meaning(name, "unknown_symbol")) is UNKNOWN.get(name, SymbolNotListed)


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_limit_is_told(name: str) -> None:
    status = importlib.import_module(f"crypto_dt_source.sim.wire.{name}").ERROR("rate_limited_in_200").status
    found = type(meaning(name, "rate_limited_in_200"))
    # A 429 says it by itself: the body may stay unread then.
    assert found is UpstreamRateLimited or (status, found) == (429, type(None))


@pytest.mark.parametrize("provider", KEYS)
@pytest.mark.parametrize("key", ["", REFUSED_KEY])
async def test_keys_are_asked_for_and_checked(client: Client, provider: str, key: str) -> None:
    heard = await get(client, provider, FIRST_PATH[provider], key)
    assert heard.status == 401
    entry = catalog.load()[provider]
    reply = Reply(provider, 401, heard.body, START_MS)
    assert isinstance(catalog.adapter_of(entry).explain(reply), KeyRefused)
    assert (await get(client, provider, FIRST_PATH[provider])).status == 200


async def test_coinmarketcap_tells_a_missing_from_a_wrong_key(client: Client) -> None:
    path = FIRST_PATH["coinmarketcap"]
    codes = [(await get(client, "coinmarketcap", path, key)).json()["status"] for key in ("", REFUSED_KEY)]
    assert [code["error_code"] for code in codes] == [1002, 1001]
    assert codes[0]["error_message"] == "API key missing."


async def test_a_coingecko_key_on_the_other_host_is_refused(client: Client) -> None:
    demo, pro = KEYS["coingecko_demo"][0], KEYS["coingecko_pro"][0]
    answers = {
        (host, name): await client.send("GET", f"/{host}/ping", headers={name: "CG-1"})
        for host in ("coingecko", "coingecko_demo", "coingecko_pro")
        for name in (demo, pro)
    }
    assert [heard.status for heard in answers.values()] == [200, 400, 200, 400, 400, 200]
    assert answers["coingecko_pro", demo].json()["status"]["error_code"] == 10011
    assert answers["coingecko_demo", pro].json()["status"]["error_code"] == 10010


async def test_keys_in_the_query_are_accepted(client: Client) -> None:
    for target in (
        "/coincap/assets?apiKey=k",
        "/cryptocompare/stats/rate/limit?api_key=k",
        "/coinmarketcap/v1/cryptocurrency/map?CMC_PRO_API_KEY=k",
        "/coingecko_demo/ping?x_cg_demo_api_key=k",
    ):
        assert (await client.get(target)).status == 200, target


async def test_long_history_needs_a_plan(client: Client) -> None:
    gecko = await client.get("/coingecko/coins/bitcoin/market_chart?vs_currency=usd&days=366")
    paprika = await client.get("/coinpaprika/tickers/btc-bitcoin/historical?start=1700000000")
    assert (gecko.status, paprika.status) == (401, 402)
    for name, heard in (("coingecko", gecko), ("coinpaprika", paprika)):
        explained = catalog.adapter(name).explain(Reply(name, heard.status or 0, heard.body, START_MS))
        assert isinstance(explained, PlanRequired)
    paid = await get(client, "coingecko_pro", "/coins/bitcoin/market_chart?vs_currency=usd&days=366")
    assert paid.status == 200


# --- venues ----------------------------------------------------------------------------------------------------------


async def test_kucoin_ranges_end_before_end_at(client: Client) -> None:
    start = floor_open(START_MS, "1h") // 1000 - 10 * 3600
    path = f"/api/v1/market/candles?symbol=BTC-USDT&type=1hour&startAt={start}&endAt={start + 3 * 3600}"
    rows = (await get(client, "kucoin", path)).json()["data"]
    assert [int(row[0]) for row in rows] == [start + 2 * 3600, start + 3600, start]
    for row in rows:
        opened, close, high, low = (float(value) for value in row[1:5])
        assert low <= min(opened, close) <= max(opened, close) <= high
    open_ended = (await get(client, "kucoin", "/api/v1/market/candles?symbol=BTC-USDT&type=1min")).json()
    assert len(open_ended["data"]) == 100


async def test_gate_refuses_a_limit_beside_a_range_and_too_many_points(client: Client) -> None:
    base = "/api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=1m"
    start = START_MS // 60_000 * 60 - 1000 * 60
    both = await get(client, "gate", f"{base}&from={start}&limit=10")
    wide = await get(client, "gate", f"{base}&from={start - 60}&to={start + 1000 * 60}")
    full = await get(client, "gate", f"{base}&from={start}&to={start + 999 * 60}")
    assert [heard.status for heard in (both, wide, full)] == [400, 400, 200]
    assert both.json()["label"] == wide.json()["label"] == "INVALID_PARAM_VALUE"
    rows = full.json()
    assert (len(rows), int(rows[0][0]), int(rows[-1][0])) == (1000, start, start + 999 * 60)
    newest = (await get(client, "gate", f"{base}&limit=3")).json()
    assert [row[7] for row in newest] == ["true", "true", "false"]


async def test_bitstamp_counts_back_from_end_and_drops_the_start(client: Client) -> None:
    end = floor_open(START_MS, "1h") // 1000 - 24 * 3600
    path = f"/api/v2/ohlc/btcusd/?step=3600&limit=4&start={end - 3600}&end={end}"
    rows = (await get(client, "bitstamp", path)).json()["data"]["ohlc"]
    assert [int(row["timestamp"]) for row in rows] == [end - 3600 * n for n in (3, 2, 1, 0)]
    assert (await get(client, "bitstamp", "/api/v2/ohlc/btcusd/?step=61&limit=4")).status == 400


async def test_bitfinex_lists_funding_and_derivatives_beside_pairs(client: Client) -> None:
    rows = (await get(client, "bitfinex", "/v2/tickers?symbols=ALL")).json()
    lengths = {row[0]: len(row) for row in rows}
    assert (lengths["fUSD"], lengths["tBTCUSD"], lengths["tBTCF0:USTF0"]) == (17, 11, 11)
    assert "tDOGE:USD" in lengths
    assert "tBTCUST" in lengths
    assert (await get(client, "bitfinex", "/v2/tickers?symbols=tNOSUCH:USD")).json() == []
    up = (
        await get(client, "bitfinex", f"/v2/candles/trade:1h:tDOGE:USD/hist?sort=1&start={START_MS - DAY_MS}")
    ).json()
    assert [row[0] for row in up] == sorted(row[0] for row in up)
    assert len(up) == 24
    wrong = await get(client, "bitfinex", "/v2/book/tBTCUSD/P0?len=7")
    assert (wrong.status, wrong.json()) == (500, ["error", 10020, "len: invalid"])


async def test_gemini_candles_cover_a_fixed_stretch(client: Client) -> None:
    rows = (await get(client, "gemini", "/v2/candles/btcusd/1m?limit=3&start=0")).json()
    assert len(rows) == 1440
    assert rows[0][0] == floor_open(START_MS, "1m")
    names = (await get(client, "gemini", "/v1/pricefeed")).json()
    assert "BTCGUSDPERP" in {row["pair"] for row in names}
    assert (await get(client, "gemini", "/v1/book/nosuch")).json()["result"] == "error"


async def test_crypto_com_shows_perpetuals_beside_spot(client: Client) -> None:
    rows = (await get(client, "crypto_com", "/exchange/v1/public/get-tickers")).json()["result"]["data"]
    assert {"BTC_USD", "BTCUSD-PERP"} <= {row["i"] for row in rows}
    path = "/exchange/v1/public/get-candlestick?instrument_name=BTC_USD&timeframe=1h&count=1000"
    assert len((await get(client, "crypto_com", path)).json()["result"]["data"]) == 300


async def test_htx_days_open_in_singapore(client: Client) -> None:
    path = "/market/history/kline?symbol=btcusdt&period={}&size=5"
    days = (await get(client, "htx", path.format("1day"))).json()["data"]
    hours = (await get(client, "htx", path.format("60min"))).json()["data"]
    assert all(row["id"] % 86_400 == 16 * 3600 for row in days)
    assert [row["id"] for row in hours] == sorted((row["id"] for row in hours), reverse=True)
    trades = (await get(client, "htx", "/market/history/trade?symbol=btcusdt&size=2")).json()["data"]
    assert all(trade["id"] > 2**64 for group in trades for trade in group["data"])
    wrong = await get(client, "htx", "/market/depth?symbol=btcusdt&type=step9")
    assert (wrong.status, wrong.json()["err-code"]) == (200, "invalid-parameter")
