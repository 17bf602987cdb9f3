"""Exchanges that are read through the exchange library: their bodies are a table (`sim/exchange_library.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache, partial
from importlib import resources
from typing import Any

from ...model.ask import Capability
from ...providers.catalog import Entry
from ..exchange_library import Shape
from . import Route, SimReply, reply

_KINDS = {
    "*candles": Capability.CANDLES,
    "*trades": Capability.TRADES,
    "*bids": Capability.BOOK,
    "*units": Capability.BOOK,
    "last": Capability.QUOTES,
}
"""What a body holds tells what it serves; any other is a list of pairs."""


@cache
def tables() -> Mapping[str, Any]:
    """Every exchange's table by the entry's id."""
    file = resources.files("crypto_dt_source.sim") / "exchange_library.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        return reply({"message": "Too Many Requests"}, 429)
    return reply({"message": "no such pair", "code": 404}, 404)


def _capabilities(table: Mapping[str, Any], path: str) -> tuple[Capability, ...]:
    body: str = table["bodies"][path]
    kind = next((kind for word, kind in _KINDS.items() if word in body), Capability.INSTRUMENTS)
    return (kind, Capability.INSTRUMENTS) if path == table.get("markets") else (kind,)


def of(entry: Entry) -> dict[str, Route]:
    """The routes of one exchange. Raises KeyError for one without a table."""
    table = tables()[entry.id]
    shape = Shape(table)
    return {path: Route(partial(shape.answer, path), _capabilities(table, path)) for path in table["bodies"]}
