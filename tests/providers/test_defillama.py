"""DefiLlama: protocols and their pages, chains, TVL by day, and names in paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_reply import NOW, normal, parse, protocol

from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
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
from crypto_dt_source.model.defi import ChainTvl, DefiProtocol, DefiProtocolDetail, TvlPoint
from crypto_dt_source.model.errors import NotOffered
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers.adapters.defillama import ADAPTER

DAY = 86_400
TODAY = NOW // 1000 // DAY * DAY


def test_a_protocol_of_the_list() -> None:
    assert normal([protocol()], DefiProtocolsAsk()) == [
        DefiProtocol(
            "defillama",
            "harbor",
            "Harbor",
            "HRBR",
            "Lending",
            "Multi-Chain",
            ("Ethereum", "Base"),
            1250000.5,
            0.125,
            -2.5,
            None,
            900000.0,
            "https://harbor.example/app",
            NOW,
        )
    ]


@pytest.mark.parametrize(
    ("chain", "chains", "expected"),
    [
        ("Ethereum", ["Ethereum"], "Ethereum"),
        (None, ["Base"], "Base"),
        (None, ["Base", "Tron"], "Multi-Chain"),
        (None, [], None),
        ("", None, None),
    ],
)
def test_an_absent_chain_follows_from_the_chains(chain: Any, chains: Any, expected: str | None) -> None:
    row = protocol(chain=chain, chains=chains)
    assert normal([row], DefiProtocolsAsk())[0].chain == expected
    del row["chain"]
    if chain != "Ethereum":
        assert normal([row], DefiProtocolsAsk())[0].chain == expected


def test_what_is_no_protocol_and_what_has_no_tvl_is_left_out() -> None:
    rows = [
        protocol(slug="custody", category="CEX"),
        protocol(slug="whole", category="Chain"),
        protocol(slug="unknown", tvl=None),
        protocol(slug="empty", tvl=0),
        protocol(slug="plain"),
    ]
    found = normal(rows, DefiProtocolsAsk())
    assert [(row.slug, row.tvl) for row in found] == [("empty", 0.0), ("plain", 1250000.5)]


def test_placeholders_are_absent_and_spellings_are_one() -> None:
    row = protocol(
        symbol="-", category="Dexes", mcap=0, url="javascript:alert(1)", name="<b>Harbor</b> &amp; Co"
    )
    (found,) = normal([row], DefiProtocolsAsk())
    assert (found.symbol, found.category, found.market_cap, found.url) == (None, "Dexs", None, None)
    assert found.name == "Harbor & Co"
    assert normal([protocol(category="Dexs")], DefiProtocolsAsk())[0].category == "Dexs"


@pytest.mark.parametrize("tvl", [-1, 1e14, "1e400", "NaN"])
def test_an_absurd_tvl_does_not_pass(tvl: Any) -> None:
    found = parse([protocol(), protocol(slug="wrong", tvl=tvl)], DefiProtocolsAsk())
    assert [row.slug for row in found if violation(row) is None] == ["harbor"]


def page(**changes: Any) -> dict[str, Any]:
    base = {
        **protocol(),
        "description": "Lends <i>things</i><script>alert(1)</script>.",
        "chainTvls": {"Ethereum": {"tvl": [], "tokens": [], "tokensInUsd": []}},
        "tvl": [
            {"date": TODAY - 2 * DAY, "totalLiquidityUSD": 90},
            {"date": TODAY - DAY, "totalLiquidityUSD": 95.5},
            {"date": TODAY, "totalLiquidityUSD": 99},
            {"date": NOW // 1000, "totalLiquidityUSD": 100},
        ],
        "currentChainTvls": {
            "Ethereum": 60,
            "Ethereum-staking": 7,
            "staking": 7,
            "Base": 40,
            "Base-borrowed": 20,
            "borrowed": 20,
            "pool2": 1,
        },
    }
    return {**base, **changes}


def test_a_page_has_a_point_a_day_and_chains_apart_from_the_rest() -> None:
    assert normal(page(), DefiProtocolAsk("harbor")) == [
        DefiProtocolDetail(
            provider="defillama",
            slug="harbor",
            name="Harbor",
            symbol="HRBR",
            category="Lending",
            chain="Multi-Chain",
            chains=("Ethereum", "Base"),
            description="Lends things.",
            url="https://harbor.example/app",
            market_cap=900000.0,
            tvl=100.0,
            chain_tvl=(("Ethereum", 60.0), ("Base", 40.0)),
            other_tvl=(
                ("Ethereum-staking", 7.0),
                ("staking", 7.0),
                ("Base-borrowed", 20.0),
                ("borrowed", 20.0),
                ("pool2", 1.0),
            ),
            history=(
                TvlPoint((TODAY - 2 * DAY) * 1000, 90.0),
                TvlPoint((TODAY - DAY) * 1000, 95.5),
                TvlPoint(TODAY * 1000, 100.0),
            ),
            received_ms=NOW,
        )
    ]


def test_a_chain_with_a_dash_is_a_chain_and_a_new_section_is_none() -> None:
    parts = {
        "X-Layer": 3,
        "X-Layer-vesting": 1,
        "X-Layer-newthing": 1,
        "Ethereum": 2,
        "vesting": None,
        "Cosmos-Hub": 5,
    }
    row = page(chains=["X-Layer", "Ethereum"], currentChainTvls=parts)
    (found,) = normal(row, DefiProtocolAsk("harbor"))
    assert dict(found.chain_tvl) == {"X-Layer": 3.0, "Ethereum": 2.0, "Cosmos-Hub": 5.0}
    assert dict(found.other_tvl) == {"X-Layer-vesting": 1.0, "X-Layer-newthing": 1.0}


def test_a_bad_point_is_left_out_and_the_page_stays() -> None:
    points = [{"date": TODAY - day * DAY, "totalLiquidityUSD": 10 + day} for day in range(99, 0, -1)]
    wrong = [
        {"date": TODAY, "totalLiquidityUSD": -5},
        {"date": TODAY + 5 * DAY * 36500, "totalLiquidityUSD": 1},
        {"date": None, "totalLiquidityUSD": 1},
    ]
    found = parse(
        page(tvl=[*points, *wrong, {"date": TODAY, "totalLiquidityUSD": {}}]), DefiProtocolAsk("harbor")
    )
    assert [type(record) for record in found] == [DefiProtocolDetail, Unreadable]
    assert violation(found[0]) is None
    assert (len(found[0].history), found[0].tvl) == (99, 11.0)


@pytest.mark.parametrize(("tvl", "expected"), [(5, 5.0), (None, None), ([], None)])
def test_a_page_without_a_history(tvl: Any, expected: float | None) -> None:
    (found,) = normal(page(tvl=tvl, currentChainTvls=None), DefiProtocolAsk("harbor"))
    assert (found.tvl, found.history, found.chain_tvl) == (expected, (), ())


def test_chains() -> None:
    rows = [
        {"gecko_id": "base", "tvl": 5.5, "tokenSymbol": None, "cmcId": None, "name": "Base", "chainId": 8453},
        {"tvl": 4, "tokenSymbol": "SOL", "name": "Solana", "chainId": None},
        {"tvl": 3, "tokenSymbol": "-", "name": "Odd", "chainId": "-239"},
        {"tvl": 2, "name": "Text", "chainId": "56"},
        {"tvl": None, "name": "Unknown", "chainId": 7},
    ]
    assert normal(rows, DefiChainsAsk()) == [
        ChainTvl("defillama", "Base", None, 8453, 5.5, NOW),
        ChainTvl("defillama", "Solana", "SOL", None, 4.0, NOW),
        ChainTvl("defillama", "Odd", None, None, 3.0, NOW),
        ChainTvl("defillama", "Text", None, 56, 2.0, NOW),
    ]


def test_a_history_is_by_day_and_its_last_point_is_today() -> None:
    rows = [
        {"date": TODAY - DAY, "tvl": 10},
        {"date": TODAY - 2 * DAY, "tvl": 9},
        {"date": str(TODAY), "tvl": 11},
        {"date": NOW // 1000, "tvl": 12},
        {"date": TODAY - 3 * DAY, "tvl": None},
    ]
    assert normal(rows, TvlHistoryAsk()) == [
        TvlPoint((TODAY - 2 * DAY) * 1000, 9.0),
        TvlPoint((TODAY - DAY) * 1000, 10.0),
        TvlPoint(TODAY * 1000, 12.0),
    ]
    found = parse([*rows, {"date": TODAY - 5 * DAY, "tvl": -4}], TvlHistoryAsk())
    assert [violation(point) is None for point in found] == [False, True, True, True]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (DefiProtocolsAsk(), "/protocols"),
        (DefiProtocolAsk("ether.fi-stake"), "/protocol/ether.fi-stake"),
        (DefiProtocolAsk("loam-&-co"), "/protocol/loam-%26-co"),
        (DefiProtocolAsk("ö"), "/protocol/%C3%B6"),
        (DefiChainsAsk(), "/v2/chains"),
        (TvlHistoryAsk(), "/v2/historicalChainTvl"),
        (TvlHistoryAsk("OP Mainnet"), "/v2/historicalChainTvl/OP%20Mainnet"),
        (YieldsAsk(), "/pools"),
        (StablecoinsAsk(), "/stablecoins?includePrices=true"),
        (
            DexVolumesAsk(),
            "/overview/dexs?excludeTotalDataChart=true&excludeTotalDataChartBreakdown=true",
        ),
    ],
)
def test_requests(ask: Ask, expected: str) -> None:
    assert ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask).target() == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "../protocols",
        "a?b",
        "a#b",
        "a%2fb",
        "a\\b",
        "a\nb",
        "a\x00",
        "a\u202eb",
        "x" * 101,
    ],
)
def test_a_name_that_is_no_segment_of_a_path_is_not_asked_for(name: str) -> None:
    for ask in (DefiProtocolAsk(name), TvlHistoryAsk(name)):
        with pytest.raises(NotOffered):
            ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask)
    with pytest.raises(NotOffered):
        ADAPTER.endpoints[Capability.DEFI_PROTOCOL].request(DefiProtocolAsk("a b"))


def test_recorded_pages(wire: Path) -> None:
    body = (wire / "defillama/protocol_peppercoin.json").read_bytes()
    (found,) = normal(body, DefiProtocolAsk("peppercoin"))
    # The last of its three points is of 22:10 on the third day.
    assert [point.at_ms for point in found.history] == [1739750400000, 1739836800000, 1739923200000]
    assert found.chain_tvl == (("Chiliz", 0.0),)
    assert {name for name, _ in found.other_tvl} == {"Chiliz-staking", "staking"}
    rows = normal((wire / "defillama/protocols.json").read_bytes(), DefiProtocolsAsk())
    assert {row.slug: row.chain for row in rows} == {
        "eigenlayer": "Ethereum",
        "eigenpie": "Multi-Chain",
        "uniswap-v4": "Multi-Chain",
        "uniswap-v1": "Ethereum",
        "uniswap-labs": None,
    }
    (dex,) = normal((wire / "defillama/overview_dexs_one_protocol.json").read_bytes(), DexVolumesAsk())
    assert (dex.slug, dex.volume_24h, dex.change_1d_pct) == ("orca", 400688463.0, 10.37)
    first, second = normal((wire / "defillama/yields_pools.json").read_bytes(), YieldsAsk())
    assert (first.project, first.apy_reward, second.apy_reward) == ("lido", None, 0.71204)
