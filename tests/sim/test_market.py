"""The hidden market: the same for the same seed, coherent between venues and capabilities, its past immovable."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_client import START_MS

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.candle import DAY_MS, HOUR_MS, INTERVAL_MS, MINUTE_MS
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.sim.assets import DEFAULT
from crypto_dt_source.sim.market import Market, Sight

BTC = Pair("BTC", "USDT")


@pytest.fixture
def market(clock: ManualClock) -> Market:
    return Market(7, clock)


def test_the_asset_list_is_sound() -> None:
    tickers = [asset.ticker for asset in DEFAULT]
    ids = [asset.gecko_id for asset in DEFAULT if asset.kind != "fiat"]
    assert len(set(tickers)) == len(tickers) >= 60
    assert len(set(ids)) == len(ids)
    assert {"USDT", "USDC", "DAI", "FDUSD", "TUSD"} <= {a.ticker for a in DEFAULT if a.kind == "stablecoin"}
    assert {"USD", "EUR", "GBP", "JPY"} <= {a.ticker for a in DEFAULT if a.kind == "fiat"}
    assert all(asset.price > 0 for asset in DEFAULT)
    assert all(a.max_supply is None or a.max_supply >= a.supply for a in DEFAULT)


def test_a_seed_is_a_market(clock: ManualClock) -> None:
    same, other = Market(7, clock), Market(8, clock)
    market = Market(7, clock)
    times = [START_MS - 90 * DAY_MS, START_MS - 1, START_MS, START_MS + DAY_MS]
    assert [market.true_price("BTC", t) for t in times] == [same.true_price("BTC", t) for t in times]
    assert all(market.true_price("BTC", t) != other.true_price("BTC", t) for t in times)
    assert market.view("kraken").ticker(Pair("BTC", "USD"), START_MS) == same.view("kraken").ticker(
        Pair("BTC", "USD"), START_MS
    )


def test_prices_move_and_are_smooth(market: Market) -> None:
    minute = [market.true_price("BTC", START_MS + n * 1000) for n in range(600)]
    assert len(set(minute)) == 600
    assert max(abs(b / a - 1) for a, b in pairwise(minute)) < 0.001
    days = [market.true_price("BTC", START_MS - n * DAY_MS) for n in range(90)]
    assert max(days) / min(days) > 1.05


def test_stablecoins_wobble_around_a_dollar_and_fiats_around_their_rate(market: Market) -> None:
    hours = [START_MS - n * HOUR_MS for n in range(500)]
    for ticker, rate in (("USDT", 1.0), ("USDC", 1.0), ("DAI", 1.0), ("EUR", 1.08), ("GBP", 1.27)):
        prices = [market.true_price(ticker, t) for t in hours]
        assert len(set(prices)) == 500
        assert 1.0 not in prices
        assert all(abs(price / rate - 1) < 0.01 for price in prices)
    assert {market.true_price("USD", t) for t in hours} == {1.0}


def test_a_shock_moves_the_present_and_not_the_past(market: Market, clock: ManualClock) -> None:
    before = [market.true_price("ETH", START_MS - n * 1000) for n in range(1, 50)]
    market.set_price("ETH", 10_000)
    assert market.true_price("ETH", clock.now_ms()) == pytest.approx(10_000)
    assert [market.true_price("ETH", START_MS - n * 1000) for n in range(1, 50)] == before
    market.shock("ETH", 0.5)
    assert market.true_price("ETH", clock.now_ms()) == pytest.approx(5_000)
    assert market.version == 2
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="positive"):
            market.set_price("ETH", wrong)
        with pytest.raises(ValueError, match="positive"):
            market.shock("ETH", wrong)
    with pytest.raises(KeyError):
        market.shock("NOSUCH", 2)


@pytest.mark.parametrize(
    "provider", [e.id for e in catalog.load().values() if e.kind == "venue" and e.quotes_in]
)
def test_a_venue_is_near_the_truth_and_its_own(market: Market, provider: str) -> None:
    view = market.view(provider)
    assert len(view.pairs()) == len(set(view.pairs())) >= 60
    first = view.entry.quotes_in[0]
    assert all(view.lists(Pair(base, first)) for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA"))
    for pair, ticker in view.tickers(START_MS):
        true = market.true_price(pair.base, START_MS) / market.true_price(pair.quote, START_MS)
        assert abs(ticker.last / true - 1) <= 0.000301
        assert ticker.low <= min(ticker.open, ticker.last) <= max(ticker.open, ticker.last) <= ticker.high
        assert 0.00019 < (ticker.ask - ticker.bid) / ticker.last < 0.0021
        assert ticker.base_volume > 0
        assert ticker.quote_volume > 0
    with pytest.raises(KeyError):
        view.ticker(Pair("NOSUCH", first), START_MS)


def test_venues_differ_and_two_hosts_of_one_do_not(market: Market) -> None:
    def last(provider: str) -> float:
        return market.view(provider).ticker(BTC, START_MS).last

    assert len({last(p) for p in ("binance", "okx", "bybit", "kucoin", "gate", "mexc")}) == 6
    assert last("binance") == last("binance_main")


@settings(max_examples=40, deadline=None)
@given(
    interval=st.sampled_from(sorted(INTERVAL_MS)),
    back=st.integers(min_value=1, max_value=400),
    length=st.integers(min_value=1, max_value=60),
    seed=st.integers(min_value=0, max_value=5),
)
def test_candles_are_the_same_whatever_the_window(interval: str, back: int, length: int, seed: int) -> None:
    clock = ManualClock(START_MS)
    view = Market(seed, clock).view("binance")
    step = INTERVAL_MS[interval]
    start = START_MS - back * step
    rows = view.candles(BTC, step, start, start + length * step)
    assert all(b.open_ms - a.open_ms == step and a.close == b.open for a, b in pairwise(rows))
    assert all(start <= row.open_ms < start + length * step and row.open_ms <= START_MS for row in rows)
    assert len(rows) == min(length, back + 1) or start + length * step > START_MS
    assert all(c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high and c.volume > 0 for c in rows)
    for row in rows[:3]:
        assert view.candles(BTC, step, row.open_ms, row.open_ms + 1) == [row]


async def test_closed_candles_never_move_and_agree_with_live_prices(
    market: Market, clock: ManualClock
) -> None:
    view = market.view("kraken")
    pair = Pair("BTC", "USD")
    start = START_MS // MINUTE_MS * MINUTE_MS - 10 * MINUTE_MS
    earlier = view.candles(pair, MINUTE_MS, start, START_MS + 1)
    assert len(earlier) == 11
    assert earlier[-1].close == pytest.approx(view.ticker(pair, START_MS).last, rel=1e-6)
    market.shock("BTC", 1.5)
    await clock.advance(300)
    later = view.candles(pair, MINUTE_MS, start, clock.now_ms() + 1)
    assert later[:10] == earlier[:10]
    assert later[10].high == pytest.approx(earlier[10].close * 1.5, rel=0.01)
    assert len(later) == 16
    assert view.candles(pair, MINUTE_MS, clock.now_ms() + MINUTE_MS, clock.now_ms() + HOUR_MS) == []
    assert view.candles(pair, DAY_MS, 0, 1_514_764_800_000) == []


def test_weeks_open_on_monday(market: Market) -> None:
    rows = market.view("binance").candles(BTC, 7 * DAY_MS, START_MS - 30 * DAY_MS, START_MS)
    assert {(row.open_ms // DAY_MS + 3) % 7 for row in rows} == {0}


def test_book_and_trades(market: Market) -> None:
    view = market.view("okx")
    book, ticker = view.book(BTC, 400, START_MS), view.ticker(BTC, START_MS)
    assert (book.bids[0][0], book.asks[0][0]) == (ticker.bid, ticker.ask)
    assert all(a[0] > b[0] for a, b in pairwise(book.bids))
    assert all(a[0] < b[0] for a, b in pairwise(book.asks))
    assert len(book.bids) == len(book.asks) == 400
    assert all(price > 0 and size > 0 for price, size in (*book.bids, *book.asks))
    trades = view.trades(BTC, 50, START_MS)
    assert [t.id for t in trades] == list(range(trades[0].id, trades[0].id + 50))
    assert all(a.time_ms < b.time_ms <= START_MS for a, b in pairwise(trades))
    assert view.trades(BTC, 10, START_MS) == trades[-10:]
    assert {t.side for t in trades} == {"buy", "sell"}


def test_an_aggregator_lists_coins_by_capitalisation(market: Market) -> None:
    view = market.view("coingecko")
    coins = view.coins(START_MS)
    assert [coin.rank for coin in coins] == list(range(1, len(coins) + 1))
    assert coins[0].asset.ticker == "BTC"
    assert all(a.market_cap >= b.market_cap for a, b in pairwise(coins))
    assert not {coin.asset.kind for coin in coins} & {"fiat"}
    assert set(view.pairs()) == {Pair(asset.ticker, "USD") for asset in view.assets()}


def test_sights_lie_in_every_capability(market: Market) -> None:
    honest = market.view("binance")
    true = honest.ticker(BTC, START_MS).last

    def seen(sight: Sight) -> tuple[float, float, float, float]:
        view = market.view("binance", sight)
        at = START_MS + sight.skew_ms
        ticker = view.ticker(BTC, at)
        assert ticker.low <= ticker.last <= ticker.high
        candle = view.candles(BTC, MINUTE_MS, at - MINUTE_MS, at + 1)[-1]
        trade, book = view.trades(BTC, 1, at)[0], view.book(BTC, 1, at)
        return ticker.last, candle.close, trade.price, book.bids[0][0]

    def told(sight: Sight, price: float) -> None:
        assert seen(sight) == pytest.approx((price,) * 4, rel=0.003)

    told(Sight(exponent=3), true * 1000)
    told(Sight(exponent=-2), true / 100)
    told(Sight(inverted=True), 1 / true)
    told(Sight(swaps=(("BTC", "ETH"),)), honest.ticker(Pair("ETH", "USDT"), START_MS).last)
    told(Sight(skew_ms=-3_600_000), true)
    old = START_MS - 12 * DAY_MS
    told(Sight(frozen_ms=old), honest.ticker(BTC, old).last)
    assert abs(honest.ticker(BTC, old).last / true - 1) > 0.01
    hidden = market.view("binance", Sight(hidden=frozenset({"BTC"})))
    assert not hidden.lists(BTC)
    assert hidden.lists(Pair("ETH", "USDT"))
    assert "BTC" not in {asset.ticker for asset in hidden.assets()}


def test_a_frozen_aggregator_shows_the_old_day(market: Market) -> None:
    old = START_MS - 12 * DAY_MS
    frozen = market.view("coingecko", Sight(frozen_ms=old)).coins(START_MS)[0]
    honest = market.view("coingecko").coins(old)[0]
    assert (frozen.price, frozen.high_24h, frozen.low_24h) == (honest.price, honest.high_24h, honest.low_24h)
    assert frozen.price != market.view("coingecko").coins(START_MS)[0].price
