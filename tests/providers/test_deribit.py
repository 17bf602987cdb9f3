from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from perpetual_desk import NOW, Desk, same_kind
from spot_desk import asked, normal

from crypto_dt_source.model.ask import FundingAsk, OpenInterestAsk
from crypto_dt_source.model.derivatives import FundingRate, OpenInterest
from crypto_dt_source.model.errors import (
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers.adapters.deribit import ADAPTER

desk = Desk(ADAPTER)


def summary(
    name: str = "BTC-PERPETUAL", base: str = "BTC", quote: str = "USD", **changed: Any
) -> dict[str, Any]:
    return {
        "instrument_name": name,
        "base_currency": base,
        "quote_currency": quote,
        "open_interest": 660000,
        "mark_price": 66010.5,
        "estimated_delivery_price": 66000.0,
        "current_funding": 0.00012,
        "funding_8h": 0.00002,
        "creation_timestamp": NOW - 900,
        "mid_price": None,
    } | changed


def linear(coin: str, **changed: Any) -> dict[str, Any]:
    return summary(f"{coin}_USDC-PERPETUAL", coin, "USDC", **changed)


def answer(*rows: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": list(rows), "usIn": 1, "usOut": 2, "usDiff": 1, "testnet": False}


def refused(code: int, message: str = "no") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"message": message, "code": code}, "usIn": 1, "usOut": 2, "usDiff": 1}


def test_recorded_bodies(wire: Path) -> None:
    body = (wire / "deribit" / "get_book_summary.json").read_bytes()
    (rate,) = normal(desk.funding(body))
    assert rate == FundingRate(
        "deribit", "BTC-PERPETUAL", "BTC", "USD", 0.0, 8.0, 7211.66, None, None, 1578027973535, NOW
    )
    (interest,) = normal(desk.interest(body))
    assert interest == OpenInterest(
        "deribit", "BTC-PERPETUAL", "BTC", "USD", None, 78745760.0, 1578027973535, NOW
    )
    error = (wire / "deribit" / "ws_error.json").read_bytes()
    for read in (desk.funding, desk.interest):
        with pytest.raises(UpstreamRateLimited):
            read(error)


def test_the_rate_is_the_one_now_and_of_eight_hours() -> None:
    (rate,) = normal(desk.funding(answer(summary())))
    assert rate == FundingRate(
        "deribit", "BTC-PERPETUAL", "BTC", "USD", 0.00012, 8.0, 66010.5, None, None, NOW - 900, NOW
    )


def test_an_inverse_perpetual_counts_dollars_and_a_linear_one_coins() -> None:
    rows = normal(
        desk.interest(answer(summary(), linear("SOL", open_interest=12.5), linear("BTC", open_interest=0)))
    )
    assert [(r.symbol, r.base, r.quote, r.amount, r.value) for r in rows] == [
        ("BTC-PERPETUAL", "BTC", "USD", None, 660000.0),
        ("SOL_USDC-PERPETUAL", "SOL", "USDC", 12.5, None),
        ("BTC_USDC-PERPETUAL", "BTC", "USDC", 0.0, None),
    ]


def test_a_contract_on_a_thousand_coins_is_told_of_one() -> None:
    body = answer(linear("1000PEPE", mark_price=0.0047, open_interest=2.5))
    (rate,), (interest,) = normal(desk.funding(body)), normal(desk.interest(body))
    assert (rate.symbol, rate.base, rate.mark_price) == (
        "1000PEPE_USDC-PERPETUAL",
        "PEPE",
        pytest.approx(0.0000047),
    )
    assert (interest.base, interest.amount) == ("PEPE", 2500.0)


def test_only_perpetuals_with_figures_and_of_them_those_asked_for() -> None:
    dated = summary("BTC-25DEC26")
    del dated["current_funding"], dated["funding_8h"]
    body = answer(
        summary(),
        dated,
        summary("BTC-25DEC26-100000-C"),
        linear("BTC"),
        linear("XRP", current_funding=None, open_interest=None, mark_price=None),
    )
    for read in (desk.funding, desk.interest):
        assert [r.symbol for r in normal(read(body))] == ["BTC-PERPETUAL", "BTC_USDC-PERPETUAL"]
        assert [r.symbol for r in read(body, Pair("BTC", "USDC"))] == ["BTC_USDC-PERPETUAL"]
    (rate,) = normal(desk.funding(answer(summary(mark_price=None))))
    assert rate.mark_price is None


def test_currencies_that_are_asked_for() -> None:
    def currencies(*pairs: Pair) -> list[str]:
        calls = desk.requests(FundingAsk(pairs))
        assert calls == desk.requests(OpenInterestAsk(pairs))
        assert {asked(call)[0::2] for call in calls} == {("/api/v2/public/get_book_summary_by_currency", 1)}
        assert {asked(call)[1]["kind"] for call in calls} == {"future"}
        return [asked(call)[1]["currency"] for call in calls]

    assert currencies() == ["BTC", "ETH", "USDC"]
    assert currencies(Pair("ETH", "USD")) == ["ETH"]
    assert currencies(Pair("SOL", "USDC"), Pair("BTC", "USD")) == ["BTC", "USDC"]
    assert currencies(Pair("SOL", "USDT"), Pair("XRP", "USDC")) == ["USDC"]
    for ask in (FundingAsk((Pair("BTC", "USDT"),)), OpenInterestAsk((Pair("SOL", "USD"),))):
        with pytest.raises(NotOffered):
            desk.requests(ask)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (10028, UpstreamRateLimited),
        (10066, UpstreamRateLimited),
        (11051, UpstreamBroken),
        (13028, UpstreamBroken),
        (13020, SymbolNotListed),
        (-32602, UpstreamRejected),
    ],
)
def test_errors_inside_200_and_outside(code: int, error: type[Exception]) -> None:
    for read in (desk.funding, desk.interest):
        with pytest.raises(error) as caught:
            read(refused(code))
        assert same_kind(caught, error)
    assert type(desk.explain(refused(code), 400)) is error


def test_explain_leaves_other_bodies_to_the_status() -> None:
    for body in ("<html>502</html>", b"\xff\xfe", answer(), [], {"error": "text"}):
        assert desk.explain(body, 502) is None


def test_broken_bodies() -> None:
    desk.damaged(answer(summary()), f"{NOW - 900}")
    for read in (desk.funding, desk.interest):
        with pytest.raises(PayloadChanged) as caught:
            read({"jsonrpc": "2.0"})
        assert caught.value.path == "$.result"
        with pytest.raises(PayloadChanged) as caught:
            read(answer(summary(), {"instrument_name": "BTC-PERPETUAL"}))
        assert caught.value.path == "$.result[1]"


def test_one_odd_row_of_many_is_left_out() -> None:
    body = answer(*(linear(f"A{n}") for n in range(99)), linear("BAD", open_interest="much"))
    for read in (desk.funding, desk.interest):
        rows = read(body)
        assert len([row for row in rows if isinstance(row, Unreadable)]) == 1
        assert len(rows) == 100
