from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from perpetual_desk import HOUR, NOW, Desk, same_kind
from spot_desk import asked, normal

from crypto_dt_source.model.ask import Capability, FundingAsk, OpenInterestAsk
from crypto_dt_source.model.derivatives import FundingRate, OpenInterest
from crypto_dt_source.model.errors import PayloadChanged, SymbolNotListed, UpstreamRateLimited
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers.adapters.binance_futures import ADAPTER

BTC, PEPE = Pair("BTC", "USDT"), Pair("PEPE", "USDT")
desk = Desk(ADAPTER)


def premium(symbol: str = "BTCUSDT", **changed: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "markPrice": "66010.00000000",
        "indexPrice": "66000.00000000",
        "estimatedSettlePrice": "66001.00000000",
        "lastFundingRate": "0.00012000",
        "interestRate": "0.00010000",
        "nextFundingTime": NOW + HOUR,
        "time": NOW - 300,
    } | changed


def info(symbol: str, hours: int) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "adjustedFundingRateCap": "0.02000000",
        "adjustedFundingRateFloor": "-0.02000000",
        "fundingIntervalHours": hours,
        "disclaimer": False,
    }


def merged(*bodies: Any, pairs: tuple[Pair, ...] = ()) -> list[Any]:
    merge = ADAPTER.endpoints[Capability.FUNDING].merge
    assert merge is not None
    return list(merge([desk.reply(body) for body in bodies], FundingAsk(pairs)))


def test_recorded_bodies(wire: Path) -> None:
    folder = wire / "binance_futures"
    (rate,) = normal(desk.funding((folder / "premium_index.json").read_bytes()))
    assert rate == FundingRate(
        "binance_futures", "BTCUSDT", "BTC", "USDT", 0.00001226, None, 26780.82240476, 26798.25197802,
        1687248000000, 1687244112000, NOW,
    )  # fmt: skip
    (interest,) = normal(desk.interest((folder / "open_interest.json").read_bytes(), BTC))
    assert interest == OpenInterest(
        "binance_futures", "BTCUSDT", "BTC", "USDT", 83782.317, None, 1702244985273, NOW
    )
    error = desk.explain((folder / "error_invalid_symbol.json").read_bytes(), 400)
    assert isinstance(error, SymbolNotListed)


def test_a_contract_on_a_thousand_coins_is_told_of_one() -> None:
    body = [premium("1000PEPEUSDT", markPrice="0.00470000", indexPrice="0.00460000")]
    (rate,) = normal(desk.funding(body))
    assert (rate.symbol, rate.base, rate.quote, rate.rate) == ("1000PEPEUSDT", "PEPE", "USDT", 0.00012)
    assert (rate.mark_price, rate.index_price) == (pytest.approx(0.0000047), pytest.approx(0.0000046))
    row = {"openInterest": "2.5", "symbol": "1000PEPEUSDT", "time": NOW}
    (interest,) = normal(desk.interest(row, PEPE))
    assert (interest.base, interest.amount, interest.value) == ("PEPE", 2500.0, None)


def test_only_perpetuals_and_of_them_those_asked_for() -> None:
    dated = premium("BTCUSDT_261225", lastFundingRate="", nextFundingTime=0, interestRate="")
    body = [
        premium(),
        dated,
        premium("ETHBTC"),
        premium("SOLUSDC"),
        premium("ABCXYZ"),
        premium("NEWUSDT", lastFundingRate=""),
    ]
    assert [r.symbol for r in normal(desk.funding(body))] == ["BTCUSDT", "ETHBTC", "SOLUSDC"]
    pairs = (Pair("SOL", "USDC"), Pair("ADA", "USDT"))
    assert [r.symbol for r in desk.funding(body, *pairs)] == ["SOLUSDC"]


def test_what_is_not_there_is_none() -> None:
    body = [premium(markPrice="0.00000000", indexPrice="0", nextFundingTime=0)]
    (rate,) = normal(desk.funding(body))
    assert (rate.mark_price, rate.index_price, rate.next_ms, rate.rate) == (None, None, None, 0.00012)


def test_intervals_come_from_the_second_list_and_are_not_assumed() -> None:
    body = [premium(), premium("SOLUSDT"), premium("ADAUSDT")]
    rows = normal(merged(body, [info("SOLUSDT", 4), info("BTCUSDT", 8), info("XRPUSDT", 1)]))
    assert [(r.symbol, r.interval_h) for r in rows] == [("BTCUSDT", 8.0), ("SOLUSDT", 4.0), ("ADAUSDT", None)]
    assert [r.interval_h for r in merged(body, [])] == [None] * 3
    assert [r.interval_h for r in merged(body)] == [None] * 3
    assert [r.symbol for r in merged(body, [info("SOLUSDT", 4)], pairs=(Pair("SOL", "USDT"),))] == ["SOLUSDT"]
    # By itself the list of intervals makes nothing, and one that changed is seen.
    assert desk.funding([info("SOLUSDT", 4)]) == []
    with pytest.raises(PayloadChanged) as caught:
        desk.funding([info("SOLUSDT", 4) | {"fundingIntervalHours": "soon"}])
    assert caught.value.path == "$[0].fundingIntervalHours"


def test_open_interest_on_another_contract_is_none() -> None:
    for symbol in ("ETHUSDT", "BTCUSDT_261225"):
        with pytest.raises(SymbolNotListed):
            desk.interest({"openInterest": "1", "symbol": symbol, "time": NOW}, BTC)


def test_requests() -> None:
    first, second = desk.requests(FundingAsk())
    assert asked(first) == ("/fapi/v1/premiumIndex", {}, 10)
    assert asked(second) == ("/fapi/v1/fundingInfo", {}, 1)
    assert asked(desk.requests(FundingAsk((PEPE,)))[0]) == (
        "/fapi/v1/premiumIndex", {"symbol": "1000PEPEUSDT"}, 1,
    )  # fmt: skip
    assert asked(desk.requests(FundingAsk((BTC, PEPE)))[0]) == asked(first)
    (only,) = desk.requests(OpenInterestAsk((BTC,)))
    assert asked(only) == ("/fapi/v1/openInterest", {"symbol": "BTCUSDT"}, 1)
    assert ADAPTER.endpoints[Capability.OPEN_INTEREST].per_pair
    assert not ADAPTER.endpoints[Capability.FUNDING].per_pair


@pytest.mark.parametrize(
    ("code", "error"), [(-1121, SymbolNotListed), (-4108, SymbolNotListed), (-1003, UpstreamRateLimited)]
)
def test_errors(code: int, error: type[Exception]) -> None:
    body = {"code": code, "msg": "no"}
    assert type(desk.explain(body, 400)) is error
    for read in (desk.funding, desk.interest):
        with pytest.raises(error) as caught:
            read(body, BTC)
        assert same_kind(caught, error)


def test_explain_leaves_other_bodies_to_the_status() -> None:
    for body in (
        "<html>",
        b"\xff\xfe",
        {"code": 0, "msg": "restricted location"},
        {"code": -1102, "msg": "x"},
        [],
    ):
        assert desk.explain(body, 400) is None
    assert desk.explain({"code": -1003, "msg": "banned"}, 418) is None


def test_broken_bodies() -> None:
    for body, value in (([premium()], '"66010.00000000"'), (premium(), '"0.00012000"')):
        text = json.dumps(body)
        for broken in (text[: len(text) // 2], text[:-1], "<html>", "", "null", "7"):
            with pytest.raises(PayloadChanged):
                desk.funding(broken)
        with pytest.raises(PayloadChanged) as caught:
            desk.funding(text.replace(value, "{}"))
        assert caught.value.path != "$"
    row = {"openInterest": "5", "symbol": "BTCUSDT", "time": NOW}
    for name in row:
        with pytest.raises(PayloadChanged):
            desk.interest({key: item for key, item in row.items() if key != name}, BTC)


def test_one_odd_row_of_many_is_named_and_left_out() -> None:
    body = [premium(f"A{n}USDT") for n in range(99)]
    rows = desk.funding([*body, premium("BADUSDT", markPrice=None)])
    (odd,) = [row for row in rows if isinstance(row, Unreadable)]
    assert odd.symbol == "BADUSDT"
    assert len(rows) == 100
