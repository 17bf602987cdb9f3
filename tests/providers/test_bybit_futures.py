from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from perpetual_desk import HOUR, NOW, Desk, same_kind
from spot_desk import asked, normal

from crypto_dt_source.model.ask import FundingAsk, OpenInterestAsk, QuotesAsk
from crypto_dt_source.model.derivatives import FundingRate, OpenInterest
from crypto_dt_source.model.errors import (
    PayloadChanged,
    RegionBlocked,
    SymbolNotListed,
    UpstreamBanned,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers.adapters import bybit
from crypto_dt_source.providers.adapters.bybit_futures import ADAPTER

desk = Desk(ADAPTER)


def ticker(symbol: str = "BTCUSDT", **changed: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "lastPrice": "66000",
        "indexPrice": "66000.5",
        "markPrice": "66010",
        "openInterest": "100",
        "openInterestValue": "6601000",
        "singleOpenInterest": "50",
        "singleOpenInterestValue": "3300500",
        "fundingRate": "0.00012",
        "nextFundingTime": str(NOW + HOUR),
        "deliveryTime": "0",
        "fundingIntervalHour": "8",
        "fundingCap": "0.005",
    } | changed


def listed(*rows: Any, category: str = "linear") -> dict[str, Any]:
    result = {"category": category, "list": list(rows)}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": NOW}


def refused(code: int, message: str) -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": NOW}


def test_recorded_bodies(wire: Path) -> None:
    body = (wire / "bybit" / "tickers_inverse.json").read_bytes()
    (rate,) = normal(desk.funding(body))
    assert rate == FundingRate(
        "bybit_futures", "BTCUSD", "BTC", "USD", -0.001034, None, 16596.0, 16598.54, 1672387200000, None, NOW
    )
    # Then only the sum of both sides was given.
    (interest,) = normal(desk.interest(body))
    assert interest == OpenInterest(
        "bybit_futures", "BTCUSD", "BTC", "USD", 22505.67 / 2, 373504107 / 2, None, NOW
    )
    assert interest.value == pytest.approx(interest.amount * rate.mark_price, rel=1e-5)
    # The same list holds no spot market.
    assert list(bybit.quotes_parse(desk.reply(body), QuotesAsk())) == []


def test_recorded_errors(wire: Path) -> None:
    body = (wire / "bybit" / "error_10001_params.json").read_bytes()
    for read in (desk.funding, desk.interest):
        with pytest.raises(UpstreamRejected) as caught:
            read(body)
        assert same_kind(caught, UpstreamRejected)
    blocked = desk.explain((wire / "bybit" / "error_403_cloudfront.txt").read_bytes(), 403)
    assert isinstance(blocked, RegionBlocked)


def test_a_linear_contract_counts_coins() -> None:
    (rate,) = normal(desk.funding(listed(ticker())))
    assert rate == FundingRate(
        "bybit_futures", "BTCUSDT", "BTC", "USDT", 0.00012, 8.0, 66010.0, 66000.5, NOW + HOUR, None, NOW
    )
    (interest,) = normal(desk.interest(listed(ticker())))
    assert interest == OpenInterest("bybit_futures", "BTCUSDT", "BTC", "USDT", 50.0, 3300500.0, None, NOW)


def test_an_inverse_contract_counts_dollars() -> None:
    row = ticker("BTCUSD", singleOpenInterest="6601000", singleOpenInterestValue="100")
    (interest,) = normal(desk.interest(listed(row, category="inverse")))
    assert (interest.quote, interest.amount, interest.value) == ("USD", 100.0, 6601000.0)


def test_one_side_is_half_of_both_where_it_is_not_given() -> None:
    bare = {k: v for k, v in ticker().items() if not k.startswith("single")}
    empty = ticker("ETHUSDT", singleOpenInterest="", singleOpenInterestValue="", openInterestValue="")
    nothing = ticker(
        "XRPUSDT", singleOpenInterest="", singleOpenInterestValue="", openInterest="", openInterestValue=""
    )
    zero = ticker("ADAUSDT", singleOpenInterest="0", singleOpenInterestValue="0")
    rows = normal(desk.interest(listed(bare, empty, nothing, zero)))
    assert [(r.symbol, r.amount, r.value) for r in rows] == [
        ("BTCUSDT", 50.0, 3300500.0),
        ("ETHUSDT", 50.0, None),
        ("ADAUSDT", 0.0, 0.0),
    ]


def test_contracts_on_a_thousand_coins_are_told_of_one() -> None:
    rows = [
        ticker("1000PEPEUSDT", markPrice="0.0047", singleOpenInterest="2.5"),
        ticker("SHIB1000USDT", markPrice="0.009", singleOpenInterest="3"),
        ticker("1000000MOGUSDT", markPrice="0.5", singleOpenInterest="4"),
    ]
    rates, interests = normal(desk.funding(listed(*rows))), normal(desk.interest(listed(*rows)))
    assert [r.base for r in rates] == ["PEPE", "SHIB", "MOG"]
    assert [r.mark_price for r in rates] == [pytest.approx(p) for p in (0.0000047, 0.000009, 0.0000005)]
    assert [r.amount for r in interests] == [2500.0, 3000.0, 4_000_000.0]
    assert [r.value for r in interests] == [3300500.0] * 3


def test_only_perpetuals_and_of_them_those_asked_for() -> None:
    dated = {
        "deliveryTime": str(NOW + 9 * HOUR),
        "fundingRate": "",
        "nextFundingTime": "0",
        "fundingIntervalHour": "",
    }
    body = listed(
        ticker(),
        ticker("BTCPERP"),
        ticker("PERPUSDT"),
        ticker("BTC-25DEC26", **dated),
        ticker("BTCUSDT-25DEC26", **dated | {"deliveryTime": ""}),
        ticker("ETHUSDZ26", **dated),
        ticker("ODD"),
        ticker("NEWUSDT", fundingRate="", nextFundingTime="", fundingIntervalHour=""),
    )
    assert [(r.symbol, r.base, r.quote) for r in normal(desk.funding(body))] == [
        ("BTCUSDT", "BTC", "USDT"),
        ("BTCPERP", "BTC", "USDC"),
        ("PERPUSDT", "PERP", "USDT"),
    ]
    assert [r.symbol for r in desk.interest(body)] == ["BTCUSDT", "BTCPERP", "PERPUSDT", "NEWUSDT"]
    assert [r.symbol for r in desk.funding(body, Pair("BTC", "USDC"))] == ["BTCPERP"]
    assert [r.symbol for r in desk.interest(body, Pair("BTC", "USD"))] == []


def test_empty_text_is_absence() -> None:
    names = ("markPrice", "indexPrice", "nextFundingTime", "fundingIntervalHour")
    (rate,) = normal(desk.funding(listed(ticker(**dict.fromkeys(names, "")))))
    assert (rate.interval_h, rate.mark_price, rate.index_price, rate.next_ms) == (None,) * 4


def test_lists_that_are_asked_for() -> None:
    def categories(*pairs: Pair) -> list[str]:
        calls = desk.requests(FundingAsk(pairs))
        assert calls == desk.requests(OpenInterestAsk(pairs))
        assert {asked(call)[0::2] for call in calls} == {("/v5/market/tickers", 1)}
        return [asked(call)[1]["category"] for call in calls]

    assert categories() == ["linear", "inverse"]
    assert categories(Pair("BTC", "USDT"), Pair("ETH", "USDC")) == ["linear"]
    assert categories(Pair("BTC", "USD")) == ["inverse"]
    assert categories(Pair("BTC", "USD"), Pair("BTC", "USDT")) == ["linear", "inverse"]


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (10001, "params error: symbol invalid", SymbolNotListed),
        (10001, "params error: category invalid", UpstreamRejected),
        (10006, "Too many visits", UpstreamRateLimited),
        (10009, "IP banned", UpstreamBanned),
        (10016, "internal", UpstreamBroken),
        (10024, "compliance rules", RegionBlocked),
    ],
)
def test_errors_inside_200_and_outside(code: int, message: str, error: type[Exception]) -> None:
    for read in (desk.funding, desk.interest):
        with pytest.raises(error) as caught:
            read(refused(code, message))
        assert same_kind(caught, error)
    assert type(desk.explain(refused(code, message), 400)) is error


def test_explain_reads_text() -> None:
    banned = desk.explain("access too frequent", 403)
    assert isinstance(banned, UpstreamBanned)
    assert banned.retry_after_s == 600
    assert desk.explain("<html>502</html>", 502) is None
    assert desk.explain(b"\xff\xfe", 502) is None
    assert desk.explain(listed(), 500) is None


def test_broken_bodies() -> None:
    desk.damaged(listed(ticker()), '"66010"')
    for body, path in (
        (refused(0, "OK"), "$.result.list"),
        ({"retCode": 0}, "$.result.list"),
        (listed(category="spot"), "$.result.category"),
    ):
        for read in (desk.funding, desk.interest):
            with pytest.raises(PayloadChanged) as caught:
                read(body)
            assert caught.value.path == path


def test_one_odd_row_of_many_is_named_and_left_out() -> None:
    body = listed(*(ticker(f"A{n}USDT") for n in range(99)), ticker("BADUSDT", openInterest="much"))
    for read in (desk.funding, desk.interest):
        rows = read(body)
        assert [row.symbol for row in rows if isinstance(row, Unreadable)] == ["BADUSDT"]
        assert len(rows) == 100
