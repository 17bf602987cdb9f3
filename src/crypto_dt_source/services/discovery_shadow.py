"""The trial: a candidate that was understood is read every few minutes, and what it says is laid beside the consensus. None
of it enters a price, a list or a page: the readings are counted, and forgotten."""

from __future__ import annotations

import asyncio

from ..model.errors import UpstreamError, UpstreamRejected
from ..store.repos import discovery as repo
from .discovery_probe import compare, priced, read_items, read_quotes
from .discovery_rule import judge
from .discovery_state import (
    PROBED,
    PROVEN,
    REFUSED,
    SHADOW,
    Candidate,
    Discovery,
    Proposal,
    candidate_of,
    understood,
)
from .runtime import Runtime

FEED_EVERY_MS = 1_700_000
MAX_SHADOW = 200
"""Candidates on trial at the same time; more wait, understood, for a place."""
AT_ONCE = 8
TURN = 20
"""Candidates whose readings are stored together."""


async def read_all(rt: Runtime, discovery: Discovery) -> list[Candidate]:
    """Read every candidate on trial once and judge it; gives those whose trial ended. Nothing is read of prices while the
    service has none itself: that would be held against the candidates. Raises StoreError."""
    await promote(rt)
    rows = await repo.in_state(rt.store, SHADOW, MAX_SHADOW)
    # Until somebody decides, what is proven has to stay so.
    rows += await repo.in_state(rt.store, PROVEN, MAX_SHADOW)
    prices = priced(rt)
    gate = asyncio.Semaphore(AT_ONCE)
    ended: list[Candidate] = []

    async def one(candidate: Candidate) -> Candidate | None:
        async with gate:
            return candidate if await _read(rt, discovery, candidate, prices) else None

    for start in range(0, len(rows), TURN):
        turn = [candidate_of(row) for row in rows[start : start + TURN]]
        read = [candidate for candidate in await asyncio.gather(*map(one, turn)) if candidate is not None]
        await repo.put(rt.store, [candidate.stored() for candidate in read])
        ended += [candidate for candidate in read if candidate.row.state in (PROVEN, REFUSED)]
        await rt.clock.sleep(0)
    return ended


async def promote(rt: Runtime) -> int:
    """Give candidates that wait their place on trial; how many got one. Raises StoreError."""
    counts = await repo.counts(rt.store)
    room = MAX_SHADOW - counts.get(SHADOW, 0)
    if room <= 0 or not counts.get(PROBED):
        return 0
    waiting = [candidate_of(row) for row in await repo.in_state(rt.store, PROBED, room)]
    for candidate in waiting:
        candidate.move(SHADOW, rt.clock.now_ms())
    await repo.put(rt.store, [candidate.stored() for candidate in waiting])
    return len(waiting)


async def _read(rt: Runtime, discovery: Discovery, candidate: Candidate, prices: bool) -> bool:
    """One reading and its judgement; False where it was not due."""
    proposal, proof = candidate.proposal, candidate.evidence.proof
    now = rt.clock.now_ms()
    if proposal is None:
        candidate.move(REFUSED, now, ("there is no proposal",))
        return True
    feed = proposal.category == "news"
    if (feed and proof.last_ms and now - proof.last_ms < FEED_EVERY_MS) or not (feed or prices):
        return False
    try:
        await (
            _feed(rt, discovery, candidate, proposal) if feed else _prices(rt, discovery, candidate, proposal)
        )
    except UpstreamError as error:
        proof.fail(now, error.code)
    verdict = judge("feed" if feed else "table", proof)
    candidate.row = candidate.row._replace(changed_ms=now)
    state = {"waiting": SHADOW, "proven": PROVEN}.get(verdict.outcome, REFUSED)
    if state != candidate.row.state:
        candidate.move(state, now, verdict.reasons)
    candidate.evidence.reasons = list(verdict.reasons)
    return True


async def _prices(rt: Runtime, discovery: Discovery, candidate: Candidate, proposal: Proposal) -> None:
    path = proposal.fields["tables"]["quotes"]["path"]
    reply = await discovery.outbound.get(proposal.fields["base_url"] + path)
    if reply.status != 200:
        raise UpstreamRejected(f"status {reply.status}")
    quotes = await understood(read_quotes, proposal, reply)
    candidate.evidence.proof.read(compare(rt, quotes), rt.clock.now_ms())


async def _feed(rt: Runtime, discovery: Discovery, candidate: Candidate, proposal: Proposal) -> None:
    reply = await discovery.outbound.get(proposal.fields["base_url"])
    if reply.status != 200:
        raise UpstreamRejected(f"status {reply.status}")
    candidate.evidence.proof.read_items(await read_items(rt, proposal, reply), rt.clock.now_ms())
