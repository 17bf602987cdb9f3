"""Answering a request for prices: from the board; an asset nobody has quoted yet is asked for, once for all callers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from ..model.asset import Asset
from ..model.errors import AllProvidersFailed, CdtsError, InvalidParameter
from ..pricing.rates import BASE
from ..providers.resolver import Resolution
from ..store.cache import Loaded
from . import collect
from .prices import PricePoint, unknown_price
from .runtime import Runtime
from .tier_caps import Cut

ROUND_KEPT_S = 60.0
"""Without background work a round of quotes is not repeated sooner."""
ENOUGH_SOURCES = 8
"""A request that comes while the first quotes arrive is answered once this many sources have quoted what it asks for,
or the round is over. What was known before the start is answered, stale, until a first quote comes."""
FIRST_ROUND_S = 8.0
"""The longest such a request waits."""
LOOK_S = 0.02
MAX_SYMBOLS = 100
"""Symbols one request may name."""
SUGGESTED = 5
"""Unknown symbols of one request that get suggestions: those cost a millisecond each."""


class Priced(NamedTuple):
    """A resolved symbol and its price."""

    resolution: Resolution
    point: PricePoint


class PricesAnswer(NamedTuple):
    """Prices of the known symbols, in the order asked, and what is wrong with the others. `asked`: an upstream had to
    be asked for some of it. `beyond` were not answered because the caller's tier gives fewer, which `cut` says."""

    found: list[Priced]
    errors: list[tuple[str, CdtsError]]
    asked: bool
    beyond: list[str]
    cut: Cut | None


async def prices(rt: Runtime, texts: Sequence[str], vs: str | None, most: int | None = None) -> PricesAnswer:
    """The consensus price of each symbol; a bad one never costs the others their answer. Texts that mean the same asset
    in the same currency are answered once, and count once towards `most` (None: all are answered); what is no known
    symbol counts as one.

    Without `vs` a pair is answered in its own quote currency where prices can be converted to it (`BTC-EUR` in EUR),
    everything else in USD.
    """
    errors: list[tuple[str, CdtsError]] = []
    resolved: list[tuple[str, Resolution]] = []
    beyond: list[str] = []
    places: dict[tuple[str, str], int] = {}
    for text in texts:
        try:
            suggest = len(errors) < SUGGESTED and (most is None or len(places) < most)
            resolution: Resolution | CdtsError = rt.resolver.resolve(text, suggest=suggest)
        except CdtsError as error:
            resolution = error
        place = places.setdefault(_meaning(rt, text, resolution, vs), len(places))
        if most is not None and place >= most:
            beyond.append(text)
        elif isinstance(resolution, CdtsError):
            errors.append((text, resolution))
        else:
            resolved.append((text, resolution))
    failure, asked = await _ensure(rt, [r.asset for _, r in resolved], vs or BASE)
    found: dict[tuple[str, str], Priced] = {}
    for text, resolution in resolved:
        point = _point(rt, resolution, vs)
        if point is None:
            errors.append((text, unknown_price(resolution.asset, failure)))
        else:
            # Not before: names without any price would push out those whose prices are kept for somebody.
            rt.pricer.note_asked(resolution.asset.id)
            found.setdefault((point.asset, point.vs), Priced(resolution, point))
    cut = Cut("symbols", len(places), most) if beyond and most is not None else None
    return PricesAnswer(list(found.values()), errors, asked, beyond, cut)


def _meaning(rt: Runtime, text: str, resolution: Resolution | CdtsError, vs: str | None) -> tuple[str, str]:
    """What two texts share that are one symbol: the asset and the currency, of an unknown one what it says."""
    if isinstance(resolution, CdtsError):
        return "", text.casefold()
    return resolution.asset.id, vs or _own_currency(rt, resolution) or BASE


async def prices_named(rt: Runtime, symbols: str, vs: str | None, most: int | None = None) -> PricesAnswer:
    """`prices` of a comma list. Raises InvalidParameter for none or more than MAX_SYMBOLS of them, and the first error
    when there is no price to answer and every error is the service's or its upstreams' own."""
    texts = list(dict.fromkeys(text.strip() for text in symbols.split(",") if text.strip()))
    if not 0 < len(texts) <= MAX_SYMBOLS:
        raise InvalidParameter(
            f"symbols: name 1 to {MAX_SYMBOLS} symbols, separated by commas.",
            details={"parameter": "symbols", "got": len(texts), "allowed": f"1 to {MAX_SYMBOLS}"},
        )
    answer = await prices(rt, texts, vs, most)
    if not answer.found and all(error.status >= 500 for _, error in answer.errors):
        raise answer.errors[0][1]
    return answer


def _own_currency(rt: Runtime, resolution: Resolution) -> str | None:
    """The quote currency of a pair where prices can be converted to it."""
    if resolution.quote in (None, BASE):
        return None
    with contextlib.suppress(InvalidParameter):
        return rt.pricer.check_vs(resolution.quote)
    return None


def _point(rt: Runtime, resolution: Resolution, vs: str | None) -> PricePoint | None:
    """The price in `vs`, or in what the symbol itself says."""
    asset = resolution.asset.id
    own = _own_currency(rt, resolution) if vs is None else None
    point = rt.pricer.point(asset, own) if own is not None else None
    return point if point is not None else rt.pricer.point(asset, vs or BASE)


async def price(rt: Runtime, text: str, vs: str | None) -> tuple[Priced, bool]:
    """One symbol's price, and whether an upstream had to be asked for it. Raises what is wrong with it."""
    answer = await prices(rt, [text], vs)
    if answer.errors:
        raise answer.errors[0][1]
    return answer.found[0], answer.asked


async def _ensure(rt: Runtime, assets: Sequence[Asset], vs: str) -> tuple[AllProvidersFailed | None, bool]:
    """Ask the aggregators for assets without any price; gives the failure when nobody could be asked, and whether
    anybody was."""
    waited = await _first_quotes(rt, assets)
    points = [(a, rt.pricer.point(a.id, vs)) for a in assets]
    rt.on_demand.renew([a for a, point in points if point is not None and point.stale])
    missing = [a for a, point in points if point is None]
    if not missing:
        return None, waited
    if rt.first_round is None:
        await _one_round(rt)
        missing = [a for a in missing if rt.pricer.point(a.id, vs) is None]
        if not missing:
            return None, True

    return await rt.on_demand.want(missing)


async def _first_quotes(rt: Runtime, assets: Sequence[Asset]) -> bool:
    """Wait while the first round goes on and says too little of `assets`; gives whether it had to."""
    over = rt.first_round
    if over is None or over.is_set() or all(_answerable(rt, a.id) for a in assets):
        return False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FIRST_ROUND_S):
            while not (over.is_set() or all(_answerable(rt, a.id) for a in assets)):
                await rt.clock.sleep(LOOK_S)
    return True


def _answerable(rt: Runtime, asset_id: str) -> bool:
    sources = {quote.source for quote in rt.board.source_quotes(asset_id)}
    return len(sources) >= ENOUGH_SOURCES or (not sources and (asset_id, BASE) in rt.pricer.last)


async def _one_round(rt: Runtime) -> None:
    """Ask every venue when nothing is collected in the background; once for all callers."""

    async def load() -> Loaded[int]:
        return Loaded(await collect.one_round(rt), rt.clock.now_ms(), ())

    await rt.cache.get("one-round", ROUND_KEPT_S, ROUND_KEPT_S, load)
