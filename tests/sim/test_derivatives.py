"""Every venue of perpetuals against the simulator: what it asks is understood, what it reads is the market's truth."""

from __future__ import annotations

from typing import Any

import pytest
from sim_client import ENTRIES, START_MS, Client

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability, FundingAsk, OpenInterestAsk
from crypto_dt_source.model.errors import PayloadChanged, SymbolNotListed, UpstreamRateLimited
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.sim.derivatives import LISTED

NAMES = ("binance_futures", "bybit_futures", "okx_futures", "hyperliquid", "deribit")
venues = pytest.mark.parametrize("name", NAMES)
DATED = {"BTCUSDT_270326", "BTCUSDT-26MAR27", "BTCUSDH27", "BTC-26MAR27", "ETH-26MAR27"}
HOME = dict.fromkeys(NAMES, "USDT") | {"hyperliquid": "USD", "deribit": "USDC"}


async def funding(client: Client, name: str, *pairs: Pair) -> list[Any]:
    return await client.ask(ENTRIES[name], Capability.FUNDING, FundingAsk(pairs))


async def interest(client: Client, name: str, *pairs: Pair) -> list[Any]:
    """Open interest; of every contract, where a venue answers one a call."""
    entry = ENTRIES[name]
    if not catalog.adapter_of(entry).endpoints[Capability.OPEN_INTEREST].per_pair:
        return await client.ask(entry, Capability.OPEN_INTEREST, OpenInterestAsk(pairs))
    wanted = pairs or [Pair(row.base, row.quote) for row in await funding(client, name)]
    asks = [OpenInterestAsk((pair,)) for pair in wanted]
    return [row for ask in asks for row in await client.ask(entry, Capability.OPEN_INTEREST, ask)]


def true(client: Client, row: Any) -> float:
    market, now = client.app.market, client.clock.now_ms()
    return market.true_price(row.base, now) / market.true_price(row.quote, now)


@venues
async def test_funding_is_near_a_hundredth_of_a_percent_in_eight_hours(client: Client, name: str) -> None:
    rows = await funding(client, name)
    assert {row.base for row in rows if row.quote == HOME[name]} == set(LISTED)
    assert not DATED & {row.symbol for row in rows}
    assert len({row.symbol for row in rows}) == len(rows)
    for row in rows:
        assert violation(row, START_MS) is None, row
        eight = row.rate * 8 / row.interval_h if row.interval_h else row.rate
        assert abs(eight - 0.0001) < 0.0002
        for price in (row.mark_price, row.index_price):
            assert price is None or price == pytest.approx(true(client, row), rel=0.002), row
        assert row.next_ms is None or START_MS < row.next_ms <= START_MS + 8 * 3_600_000


async def test_binance_tells_the_interval_of_what_its_second_list_has(client: Client) -> None:
    rows = await funding(client, "binance_futures")
    hours = {quote: {row.interval_h for row in rows if row.quote == quote} for quote in ("USDT", "USDC")}
    assert hours == {"USDT": {4.0, 8.0}, "USDC": {None}}


@venues
async def test_open_interest_is_one_side_in_units_of_the_coin(client: Client, name: str) -> None:
    rows = await interest(client, name)
    assert {row.base for row in rows if row.quote == HOME[name]} == set(LISTED)
    for row in rows:
        assert violation(row, START_MS) is None, row
        price = true(client, row)
        amount = row.amount if row.amount is not None else row.value / price
        supply = client.app.market.assets[row.base].supply
        assert 0.001 < amount / supply < 0.02, row
        if row.amount is not None and row.value is not None:
            assert row.value == pytest.approx(row.amount * price, rel=0.002), row


@venues
async def test_named_pairs_and_no_others(client: Client, name: str) -> None:
    wanted = (Pair("PEPE", HOME[name]), Pair("ETH", HOME[name]))
    for rows in (await funding(client, name, *wanted), await interest(client, name, *wanted)):
        assert {Pair(row.base, row.quote) for row in rows} == set(wanted)


async def test_an_unknown_contract_is_not_listed(client: Client) -> None:
    gone = Pair("NOSUCH", "USDT")
    for ask in (funding, interest):
        with pytest.raises(SymbolNotListed):
            await ask(client, "binance_futures", gone)
        assert await ask(client, "bybit_futures", gone) == []
        assert await ask(client, "okx_futures", gone) == []
        assert await ask(client, "hyperliquid", Pair("NOSUCH", "USD")) == []
        assert await ask(client, "deribit", Pair("NOSUCH", "USDC")) == []
    for path, code in (
        ("/bybit_futures/v5/market/tickers?category=linear&symbol=NOSUCH", '"retCode":10001'),
        ("/okx_futures/api/v5/public/funding-rate?instId=NOSUCH-USDT-SWAP", '"code":"51001"'),
        ("/okx_futures/api/v5/public/open-interest?instType=SWAP&instId=NOSUCH", '"code":"51001"'),
        ("/deribit/api/v2/public/get_book_summary_by_currency?currency=any", '"code":-32602'),
        ("/binance_futures/fapi/v1/openInterest", '"code":-1102'),
    ):
        assert code in (await client.get(path)).body.decode()


async def test_the_info_endpoint_answers_one_question(client: Client) -> None:
    for body in (b'{"type":"nothing"}', b"{", b""):
        assert (await client.send("POST", "/hyperliquid/info", body=body)).status == 422


async def test_venues_differ_and_move(client: Client, clock: ManualClock) -> None:
    async def bitcoin(name: str) -> Any:
        return next(
            row for row in await funding(client, name) if row.base == "BTC" and row.quote == HOME[name]
        )

    before = [(await bitcoin(name)).rate for name in NAMES]
    assert len(set(before)) == len(NAMES)
    await clock.advance(9 * 3600)
    after = [(await bitcoin(name)).rate for name in NAMES]
    assert all(then != now for then, now in zip(before, after, strict=True))


async def test_price_faults_reach_the_contracts(client: Client) -> None:
    before = {row.symbol: row.mark_price for row in await funding(client, "deribit")}
    await client.fault("deribit", "power_of_ten", k=1)
    after = {row.symbol: row.mark_price for row in await funding(client, "deribit")}
    # The venue rounds what it shows.
    assert after == {symbol: pytest.approx(price * 10, rel=1e-5) for symbol, price in before.items()}


@venues
@pytest.mark.parametrize("fault", ["html", "truncated", "wrong_schema"])
async def test_a_body_that_is_not_the_format_is_seen(client: Client, name: str, fault: str) -> None:
    await client.fault(name, fault)
    for ask in (funding, interest):
        with pytest.raises(PayloadChanged):
            await ask(client, name, Pair("BTC", HOME[name]))


@pytest.mark.parametrize("name", ["binance_futures", "bybit_futures", "okx_futures", "deribit"])
async def test_the_venues_own_word_for_too_many_calls(client: Client, name: str) -> None:
    await client.fault(name, "error_200")
    with pytest.raises(UpstreamRateLimited):
        await funding(client, name, Pair("BTC", HOME[name]))
