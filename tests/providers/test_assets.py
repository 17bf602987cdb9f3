"""The packaged registry: its form, its size, and facts that must not be lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crypto_dt_source.providers.assets import FAMILIES, RegistryError, load, parse

HEADER = "id,ticker,name,kind,aliases,renames,names,coinpaprika,coincap,coinlore,coinmarketcap\n"


def test_size_and_order() -> None:
    entries = load()
    coins = [e.asset for e in entries if e.asset.kind != "fiat"]
    fiats = [e.asset for e in entries if e.asset.kind == "fiat"]
    assert len(coins) >= 330
    assert len(fiats) >= 35
    assert [asset.rank for asset in coins] == list(range(1, len(coins) + 1))
    assert {asset.rank for asset in fiats} == {None}
    assert all(asset.id == asset.ticker.lower() and len(asset.ticker) == 3 for asset in fiats)
    assert load() is entries


@pytest.mark.parametrize(
    ("asset_id", "ticker"),
    [
        ("bitcoin", "BTC"),
        ("ethereum", "ETH"),
        ("tether", "USDT"),
        ("ripple", "XRP"),
        ("binancecoin", "BNB"),
        ("usd-coin", "USDC"),
        ("avalanche-2", "AVAX"),
        ("polygon-ecosystem-token", "POL"),
        ("render-token", "RENDER"),
        ("hedera-hashgraph", "HBAR"),
        ("maker", "MKR"),
        ("sky", "SKY"),
        ("terra-luna", "LUNC"),
        ("terra-luna-2", "LUNA"),
        ("the-open-network", "GRAM"),
        ("usd", "USD"),
    ],
)
def test_known_tickers(asset_id: str, ticker: str) -> None:
    assert {e.asset.id: e.asset.ticker for e in load()}[asset_id] == ticker


def test_kinds() -> None:
    kinds = {e.asset.id: e.asset.kind for e in load()}
    assert kinds["tether"] == kinds["dai"] == kinds["euro-coin"] == "stablecoin"
    assert kinds["bitcoin"] == kinds["pax-gold"] == kinds["terrausd"] == "coin"
    assert kinds["eur"] == "fiat"


def test_every_family_is_filled() -> None:
    for family in FAMILIES:
        assert sum(family in entry.native for entry in load()) >= 10, family


def test_no_market_values() -> None:
    for entry in load():
        assert set(entry.native) <= set(FAMILIES)
        for family in ("coinlore", "coinmarketcap"):
            assert entry.native.get(family, "1").isdigit()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,A,Alpha,share,,,,,,,", "kind"),
        ("a,a,Alpha,coin,,,,,,,", "upper case"),
        ("a,A,Alpha,coin,x,,,,,,", "upper case"),
        ("a,A,,coin,,,,,,,", "name is empty"),
        ("a,A,Alpha,coin,,OLD@2024-13-01,,,,,", "YYYY-MM-DD"),
        ("a,A,Alpha,coin,,OLD,,,,,", "YYYY-MM-DD"),
        ("a,A,Alpha,coin,,,,,,,\na,B,Beta,coin,,,,,,,", "used twice"),
        ("a,A,Alpha,coin,,,,x-1,,,\nb,B,Beta,coin,,,,x-1,,,", "used twice"),
        (",A,Alpha,coin,,,,,,,", "empty"),
    ],
)
def test_a_broken_line_is_named(line: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message) as caught:
        parse(HEADER + line + "\n")
    assert "assets.csv:" in str(caught.value)


def test_recorded_lists_agree(wire: Path) -> None:
    """Where a recorded upstream list names an id of the registry, it means the same coin."""
    tickers = {
        e.asset.id: {e.asset.ticker, *e.asset.aliases, *(r.ticker for r in e.asset.renames)} for e in load()
    }
    checked = 0
    trending = json.loads((wire / "coingecko" / "search_trending.json").read_bytes())
    rows = [coin["item"] for coin in trending["coins"]]
    rows += json.loads((wire / "coingecko" / "coins_list.json").read_bytes())
    for row in rows:
        if row["id"] in tickers:
            assert row["symbol"].upper() in tickers[row["id"]]
            checked += 1
    by_paprika = {e.native.get("coinpaprika"): e.asset.ticker for e in load()}
    for row in json.loads((wire / "coinpaprika" / "coins.json").read_bytes()):
        assert by_paprika[row["id"]] == row["symbol"]
        checked += 1
    by_coincap = {e.native.get("coincap"): e.asset.ticker for e in load()}
    for row in json.loads((wire / "coincap" / "v2_assets.json").read_bytes())["data"]:
        assert by_coincap[row["id"]] == row["symbol"]
        checked += 1
    assert checked >= 20
