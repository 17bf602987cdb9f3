"""How records that several routes show look on the wire."""

from __future__ import annotations

from typing import Any

from ..services.market import Coin


def coin_view(coin: Coin) -> dict[str, Any]:
    """A market-list row under its canonical id."""
    row = coin.row
    return {
        "id": coin.asset.id,
        "symbol": coin.asset.ticker,
        "name": coin.asset.name,
        "rank": row.rank,
        "price": row.price,
        "market_cap": row.market_cap,
        "volume_24h": row.volume_24h,
        "change_1h_pct": row.change_1h_pct,
        "change_24h_pct": row.change_24h_pct,
        "change_7d_pct": row.change_7d_pct,
        "high_24h": row.high_24h,
        "low_24h": row.low_24h,
        "circulating_supply": row.circulating_supply,
        "total_supply": row.total_supply,
        "max_supply": row.max_supply,
    }
