from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from perpetual_desk import NOW, Desk
from spot_desk import normal

from crypto_dt_source.model.ask import FundingAsk, OpenInterestAsk
from crypto_dt_source.model.derivatives import FundingRate, OpenInterest
from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.hyperliquid import ADAPTER

desk = Desk(ADAPTER)


def context(**changed: Any) -> dict[str, Any]:
    return {
        "funding": "0.0000125",
        "openInterest": "688.5",
        "prevDayPx": "15.322",
        "dayNtlVlm": "1169046.29",
        "premium": "0.0003",
        "oraclePx": "14.32",
        "markPx": "14.3161",
        "midPx": "14.314",
        "impactPxs": ["14.3", "14.4"],
    } | changed


def answer(*rows: tuple[Any, dict[str, Any]]) -> list[Any]:
    """Both lists of (coin, context); a coin may be its name alone."""
    coins = [{"name": c, "szDecimals": 2, "maxLeverage": 20} if isinstance(c, str) else c for c, _ in rows]
    return [{"universe": coins, "marginTables": []}, [row for _, row in rows]]


def test_recorded_bodies(wire: Path) -> None:
    body = (wire / "hyperliquid" / "meta_and_asset_ctxs.json").read_bytes()
    rates, interests = normal(desk.funding(body)), normal(desk.interest(body))
    assert rates[0] == FundingRate(
        "hyperliquid", "BTC", "BTC", "USD", 0.0000125, 1.0, 14.3161, 14.32, None, None, NOW
    )
    assert interests[1] == OpenInterest("hyperliquid", "ETH", "ETH", "USD", 1882.55, None, None, NOW)
    assert [r.base for r in rates] == [r.base for r in interests] == ["BTC", "ETH", "HPOS"]


def test_contexts_belong_to_coins_by_place() -> None:
    gone = {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True}
    body = answer(
        ("BTC", context(markPx="1")),
        (gone, context(markPx="2")),
        ("kPEPE", context(markPx="3", oraclePx="4", openInterest="5")),
        (
            "IDLE",
            context(markPx=None, oraclePx=None, funding=None, openInterest=None, midPx=None, impactPxs=None),
        ),
        ("SOL", context(markPx="6")),
    )
    rates, interests = normal(desk.funding(body)), normal(desk.interest(body))
    assert [(r.symbol, r.base, r.mark_price) for r in rates] == [
        ("BTC", "BTC", 1.0),
        ("kPEPE", "PEPE", 0.003),
        ("SOL", "SOL", 6.0),
    ]
    assert (rates[1].index_price, rates[1].quote, rates[1].interval_h) == (0.004, "USD", 1.0)
    assert [(r.symbol, r.amount) for r in interests] == [("BTC", 688.5), ("kPEPE", 5000.0), ("SOL", 688.5)]


def test_asked_pairs_only() -> None:
    body = answer(("BTC", context()), ("kPEPE", context()), ("SOL", context()))
    for read in (desk.funding, desk.interest):
        assert [r.base for r in read(body, Pair("PEPE", "USD"), Pair("BTC", "USDT"))] == ["PEPE"]


def test_no_price_is_none_and_no_rate_no_record() -> None:
    body = answer(("BTC", context(markPx=None, oraclePx="0.0")), ("ETH", context(funding=None)))
    (rate,) = normal(desk.funding(body))
    assert (rate.base, rate.mark_price, rate.index_price) == ("BTC", None, None)


def test_request() -> None:
    for ask in (FundingAsk(), OpenInterestAsk((Pair("BTC", "USD"),))):
        (call,) = desk.requests(ask)
        assert (call.method, call.target(), call.weight) == ("POST", "/info", 20)
        assert json.loads(call.body or b"") == {"type": "metaAndAssetCtxs"}
        assert dict(call.headers) == {"Content-Type": "application/json"}


def test_lists_of_different_length_are_not_guessed_at() -> None:
    meta, contexts = answer(("BTC", context()), ("ETH", context()))
    for body in ([meta, contexts[:1]], [meta, [*contexts, context()]]):
        for read in (desk.funding, desk.interest):
            with pytest.raises(PayloadChanged) as caught:
                read(body)
            assert caught.value.path == "$[1]"


def test_broken_bodies() -> None:
    desk.damaged(answer(("BTC", context())), '"688.5"')
    for body in ([], {}, "null", '"Failed to deserialize"', [{"universe": []}]):
        with pytest.raises(PayloadChanged):
            desk.funding(body)
