"""Providers' hours: what each did in one hour, kept to be added up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .. import tables
from ..engine import Store
from ..sql import Write, columns, upsert

NOT_THEIR_FAULT = ("symbol_not_listed", "not_offered", "upstream_rejected", "plan_required")
"""Failures that say something about the ask."""
_PUT = upsert(tables.provider_hours)
_COLUMNS = columns(tables.provider_hours)
_FAULTS = ", ".join(f"'{code}'" for code in ("ok", *NOT_THEIR_FAULT))
_CALLS = f"""SELECT p.id, COUNT(*), SUM(CASE WHEN c.status IN ({_FAULTS}) THEN 0 ELSE 1 END),
        SUM(CASE WHEN c.status = 'payload_changed' THEN 1 ELSE 0 END)
    FROM api_calls c JOIN providers p ON p.number = c.provider
    WHERE c.timestamp >= ? AND c.timestamp < ? GROUP BY p.id"""  # noqa: S608 the codes above
_LATENCIES = """SELECT p.id, MAX(CASE WHEN t.place = (t.n + 1) / 2 THEN t.took END),
        MAX(CASE WHEN t.place = (t.n * 95 + 99) / 100 THEN t.took END)
    FROM (SELECT provider, response_time_ms AS took,
            ROW_NUMBER() OVER (PARTITION BY provider ORDER BY response_time_ms) AS place,
            COUNT(*) OVER (PARTITION BY provider) AS n
        FROM api_calls WHERE timestamp >= ? AND timestamp < ? AND status = 'ok' AND response_time_ms IS NOT NULL) t
    JOIN providers p ON p.number = t.provider GROUP BY p.id"""
_NEWEST = "SELECT MAX(hour_ms) FROM provider_hours"
_DROP = "DELETE FROM provider_hours WHERE hour_ms < ?"


def _mean(column: str, weight: str) -> str:
    """The mean of a column's hours, each as much as it has of `weight`; NULL where no hour has a value."""
    return f"SUM({column} * {weight}) / NULLIF(SUM(CASE WHEN {column} IS NOT NULL THEN {weight} END), 0)"


_SCORES = f"""SELECT p.id, COUNT(*), SUM(h.calls), SUM(h.failures), SUM(h.drifts), SUM(h.quotes), SUM(h.excluded),
        {_mean("h.p50_ms", "h.calls")}, {_mean("h.p95_ms", "h.calls")}, {_mean("h.age_ms", "h.quotes")},
        {_mean("h.deviation_pct", "h.quotes")}
    FROM provider_hours h JOIN providers p ON p.number = h.provider
    WHERE h.hour_ms >= ? GROUP BY p.id ORDER BY p.id"""  # noqa: S608 names above


_STEPS = """SELECT p.id, (h.hour_ms - ?) / ?, SUM(h.calls), SUM(h.failures)
    FROM provider_hours h JOIN providers p ON p.number = h.provider
    WHERE h.hour_ms >= ? AND h.calls > 0{one} GROUP BY 1, 2"""
_STEPS_OF_ALL = _STEPS.format(one="")
_STEPS_OF_ONE = _STEPS.format(one=" AND p.id = ?")


class HourRow(NamedTuple):
    """One provider's hour from `hour_ms`. Latencies and ages are ms; `deviation_pct` is the median distance of its quotes
    from the consensus, without a sign; None where there was nothing to measure."""

    provider: str
    hour_ms: int
    calls: int
    failures: int
    drifts: int
    quotes: int
    excluded: int
    p50_ms: float | None
    p95_ms: float | None
    age_ms: float | None
    deviation_pct: float | None


class Score(NamedTuple):
    """Hours of one provider together: counts are sums, the rest means of the hours' values, weighted by calls (latency) or
    by quotes (age, deviation)."""

    provider: str
    hours: int
    calls: int
    failures: int
    drifts: int
    quotes: int
    excluded: int
    p50_ms: float | None
    p95_ms: float | None
    age_ms: float | None
    deviation_pct: float | None


class Step(NamedTuple):
    """Calls to one provider in the `place`-th part of a span, counted from 0, of which so many failed by its fault."""

    provider: str
    place: int
    calls: int
    failures: int


class Called(NamedTuple):
    """Calls to one provider in a span: how many, failed by its fault, of a changed shape, and latencies in ms."""

    calls: int
    failures: int
    drifts: int
    p50_ms: float | None
    p95_ms: float | None


async def called(store: Store, start_ms: int, end_ms: int) -> dict[str, Called]:
    """Upstream calls in [start_ms, end_ms) by provider; latencies are of those that succeeded."""
    times = {row[0]: row[1:] for row in await store.fetch(_LATENCIES, (start_ms, end_ms))}
    rows = await store.fetch(_CALLS, (start_ms, end_ms))
    return {row[0]: Called(row[1], row[2], row[3], *times.get(row[0], (None, None))) for row in rows}


async def put(store: Store, rows: Iterable[HourRow]) -> None:
    """Store hours, each in the place of the one stored before."""
    kept = list(rows)
    numbers = await store.numbers.providers(row.provider for row in kept)
    values = [{**row._asdict(), "provider": numbers[row.provider]} for row in kept]
    await store.write([Write(_PUT, [tuple(row[name] for name in _COLUMNS) for row in values])])


async def newest(store: Store) -> int | None:
    """The newest hour that is stored."""
    ((hour_ms,),) = await store.fetch(_NEWEST)
    return None if hour_ms is None else int(hour_ms)


async def scores(store: Store, since_ms: int) -> list[Score]:
    """Every provider with an hour at or after `since_ms`, by id."""
    return [Score(row[0], *map(int, row[1:7]), *row[7:]) for row in await store.fetch(_SCORES, (since_ms,))]


async def steps(store: Store, since_ms: int, step_ms: int, provider: str | None = None) -> list[Step]:
    """The time since `since_ms` in parts of `step_ms`: the calls of each part that has some, of one provider or of all."""
    bounds = (since_ms, step_ms, since_ms)
    if provider is None:
        found = await store.fetch(_STEPS_OF_ALL, bounds)
    else:
        found = await store.fetch(_STEPS_OF_ONE, (*bounds, provider))
    return [Step(row[0], *map(int, row[1:])) for row in found]


async def drop(store: Store, before_ms: int) -> int:
    """Forget hours before; gives how many."""
    return await store.write([Write(_DROP, [(before_ms,)], counted=True)])
