"""Prices, the quotes behind them, and the rates."""

from __future__ import annotations

import pytest

from crypto_dt_source.store import PriceRow, QuoteRow, RateRow, Store, StoreError
from crypto_dt_source.store.repos import prices

from .conftest import T0

STEP = 300_000
# A float whose shortest text has 17 digits: it survives only where nothing rounds.
ODD = 0.1 + 0.2


def price(asset: str, n: int, value: float | None = 1.0) -> PriceRow:
    return PriceRow(asset, T0 + n * STEP, value, 0.01, 9, 0.002, "ok" if value else "no_consensus", "cdts-1")


def quote(asset: str, n: int, provider: str, value: float) -> QuoteRow:
    at = T0 + n * STEP
    return QuoteRow(
        asset,
        at,
        provider,
        provider,
        "venue",
        f"{asset}-USDT",
        "USDT",
        value,
        None,
        value + ODD,
        1e9,
        None,
        at - 7,
        at - 9,
    )


async def test_history_is_one_assets_range(store: Store) -> None:
    await prices.write_prices(
        store, [price(a, n, n + ODD) for n in range(1, 11) for a in ("bitcoin", "ethereum")]
    )
    found = await prices.history(store, "bitcoin", T0 + 2 * STEP, T0 + 5 * STEP)
    assert found == [(T0 + n * STEP, n + ODD) for n in (2, 3, 4)]
    assert await prices.history(store, "dogecoin", 0, T0 * 2) == []
    assert await prices.history(store, "bitcoin", 0, T0 * 2, provider="kraken") == []


async def test_history_by_step_takes_the_last_of_each(store: Store) -> None:
    await prices.write_prices(store, [price("bitcoin", n, n + 1.0) for n in range(30)])
    found = await prices.history(store, "bitcoin", T0, T0 + 30 * STEP, step_ms=3_600_000)
    assert [(point[0] - T0) // STEP for point in found] == [11, 23, 29]
    assert [point[1] for point in found] == [12.0, 24.0, 30.0]


async def test_a_price_is_replaced_and_no_consensus_is_kept(store: Store) -> None:
    await prices.write_prices(store, [price("bitcoin", 0, 1.0)])
    await prices.write_prices(store, [price("bitcoin", 0, None)])
    ((row),) = await prices.rows(store, "bitcoin", T0, T0 + 1)
    assert row == price("bitcoin", 0, None)
    assert row.status == "no_consensus"


async def test_latest_all_is_the_newest_row_with_a_price(store: Store) -> None:
    await prices.write_prices(
        store,
        [
            price("bitcoin", 0, 1.0),
            price("bitcoin", 1, 2.0),
            price("bitcoin", 2, None),
            price("ethereum", 0, 5.0),
            price("ethereum", 3, 6.0)._replace(provider="kraken"),
            price("tether", 0, None),
        ],
    )
    assert await prices.latest_all(store) == {
        "bitcoin": price("bitcoin", 1, 2.0),
        "ethereum": price("ethereum", 0, 5.0),
    }
    assert (await prices.latest_all(store, "kraken"))["ethereum"].price == 6.0
    assert await prices.latest_all(store, "nobody") == {}


async def test_at_is_bounded_by_the_tolerance(store: Store) -> None:
    await prices.write_prices(
        store, [price("bitcoin", 0, 1.0), price("bitcoin", 2, 3.0), price("ethereum", 2, 4.0)]
    )
    assert await prices.at(store, T0 + STEP, 2 * STEP) == {"bitcoin": 1.0}
    assert await prices.at(store, T0 + 2 * STEP, STEP) == {"bitcoin": 3.0, "ethereum": 4.0}
    assert await prices.at(store, T0 + 3 * STEP, STEP) == {}


async def test_quotes_come_back_bit_for_bit_in_order(store: Store) -> None:
    given = [
        quote("bitcoin", 0, name, value)
        for name, value in [
            ("okx", 1 / 3),
            ("binance", ODD),
            ("binance", 5e-324),
            ("kraken", 1.7976931348623157e308),
        ]
    ]
    given.append(given[0]._replace(provider="coingecko-pro", source="coingecko", kind="aggregator"))
    rates = [RateRow(T0, "USDT", 0.9997 + ODD * 1e-9), RateRow(T0, "EUR", 1.07)]
    await prices.write_prices(store, [price("bitcoin", 0)], [*given, quote("ethereum", 0, "okx", 2.0)], rates)
    assert await prices.quotes_at(store, "bitcoin", T0) == given
    assert await prices.rates_at(store, T0) == {"USDT": rates[0].usd, "EUR": 1.07}
    assert await prices.quotes_at(store, "bitcoin", T0 + 1) == []
    assert await prices.quotes_at(store, "nothing", T0) == []


async def test_a_second_decision_replaces_all_quotes_of_the_first(store: Store) -> None:
    await prices.write_prices(
        store, [price("bitcoin", 0)], [quote("bitcoin", 0, p, 1.0) for p in ("okx", "gate", "htx")]
    )
    await prices.write_prices(store, [price("bitcoin", 0)], [quote("bitcoin", 0, "kraken", 2.0)])
    assert [q.provider for q in await prices.quotes_at(store, "bitcoin", T0)] == ["kraken"]


async def test_price_quotes_and_rates_are_one_transaction(store: Store) -> None:
    broken = quote("bitcoin", 0, "okx", 1.0)._replace(price=None)  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        await prices.write_prices(store, [price("bitcoin", 0)], [broken], [RateRow(T0, "EUR", 1.0)])
    assert await prices.rows(store, "bitcoin", 0, T0 * 2) == []
    assert await prices.rates_at(store, T0) == {}
    await prices.write_rates(store, [RateRow(T0, "EUR", 1.0)])
    assert await prices.rates_at(store, T0) == {"EUR": 1.0}


async def test_quotes_behind_the_latest_price_of_every_asset(store: Store) -> None:
    first = [quote("bitcoin", 0, "okx", 1.0), quote("bitcoin", 0, "gate", 2.0)]
    last = [quote("bitcoin", 1, "kraken", 3.0), quote("bitcoin", 1, "binance", 4.0)]
    older = [quote("ethereum", 0, "okx", 5.0)]
    await prices.write_prices(store, [price("bitcoin", 0), price("ethereum", 0)], [*first, *older])
    await prices.write_prices(store, [price("bitcoin", 1), price("solana", 1)], last)
    await prices.write_prices(store, [price("ethereum", 1, None)], [quote("ethereum", 1, "okx", 6.0)])
    assert await prices.behind_latest(store) == {"bitcoin": last, "ethereum": older}
    assert await prices.behind_latest(store, "nobody") == {}
