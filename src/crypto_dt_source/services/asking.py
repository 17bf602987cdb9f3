"""Answering a request for prices: from the board; an asset nobody has quoted yet is asked for, once for all callers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Hashable, Sequence
from typing import NamedTuple, cast

from ..gateway.source import Source
from ..model.answer import Record
from ..model.ask import Ask, Capability, QuotesAsk
from ..model.asset import Asset
from ..model.errors import AllProvidersFailed, CdtsError, NoDataYet
from ..model.quote import Quote
from ..providers.resolver import Resolution
from ..store.cache import Loaded
from . import collect
from .prices import PricePoint, unknown_price
from .runtime import Runtime

RETRY_MISSING_S = 60.0
"""An asset no source could price is not asked for again sooner."""
FIRST_ROUND_S = 8.0
"""How long a request that comes before the first round of quotes waits for it."""


class Priced(NamedTuple):
    """A resolved symbol and its price."""

    resolution: Resolution
    point: PricePoint


class PricesAnswer(NamedTuple):
    """Prices of the known symbols, in the order asked, and what is wrong with the others."""

    found: list[Priced]
    errors: list[tuple[str, CdtsError]]


async def prices(rt: Runtime, texts: Sequence[str], vs: str) -> PricesAnswer:
    """The consensus price of each symbol; a bad one never costs the others their answer."""
    errors: list[tuple[str, CdtsError]] = []
    resolved: list[tuple[str, Resolution]] = []
    for text in texts:
        try:
            resolved.append((text, rt.resolver.resolve(text)))
        except CdtsError as error:
            errors.append((text, error))
    failure = await _ensure(rt, [r.asset for _, r in resolved], vs)
    found: list[Priced] = []
    for text, resolution in resolved:
        rt.pricer.note_asked(resolution.asset.id)
        point = rt.pricer.point(resolution.asset.id, vs)
        if point is None:
            errors.append((text, unknown_price(resolution.asset, failure)))
        else:
            found.append(Priced(resolution, point))
    return PricesAnswer(found, errors)


async def price(rt: Runtime, text: str, vs: str) -> Priced:
    """One symbol's price. Raises what is wrong with it."""
    answer = await prices(rt, [text], vs)
    if answer.errors:
        raise answer.errors[0][1]
    return answer.found[0]


async def _ensure(rt: Runtime, assets: Sequence[Asset], vs: str) -> AllProvidersFailed | None:
    """Ask the aggregators for assets without any price; gives the failure when nobody could be asked."""
    missing = [a for a in assets if rt.pricer.point(a.id, vs) is None]
    if not missing:
        return None
    if not rt.board.polled or rt.first_round is None:
        await _first_round(rt)
        missing = [a for a in missing if rt.pricer.point(a.id, vs) is None]
        if not missing:
            return None

    async def load() -> Loaded[int]:
        return Loaded(await fetch_assets(rt, missing), rt.clock.now_ms(), ())

    key = ("on-demand", *sorted(a.id for a in missing))
    try:
        await rt.cache.get(key, RETRY_MISSING_S, RETRY_MISSING_S, load)
    except AllProvidersFailed as error:
        return error
    except NoDataYet:
        return None
    return None


async def _first_round(rt: Runtime) -> None:
    """Wait for the round that is under way, or make one when nothing is collected in the background."""
    if rt.first_round is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_ROUND_S):
                await rt.first_round.wait()
        return

    async def load() -> Loaded[int]:
        return Loaded(await collect.one_round(rt), rt.clock.now_ms(), ())

    await rt.cache.get("one-round", RETRY_MISSING_S, RETRY_MISSING_S, load)


async def fetch_assets(rt: Runtime, assets: Sequence[Asset]) -> int:
    """Quotes of these assets from the aggregators, each asked only for what is still missing; gives how many came."""

    def ask_for(source: Source, *, missing: frozenset[Hashable]) -> Ask | None:
        if source.entry.kind != "aggregator":
            return None
        ids = [rt.resolver.native_id(str(asset), source.entry.source) for asset in sorted(map(str, missing))]
        known = tuple(i for i in ids if i is not None)
        return QuotesAsk(ids=known) if known else None

    def key_of(record: Record) -> Hashable | None:
        quote = cast(Quote, record)
        family = rt.gateway.source(quote.provider).entry.source
        asset = rt.resolver.native(family, quote.symbol)
        return asset.id if asset is not None else None

    found, answers = await rt.gateway.gather_missing(
        Capability.QUOTES, [a.id for a in assets], ask_for, key_of
    )
    for answer in answers:
        rt.board.update(answer.provider, cast("tuple[Quote, ...]", answer.records))
    if not found:
        raise NoDataYet("No source has a price for this.", details={"assets": [a.id for a in assets]})
    return len(found)
