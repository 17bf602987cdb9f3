"""DefiLlama: yields, stablecoins, volumes; bad rows, bodies of another shape and errors in every list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_reply import ASKS, NOW, normal, parse, protocol, reply

from crypto_dt_source.gateway.classify import refusal
from crypto_dt_source.model.ask import (
    Ask,
    Capability,
    DefiChainsAsk,
    DefiProtocolAsk,
    DefiProtocolsAsk,
    DexVolumesAsk,
    StablecoinsAsk,
    TvlHistoryAsk,
    YieldsAsk,
)
from crypto_dt_source.model.defi import DexVolume, Stablecoin, YieldPool
from crypto_dt_source.model.errors import (
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.adapters.defillama import ADAPTER


def pool(**changes: Any) -> dict[str, Any]:
    base = {
        "chain": "Ethereum",
        "project": "harbor",
        "symbol": "USDC-DAI",
        "tvlUsd": 5000000,
        "apyBase": 2.5,
        "apyReward": None,
        "apy": 2.5,
        "pool": "0b1c-22",
        "stablecoin": True,
        "ilRisk": "no",
        "exposure": "multi",
        "apyMean30d": 2.25,
        "outlier": False,
    }
    return {**base, **changes}


def test_pools() -> None:
    body = {
        "status": "success",
        "data": [pool(), pool(pool="b", ilRisk="yes"), pool(pool="c", ilRisk=None, apy=None)],
    }
    first, second, third = normal(body, YieldsAsk())
    assert first == YieldPool(
        "defillama",
        "0b1c-22",
        "harbor",
        "Ethereum",
        "USDC-DAI",
        5e6,
        2.5,
        2.5,
        None,
        2.25,
        True,
        "multi",
        False,
        NOW,
    )
    assert (second.il_risk, third.il_risk, third.apy) == (True, None, None)
    found = parse({"status": "success", "data": [pool(), pool(apy=1e12), pool(tvlUsd=None)]}, YieldsAsk())
    assert [violation(row) for row in found] == [None, "an apy is no percentage"]


def test_pools_of_another_status_are_an_error_of_theirs() -> None:
    with pytest.raises(UpstreamBroken):
        parse({"status": "error", "data": []}, YieldsAsk())
    with pytest.raises(UpstreamBroken):
        parse({"status": "error"}, YieldsAsk())


def test_stablecoins() -> None:
    euro = {
        "id": "50",
        "name": "Euro Thing",
        "symbol": "EURT",
        "pegType": "peggedEUR",
        "pegMechanism": "fiat-backed",
        "price": "1.09",
        "circulating": {"peggedEUR": 300.5, "peggedUSD": 1},
        "circulatingPrevDay": {"peggedEUR": 299},
        "circulatingPrevWeek": 0,
        "circulatingPrevMonth": None,
        "chains": ["Ethereum", "Base"],
    }
    unpriced = {
        **euro,
        "id": "51",
        "price": 0,
        "chains": None,
        "pegMechanism": None,
        "circulating": {"peggedEUR": 0},
    }
    gone = {**euro, "id": "52", "circulating": {}}
    first, second = normal({"peggedAssets": [euro, unpriced, gone]}, StablecoinsAsk())
    assert first == Stablecoin(
        "defillama", "50", "Euro Thing", "EURT", "EUR", "fiat-backed", 1.09, 300.5, 299.0, 0.0, None,
        ("Ethereum", "Base"), NOW,
    )  # fmt: skip
    assert (second.price, second.circulating, second.mechanism, second.chains) == (None, 0.0, None, ())


def test_volumes() -> None:
    rows = [
        {
            "name": "Tern V3",
            "displayName": "Tern Swap V3",
            "slug": "tern-v3",
            "module": "tern",
            "category": "Dexes",
            "chains": ["Base"],
            "total24h": 500,
            "total7d": 3500.5,
            "total30d": None,
            "change_1d": 10.37,
            "change_7d": None,
        },
        {"name": "Old", "module": "old", "total24h": 0},
        {"name": "Silent", "slug": "silent", "total24h": None},
    ]
    assert normal({"protocols": rows, "total24h": 500}, DexVolumesAsk()) == [
        DexVolume("defillama", "tern-v3", "Tern Swap V3", ("Base",), 500.0, 3500.5, None, 10.37, None, NOW),
        DexVolume("defillama", "old", "Old", (), 0.0, None, None, None, None, NOW),
    ]
    (nameless,) = parse({"protocols": [{"name": "n", "total24h": 1}]}, DexVolumesAsk())
    assert violation(nameless) is not None


@pytest.mark.parametrize(
    ("ask", "good", "wrap", "broken"),
    [
        (DefiProtocolsAsk(), protocol(), lambda rows: rows, {"slug": {}, "name": "x"}),
        (DefiProtocolsAsk(), protocol(), lambda rows: rows, "text"),
        (
            YieldsAsk(),
            {"pool": "p", "project": "q", "chain": "c", "symbol": "s", "tvlUsd": 1},
            lambda rows: {"status": "success", "data": rows},
            {"pool": "p", "project": None, "chain": "c", "symbol": "s"},
        ),
        (
            StablecoinsAsk(),
            {"id": "1", "name": "n", "symbol": "s", "pegType": "peggedUSD", "circulating": {"peggedUSD": 1}},
            lambda rows: {"peggedAssets": rows},
            {"id": "1", "name": [], "symbol": "s", "pegType": "peggedUSD"},
        ),
        (
            DexVolumesAsk(),
            {"name": "n", "slug": "s", "total24h": 1},
            lambda rows: {"protocols": rows},
            {"name": {}, "slug": "s", "total24h": 1},
        ),
        (DefiChainsAsk(), {"name": "n", "tvl": 1}, lambda rows: rows, {"name": 5, "tvl": 1}),
    ],
)
def test_a_few_bad_rows_lose_no_others_and_many_are_a_change(
    ask: Ask, good: dict[str, Any], wrap: Any, broken: Any
) -> None:
    found = parse(wrap([good] * 99 + [broken]), ask)
    assert len(found) == 100
    assert sum(isinstance(row, Unreadable) for row in found) == 1
    assert len([row for row in found if violation(row) is None]) == 99
    with pytest.raises(PayloadChanged) as caught:
        parse(wrap([good] * 9 + [broken]), ask)
    assert "[9]" in caught.value.path


@pytest.mark.parametrize(
    ("ask", "body"),
    [
        (DefiProtocolsAsk(), [{"slug": "a", "name": "A", "tvlUsd": 5}]),
        (DefiChainsAsk(), [{"name": "A", "tvlUsd": 5}]),
        (TvlHistoryAsk(), [{"date": "2026-01-01", "tvl": 5}]),
        (TvlHistoryAsk(), [{"date": 1, "value": 5}]),
        (YieldsAsk(), {"status": "success"}),
        (
            YieldsAsk(),
            {"status": "success", "data": [{"pool": "p", "project": "q", "chain": "c", "symbol": "s"}]},
        ),
        (
            StablecoinsAsk(),
            {
                "peggedAssets": [
                    {"id": "1", "name": "n", "symbol": "s", "pegType": "p", "circulating": {"q": 1}}
                ]
            },
        ),
        (DexVolumesAsk(), {"protocols": [{"name": "n", "slug": "s", "volume": 4}]}),
        (DefiProtocolAsk("harbor"), {"name": "Harbor", "totals": []}),
        (DefiProtocolAsk("harbor"), {"name": "Harbor", "tvl": [{"day": 1, "totalLiquidityUSD": 5}]}),
    ],
)
def test_an_amount_under_another_name_is_a_change_and_no_empty_list(ask: Ask, body: Any) -> None:
    with pytest.raises(PayloadChanged):
        parse(body, ask)


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
@pytest.mark.parametrize(
    "body",
    [b"<html>", b'[{"slug":', b"\xff", b"1", b"null", b'"x"', b"{}"],
)
def test_broken_bodies(ask: Ask, body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        parse(body, ask)


def test_empty_lists_are_empty() -> None:
    assert (
        parse([], DefiProtocolsAsk()) == parse([], DefiChainsAsk()) == parse([], TvlHistoryAsk("Base")) == []
    )
    assert parse({"status": "success", "data": []}, YieldsAsk()) == []
    assert parse({"peggedAssets": []}, StablecoinsAsk()) == parse({"protocols": []}, DexVolumesAsk()) == []


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "Protocol is not in our database"}, SymbolNotListed),
        (400, {"message": "something else"}, UpstreamRejected),
        (404, b"Not found", SymbolNotListed),
        (400, b"<html>", UpstreamRejected),
        (500, {"message": "Internal server error"}, UpstreamBroken),
        (429, {"message": "Too Many Requests"}, UpstreamRateLimited),
    ],
)
def test_errors(status: int, body: Any, kind: type[UpstreamError]) -> None:
    error = refusal(reply(body, status), ADAPTER)
    assert type(error) is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Protocol is not in our database", SymbolNotListed),
        ("Too Many Requests", UpstreamRateLimited),
        ("Internal server error", UpstreamBroken),
        ("no", UpstreamRejected),
    ],
)
@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_an_error_under_status_200(ask: Ask, message: str, kind: type[UpstreamError]) -> None:
    with pytest.raises(kind) as caught:
        parse({"message": message}, ask)
    assert type(caught.value) is kind


def test_each_host_offers_what_it_serves_and_all_share_one_limit() -> None:
    entries = [entry for entry in catalog.load().values() if entry.adapter == "defillama"]
    assert {entry.base_url: set(entry.offers) for entry in entries} == {
        "https://api.llama.fi": {
            Capability.DEFI_PROTOCOLS,
            Capability.DEFI_PROTOCOL,
            Capability.DEFI_CHAINS,
            Capability.TVL_HISTORY,
            Capability.DEX_VOLUMES,
        },
        "https://yields.llama.fi": {Capability.YIELDS},
        "https://stablecoins.llama.fi": {Capability.STABLECOINS},
    }
    assert {(entry.source, entry.limits) for entry in entries} == {("defillama", entries[0].limits)}


def test_a_row_that_is_no_text_is_one_bad_row() -> None:
    good = json.dumps(protocol()).encode()
    body = b"[" + b",".join([good] * 99 + [b'{"slug":"\xff","name":"x","tvl":1}']) + b"]"
    found = parse(body, DefiProtocolsAsk())
    assert [type(row) for row in found].count(Unreadable) == 1
    assert len(found) == 100
