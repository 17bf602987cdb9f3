"""The scoreboard: how each provider did over a day, a week and a quarter, from hours that are added up once.

Availability counts calls that failed by the provider's fault; a refused symbol is not its fault. Deviation is how far its
quotes were from the consensus, age how old they were when prices were decided.
"""

from __future__ import annotations

from typing import Any

from ..clock import rfc3339
from ..model.candle import DAY_MS, HOUR_MS
from ..store.cache import Cached, Loaded
from ..store.repos import scores as repo
from ..store.repos.scores import HourRow, Score
from . import providers
from .runtime import Runtime

WINDOWS = {"24h": DAY_MS, "7d": 7 * DAY_MS, "90d": 90 * DAY_MS}
STEPS = {"24h": HOUR_MS, "7d": 6 * HOUR_MS, "90d": DAY_MS}
"""How long each part of a window's history is."""
KEPT_MS = 90 * DAY_MS
EVERY_S = 600
LATE_MS = 60_000
"""How long after its end an hour's last calls may still be on their way into the store."""
CATCH_UP_HOURS = 72
"""Hours without a run that are still made up for."""
FRESH_S = 300.0
"""How long an added-up window is answered before it is added up again: hours come once an hour."""


async def roll(rt: Runtime) -> int:
    """Add up every full hour that is not yet; gives how many rows. Raises StoreError."""
    now = rt.clock.now_ms()
    this_hour = (now - LATE_MS) // HOUR_MS * HOUR_MS
    newest = await repo.newest(rt.store)
    first = this_hour - CATCH_UP_HOURS * HOUR_MS
    hour = first if newest is None else max(first, newest + HOUR_MS)
    written = 0
    while hour < this_hour:
        rows = await _rows(rt, hour)
        if rows:
            await repo.put(rt.store, rows)
            written += len(rows)
        hour += HOUR_MS
    rt.tally.forget(this_hour)
    if written:
        await repo.drop(rt.store, now - KEPT_MS)
    return written


async def _rows(rt: Runtime, hour_ms: int) -> list[HourRow]:
    calls = await repo.called(rt.store, hour_ms, hour_ms + HOUR_MS)
    quoted = rt.tally.hour(hour_ms)
    rows = []
    for name in sorted(calls.keys() | quoted.keys()):
        c, q = calls.get(name), quoted.get(name)
        rows.append(
            HourRow(
                provider=name,
                hour_ms=hour_ms,
                calls=c.calls if c else 0,
                failures=c.failures if c else 0,
                drifts=c.drifts if c else 0,
                quotes=q.quotes if q else 0,
                excluded=q.excluded if q else 0,
                p50_ms=c.p50_ms if c else None,
                p95_ms=c.p95_ms if c else None,
                age_ms=q.age_ms if q else None,
                deviation_pct=q.deviation_pct if q else None,
            )
        )
    return rows


async def _window(rt: Runtime, window: str) -> Cached[dict[str, Score]]:
    async def load() -> Loaded[dict[str, Score]]:
        now = rt.clock.now_ms()
        found = await repo.scores(rt.store, (now - WINDOWS[window]) // HOUR_MS * HOUR_MS)
        return Loaded({score.provider: score for score in found}, now, (), max(1, len(found)))

    return await rt.cache.get(("scores", window), FRESH_S, FRESH_S, load)


async def _history(rt: Runtime, window: str, provider: str | None) -> dict[str, list[float | None]]:
    """By provider: availability in percent of each part of the window, the oldest first; None without a call."""
    step = STEPS[window]
    start = (rt.clock.now_ms() - WINDOWS[window]) // HOUR_MS * HOUR_MS
    found: dict[str, list[float | None]] = {}
    for part in await repo.steps(rt.store, start, step, provider):
        parts = found.setdefault(part.provider, [None] * (WINDOWS[window] // step))
        if part.place < len(parts):
            parts[part.place] = round(100 * (part.calls - part.failures) / part.calls, 2)
    return found


async def _histories(rt: Runtime, window: str) -> dict[str, list[float | None]]:
    async def load() -> Loaded[dict[str, list[float | None]]]:
        found = await _history(rt, window, None)
        return Loaded(found, rt.clock.now_ms(), (), max(1, len(found)))

    return (await rt.cache.get(("histories", window), FRESH_S, FRESH_S, load)).value


async def board(
    rt: Runtime, window: str, category: str | None, *, history: bool = False
) -> list[dict[str, Any]]:
    """Every provider of the catalogue with at least one hour in the window, the most available first, then the quickest;
    `history` (else None) is its availability by parts of the window. Raises StoreError."""
    scores = (await _window(rt, window)).value
    histories = await _histories(rt, window) if history else {}
    nothing = [None] * (WINDOWS[window] // STEPS[window]) if history else None
    rows = [
        {
            "id": entry.id,
            "name": entry.name,
            "category": entry.category,
            **_figures(scores[entry.id]),
            "history": histories.get(entry.id, nothing),
        }
        for entry in rt.entries.values()
        if entry.id in scores and category in (None, entry.category)
    ]
    return sorted(rows, key=_standing)


def _standing(row: dict[str, Any]) -> tuple[Any, ...]:
    available, quick = row["availability_pct"], row["latency_p50_ms"]
    return (available is None, -(available or 0.0), quick is None, quick or 0.0, row["id"])


async def of_provider(rt: Runtime, provider: str) -> dict[str, Any]:
    """One provider over every window, None where there is no hour in it, and the history of each. Raises NotFound,
    StoreError."""
    entry = providers.entry_of(rt, provider)
    windows: dict[str, Any] = {}
    history: dict[str, list[float | None]] = {}
    for window in WINDOWS:
        score = (await _window(rt, window)).value.get(provider)
        windows[window] = None if score is None else _figures(score)
        parts = (await _history(rt, window, provider)).get(provider)
        history[window] = parts or [None] * (WINDOWS[window] // STEPS[window])
    about = {"id": entry.id, "name": entry.name, "category": entry.category}
    return {**about, "windows": windows, "history": history}


def _figures(score: Score) -> dict[str, Any]:
    return {
        "hours": score.hours,
        "calls": score.calls,
        "failures": score.failures,
        "availability_pct": _share(score.calls - score.failures, score.calls),
        "latency_p50_ms": score.p50_ms,
        "latency_p95_ms": score.p95_ms,
        "schema_drifts": score.drifts,
        "quotes": score.quotes,
        "excluded_quotes": score.excluded,
        "excluded_pct": _share(score.excluded, score.quotes),
        "quote_age_ms": score.age_ms,
        "deviation_pct": score.deviation_pct,
    }


def _share(part: int, whole: int) -> float | None:
    return None if whole == 0 else 100 * part / whole


def span(rt: Runtime, window: str) -> dict[str, str]:
    """From when to when a window reaches: whole hours, the running one not included."""
    now = rt.clock.now_ms()
    start = (now - WINDOWS[window]) // HOUR_MS * HOUR_MS
    return {"window": window, "start": rfc3339(start), "end": rfc3339(now // HOUR_MS * HOUR_MS)}
