"""Candidates for new sources and the rounds that found them. `proposal` and `evidence` are JSON texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .. import tables
from ..engine import Store
from ..sql import Write, insert, storable, upsert

__all__ = [
    "CandidateRow",
    "RunRow",
    "add",
    "begin",
    "counts",
    "drop",
    "end",
    "get",
    "in_state",
    "known",
    "page",
    "put",
    "runs",
    "under_way",
]

_FIELDS = "found_ms, changed_ms, id, url, kind, name, state, found_by, proposal, evidence"
_PUT = upsert(tables.candidates)
# Whoever finds a candidate again changes nothing about it.
_ADD = f"{insert(tables.candidates)} ON CONFLICT (id) DO NOTHING"
_GET = f"SELECT {_FIELDS} FROM candidates WHERE id = ?"  # noqa: S608 names above
_STATE = f"SELECT {_FIELDS} FROM candidates WHERE state = ? ORDER BY changed_ms, id LIMIT ?"  # noqa: S608
_PAGE = f"SELECT {_FIELDS} FROM candidates WHERE state = ? ORDER BY changed_ms DESC, id LIMIT ? OFFSET ?"  # noqa: S608
_ALL = f"SELECT {_FIELDS} FROM candidates ORDER BY changed_ms DESC, id LIMIT ? OFFSET ?"  # noqa: S608
_COUNTS = "SELECT state, COUNT(*) FROM candidates GROUP BY state"
_IDS = "SELECT id FROM candidates"
_DROP_OLD = "DELETE FROM candidates WHERE changed_ms < ? AND state IN ('refused', 'failed')"
_DROP_MOST = """DELETE FROM candidates WHERE state IN ('refused', 'failed') AND id NOT IN
    (SELECT id FROM candidates WHERE state IN ('refused', 'failed') ORDER BY changed_ms DESC, id LIMIT ?)"""
_DROP_RUNS = "DELETE FROM discovery_runs WHERE started_ms < ?"

_BEGIN = insert(tables.discovery_runs, without=("number",))
_END = """UPDATE discovery_runs SET ended_ms = ?, found = ?, probed = ?, shadowed = ?, admitted = ?, refused = ?, detail = ?
    WHERE started_ms = ? AND ended_ms IS NULL"""
_RUNS = """SELECT started_ms, ended_ms, found, probed, shadowed, admitted, refused, cause, detail
    FROM discovery_runs ORDER BY started_ms DESC, number DESC LIMIT ?"""


class CandidateRow(NamedTuple):
    """A row of `candidates`. `id` is made of the address; times are ms UTC."""

    found_ms: int
    changed_ms: int
    id: str
    url: str
    kind: str
    name: str
    state: str
    found_by: str
    proposal: str | None
    evidence: str


class RunRow(NamedTuple):
    """A round. `ended_ms` None: under way, or ended with its process. `detail` is JSON."""

    started_ms: int
    ended_ms: int | None
    found: int
    probed: int
    shadowed: int
    admitted: int
    refused: int
    cause: str
    detail: str


def _stored(row: CandidateRow) -> tuple[object, ...]:
    texts = (None if value is None else storable(value) for value in row[2:])
    return (row.found_ms, row.changed_ms, *texts)


async def add(store: Store, rows: Iterable[CandidateRow]) -> None:
    """Store candidates that are not there yet; the others stay as they are."""
    await store.write([Write(_ADD, [_stored(row) for row in rows])])


async def put(store: Store, rows: Iterable[CandidateRow]) -> None:
    """Store candidates, replacing those of the same id."""
    await store.write([Write(_PUT, [_stored(row) for row in rows])])


async def get(store: Store, candidate: str) -> CandidateRow | None:
    """One candidate, or None."""
    rows = await store.fetch(_GET, (storable(candidate),))
    return CandidateRow._make(rows[0]) if rows else None


async def in_state(store: Store, state: str, limit: int) -> list[CandidateRow]:
    """Candidates in a state, the longest unchanged first."""
    return list(map(CandidateRow._make, await store.fetch(_STATE, (state, limit))))


async def page(store: Store, state: str | None, limit: int, offset: int) -> list[CandidateRow]:
    """Candidates of a state, or all, those changed last first."""
    if state is None:
        return list(map(CandidateRow._make, await store.fetch(_ALL, (limit, offset))))
    return list(map(CandidateRow._make, await store.fetch(_PAGE, (state, limit, offset))))


async def counts(store: Store) -> dict[str, int]:
    """How many candidates are in each state."""
    return {str(row[0]): int(row[1]) for row in await store.fetch(_COUNTS)}


async def known(store: Store) -> frozenset[str]:
    """Ids of all candidates; a few thousand at most (`drop`)."""
    return frozenset(row[0] for row in await store.fetch(_IDS))


async def drop(store: Store, before_ms: int, keep: int) -> int:
    """Forget refused and failed candidates last changed before, all but the newest `keep` of the others, and rounds before;
    gives how many candidates went."""
    return await store.write(
        [
            Write(_DROP_OLD, [(before_ms,)], counted=True),
            Write(_DROP_MOST, [(keep,)], counted=True),
            Write(_DROP_RUNS, [(before_ms,)]),
        ]
    )


async def begin(store: Store, started_ms: int, cause: str) -> None:
    """Store that a round has begun."""
    await store.write([Write(_BEGIN, [(started_ms, None, 0, 0, 0, 0, 0, cause, "{}")])])


async def end(store: Store, row: RunRow) -> None:
    """Store how the round that began at `started_ms` ended."""
    values = (row.ended_ms, row.found, row.probed, row.shadowed, row.admitted, row.refused)
    await store.write([Write(_END, [(*values, storable(row.detail), row.started_ms)])])


async def runs(store: Store, limit: int) -> list[RunRow]:
    """The newest rounds first."""
    return list(map(RunRow._make, await store.fetch(_RUNS, (limit,))))


async def under_way(store: Store, since_ms: int) -> bool:
    """Whether the newest round has not ended and began at or after `since_ms`: of an older one the process has ended."""
    newest: Sequence[RunRow] = await runs(store, 1)
    return bool(newest) and newest[0].ended_ms is None and newest[0].started_ms >= since_ms
