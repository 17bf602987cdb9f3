"""Chains: the price of a transaction, and how the chain stands. Each chain has its own pool of sources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from ..gateway.source import Source
from ..model.ask import CAPABILITY_OF, Ask, Capability, ChainStatsAsk, GasAsk
from ..model.errors import AllProvidersFailed, NotFound
from ..model.onchain import ChainStats, GasFee
from ..store.cache import Cached, Loaded
from . import together, whole
from .runtime import Runtime
from .together import Parts
from .whole import Whole

STATS_EVERY_S = 300
R = TypeVar("R", GasFee, ChainStats)
GAS: Whole[GasFee] = Whole("gas", GasFee, lambda f: f.gas)
STATS: Whole[ChainStats] = Whole("chain_stats", ChainStats, lambda f: f.chain_stats, STATS_EVERY_S)


def chains(rt: Runtime, capability: Capability) -> list[str]:
    """Chains somebody in use knows this of, bitcoin and ethereum first."""
    named = {
        chain for source in rt.gateway.offering(capability) for chain in source.entry.chains_of(capability)
    }
    first = [chain for chain in ("bitcoin", "ethereum") if chain in named]
    return first + sorted(named.difference(first))


async def gas(rt: Runtime, chain: str) -> Cached[GasFee]:
    """The fee on one chain, named in any case. Raises NotFound for a chain nobody knows, AllProvidersFailed."""
    chain = _known(rt, Capability.GAS, chain)
    return await whole.get(rt, GAS, lambda: _load_gas(rt, chain), part=chain)


async def _load_gas(rt: Runtime, chain: str) -> Loaded[GasFee]:
    answer = await rt.gateway.ask(
        Capability.GAS, lambda source: _of_chain(source, GasAsk(chain)), background=False
    )
    return Loaded(cast(GasFee, answer.records[0]), answer.received_ms, (answer.provider,))


async def stats(rt: Runtime, chain: str) -> Cached[ChainStats]:
    """How one chain stands, named in any case. Raises NotFound for a chain nobody knows, AllProvidersFailed."""
    chain = _known(rt, Capability.CHAIN_STATS, chain)
    return await whole.get(rt, STATS, lambda: load_stats(rt, chain), part=chain)


async def load_stats(rt: Runtime, chain: str, *, background: bool = False) -> Loaded[ChainStats]:
    """Fetch how a chain stands. Raises AllProvidersFailed."""
    answer = await rt.gateway.ask(
        Capability.CHAIN_STATS, lambda source: _of_chain(source, ChainStatsAsk(chain)), background=background
    )
    return Loaded(cast(ChainStats, answer.records[0]), answer.received_ms, (answer.provider,))


async def all_gas(rt: Runtime) -> Parts[Cached[GasFee]]:
    """The fee on every chain, all asked at once; a chain that is slow is among the errors (`together.gathered`). Raises
    AllProvidersFailed when no chain has an answer."""
    return await _every(rt, Capability.GAS, lambda chain: gas(rt, chain))


async def all_stats(rt: Runtime) -> Parts[Cached[ChainStats]]:
    """How every chain stands, likewise. Raises AllProvidersFailed when no chain has an answer."""
    return await _every(rt, Capability.CHAIN_STATS, lambda chain: stats(rt, chain))


async def _every(
    rt: Runtime, capability: Capability, of: Callable[[str], Awaitable[Cached[R]]]
) -> Parts[Cached[R]]:
    parts = await together.gathered(rt.clock, chains(rt, capability), of)
    if not parts.found:
        what = f"No chain has its {capability.value.replace('_', ' ')} now."
        raise together.none_found(what, capability.value, parts.errors)
    return parts


def _of_chain(source: Source, ask: GasAsk | ChainStatsAsk) -> Ask | None:
    return ask if ask.chain in source.entry.chains_of(CAPABILITY_OF[type(ask)]) else None


def _known(rt: Runtime, capability: Capability, chain: str) -> str:
    """A chain as the catalogue spells it. Raises NotFound."""
    known = chains(rt, capability)
    if chain.casefold() in known:
        return chain.casefold()
    raise NotFound(
        f"There is no {capability.value.replace('_', ' ')} of a chain {chain!r}; choose one of {', '.join(known)}.",
        details={"parameter": "chain", "got": chain, "allowed": known},
    )


async def collect(rt: Runtime) -> int:
    """Renew how every chain stands; gives the number of chains. Raises AllProvidersFailed when none answers."""
    failure: AllProvidersFailed | None = None
    done = 0
    for chain in chains(rt, Capability.CHAIN_STATS):
        try:
            loaded = await load_stats(rt, chain, background=True)
        except AllProvidersFailed as error:
            failure = error
            continue
        await whole.renew(rt, STATS, loaded, part=chain)
        done += 1
    if failure is not None and not done:
        raise failure
    return done
