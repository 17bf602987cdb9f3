"""Several parts of one answer asked for at once: chains, venues. What is slow is left out and named, not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from ..clock import Clock
from ..model.errors import (
    AllProvidersFailed,
    BudgetExhausted,
    CdtsError,
    CircuitOpen,
    DeadlineExceeded,
    NotOffered,
    SymbolNotListed,
)

T = TypeVar("T")
PATIENCE_S = 2.0
"""How long an answer that has some of its parts waits for the others."""
NOT_ASKED = frozenset({BudgetExhausted.code, CircuitOpen.code, NotOffered.code, SymbolNotListed.code})
"""Failures that say why a source was passed over, not what is wrong with it."""


class Parts(NamedTuple, Generic[T]):
    """Answers by name and why the others have none, both in the order asked."""

    found: dict[str, T]
    errors: list[tuple[str, CdtsError]]


async def gathered(
    clock: Clock, names: Sequence[str], of: Callable[[str], Awaitable[T]], *, patience_s: float = PATIENCE_S
) -> Parts[T]:
    """`of(name)` for every name, all at once. After `patience_s` seconds what is there is the answer, and the others have
    DeadlineExceeded; while nothing is there the first is waited for, as long as it takes. Waiting ends with this call; a
    load of the cache that is waited for goes on. Raises nothing of the parts' own.
    """
    found: dict[str, T] = {}
    errors: dict[str, CdtsError] = {}

    async def one(name: str) -> None:
        try:
            found[name] = await of(name)
        except CdtsError as error:
            errors[name] = error

    pending = {asyncio.create_task(one(name)) for name in names}
    timer = asyncio.create_task(clock.sleep(patience_s))
    started = {*pending, timer}
    try:
        while pending and not (timer.done() and found):
            waited = pending if timer.done() else {*pending, timer}
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            pending -= done
            for task in done:
                task.result()
    finally:
        for task in started:
            task.cancel()
        await asyncio.wait(started)
    late = DeadlineExceeded(f"There was no answer within {patience_s:g} s; it is still being asked for.")
    return Parts(
        {name: found[name] for name in names if name in found},
        [(name, errors.get(name, late)) for name in names if name not in found],
    )


def tried(error: CdtsError) -> list[dict[str, str]]:
    """Every source that was asked before `error`, with the code of its own failure; the last failure of each."""
    if not isinstance(error, AllProvidersFailed):
        return []
    each = {
        str(t["provider"]): str(t["failure"])
        for t in error.details.get("tried", ())
        if t["failure"] is not None
    }
    return [{"provider": provider, "failure": failure} for provider, failure in each.items()]


def cause(error: CdtsError) -> str:
    """The code that says most of `error`: what went wrong last at an upstream that was asked; where none was asked, why
    the last was not; where no upstream was concerned, the error's own."""
    failures = [t["failure"] for t in tried(error)]
    asked = [failure for failure in failures if failure not in NOT_ASKED]
    return (asked or failures or [error.code])[-1]


def none_found(what: str, capability: str, errors: Iterable[tuple[str, CdtsError]]) -> AllProvidersFailed:
    """The error of an answer without any part: `details.failed` has each part with its cause, `details.tried` every
    source that was asked. `what` is a sentence."""
    errors = list(errors)
    sources: dict[str, str] = {}
    for name, error in errors:
        own = tried(error) or [{"provider": name, "failure": error.code}]
        sources.update((t["provider"], t["failure"]) for t in own)
    waits = [error.retry_after for _, error in errors if error.retry_after is not None]
    return AllProvidersFailed(
        what,
        details={
            "capability": capability,
            "failed": [{"name": name, "code": cause(error)} for name, error in errors],
            "tried": [{"provider": name, "failure": failure} for name, failure in sources.items()],
        },
        retry_after=min(waits, default=None),
    )
