"""Chains: the price of a transaction, and how the chain stands. Each chain has its own pool of sources."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar, cast

from ..gateway.source import Source
from ..model.ask import CAPABILITY_OF, Ask, Capability, ChainStatsAsk, GasAsk
from ..model.errors import AllProvidersFailed, CdtsError, NotFound
from ..model.onchain import ChainStats, GasFee
from ..store.cache import Cached, Loaded
from . import whole
from .runtime import Runtime
from .whole import Whole

STATS_EVERY_S = 300
R = TypeVar("R", GasFee, ChainStats)
GAS: Whole[GasFee] = Whole("gas", GasFee, lambda f: f.gas)
STATS: Whole[ChainStats] = Whole("chain_stats", ChainStats, lambda f: f.chain_stats, STATS_EVERY_S)


class Chains(NamedTuple, Generic[R]):
    """What was asked of several chains: answers by chain, and why the others have none."""

    found: dict[str, Cached[R]]
    errors: list[tuple[str, CdtsError]]


def chains(rt: Runtime, capability: Capability) -> list[str]:
    """Chains somebody in use knows this of, bitcoin and ethereum first."""
    named = {
        chain for source in rt.gateway.offering(capability) for chain in source.entry.chains_of(capability)
    }
    first = [chain for chain in ("bitcoin", "ethereum") if chain in named]
    return first + sorted(named.difference(first))


async def gas(rt: Runtime, chain: str) -> Cached[GasFee]:
    """The fee on one chain. Raises NotFound for a chain nobody knows, AllProvidersFailed."""
    _check(rt, Capability.GAS, chain)
    return await whole.get(rt, GAS, lambda: _load_gas(rt, chain), part=chain)


async def _load_gas(rt: Runtime, chain: str) -> Loaded[GasFee]:
    answer = await rt.gateway.ask(
        Capability.GAS, lambda source: _of_chain(source, GasAsk(chain)), background=False
    )
    return Loaded(cast(GasFee, answer.records[0]), answer.received_ms, (answer.provider,))


async def stats(rt: Runtime, chain: str) -> Cached[ChainStats]:
    """How one chain stands. Raises NotFound for a chain nobody knows, AllProvidersFailed."""
    _check(rt, Capability.CHAIN_STATS, chain)
    return await whole.get(rt, STATS, lambda: load_stats(rt, chain), part=chain)


async def load_stats(rt: Runtime, chain: str, *, background: bool = False) -> Loaded[ChainStats]:
    """Fetch how a chain stands. Raises AllProvidersFailed."""
    answer = await rt.gateway.ask(
        Capability.CHAIN_STATS, lambda source: _of_chain(source, ChainStatsAsk(chain)), background=background
    )
    return Loaded(cast(ChainStats, answer.records[0]), answer.received_ms, (answer.provider,))


async def all_gas(rt: Runtime) -> Chains[GasFee]:
    """The fee on every chain, all asked at once. Raises the first error when no chain has an answer."""
    return await _every(rt, Capability.GAS, lambda chain: gas(rt, chain))


async def all_stats(rt: Runtime) -> Chains[ChainStats]:
    """How every chain stands, all asked at once. Raises the first error when no chain has an answer."""
    return await _every(rt, Capability.CHAIN_STATS, lambda chain: stats(rt, chain))


async def _every(rt: Runtime, capability: Capability, of: Callable[[str], Awaitable[Cached[R]]]) -> Chains[R]:
    found: dict[str, Cached[R]] = {}
    errors: list[tuple[str, CdtsError]] = []

    async def one(chain: str) -> None:
        try:
            found[chain] = await of(chain)
        except CdtsError as error:
            errors.append((chain, error))

    named = chains(rt, capability)
    await asyncio.gather(*map(one, named))
    if not found:
        if errors:
            raise errors[0][1]
        raise AllProvidersFailed(
            f"No provider of {capability.value} is in use.",
            details={"capability": capability.value, "tried": []},
        )
    return Chains(
        {chain: found[chain] for chain in named if chain in found}, sorted(errors, key=lambda e: e[0])
    )


def _of_chain(source: Source, ask: GasAsk | ChainStatsAsk) -> Ask | None:
    return ask if ask.chain in source.entry.chains_of(CAPABILITY_OF[type(ask)]) else None


def _check(rt: Runtime, capability: Capability, chain: str) -> None:
    known = chains(rt, capability)
    if chain not in known:
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
