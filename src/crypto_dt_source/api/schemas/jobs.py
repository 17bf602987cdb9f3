"""Jobs and their runs on the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import ListMeta, Meta, Page


class JobRunRow(BaseModel):
    """One run of a job."""

    job: str
    cause: Literal["timetable", "catch_up", "start", "person", "command", "fix"] = Field(
        description="`catch_up`: one or more times had passed while nothing ran. `start`: the first of a process. `person`: "
        "asked for through the API. `command`: `cdts jobs run`. `fix`: begun again by a diagnosis."
    )
    due: str = Field(description="The newest time of the timetable that it stands for, RFC 3339 UTC.")
    started_at: str
    ended_at: str | None = Field(description="Null while it is under way.")
    duration_ms: int | None
    outcome: str | None = Field(
        description="`ok`, an error code, `crashed`, `interrupted` (ended with its process); null while it is under way.",
        examples=["ok"],
    )
    rows: int | None = Field(description="Rows it handled; null where it failed.")
    error: str | None = Field(description="What went wrong, null where nothing did.")


class JobRow(BaseModel):
    """One job."""

    id: str = Field(examples=["store_prices"])
    cron: str | None = Field(
        description="Its times in UTC; null for one that has a period or is off.", examples=["*/5 * * * *"]
    )
    every_seconds: float | None = Field(description="Its period; null for one with a cron or off.")
    setting: str | None = Field(
        description="The setting its times are in; null for internal work.", examples=["CRON_PRICES"]
    )
    state: Literal["waiting", "running", "paused", "off"]
    paused: bool
    next_run: str | None = Field(
        description="RFC 3339 UTC; null for one that is off or paused, and for one with a period that another process runs."
    )
    deadline_seconds: float = Field(description="A run is ended after this long.")
    last_run: JobRunRow | None = Field(
        description="The newest run; of a job with a period, the newest of this process or the newest stored one."
    )


class LeaderRow(BaseModel):
    """The process that runs the timetable."""

    standing: Literal["leads", "follows", "unknown"] = Field(description="Of the process that answers.")
    leader: str | None = Field(description="Host and process id; null where nobody is known to lead.")
    since: str | None


class JobList(BaseModel):
    data: list[JobRow]
    scheduler: LeaderRow
    meta: ListMeta


class JobPage(BaseModel):
    data: JobRow
    meta: Meta


class JobRunList(BaseModel):
    data: list[JobRunRow]
    page: Page
    meta: Meta
