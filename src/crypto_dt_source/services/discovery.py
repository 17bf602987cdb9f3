"""Discovery with proof: new sources are looked for, probed, tried beside the consensus, and only then taken into use.

A candidate goes from `found` to `probed` (understood, an entry is proposed), `shadow` (on trial), `proven`, `admitted`;
or to `refused`, `failed` (nobody could tell; tried again) or `taken_back`. Only what is proven can be admitted, by an
admin or, where that is allowed, at once (docs/discovery.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from ..clock import rfc3339
from ..model.errors import Conflict, InvalidParameter, NotFound
from ..store import StoreError
from ..store.repos import discovery as repo
from ..store.repos.discovery import RunRow
from ..telemetry import logger
from . import catalogue
from .discovery_find import candidates as new_candidates
from .discovery_find import find
from .discovery_probe import probe
from .discovery_rule import judge, rule
from .discovery_shadow import promote, read_all
from .discovery_state import (
    ADMITTED,
    FAILED,
    FOUND,
    PROBED,
    PROVEN,
    REFUSED,
    SHADOW,
    STATES,
    TAKEN_BACK,
    Candidate,
    candidate_of,
    site_of,
)
from .runtime import Runtime

log = logger("discovery")
TRIAL_S = 600
"""How often the candidates on trial are read."""
ROUND_S = 900.0
"""No probe begins later than this after a round has."""
LONGEST_S = 1800.0
"""A round that began longer ago has ended, or its process has."""
PROBES_A_ROUND = 300
AT_ONCE = 8
AGAIN_MS = 6 * 3_600_000
"""How long a candidate that could not be told is left alone."""
LATELY_MS = 3_600_000
"""How old the newest reading of what is admitted may be."""
KEPT_MS = 90 * 86_400_000
KEPT = 3_000
"""Refused candidates that are remembered, so that they are not asked again, and for how long."""
BY_ITSELF = ORIGIN = "discovery"
BY_ITSELF_AT_MOST = {"exchange": 12, "news": 40}
"""Sources that may be in use without an admin having seen them."""
RUNS_SHOWN, SHOWN = 30, 50
"""Rounds of a report, and candidates of each state."""


async def job(rt: Runtime) -> int:
    """A round, unless one is under way; gives how many candidates were probed. Raises StoreError."""
    if await busy(rt):
        return 0
    return (await begin(rt, "timetable")).probed


async def shadow(rt: Runtime) -> int:
    """Read every candidate on trial once; gives how many trials ended. Raises StoreError."""
    discovery = rt.discovery
    if discovery.shadowing:
        return 0
    discovery.shadowing = True
    try:
        ended = await read_all(rt, discovery)
        if discovery.auto_admit:
            for candidate in ended:
                if candidate.row.state == PROVEN:
                    await _admit_itself(rt, candidate)
        return len(ended)
    finally:
        discovery.shadowing = False


async def busy(rt: Runtime) -> bool:
    """Whether a round is under way, here or in another process on the same database. Raises StoreError."""
    task = rt.discovery.task
    if task is not None and not task.done():
        return True
    return await repo.under_way(rt.store, rt.clock.now_ms() - round(LONGEST_S * 1000))


async def run(rt: Runtime, cause: str, *, wait_s: float) -> RunRow | None:
    """Begin a round and wait for it for at most `wait_s` seconds; None where it goes on. Raises Conflict while one is under
    way, StoreError."""
    if await busy(rt):
        raise Conflict(
            "A round of discovery is under way; GET /api/discovery/status tells when it has ended."
        )
    task = begin(rt, cause)
    if wait_s <= 0:
        return None
    done, _ = await asyncio.wait({task}, timeout=wait_s)
    return task.result() if done else None


def begin(rt: Runtime, cause: str) -> asyncio.Task[RunRow]:
    """A round as a task that `Discovery.close` ends. Never two: `busy` is asked before."""
    discovery = rt.discovery
    if discovery.task is not None and not discovery.task.done():
        return discovery.task
    task = asyncio.create_task(_round(rt, cause), name="discovery")
    # Whoever began it may not wait for it: an error is told in the log, and by the round that has no end.
    task.add_done_callback(_ended)
    discovery.task = task
    return task


def _ended(task: asyncio.Task[RunRow]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("a round of discovery failed", exc_info=error)


async def _round(rt: Runtime, cause: str) -> RunRow:
    discovery, clock = rt.discovery, rt.clock
    started, until = clock.now_ms(), clock.monotonic() + ROUND_S
    await repo.begin(rt.store, started, cause)
    found = await find(rt, discovery)
    rows = new_candidates(rt, found, await repo.known(rt.store))
    await repo.add(rt.store, rows)
    probed = await _probe_all(rt, until)
    shadowed = await promote(rt)
    await repo.drop(rt.store, clock.now_ms() - KEPT_MS, KEPT)
    detail = {place.place: {"leads": len(place.leads), "error": place.error or None} for place in found}
    ended = RunRow(
        started,
        clock.now_ms(),
        found=len(rows),
        probed=len(probed),
        shadowed=shadowed,
        admitted=0,
        refused=sum(candidate.row.state == REFUSED for candidate in probed),
        cause=cause,
        detail=msgspec.json.encode(detail).decode(),
    )
    await repo.end(rt.store, ended)
    log.info("a round of discovery", found=ended.found, probed=ended.probed, on_trial=shadowed)
    return ended


async def _probe_all(rt: Runtime, until: float) -> list[Candidate]:
    """Probe what was found and what could not be told before, the longest waiting first."""
    now = rt.clock.now_ms()
    rows = await repo.in_state(rt.store, FOUND, PROBES_A_ROUND)
    again = await repo.in_state(rt.store, FAILED, PROBES_A_ROUND - len(rows))
    waiting = [*rows, *(row for row in again if now - row.changed_ms >= AGAIN_MS)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(candidate: Candidate) -> Candidate | None:
        async with gate:
            if rt.clock.monotonic() >= until:
                return None
            await probe(rt, rt.discovery, candidate)
            await repo.put(rt.store, [candidate.stored()])
            return candidate

    probed = await asyncio.gather(*(one(candidate_of(row)) for row in waiting))
    return [candidate for candidate in probed if candidate is not None]


# --- what an admin does -----------------------------------------------------------------------------------------------


async def _candidate(rt: Runtime, candidate: str) -> Candidate:
    row = await repo.get(rt.store, candidate)
    if row is None:
        raise NotFound(
            "There is no such candidate; GET /api/discovery/candidates lists them.",
            details={"candidate": candidate[:64]},
        )
    return candidate_of(row)


async def approve(rt: Runtime, candidate_id: str, by: str) -> dict[str, Any]:
    """Take a proven candidate into use. Raises NotFound, Conflict for one that is not proven, StoreError."""
    candidate = await _candidate(rt, candidate_id)
    if candidate.row.state != PROVEN:
        raise Conflict(
            f"This candidate is {candidate.row.state}; only one that is proven can be admitted.",
            details={"state": candidate.row.state, "reasons": candidate.evidence.reasons},
        )
    if rt.clock.now_ms() - candidate.evidence.proof.last_ms > LATELY_MS:
        raise Conflict(
            "This candidate was proven, and has not been read lately; wait for the next reading.",
            details={"last_reading": rfc3339(candidate.evidence.proof.last_ms)},
        )
    await _admit(rt, candidate, by)
    return view(candidate)


async def reject(rt: Runtime, candidate_id: str, by: str) -> dict[str, Any]:
    """Refuse a candidate for good. Raises NotFound, Conflict for one that is in use, StoreError."""
    candidate = await _candidate(rt, candidate_id)
    if candidate.row.state == ADMITTED:
        raise Conflict("This candidate is in use; take its admission back instead.")
    candidate.move(REFUSED, rt.clock.now_ms(), ("an admin refused it",), by)
    await repo.put(rt.store, [candidate.stored()])
    return view(candidate)


async def take_back(rt: Runtime, candidate_id: str, by: str) -> dict[str, Any]:
    """Take an admission back: its source is asked no more. Raises NotFound, Conflict for one not in use, StoreError."""
    candidate = await _candidate(rt, candidate_id)
    if candidate.row.state != ADMITTED or candidate.proposal is None:
        raise Conflict(
            f"This candidate is {candidate.row.state}, not admitted; there is nothing to take back."
        )
    if candidate.proposal.id in rt.entries:
        await catalogue.remove_entry(rt, candidate.proposal.id)
    candidate.move(TAKEN_BACK, rt.clock.now_ms(), (), by)
    await repo.put(rt.store, [candidate.stored()])
    return view(candidate)


async def _admit_itself(rt: Runtime, candidate: Candidate) -> None:
    """Admit without an admin, while there is room: who owns many sites could otherwise become the majority of a price."""
    proposal = candidate.proposal
    kind = "news" if proposal is not None and proposal.category == "news" else "exchange"
    taken = sum(added.origin == ORIGIN and added.entry.category == kind for added in rt.added.values())
    if taken >= BY_ITSELF_AT_MOST[kind]:
        candidate.evidence.reasons = [f"{taken} are in use already; an admin may admit more"]
        await repo.put(rt.store, [candidate.stored()])
        return
    try:
        await _admit(rt, candidate, BY_ITSELF)
    except (Conflict, InvalidParameter) as error:
        candidate.move(REFUSED, rt.clock.now_ms(), (error.message,), BY_ITSELF)
        await repo.put(rt.store, [candidate.stored()])


async def _admit(rt: Runtime, candidate: Candidate, by: str) -> None:
    proposal = candidate.proposal
    if proposal is None:
        raise Conflict("This candidate has no proposal.")
    site = site_of(proposal.fields["base_url"])
    if proposal.category != "news" and any(site_of(e.base_url) == site for e in rt.entries.values()):
        raise Conflict("The catalogue has a source of this site, which counts once in a price.")
    await catalogue.add_entry(rt, proposal.id, proposal.category, proposal.fields, origin=ORIGIN)
    candidate.move(ADMITTED, rt.clock.now_ms(), (), by)
    try:
        await repo.put(rt.store, [candidate.stored()])
    except StoreError:
        # Nobody could take back what no row says is in use.
        await catalogue.remove_entry(rt, proposal.id)
        raise
    log.info("a source was admitted", provider=proposal.id, by=by)


# --- what is told -----------------------------------------------------------------------------------------------------


def view(candidate: Candidate) -> dict[str, Any]:
    """One candidate on the wire, with everything that is known of it."""
    row, evidence, proposal = candidate.row, candidate.evidence, candidate.proposal
    proof = evidence.proof
    kind = None if proposal is None else "feed" if proposal.category == "news" else "table"
    about = sum(proof.items.values())
    return {
        "id": row.id,
        "url": row.url,
        "name": row.name,
        "state": row.state,
        "kind": kind,
        "found_by": row.found_by,
        "found_at": rfc3339(row.found_ms),
        "changed_at": rfc3339(row.changed_ms),
        "reasons": evidence.reasons,
        "provider": None if proposal is None else proposal.id,
        "proposal": None if proposal is None else proposal.fields,
        "proof": None
        if kind is None
        else {
            "started_at": rfc3339(proof.first_ms) if proof.first_ms else None,
            "last_at": rfc3339(proof.last_ms) if proof.last_ms else None,
            "readings": proof.readings,
            "failures": proof.failures,
            "points": proof.points,
            "agreed": proof.agreed,
            "assets": sum(asset.points > 0 for asset in proof.assets.values()),
            "moves": proof.moves,
            "followed": proof.followed,
            "items": len(proof.items),
            "items_about": about,
            "verdict": judge(kind, proof).outcome,
        },
        "steps": [{"url": s.url, "outcome": s.outcome, "detail": s.detail or None} for s in evidence.steps],
        "notes": [
            {"at": rfc3339(n.at_ms), "what": n.what, "detail": n.detail or None, "by": n.by or None}
            for n in evidence.notes
        ],
    }


async def listed(rt: Runtime, state: str | None, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
    """Candidates of a state, or all, those changed last first, and how many there are. Raises StoreError."""
    counts = await repo.counts(rt.store)
    rows = await repo.page(rt.store, state, limit, offset)
    total = sum(counts.values()) if state is None else counts.get(state, 0)
    return [view(candidate_of(row)) for row in rows], total


async def status(rt: Runtime) -> dict[str, Any]:
    """Whether rounds are made, the newest one, and how many candidates are in each state. Raises StoreError."""
    discovery = rt.discovery
    counts = await repo.counts(rt.store)
    newest = await repo.runs(rt.store, 1)
    return {
        "enabled": discovery.enabled,
        "auto_admit": discovery.auto_admit,
        "running": await busy(rt),
        "every_hours": discovery.every_ms / 3_600_000,
        "directories": [{"id": d.id, "name": d.name, "docs": d.docs} for d in discovery.directories],
        "candidates": {state: counts.get(state, 0) for state in STATES},
        "last_run": run_view(newest[0]) if newest else None,
    }


def run_view(row: RunRow) -> dict[str, Any]:
    """One round on the wire."""
    return {
        "started_at": rfc3339(row.started_ms),
        "ended_at": None if row.ended_ms is None else rfc3339(row.ended_ms),
        "cause": row.cause,
        "found": row.found,
        "probed": row.probed,
        "on_trial": row.shadowed,
        "refused": row.refused,
        "places": msgspec.json.decode(row.detail),
    }


async def report(rt: Runtime) -> dict[str, Any]:
    """The rule, the rounds, and what became of candidates: those in use, proven and on trial, and the newest refusals with
    their reasons. Raises StoreError."""
    return {
        "rule": rule(),
        "candidates": (await status(rt))["candidates"],
        "runs": [run_view(row) for row in await repo.runs(rt.store, RUNS_SHOWN)],
        "admitted": await _of(rt, (ADMITTED, TAKEN_BACK)),
        "proven": await _of(rt, (PROVEN,)),
        "on_trial": await _of(rt, (SHADOW, PROBED)),
        "refused": await _of(rt, (REFUSED, FAILED)),
    }


async def _of(rt: Runtime, states: Iterable[str]) -> list[dict[str, Any]]:
    rows = [row for state in states for row in await repo.page(rt.store, state, SHOWN, 0)]
    return [view(candidate_of(row)) for row in rows]
