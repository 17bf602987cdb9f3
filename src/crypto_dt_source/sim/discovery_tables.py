"""Tables of prices as strangers write them: every venue of a corpus has one of these styles (`sim/discovery.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

Style = Callable[[Sequence["Row"], int], Any]


class Row(NamedTuple):
    """One pair as it is shown: prices in `quote`, volume in `base`."""

    base: str
    quote: str
    price: float
    volume: float

    @property
    def bid(self) -> float:
        return float(f"{self.price * 0.9998:.8g}")

    @property
    def ask(self) -> float:
        return float(f"{self.price * 1.0002:.8g}")


def joined(rows: Sequence[Row], now_ms: int) -> Any:
    """`[{"symbol": "BTCUSDT", "lastPrice": "…"}]`"""
    return [
        {
            "symbol": f"{r.base}{r.quote}",
            "priceChange": "0.0",
            "lastPrice": f"{r.price:.8g}",
            "bidPrice": f"{r.bid:.8g}",
            "askPrice": f"{r.ask:.8g}",
            "highPrice": f"{r.price * 1.04:.8g}",
            "lowPrice": f"{r.price * 0.95:.8g}",
            "volume": f"{r.volume:.3f}",
            "quoteVolume": f"{r.volume * r.price:.2f}",
            "closeTime": now_ms,
        }
        for r in rows
    ]


def listed(rows: Sequence[Row], now_ms: int) -> Any:
    """`{"code": 0, "data": {"tickers": [{"ticker_id": "BTC_USDT"}]}}`"""
    tickers = [
        {
            "ticker_id": f"{r.base}_{r.quote}",
            "base_currency": r.base,
            "target_currency": r.quote,
            "last_price": f"{r.price:.8g}",
            "base_volume": f"{r.volume:.3f}",
            "target_volume": f"{r.volume * r.price:.2f}",
            "bid": f"{r.bid:.8g}",
            "ask": f"{r.ask:.8g}",
        }
        for r in rows
    ]
    return {"code": 0, "message": "success", "data": {"tickers": tickers, "ts": now_ms}}


def keyed(rows: Sequence[Row], now_ms: int) -> Any:
    """`{"BTC_USD": {"last": "…"}}`"""
    return {
        f"{r.base}_{r.quote}": {
            "last": f"{r.price:.8g}",
            "buy": f"{r.bid:.8g}",
            "sell": f"{r.ask:.8g}",
            "vol": f"{r.volume:.3f}",
            "updated": now_ms // 1000,
        }
        for r in rows
    }


def dashed(rows: Sequence[Row], now_ms: int) -> Any:
    """`{"result": [{"market": "BTC-USD", "price": …, "time": "2026-…"}]}`"""
    told = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    return {
        "success": True,
        "result": [{"market": f"{r.base}-{r.quote}", "price": r.price, "time": told} for r in rows],
    }


def split(rows: Sequence[Row], now_ms: int) -> Any:
    """`{"pairs": [{"base": "BTC", "quote": "USDT", "last": …}]}`"""
    pairs = [{"id": n, "base": r.base, "quote": r.quote, "last": r.price} for n, r in enumerate(rows)]
    return {"pairs": pairs, "count": len(rows)}


def coins(rows: Sequence[Row], now_ms: int) -> Any:
    """`{"data": [{"symbol": "BTC", "priceUsd": "…"}]}`: one row a coin, in dollars."""
    return {
        "data": [
            {"rank": str(n), "symbol": r.base, "priceUsd": f"{r.price:.10g}", "supply": "1000000"}
            for n, r in enumerate(rows, 1)
        ],
        "timestamp": now_ms,
    }


def slashed(rows: Sequence[Row], now_ms: int) -> Any:
    """`{"ticker": {"BTC/USD": {"last": …}}}`"""
    return {"ticker": {f"{r.base}/{r.quote}": {"last": r.price, "bid": r.bid, "ask": r.ask} for r in rows}}


def turned(rows: Sequence[Row], now_ms: int) -> Any:
    """`[{"market": "USDT-BTC", "trade_price": …}]`"""
    return [{"market": f"{r.quote}-{r.base}", "trade_price": r.price, "timestamp": now_ms} for r in rows]


def nested(rows: Sequence[Row], now_ms: int) -> Any:
    """`{"btcusdt": {"at": …, "ticker": {"last": "…"}}}`"""
    return {
        f"{r.base}{r.quote}".lower(): {
            "at": now_ms // 1000,
            "ticker": {"last": f"{r.price:.8g}", "buy": f"{r.bid:.8g}", "sell": f"{r.ask:.8g}"},
        }
        for r in rows
    }


def patchy(rows: Sequence[Row], now_ms: int) -> Any:
    """Rows that nobody trades and coins that nobody knows among the others."""
    made: list[dict[str, Any]] = [
        {"symbol": f"{r.base}_{r.quote}", "name": r.base, "last": f"{r.price:.8g}", "open": None}
        for r in rows
    ]
    made += [
        {"symbol": f"ZZQ{n}X_USDT", "name": "?", "last": "0.00001234", "open": None} for n in range(len(rows))
    ]
    made += [
        {"symbol": f"{r.base}_BTC", "name": r.base, "last": "0", "open": None}
        for r in rows[3:6]
        if r.base != "BTC"
    ]
    return {"status": "ok", "items": made}


STYLES: tuple[Style, ...] = (
    joined,
    listed,
    keyed,
    dashed,
    split,
    coins,
    slashed,
    turned,
    nested,
    patchy,
)
IN_DOLLARS = frozenset({coins})
"""Styles that name no currency: it is the dollar."""
