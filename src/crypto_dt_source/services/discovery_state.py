"""What discovery keeps: a candidate with its evidence, and what the parts of it share while the service runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import msgspec

from ..gateway.limits import Meter
from ..gateway.outbound import Outbound
from ..gateway.source import ADAPTER_BUGS
from ..gateway.transport import Transport
from ..model.errors import PayloadChanged
from ..providers import catalog
from ..providers.catalog import Entry
from ..providers.directories import Directory
from ..store.repos.discovery import CandidateRow, RunRow
from ..telemetry import logger
from .discovery_rule import Proof

log = logger("discovery")
P = ParamSpec("P")
T = TypeVar("T")
FOUND, PROBED, SHADOW, PROVEN = "found", "probed", "shadow", "proven"
ADMITTED, REFUSED, FAILED, TAKEN_BACK = "admitted", "refused", "failed", "taken_back"
STATES = (FOUND, PROBED, SHADOW, PROVEN, ADMITTED, REFUSED, FAILED, TAKEN_BACK)
NOTES, STEPS = 40, 12
"""Notes and steps that are kept of a candidate; of more notes the first and the newest."""
DETAIL = 300
"""Characters of a note."""
RANK = 90
"""Place of an admitted source in its pool: behind all that the catalogue knows."""
_SHARED = frozenset(
    "co com org net gov edu ac github gitlab herokuapp vercel netlify workers pages onrender fly web cloudfront amazonaws "
    "azurewebsites appspot firebaseapp glitch railway render surge readthedocs blogspot wordpress medium substack".split()
)
"""Second labels under which strangers live side by side."""
_SLUG = re.compile(r"[^a-z0-9]+")


class Note(msgspec.Struct):
    """What happened to a candidate, and through whom."""

    at_ms: int
    what: str
    detail: str = ""
    by: str = ""


class Step(msgspec.Struct):
    """One address that was asked for a candidate: what came, or the code of why nothing did."""

    url: str
    outcome: str
    detail: str = ""


class Evidence(msgspec.Struct, omit_defaults=True):
    """Everything that speaks for and against a candidate. `tries`: rounds that could not decide."""

    notes: list[Note] = []
    steps: list[Step] = []
    proof: Proof = msgspec.field(default_factory=Proof)
    reasons: list[str] = []
    tries: int = 0


class Proposal(msgspec.Struct):
    """A catalogue entry that a candidate would be: its fields as in a file of the catalogue."""

    id: str
    category: str
    fields: dict[str, Any]


@dataclass(slots=True)
class Candidate:
    """A candidate in memory."""

    row: CandidateRow
    evidence: Evidence
    proposal: Proposal | None

    def note(self, at_ms: int, what: str, detail: str = "", by: str = "") -> None:
        """Add to its record."""
        notes = self.evidence.notes
        notes.append(Note(at_ms, what, detail[:DETAIL], by))
        if len(notes) > NOTES:
            del notes[NOTES // 2 : len(notes) - NOTES // 2]

    def move(self, state: str, at_ms: int, reasons: Sequence[str] = (), by: str = "") -> None:
        """Bring it into a state, for these reasons."""
        self.row = self.row._replace(state=state, changed_ms=at_ms)
        self.evidence.reasons = [reason[:DETAIL] for reason in reasons][:10]
        self.note(at_ms, state, "; ".join(self.evidence.reasons), by)

    def stored(self) -> CandidateRow:
        """As the store keeps it."""
        proposal = None if self.proposal is None else msgspec.json.encode(self.proposal).decode()
        return self.row._replace(proposal=proposal, evidence=msgspec.json.encode(self.evidence).decode())


_evidence = msgspec.json.Decoder(Evidence)
_proposal = msgspec.json.Decoder(Proposal)


def candidate_of(row: CandidateRow) -> Candidate:
    """A candidate out of the store; one whose record this version cannot read begins anew."""
    try:
        proposal = None if row.proposal is None else _proposal.decode(row.proposal)
        return Candidate(row, _evidence.decode(row.evidence), proposal)
    except msgspec.DecodeError:
        return Candidate(row, Evidence(), None)


@dataclass(slots=True)
class Discovery:
    """What discovery needs beside the Runtime, and what is under way. `outbound` is the only way to a candidate, `transport`
    to a directory. `feed_sites` and `exchange_library`: also the sites of feeds in use, and the exchanges that ccxt
    describes, are looked at. `enabled`: rounds begin by the timetable, one every `every_ms` unless it says otherwise; `auto_admit`: what
    is proven is admitted at once. `task` is the round that somebody began and that is under way, or the last one."""

    outbound: Outbound
    transport: Transport
    directories: Sequence[Directory]
    feed_sites: bool = False
    exchange_library: bool = False
    enabled: bool = False
    auto_admit: bool = False
    every_ms: int = 86_400_000
    timeout_s: float = 20.0
    meters: dict[str, Meter] = field(default_factory=dict)
    task: asyncio.Task[RunRow] | None = None
    shadowing: bool = False

    async def close(self) -> None:
        """End the round that is under way, and connect to no candidate any more."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})
        await self.outbound.close()


async def understood(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` makes of a stranger's body, in a thread. Raises PayloadChanged also where it stumbles: one body must not
    end the round, and the next one, for all others."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except ADAPTER_BUGS as bug:
        log.warning("a body cannot be read", work=work.__name__, error=type(bug).__name__, exc_info=bug)
        raise PayloadChanged(f"the body cannot be read: {type(bug).__name__}") from None


def id_of(url: str) -> str:
    """The id of the candidate at an address: 64 bits of its hash."""
    return blake2b(url.encode(), digest_size=8).hexdigest()


def site_of(url: str) -> str:
    """What belongs to one publisher: the last two labels of the host, or three where many live under the second."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    kept = 3 if len(labels) > 2 and (labels[-2] in _SHARED or len(labels[-2]) <= 2) else 2
    return ".".join(labels[-kept:])


def entry_id(url: str, candidate: str) -> str:
    """The catalogue id a candidate would get: its host, and a part of its own id so that none is taken."""
    host = (urlsplit(url).hostname or "").removeprefix("www.").removeprefix("api.")
    slug = _SLUG.sub("_", host).strip("_")
    return f"{slug if slug[:1].isalpha() else f'x_{slug}'}"[:33].rstrip("_") + f"_{candidate[:6]}"


def fields_of_table(url: str, name: str, found_by: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an entry that reads quotes from a table at `url` (https, with its query)."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return {
        "name": name,
        "kind": "venue",
        "adapter": "json_table",
        "base_url": f"https://{parts.netloc}",
        "docs": f"https://{parts.netloc}/",
        "status": "live",
        "attribution": "",
        "limits": [{"amount": 2, "per_s": 60}],
        "poll_s": 300,
        "offers": {"quotes": {"rank": RANK}},
        "tables": {"quotes": {"path": path, **table}},
    }


def fields_of_feed(url: str, name: str) -> dict[str, Any]:
    """The fields of an entry that reads a feed at `url`."""
    parts = urlsplit(url)
    return {
        "name": name,
        "kind": "feed",
        "adapter": "feed",
        "base_url": url,
        "docs": f"https://{parts.netloc}/",
        "status": "live",
        "attribution": f"Excerpt © {name}"[:200],
        "limits": [{"amount": 4, "per_s": 600}],
        "poll_s": 1800,
        "offers": {"news": {"rank": RANK}},
    }


def entry_of(proposal: Proposal) -> Entry:
    """The entry as its adapter takes it, for a trial outside the catalogue. Raises CatalogError."""
    return catalog.entry_of(proposal.category, proposal.id, proposal.fields)
