"""What the service found when it examined itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from .common import Meta

Severity = Literal["info", "warning", "error", "critical"]


class CheckLine(BaseModel):
    """One check of a diagnosis."""

    id: str
    about: str = Field(description="What it looks at.")
    outcome: Literal["ok", "found", "failed", "hung"] = Field(
        description="`failed`: the check itself is at fault. `hung`: it was not over in its time."
    )
    took_ms: int


class Issue(BaseModel):
    """One thing that is not as it should be."""

    id: str = Field(
        description="Its kind; docs/diagnostics.md lists them.", examples=["database.index_missing"]
    )
    check: str = Field(description="The check that found it.")
    subject: str | None = Field(description="What it is about, where there can be several.")
    severity: Severity = Field(
        description="`info` is good to know; `critical` stops the service or loses what it has acknowledged."
    )
    found: str = Field(description="What is the case. May quote upstream text.")
    meaning: str = Field(description="What follows from it.")
    advice: str = Field(description="What to do.")
    fixable: bool = Field(description="Whether `auto_fix` can put it right.")
    fix: str | None = Field(description="What it would do.")
    fixed: bool = Field(description="It was, and the check no longer finds it.")


class FixLine(BaseModel):
    """One thing that was done, or would be."""

    issue: str
    subject: str | None
    action: str
    outcome: Literal["planned", "fixed", "not_fixed", "failed"] = Field(
        description="`planned`: a dry run. `not_fixed`: done, and the check still finds it. `failed`: not done."
    )
    detail: str | None = Field(description="What was done, or why not.")


class Diagnosis(BaseModel):
    """Every check at one moment, and what was put right."""

    timestamp: str
    took_ms: int
    auto_fix: bool
    dry_run: bool
    thorough: bool = Field(description="Whether the database was read whole, indexes against tables.")
    status: Literal["ok", "info", "warning", "error", "critical"] = Field(
        description="The most severe of what is left."
    )
    total_checks: int
    issues_found: int
    issues_left: int = Field(description="Of these, those that were not fixed.")
    checks: list[CheckLine]
    issues: list[Issue] = Field(description="The most severe first, 300 at most.")
    fixes_applied: list[FixLine]
    meta: Meta


EXAMPLE: dict[str, Any] = {
    "timestamp": "2026-11-22T06:15:00Z",
    "took_ms": 268,
    "auto_fix": True,
    "dry_run": False,
    "thorough": False,
    "status": "ok",
    "total_checks": 27,
    "issues_found": 1,
    "issues_left": 0,
    "checks": [
        {
            "id": "database.schema",
            "about": "tables, indexes, migrations",
            "outcome": "found",
            "took_ms": 31,
        }
    ],
    "issues": [
        {
            "id": "database.index_missing",
            "check": "database.schema",
            "subject": "ix_news_heads",
            "severity": "error",
            "found": "the index ix_news_heads is missing",
            "meaning": "Queries that need it read whole tables: answers are slow.",
            "advice": "Let the diagnosis create it (auto_fix).",
            "fixable": True,
            "fix": "create the index ix_news_heads again",
            "fixed": True,
        }
    ],
    "fixes_applied": [
        {
            "issue": "database.index_missing",
            "subject": "ix_news_heads",
            "action": "create the index ix_news_heads again",
            "outcome": "fixed",
            "detail": "Created the index ix_news_heads.",
        }
    ],
    "meta": {
        "source": [],
        "fetched_at": "2026-11-22T06:15:00Z",
        "age_seconds": 0,
        "stale": False,
        "cache": "hit",
        "mode": "live",
    },
}
"""As the documents show it: the figures of a real one are others in every run."""
