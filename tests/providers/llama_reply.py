"""DefiLlama's adapter read as the gateway reads it, for its two test files."""

from __future__ import annotations

import json
from typing import Any

from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
    Ask,
    DefiChainsAsk,
    DefiProtocolAsk,
    DefiProtocolsAsk,
    DexVolumesAsk,
    StablecoinsAsk,
    TvlHistoryAsk,
    YieldsAsk,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.providers.adapters.defillama import ADAPTER
from crypto_dt_source.providers.kit import Reply

NOW = 1_790_000_000_000
ASKS: list[Ask] = [
    DefiProtocolsAsk(),
    DefiProtocolAsk("harbor"),
    DefiChainsAsk(),
    TvlHistoryAsk(),
    TvlHistoryAsk("Base"),
    YieldsAsk(),
    StablecoinsAsk(),
    DexVolumesAsk(),
]


def reply(content: Any, status: int = 200) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply("defillama", status, body, NOW)


def parse(content: Any, ask: Ask) -> list[Any]:
    """What the adapter makes of a body."""
    return list(ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].parse(reply(content), ask))


def normal(content: Any, ask: Ask) -> list[Any]:
    """Like `parse`; every record must be in normal form."""
    records = parse(content, ask)
    assert [violation(record) for record in records] == [None] * len(records)
    return records


def protocol(**changes: Any) -> dict[str, Any]:
    """A row of the list of protocols."""
    base = {
        "id": "77",
        "name": "Harbor",
        "symbol": "HRBR",
        "url": "https://harbor.example/app",
        "description": "Not read in the list.",
        "chain": "Multi-Chain",
        "category": "Lending",
        "chains": ["Ethereum", "Base"],
        "slug": "harbor",
        "tvl": 1250000.5,
        "chainTvls": {"Ethereum": 1000000.25, "Base": 250000.25, "staking": 5},
        "change_1h": 0.125,
        "change_1d": -2.5,
        "change_7d": None,
        "mcap": 900000,
    }
    return {**base, **changes}
