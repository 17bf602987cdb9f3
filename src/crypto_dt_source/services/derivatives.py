"""Perpetual contracts over all venues: funding rates and open interest, each venue's own figures beside each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, Generic, NamedTuple, TypeVar

from ..gateway.source import Source
from ..model.ask import Capability, FundingAsk, OpenInterestAsk
from ..model.asset import Asset
from ..model.derivatives import FundingRate, OpenInterest
from ..model.errors import CdtsError, NotFound
from ..model.quote import Pair
from ..pricing.rates import BASE
from ..providers.resolver import Resolution
from ..store.cache import Cached, Loaded
from . import together, whole
from .runtime import Runtime
from .whole import Whole

EVERY_S = 300
ASKED_ONE_BY_ONE = 20
"""Contracts asked of a venue that answers one a call: those on its largest assets."""
AGREES = 0.1
"""A contract belongs to the asset of its ticker when its mark price lies within this share of ours: tickers collide, and
a contract on another coin of that name is many times off."""
HOURS_A_YEAR = 24 * 365
MAPPED_S = 5.0
"""How long rows stay under the assets they were put under, and in their order."""
YIELD_EVERY = 100
"""Rows put under assets before the loop gets a turn."""

FUNDING: Whole[list[FundingRate]] = Whole("funding", list[FundingRate], lambda f: f.derivatives, EVERY_S)
OPEN_INTEREST: Whole[list[OpenInterest]] = Whole(
    "open_interest", list[OpenInterest], lambda f: f.derivatives, EVERY_S
)
R = TypeVar("R", FundingRate, OpenInterest)


class Contract(NamedTuple, Generic[R]):
    """One venue's row, the asset it is on (None: the ticker fits none, or the price is another coin's), and for open
    interest its value in US dollars."""

    row: R
    asset: Asset | None
    value_usd: float | None


class Contracts(NamedTuple, Generic[R]):
    """Rows of every venue that has some. `parts` are the venues' answers by venue, `errors` why the others have none;
    `resolution` is what the symbol asked for was taken for."""

    rows: list[Contract[R]]
    parts: Mapping[str, Cached[list[R]]]
    errors: list[tuple[str, CdtsError]]
    resolution: Resolution | None


def annual_pct(rate: FundingRate) -> float | None:
    """The rate in percent a year without compounding; None where the venue does not say how often it is paid."""
    return None if rate.interval_h is None else rate.rate * HOURS_A_YEAR / rate.interval_h * 100


async def funding(
    rt: Runtime, *, symbol: str | None = None, provider: str | None = None
) -> Contracts[FundingRate]:
    """Funding rates, the largest assets first and the venues of one asset side by side; a venue that is slow is among the
    errors (`together.gathered`). Raises UnknownSymbol, NotFound, and AllProvidersFailed when no venue has an answer."""
    return await _gathered(rt, Capability.FUNDING, FUNDING, symbol, provider, _marked)


async def open_interest(
    rt: Runtime, *, symbol: str | None = None, provider: str | None = None
) -> Contracts[OpenInterest]:
    """Open interest, likewise. The value in dollars is the venue's own where it gives one, else its amount at our
    price."""
    return await _gathered(rt, Capability.OPEN_INTEREST, OPEN_INTEREST, symbol, provider, _implied)


def _marked(row: FundingRate) -> tuple[float | None, float | None]:
    """The price of a contract, and no value: a rate is worth none."""
    return row.mark_price, None


def _implied(row: OpenInterest) -> tuple[float | None, float | None]:
    """The price a venue's value and amount imply, and its value."""
    if row.amount and row.value:
        return row.value / row.amount, row.value
    return None, row.value


async def _gathered(
    rt: Runtime,
    capability: Capability,
    kind: Whole[list[R]],
    symbol: str | None,
    provider: str | None,
    price_of: Callable[[Any], tuple[float | None, float | None]],
) -> Contracts[R]:
    resolution = rt.resolver.resolve(symbol) if symbol is not None else None
    names = sorted(source.entry.id for source in _sources(rt, capability, provider))
    parts = await together.gathered(
        rt.clock,
        names,
        lambda name: whole.get(rt, kind, lambda: _load(rt, capability, name), part=name),
    )
    if not parts.found:
        raise _nobody(capability, parts.errors)
    rows = await _contracts(rt, kind, parts.found, price_of)
    if resolution is not None:
        wanted = resolution.asset.id
        rows = [row for row in rows if row.asset is not None and row.asset.id == wanted]
    return Contracts(rows, parts.found, parts.errors, resolution)


async def _contracts(
    rt: Runtime,
    kind: Whole[list[R]],
    parts: Mapping[str, Cached[list[R]]],
    price_of: Callable[[Any], tuple[float | None, float | None]],
) -> list[Contract[R]]:
    """The venues' rows under their assets and in their order: thousands of look-ups, made once for the requests of a few
    seconds. The list is shared, and not to be changed."""

    async def load() -> Loaded[list[Contract[R]]]:
        made: list[Contract[R]] = []
        for part in parts.values():
            for row in part.value:
                if len(made) % YIELD_EVERY == 0:
                    await rt.clock.sleep(0)
                made.append(_contract(rt, row, *price_of(row)))
        made.sort(key=_largest_first)
        # Its cost lets the cache drop it once its time is over: there is another key with every fetch.
        return Loaded(made, rt.clock.now_ms(), (), max(2, len(made)))

    fetched = tuple((name, part.fetched_ms) for name, part in parts.items())
    held = await rt.cache.get(("contracts", kind.name, fetched), MAPPED_S, MAPPED_S, load)
    return held.value


def _largest_first(contract: Contract[Any]) -> tuple[float, str, str, str]:
    asset = contract.asset
    rank = inf if asset is None else float(asset.rank or 10**9)
    return rank, asset.id if asset else "~", contract.row.provider, contract.row.symbol


def _contract(rt: Runtime, row: R, price: float | None, value: float | None) -> Contract[R]:
    asset = rt.resolver.venue_asset(row.provider, row.base)
    in_usd = rt.pricer.rates_into(BASE).get(row.quote)
    ours = rt.pricer.point(asset.id) if asset is not None else None
    known = ours.price if ours is not None else None
    if known and price and in_usd and not abs(price * in_usd / known - 1) <= AGREES:
        asset = None
    value_usd = value * in_usd if value is not None and in_usd else None
    if value_usd is None and asset is not None and known and isinstance(row, OpenInterest) and row.amount:
        value_usd = row.amount * known
    return Contract(row, asset, value_usd)


def _sources(rt: Runtime, capability: Capability, provider: str | None) -> list[Source]:
    sources = rt.gateway.offering(capability)
    if provider is None:
        return sources
    chosen = [source for source in sources if source.entry.id == provider]
    if not chosen:
        names = sorted(source.entry.id for source in sources)
        raise NotFound(
            f"{provider!r} has no {capability.value.replace('_', ' ')}; choose one of {', '.join(names)}.",
            details={"parameter": "provider", "got": provider, "allowed": names},
        )
    return chosen


def _nobody(capability: Capability, errors: Iterable[tuple[str, CdtsError]]) -> CdtsError:
    return together.none_found(
        f"No venue gave its {capability.value.replace('_', ' ')}.", capability.value, errors
    )


async def _load(
    rt: Runtime, capability: Capability, provider: str, *, background: bool = False
) -> Loaded[Any]:
    """One venue's rows. Raises an error of the gateway."""
    source = rt.gateway.source(provider)
    pairs = await _pairs(rt, provider) if source.adapter.endpoints[capability].per_pair else ()
    ask = FundingAsk(pairs) if capability is Capability.FUNDING else OpenInterestAsk(pairs)
    answer = await whole.first(rt, ask, providers=[provider], background=background)
    return Loaded(list(answer.records), answer.received_ms, (answer.provider,))


async def _pairs(rt: Runtime, provider: str) -> tuple[Pair, ...]:
    """A venue's contracts on its largest assets, as its list of funding rates names them."""
    listed = await whole.get(rt, FUNDING, lambda: _load(rt, Capability.FUNDING, provider), part=provider)
    contracts = await _contracts(rt, FUNDING, {provider: listed}, _marked)
    known = [contract.row for contract in contracts if contract.asset is not None]
    return tuple(Pair(row.base, row.quote) for row in known[:ASKED_ONE_BY_ONE])


async def collect(rt: Runtime) -> int:
    """Renew every venue's funding rates and open interest, all venues at once; gives the rows. Raises
    AllProvidersFailed when no venue answers."""
    errors: list[tuple[str, CdtsError]] = []
    rows = 0

    async def one(name: str, capabilities: list[Capability]) -> None:
        nonlocal rows
        for capability in capabilities:
            kind: Whole[Any] = FUNDING if capability is Capability.FUNDING else OPEN_INTEREST
            try:
                loaded = await _load(rt, capability, name, background=True)
            except CdtsError as error:
                errors.append((name, error))
                continue
            await whole.renew(rt, kind, loaded, part=name)
            rows += len(loaded.value)

    asked: dict[str, list[Capability]] = {}
    for capability in (Capability.FUNDING, Capability.OPEN_INTEREST):
        for source in rt.gateway.offering(capability):
            asked.setdefault(source.entry.id, []).append(capability)
    await asyncio.gather(*(one(name, capabilities) for name, capabilities in asked.items()))
    if asked and not rows:
        raise _nobody(Capability.FUNDING, errors)
    return rows
