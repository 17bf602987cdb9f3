"""What an operator chose for a provider: in use or not, its rank, its weight. Stored, in force at once, and again after a
restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..clock import rfc3339
from ..gateway.source import Source
from ..model.errors import Conflict
from ..store import ProviderRow
from ..store.repos import providers as provider_repo
from ..telemetry import logger
from . import providers
from .runtime import Runtime

log = logger("providers")
FOLLOW_S = 15.0
"""How often what other processes stored is taken up."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`priority`: rank in every pool, 1 the first; `weight`: factor of how much its quotes count. None: the catalogue's."""

    enabled: bool = True
    priority: int | None = None
    weight: float | None = None


class Checked(NamedTuple):
    """How a probe ended: `failure` is an error code, None for an answer; `elapsed_ms` includes the wait for its budget."""

    failure: str | None
    elapsed_ms: float
    at_ms: int


def chosen(source: Source) -> Choice:
    """What is in force for a provider."""
    return Choice(source.enabled, source.priority, source.weight)


async def restore(rt: Runtime) -> int:
    """Take up what is stored; gives for how many providers it differs from the catalogue. Raises StoreError."""
    found = 0
    for row in await provider_repo.all_providers(rt.store):
        source = rt.gateway.sources.get(row.id)
        if source is None:
            continue
        choice = _of_row(row)
        _set(source, choice)
        found += choice != Choice()
    apply(rt)
    return found


async def follow(rt: Runtime) -> int:
    """The same for what other processes have stored since; a SQLite file has one process. Raises StoreError."""
    return await restore(rt) if rt.store.dialect == "postgresql" else 0


async def change(rt: Runtime, provider: str, choice: Choice) -> None:
    """Store a choice and put it in force. Raises NotFound, Conflict for a provider that is not in use here, StoreError
    (nothing has changed then)."""
    source = in_use(rt, provider)
    before = chosen(source)
    await provider_repo.set_choice(
        rt.store, provider, enabled=choice.enabled, priority=choice.priority, weight=choice.weight
    )
    _set(source, choice)
    apply(rt)
    if choice != before:
        log.info(
            "provider changed",
            provider=provider,
            enabled=choice.enabled,
            priority=choice.priority,
            weight=choice.weight,
        )


def apply(rt: Runtime) -> None:
    """Let prices be decided by what the sources say now."""
    sources = rt.gateway.sources.values()
    disabled = frozenset(source.entry.id for source in sources if not source.enabled)
    rt.pricer.choose(
        disabled, {source.entry.id: source.weight for source in sources if source.weight is not None}
    )


async def check(rt: Runtime, provider: str) -> Checked:
    """Ask a provider something cheap now, past an open breaker and whether or not it is switched off. Raises NotFound, and
    Conflict for one that is not in use here."""
    source = in_use(rt, provider)
    begun = rt.clock.monotonic()
    failure = await rt.gateway.probe(provider, providers.probe_ask(source.entry))
    return Checked(failure, (rt.clock.monotonic() - begun) * 1000, rt.clock.now_ms())


def in_use(rt: Runtime, provider: str) -> Source:
    """The provider's source. Raises NotFound, and Conflict for one of the catalogue that cannot be asked here."""
    entry = providers.entry_of(rt, provider)
    source = rt.gateway.sources.get(provider)
    if source is None:
        state = providers.state(rt, entry)
        why = f"it needs a key ({entry.auth.env})" if state == "no_key" and entry.auth else f"it is {state}"
        raise Conflict(f"{entry.name} is not in use: {why}.", details={"provider": provider, "state": state})
    return source


def told(checked: Checked) -> dict[str, Any]:
    """A probe on the wire."""
    return {
        "ok": checked.failure is None,
        "failure": checked.failure,
        "elapsed_ms": round(checked.elapsed_ms, 3),
        "checked_at": rfc3339(checked.at_ms),
    }


def _of_row(row: ProviderRow) -> Choice:
    return Choice(row.enabled, row.priority, row.weight)


def _set(source: Source, choice: Choice) -> None:
    source.enabled, source.priority, source.weight = choice.enabled, choice.priority, choice.weight
