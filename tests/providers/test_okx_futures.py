from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from perpetual_desk import HOUR, NOW, Desk, same_kind
from spot_desk import asked, normal

from crypto_dt_source.model.ask import FundingAsk, OpenInterestAsk
from crypto_dt_source.model.derivatives import FundingRate, OpenInterest
from crypto_dt_source.model.errors import (
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers.adapters.okx_futures import ADAPTER

desk = Desk(ADAPTER)
BTC = Pair("BTC", "USDT")


def swap(name: str = "BTC-USDT-SWAP", **changed: Any) -> dict[str, Any]:
    """A row of both answers at once."""
    return {
        "instType": "SWAP",
        "instId": name,
        "fundingRate": "0.00012",
        "fundingTime": str(NOW + HOUR),
        "nextFundingTime": str(NOW + 5 * HOUR),
        "method": "current_period",
        "nextFundingRate": "",
        "oi": "5000",
        "oiCcy": "50",
        "oiUsd": "3300000",
        "ts": str(NOW - 200),
    } | changed


def answer(*rows: Any, code: str = "0", msg: str = "") -> dict[str, Any]:
    return {"code": code, "data": list(rows), "msg": msg}


def test_recorded_bodies(wire: Path) -> None:
    (rate,) = normal(desk.funding((wire / "okx" / "funding_rate.json").read_bytes()))
    assert rate == FundingRate(
        "okx_futures", "BTC-USDT-SWAP", "BTC", "USDT", 0.0000792386885340, 8.0, None, None, 1703088000000,
        1703070685309, NOW,
    )  # fmt: skip
    (interest,) = normal(desk.interest((wire / "okx" / "open_interest.json").read_bytes()))
    assert interest == OpenInterest(
        "okx_futures", "BTC-USDT-SWAP", "BTC", "USDT", 555.55, None, 1597026383085, NOW
    )


def test_recorded_errors(wire: Path) -> None:
    for file, error in (
        ("error_50011_rate_limit.json", UpstreamRateLimited),
        ("error_51001_unknown_instrument.json", SymbolNotListed),
    ):
        body = (wire / "okx" / file).read_bytes()
        for read in (desk.funding, desk.interest):
            with pytest.raises(error):
                read(body)


def test_funding_fields() -> None:
    (rate,) = normal(desk.funding(answer(swap())))
    assert rate == FundingRate(
        "okx_futures", "BTC-USDT-SWAP", "BTC", "USDT", 0.00012, 4.0, None, None, NOW + HOUR, NOW - 200, NOW
    )


def test_an_interval_needs_both_settlements() -> None:
    for due, after in (
        ("", str(NOW)),
        (str(NOW), ""),
        (str(NOW), "0"),
        ("0", str(NOW)),
        (str(NOW), str(NOW)),
    ):
        (rate,) = normal(desk.funding(answer(swap(fundingTime=due, nextFundingTime=after))))
        assert rate.interval_h is None
        assert rate.next_ms == (int(due) if due not in ("", "0") else None)


def test_dollars_are_the_value_of_what_is_quoted_in_dollars() -> None:
    rows = normal(
        desk.interest(answer(swap(), swap("BTC-USD-SWAP"), swap("BTC-USD_UM-SWAP"), swap("ETH-USDC-SWAP")))
    )
    assert [(r.symbol, r.base, r.quote, r.amount, r.value) for r in rows] == [
        ("BTC-USDT-SWAP", "BTC", "USDT", 50.0, None),
        ("BTC-USD-SWAP", "BTC", "USD", 50.0, 3300000.0),
        ("BTC-USD_UM-SWAP", "BTC", "USD", 50.0, 3300000.0),
        ("ETH-USDC-SWAP", "ETH", "USDC", 50.0, None),
    ]


def test_only_swaps_with_figures_and_of_them_those_asked_for() -> None:
    body = answer(
        swap(),
        swap("ETH-USDT-SWAP"),
        swap("BTC-USDT-261225", instType="FUTURES"),
        swap("BTC-USDT-261225"),
        swap("ODD-SWAP"),
        swap("NEW-USDT-SWAP", fundingRate="", oiCcy="", oiUsd=""),
        swap("OLD-USDT-SWAP", fundingRate="", oiCcy=""),
    )
    for read in (desk.funding, desk.interest):
        assert [r.symbol for r in normal(read(body))] == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]
        assert [r.symbol for r in read(body, BTC, Pair("SOL", "USDT"))] == ["BTC-USDT-SWAP"]


def test_no_time_is_none() -> None:
    for read in (desk.funding, desk.interest):
        assert [r.event_ms for r in normal(read(answer(swap(ts=""))))] == [None]


def test_requests() -> None:
    for pairs in ((), (BTC,), (BTC, Pair("ETH", "USD"))):
        (call,) = desk.requests(FundingAsk(pairs))
        assert asked(call) == ("/api/v5/public/funding-rate", {"instId": "ANY"}, 2)
        (call,) = desk.requests(OpenInterestAsk(pairs))
        assert asked(call) == ("/api/v5/public/open-interest", {"instType": "SWAP"}, 1)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("51001", SymbolNotListed),
        ("50011", UpstreamRateLimited),
        ("50013", UpstreamBroken),
        ("51000", UpstreamRejected),
    ],
)
def test_errors_inside_200_and_outside(code: str, error: type[Exception]) -> None:
    body = answer(code=code, msg="no")
    for read in (desk.funding, desk.interest):
        with pytest.raises(error) as caught:
            read(body)
        assert same_kind(caught, error)
    assert type(desk.explain(body, 400)) is error


def test_explain_leaves_other_bodies_to_the_status() -> None:
    for body in ("<html>403</html>", b"\xff\xfe", {"code": "0", "msg": ""}, []):
        assert desk.explain(body, 502) is None


def test_broken_bodies() -> None:
    desk.damaged(answer(swap()), f'"{NOW - 200}"')
    with pytest.raises(PayloadChanged) as caught:
        desk.funding(answer(swap(), swap(fundingRate="soon")))
    assert caught.value.path == "$.data[1].fundingRate"
    with pytest.raises(PayloadChanged) as caught:
        desk.interest(answer(swap(), {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "ts": "1"}))
    assert caught.value.path == "$.data[1]"


def test_one_odd_row_of_many_is_named_and_left_out() -> None:
    body = answer(*(swap(f"A{n}-USDT-SWAP") for n in range(99)), swap("BAD-USDT-SWAP", ts="now"))
    for read in (desk.funding, desk.interest):
        rows = read(body)
        assert [row.symbol for row in rows if isinstance(row, Unreadable)] == ["BAD-USDT-SWAP"]
        assert len(rows) == 100
