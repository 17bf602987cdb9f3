"""What the sockets of several simulated venues share: reading a client's frame, writing theirs, times as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from ...model.quote import Pair

Knows = Callable[[Pair], bool]


def frame(payload: Any) -> str:
    """A text frame."""
    return msgspec.json.encode(payload).decode()


def asked(raw: str | bytes) -> dict[str, Any] | None:
    """A client's frame; None where it is not a JSON object."""
    try:
        payload = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def texts(value: Any) -> list[str] | None:
    """A list of texts; None for anything else."""
    good = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return value if good else None


def joined(symbol: str, knows: Knows) -> Pair | None:
    """The listed pair that `BTCUSDT` is, wherever the venue's lists say that base and quote meet."""
    for cut in range(1, len(symbol)):
        pair = Pair(symbol[:cut], symbol[cut:])
        if knows(pair):
            return pair
    return None


def parted(symbol: str, separator: str, knows: Knows) -> Pair | None:
    """The listed pair that `BTC-USDT` is."""
    base, found, quote = symbol.partition(separator)
    pair = Pair(base, quote)
    return pair if found and knows(pair) else None


def micros(ms: int) -> str:
    """`2026-11-22T06:00:00.250000Z`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
