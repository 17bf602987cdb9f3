"""The packaged registry of assets: who is who, before any upstream was asked. No prices, no market data.

`assets.csv` has one asset a line, coins in approximate order of size, fiat currencies last. Columns:

- `id`: CoinGecko's coin id for coins, the lower-case ISO 4217 code for fiat currencies
- `ticker`, `name`, `kind` (`coin`, `stablecoin`, `fiat`)
- `aliases`: other tickers of the very same asset, `|` between them
- `renames`: tickers it had, each `TICKER@YYYY-MM-DD` with the first day it no longer had it, oldest first
- `names`: other names in use
- `coinpaprika`, `coincap`, `coinlore`, `coinmarketcap`: its id there; empty where not known for certain

Ids follow https://docs.coingecko.com/reference/coins-list.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

from ..model.asset import Asset, Rename

KINDS = ("coin", "stablecoin", "fiat")
FAMILIES = ("coinpaprika", "coincap", "coinlore", "coinmarketcap")
"""Aggregators whose own ids the registry may carry; CoinGecko's is the canonical id itself."""


class RegistryError(ValueError):
    """A line of the registry breaks its form; the message names the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One line: the asset, its other names, and its ids at aggregators by family (absent where unknown)."""

    asset: Asset
    names: tuple[str, ...]
    native: Mapping[str, str]


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part for part in cell.split("|") if part)


def _rename(text: str) -> Rename:
    ticker, _, until = text.partition("@")
    date.fromisoformat(until)
    return Rename(ticker, until)


def parse(text: str) -> tuple[Registered, ...]:
    """Reads the registry's CSV; a coin's rank is its place among the coins.

    Raises RegistryError for an unknown kind, a repeated id, a native id used twice, a ticker that is not upper case
    or a date that is not ISO.
    """
    entries: list[Registered] = []
    seen: set[str] = set()
    coins = 0
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            renames = tuple(_rename(part) for part in _parts(row["renames"]))
        except ValueError:
            raise RegistryError(
                f"assets.csv:{number}: renames {row['renames']!r} is not TICKER@YYYY-MM-DD"
            ) from None
        tickers = (row["ticker"], *_parts(row["aliases"]), *(rename.ticker for rename in renames))
        if row["kind"] not in KINDS:
            raise RegistryError(f"assets.csv:{number}: kind {row['kind']!r} is not one of {', '.join(KINDS)}")
        if not all(ticker and ticker == ticker.upper() for ticker in tickers) or not row["name"]:
            raise RegistryError(
                f"assets.csv:{number}: a ticker is empty or not upper case, or the name is empty"
            )
        native = {family: row[family] for family in FAMILIES if row[family]}
        for key in (row["id"], *(f"{family}:{native_id}" for family, native_id in native.items())):
            if not key or key in seen:
                raise RegistryError(f"assets.csv:{number}: {key!r} is empty or used twice")
            seen.add(key)
        coins += row["kind"] != "fiat"
        rank = None if row["kind"] == "fiat" else coins
        asset = Asset(
            row["id"], row["ticker"], row["name"], row["kind"], rank, _parts(row["aliases"]), renames
        )
        entries.append(Registered(asset, _parts(row["names"]), native))
    return tuple(entries)


@cache
def load() -> tuple[Registered, ...]:
    """The packaged registry, largest coins first, fiat currencies last."""
    return parse((resources.files(__package__) / "assets.csv").read_text(encoding="utf-8"))
