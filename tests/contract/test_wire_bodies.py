"""Every recorded body of a native adapter's capability normalises to records in normal form, by `cdts normalize`.

The table is `wire_table.py`; a file in a native adapter's folder that is not in it fails the suite.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from wire_table import (
    BODIES,
    DERIVATIVES_OF,
    ELEMENTS,
    NO_SPOT,
    NODES,
    NOT_APPLICABLE,
    REFUSALS,
    Body,
    Refusal,
)

import crypto_dt_source.providers.adapters as adapters
from crypto_dt_source.cli.main import main
from crypto_dt_source.gateway.classify import refusal
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.kit import Reply

RECORD = {
    "quotes": "Quote",
    "candles": "Candle",
    "book": "OrderBook",
    "trades": "Trade",
    "instruments": "Instrument",
    "assets": "AssetListing",
    "coins": "CoinMarket",
    "global": "GlobalMarket",
    "trending": "TrendingCoin",
    "categories": "Category",
    "coin": "CoinDetail",
    "search": "SearchHit",
    "exchanges": "ExchangeInfo",
    "defi_protocols": "DefiProtocol",
    "defi_protocol": "DefiProtocolDetail",
    "defi_chains": "ChainTvl",
    "tvl_history": "TvlPoint",
    "yields": "YieldPool",
    "stablecoins": "Stablecoin",
    "dex_volumes": "DexVolume",
    "fear_greed": "FearGreed",
    "funding": "FundingRate",
    "open_interest": "OpenInterest",
    "gas": "GasFee",
    "chain_stats": "ChainStats",
}
NATIVE = sorted(
    path.stem for path in Path(adapters.__path__[0]).glob("*.py") if not path.stem.startswith("_")
)


def normalize(
    monkeypatch: pytest.MonkeyPatch, wire: Path, file: str, capability: str, *options: str
) -> tuple[int, list[dict[str, object]], str]:
    """Exit status, records and standard error of the command."""
    body = (wire / file).read_bytes()
    if file in ELEMENTS:
        body = b'{"data":[' + body + b"]}"
    out, err = io.BytesIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(body)))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, write_through=True))
    monkeypatch.setattr(sys, "stderr", err)
    provider = file.partition("/")[0]
    provider = NODES.get(provider, provider)
    if capability in ("funding", "open_interest"):
        provider = DERIVATIVES_OF.get(provider, provider)
    status = main(["normalize", provider, capability, *options])
    return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


@pytest.mark.parametrize("body", BODIES, ids=lambda b: f"{b.file}-{b.capability}")
def test_a_recorded_body_becomes_normal_records(
    monkeypatch: pytest.MonkeyPatch, wire: Path, body: Body
) -> None:
    options = ["--interval", body.interval, *(["--symbol", body.symbol] if body.symbol else [])]
    status, records, errors = normalize(monkeypatch, wire, body.file, body.capability, *options)
    # Status 1 means that a record broke the normal form and was kept out.
    assert (status, errors) == (0, "")
    assert len(records) == body.count
    assert {record["record"] for record in records} == {RECORD[body.capability]}


@pytest.mark.parametrize("file", sorted(NO_SPOT))
def test_a_body_without_a_spot_market_gives_no_record(
    monkeypatch: pytest.MonkeyPatch, wire: Path, file: str
) -> None:
    capability, _ = NO_SPOT[file]
    assert normalize(monkeypatch, wire, file, capability) == (0, [], "")


@pytest.mark.parametrize("row", REFUSALS, ids=lambda r: r.file)
def test_a_recorded_error_is_the_right_one(monkeypatch: pytest.MonkeyPatch, wire: Path, row: Refusal) -> None:
    provider = row.file.partition("/")[0]
    adapter = catalog.adapter(catalog.load()[NODES[provider]].adapter if provider in NODES else provider)
    if row.status == 200:
        # An error has the same shape whatever was asked for.
        capability = (
            "candles" if Capability.CANDLES in adapter.endpoints else next(iter(adapter.endpoints)).value
        )
        status, records, errors = normalize(monkeypatch, wire, row.file, capability)
        assert (status, records) == (2, [])
        assert f"the upstream's error: {row.code}:" in errors
        return
    error = refusal(Reply(provider, row.status, (wire / row.file).read_bytes(), 1_790_000_000_000), adapter)
    assert error is not None
    assert error.code == row.code


def test_no_recorded_body_of_a_native_adapter_is_forgotten(wire: Path) -> None:
    there = {
        str(path.relative_to(wire))
        for name in (*NATIVE, *NODES)
        for path in (wire / name).rglob("*")
        if path.is_file()
    }
    listed = Counter(
        [*{b.file for b in BODIES}, *NO_SPOT, *(r.file for r in REFUSALS), *NOT_APPLICABLE],
    )
    assert set(listed) == there
    assert [file for file, times in listed.items() if times > 1] == []


def test_every_capability_with_a_recording_is_reached() -> None:
    """A body filed as not applicable must not hide a capability that nothing else shows."""
    shown = {(body.file.partition("/")[0], body.capability) for body in BODIES}
    venues = {b.file.partition("/")[0] for b in BODIES} & {
        e.adapter for e in catalog.load().values() if e.kind == "venue" and Capability.QUOTES in e.offers
    }
    without = {
        (venue, capability)
        for venue in venues
        for capability in ("quotes", "candles", "book", "trades", "instruments")
        if (venue, capability) not in shown
    }
    folders = {adapter: folder for folder, adapter in DERIVATIVES_OF.items()}
    without |= {
        (e.adapter, c.value)
        for e in catalog.load().values()
        for c in (Capability.FUNDING, Capability.OPEN_INTEREST)
        # Bodies of tables are in tests/providers.
        if c in e.offers
        and e.adapter != "json_table"
        and (folders.get(e.adapter, e.adapter), c.value) not in shown
    }
    # Nothing was recorded of these; the simulator's bodies stand in (tests/sim).
    assert without == {
        ("crypto_com", "instruments"),
        ("crypto_com", "quotes"),
        ("gemini", "candles"),
        ("mexc", "instruments"),
        ("okx", "instruments"),
        ("okx", "quotes"),
    }
