"""One spelling of a chain in every list of DefiLlama."""

from __future__ import annotations

import pytest
from llama_reply import normal, protocol

from crypto_dt_source.model.ask import (
    DefiChainsAsk,
    DefiProtocolAsk,
    DefiProtocolsAsk,
    DexVolumesAsk,
    StablecoinsAsk,
    YieldsAsk,
)
from crypto_dt_source.providers.chain_names import RENAMED, each_once, spelled


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("Binance", "BSC"),
        ("BSC", "BSC"),
        ("binance", "BSC"),
        ("Optimism", "OP Mainnet"),
        ("OP Mainnet", "OP Mainnet"),
        ("XDAI", "Gnosis"),
        ("Ethereum", "Ethereum"),
        ("ethereum", "ethereum"),
        ("", ""),
    ],
)
def test_an_older_name_is_the_newer_one(name: str, one: str) -> None:
    assert spelled(name) == one


def test_a_newer_name_is_no_older_one_of_another() -> None:
    assert all(spelled(new) == new for new in RENAMED.values())


def test_a_chain_under_both_names_is_there_once() -> None:
    assert each_once(["Ethereum", "Binance", "BSC", "xDai"]) == ["Ethereum", "BSC", "Gnosis"]


def test_every_list_spells_chains_alike() -> None:
    (row,) = normal([protocol(chain="Binance", chains=["Binance"])], DefiProtocolsAsk())
    assert (row.chain, row.chains) == ("BSC", ("BSC",))
    (several,) = normal([protocol(chain=None, chains=["Binance", "BSC"])], DefiProtocolsAsk())
    assert (several.chain, several.chains) == ("BSC", ("BSC",))
    (chain,) = normal([{"name": "xDai", "tvl": 1}], DefiChainsAsk())
    assert chain.name == "Gnosis"
    pool = {"pool": "p", "project": "q", "chain": "Optimism", "symbol": "s", "tvlUsd": 1}
    (found,) = normal({"status": "success", "data": [pool]}, YieldsAsk())
    assert found.chain == "OP Mainnet"
    coin = {
        "id": "1",
        "name": "n",
        "symbol": "s",
        "pegType": "peggedUSD",
        "circulating": {"peggedUSD": 1},
        "chains": ["Tron", "Binance"],
    }
    (stable,) = normal({"peggedAssets": [coin]}, StablecoinsAsk())
    assert stable.chains == ("Tron", "BSC")
    dex = {"name": "n", "slug": "s", "total24h": 1, "chains": ["Optimism", "OP Mainnet"]}
    (volume,) = normal({"protocols": [dex]}, DexVolumesAsk())
    assert volume.chains == ("OP Mainnet",)


def test_a_page_spells_its_chains_and_their_parts_alike() -> None:
    body = {
        "name": "Harbor",
        "chains": ["Binance", "Ethereum"],
        "tvl": [{"date": 1_700_000_000, "totalLiquidityUSD": 5}],
        "currentChainTvls": {
            "Binance": 3,
            "Binance-borrowed": 1,
            "BSC-offers": 2,
            "Ethereum": 2,
            "staking": 4,
        },
    }
    (page,) = normal(body, DefiProtocolAsk("harbor"))
    assert page.chains == ("BSC", "Ethereum")
    assert page.chain_tvl == (("BSC", 3.0), ("Ethereum", 2.0))
    assert page.other_tvl == (("BSC-borrowed", 1.0), ("BSC-offers", 2.0), ("staking", 4.0))
