"""Discovery: candidates for new sources, the rounds that find them, and the report."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from .common import ListMeta, Meta, Page

State = Literal["found", "probed", "shadow", "proven", "admitted", "refused", "failed", "taken_back"]
STATES = (
    "`found`: not asked yet. `probed`: understood, waits for a place on trial. `shadow`: on trial, read every few minutes and "
    "compared; in no price. `proven`: may be admitted. `admitted`: in use. `refused`, `failed` (could not be told; asked again), "
    "`taken_back`."
)


class Step(BaseModel):
    """One address that was asked when the candidate was probed."""

    url: str
    outcome: str = Field(description="What came (`table`, `feed`, `html`, `openapi` …) or an error code.")
    detail: str | None


class Note(BaseModel):
    """What happened to it."""

    at: str
    what: str
    detail: str | None
    by: str | None = Field(
        description="The admin's key id; `discovery` for what was admitted by itself; null for what needs nobody."
    )


class Proof(BaseModel):
    """What the trial has shown. A point is one price beside the consensus of the same moment."""

    started_at: str | None
    last_at: str | None = Field(description="The newest reading.")
    readings: int
    failures: int = Field(description="Readings that failed.")
    points: int
    agreed: int = Field(description="Points within 0.5 % of the consensus.")
    assets: int
    moves: int = Field(description="Moves of the market between two readings.")
    followed: int = Field(description="Of these, moves that its price followed.")
    items: int = Field(description="Of a feed: items read.")
    items_about: int = Field(description="Of these, about cryptocurrencies.")
    verdict: Literal["waiting", "proven", "refused"]


class Candidate(BaseModel):
    """A source that was found. `proof` is null before it was understood."""

    id: str
    url: str
    name: str
    state: State = Field(description=STATES)
    kind: Literal["table", "feed"] | None = Field(description="What it is; null while that is not known.")
    found_by: str = Field(description="The directory that named it.")
    found_at: str
    changed_at: str
    reasons: list[str] = Field(description="Why it is in this state, or what is missing for the next.")
    provider: str | None = Field(description="Id it has, or would have, in the catalogue.")
    proposal: dict[str, Any] | None = Field(description="The catalogue entry that is proposed.")
    proof: Proof | None
    steps: list[Step]
    notes: list[Note]


class CandidatesMeta(ListMeta):
    """Provenance of a page of candidates; `total` counts all pages."""

    page: Page


class CandidateList(BaseModel):
    data: list[Candidate]
    meta: CandidatesMeta


class CandidatePage(BaseModel):
    data: Candidate
    meta: Meta


class Place(BaseModel):
    """What one directory named in a round."""

    leads: int
    error: str | None


class Round(BaseModel):
    """One round. `ended_at` null: it goes on, or its process has ended."""

    started_at: str
    ended_at: str | None
    cause: str
    found: int = Field(description="New candidates.")
    probed: int
    on_trial: int = Field(description="Trials begun.")
    refused: int
    places: dict[str, Place] = Field(description="By directory.")


class DirectoryRow(BaseModel):
    id: str
    name: str
    docs: str


class Counts(BaseModel):
    """Candidates by state."""

    found: int
    probed: int
    shadow: int
    proven: int
    admitted: int
    refused: int
    failed: int
    taken_back: int


class Status(BaseModel):
    enabled: bool = Field(description="Whether rounds are made by the timetable.")
    auto_admit: bool = Field(description="Whether what is proven is admitted without an admin.")
    running: bool
    every_hours: float
    directories: list[DirectoryRow] = Field(description="Where sources are looked for; none in a demo.")
    candidates: Counts
    last_run: Round | None


class StatusPage(BaseModel):
    data: Status
    meta: Meta


class Started(BaseModel):
    """A round that was begun: `run` is null while it goes on."""

    status: Literal["running", "done"]
    run: Round | None


class StartedPage(BaseModel):
    data: Started
    meta: Meta


class Report(BaseModel):
    rule: dict[str, float] = Field(description="What must be shown; shares are fractions.")
    candidates: Counts
    runs: list[Round] = Field(description="The newest first.")
    admitted: list[Candidate] = Field(description="Also those whose admission was taken back.")
    proven: list[Candidate]
    on_trial: list[Candidate]
    refused: list[Candidate] = Field(description="The newest first, with the reasons.")


class ReportPage(BaseModel):
    data: Report
    meta: Meta
