"""What a symbol may look like, and the currency it is answered in."""

from __future__ import annotations

import pytest
from in_process import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("text", ["BTC", "btc", "bitcoin", "Bitcoin", "BTC-USD", "BTC/USD", "BTCUSD", "XBT"])
async def test_every_spelling_is_the_same_price(api: Service, text: str) -> None:
    row = (await api.data(f"/api/prices?symbols={text}"))["data"][0]
    assert (row["id"], row["vs"]) == ("bitcoin", "usd")
    assert (await api.data(f"/api/prices/{text}"))["data"] == row
    assert (await api.data(f"/api/prices/{text.replace('/', '%2F')}"))["data"] == row


@pytest.mark.parametrize(
    ("text", "vs"),
    [("BTC-EUR", "eur"), ("btc/eur", "eur"), ("BTCUSDT", "usdt"), ("ETH-BTC", "btc"), ("SOL", "usd")],
)
async def test_a_pair_is_answered_in_its_own_currency(api: Service, text: str, vs: str) -> None:
    row = (await api.data(f"/api/prices/{text}"))["data"]
    assert row["vs"] == vs
    asked = (await api.data(f"/api/prices/{row['symbol']}?vs={vs}"))["data"]
    assert asked["price"] == row["price"]
    assert (await api.data(f"/api/prices/{text}/sources"))["vs"] == vs


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/prices/BTC/history", "/api/prices/history/BTC"),
        ("/api/prices/btc/EUR/History/", "/api/prices/history/btc/EUR"),
        ("/api/prices/BTC/EUR/candles", "/api/ohlcv?symbol=BTC%2FEUR"),
        ("/api/coins/BTC/sources", "/api/prices/BTC/sources"),
    ],
)
async def test_a_guessed_path_is_answered_with_the_right_one(api: Service, path: str, route: str) -> None:
    body = await api.error(path, 404, "not_found")
    assert body["error"].endswith(f" {route}.")
    assert body["details"] == {"route": route}
    if "ohlcv" not in route:
        await api.data(route)


async def test_what_is_no_symbol_is_no_guess_either(api: Service) -> None:
    await api.error("/api/prices/BTX/history", 404, "unknown_symbol")
    await api.error("/api/prices/history", 404, "unknown_symbol")
    await api.error("/api/prices/BTC/nonsense", 404, "unknown_symbol")


async def test_an_asked_currency_wins_over_the_pair(api: Service) -> None:
    assert (await api.data("/api/prices/BTC-EUR?vs=gbp"))["data"]["vs"] == "gbp"
    body = await api.data("/api/prices?symbols=BTC-EUR,ETH/USDT,SOL&vs=USD")
    assert {row["vs"] for row in body["data"]} == {"usd"}


async def test_a_currency_without_a_rate_falls_back_to_dollars(api: Service) -> None:
    row = (await api.data("/api/prices/BTC-JPY"))["data"]
    assert (row["vs"], row["status"]) == ("usd", "ok")
    await api.error("/api/prices/BTC-JPY?vs=jpy", 503, "no_data_yet")


async def test_one_row_for_one_asset_and_currency(api: Service) -> None:
    body = await api.data("/api/prices?symbols=BTC,btc,bitcoin,BTC-EUR,BTC,eth,BTC/EUR")
    assert [(row["id"], row["vs"]) for row in body["data"]] == [
        ("bitcoin", "usd"),
        ("bitcoin", "eur"),
        ("ethereum", "usd"),
    ]


async def test_unknown_symbols_are_named_and_the_others_answered(api: Service) -> None:
    body = await api.data("/api/prices?symbols=BTC,BTX,%00,ETH")
    assert [row["symbol"] for row in body["data"]] == ["BTC", "ETH"]
    assert [(row["symbol"], row["code"]) for row in body["errors"]] == [
        ("BTX", "unknown_symbol"),
        ("\x00", "invalid_parameter"),
    ]
    assert "BTC" in body["errors"][0]["did_you_mean"]
    only = await api.data("/api/prices?symbols=BTX")
    assert only["data"] == []
    assert only["meta"]["fetched_at"] is None


async def test_an_ambiguous_ticker_names_the_others(api: Service) -> None:
    shared = next(a for a in api.rt.resolver.ranked() if len(api.rt.resolver.resolve(a.ticker).ambiguous) > 0)
    found = api.rt.resolver.resolve(shared.ticker)
    for path in (f"/api/prices/{shared.ticker}", f"/api/ohlcv/coverage?symbol={shared.ticker}"):
        answer = await api.get(path)
        if answer.status_code == 200:
            assert answer.json()["meta"]["ambiguous"] == {found.asset.ticker: [a.id for a in found.ambiguous]}
    assert (await api.data("/api/ohlcv/coverage?symbol=BTC"))["meta"]["ambiguous"] == {}


async def test_an_asset_nobody_collected_is_asked_for_once(fresh: Service) -> None:
    fresh.rt.board.quotes.pop("dogecoin")
    fresh.rt.pricer.last.pop(("dogecoin", "USD"), None)
    before = len(fresh.upstreams.calls)
    first = await fresh.data("/api/prices/DOGE")
    assert first["meta"]["cache"] == "miss"
    asked = len(fresh.upstreams.calls) - before
    assert asked > 0
    second = await fresh.data("/api/prices/DOGE")
    assert second["meta"]["cache"] == "hit"
    assert second["data"]["price"] == first["data"]["price"]
    assert len(fresh.upstreams.calls) - before == asked
