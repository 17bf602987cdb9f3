"""Which venues have an asset's candles, and which of them speak of the same pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..gateway.source import Source
from ..model.ask import Capability
from ..model.asset import Asset
from ..model.errors import UnknownSymbol
from ..model.quote import Pair
from ..providers.kit import Endpoint
from ..store import SeriesKey
from ..store.repos import candles as candle_repo
from .exchanges import out_of_reach
from .listing import pair_at, price_at
from .runtime import Runtime

SAME_UNIT = 0.2
"""Two venues trade the same unit of the same asset when their prices are this close: one ticker may be two coins, or lots
of a thousand, and two tickers (POL, still MATIC) one coin."""


@dataclass(frozen=True, slots=True)
class Option:
    """A source that can have the candles, and the pair to ask it for."""

    source: Source
    pair: Pair

    @property
    def id(self) -> str:
        return self.source.entry.id

    @property
    def endpoint(self) -> Endpoint:
        return self.source.adapter.endpoints[Capability.CANDLES]


def options(
    rt: Runtime, asset: Asset, quote: str | None, interval: str, provider: str | None
) -> list[Option]:
    """Sources that can have this series, best first. Raises NotFound for an unknown provider and UnknownSymbol when
    nobody lists the pair in that interval."""
    if provider is not None:
        rt.gateway.source(provider)
    found: list[Option] = []
    far = out_of_reach(rt, Capability.CANDLES, quote, provider)
    for source in rt.gateway.offering(Capability.CANDLES):
        if source.entry.id in far or provider not in (None, source.entry.id):
            continue
        if interval not in source.adapter.endpoints[Capability.CANDLES].intervals:
            continue
        pair = pair_at(rt, source, asset, quote)
        if pair is not None:
            found.append(Option(source, pair))
    if not found:
        raise unlisted(asset, quote, interval, provider)
    return found


def unlisted(asset: Asset, quote: str | None, interval: str, provider: str | None) -> UnknownSymbol:
    """The error for candles nobody lists."""
    pair = f"{asset.ticker}/{quote}" if quote else asset.ticker
    where = f"at {provider}" if provider else "at any venue in use"
    return UnknownSymbol(
        f"There are no {interval} candles of {pair} {where}.",
        details={"symbol": pair, "interval": interval, "did_you_mean": []},
    )


def series_of(option: Option, interval: str) -> SeriesKey:
    """The stored series of an option: both hosts of a venue share one."""
    return SeriesKey(option.source.entry.source, option.pair.base, option.pair.quote, interval)


def by_quote(rt: Runtime, asset: Asset, chosen: Sequence[Option]) -> list[list[Option]]:
    """The options in groups that may stand in for each other, best group first: the same quote currency, a base ticker
    that is this asset's at that venue, and prices that show the same unit. One without a price on the board joins under
    the same ticker alone."""
    groups: list[list[Option]] = []
    for option in chosen:
        home = next((g for g in groups if g[0].pair.quote == option.pair.quote), None)
        if home is None:
            groups.append([option])
        elif _means(rt, asset, option) and _same_unit(rt, asset, home[0], option):
            home.append(option)
    return groups


def _means(rt: Runtime, asset: Asset, option: Option) -> bool:
    listed = rt.resolver.venue_asset(option.id, option.pair.base)
    return listed is not None and listed.id == asset.id


def _same_unit(rt: Runtime, asset: Asset, one: Option, other: Option) -> bool:
    prices = [price_at(rt, o.source, asset, o.pair) for o in (one, other)]
    if prices[0] is None or prices[1] is None:
        return one.pair.base == other.pair.base
    return abs(prices[0] / prices[1] - 1) <= SAME_UNIT


def stored(rt: Runtime, asset: Asset, quote: str | None, interval: str) -> list[SeriesKey]:
    """Every stored series of the asset in that interval (in that quote currency), by venue and pair."""
    found = []
    for series in candle_repo.stored_series(rt.store):
        if series.interval != interval or (quote is not None and series.quote != quote):
            continue
        listed = rt.resolver.venue_asset(series.provider, series.base)
        if listed is not None and listed.id == asset.id:
            found.append(series)
    return found
