"""The log on the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import Meta, Page

Detail = str | int | float | bool | None


class LogRow(BaseModel):
    """One line of the log, secrets struck out."""

    timestamp: str = Field(description="RFC 3339 UTC, to the microsecond.")
    level: Literal["debug", "info", "warning", "error", "critical"]
    category: str | None = Field(description="The component that logged it.", examples=["gateway"])
    provider: str | None = Field(description="Id of the provider it is about; null for others.")
    message: str
    details: dict[str, Detail] = Field(description="What else the line says, by name.")


class LogMeta(Meta):
    """Provenance of lines."""

    since: str | None = Field(description="As `since` was understood.")
    until: str | None = Field(description="As `until` was understood.")
    complete: bool = Field(
        description="False: more is kept than one question looks through, and what is older was not looked at."
    )


class LogPage(BaseModel):
    data: list[LogRow] = Field(description="The newest first.")
    page: Page
    meta: LogMeta


class LogList(BaseModel):
    data: list[LogRow] = Field(description="The newest first.")
    meta: LogMeta


class ExportedMeta(Meta):
    """Provenance of a whole log."""

    since: str | None = Field(description="As `since` was understood.")
    until: str | None = Field(description="As `until` was understood.")
    rows: int


class LogExport(BaseModel):
    data: list[LogRow] = Field(description="The oldest first.")
    meta: ExportedMeta


class LogFilesState(BaseModel):
    """The files the log is kept in."""

    kept: bool = Field(description="False: LOG_FILES_MB is 0 and nothing is kept.")
    files: int
    size_bytes: int
    room_bytes: int = Field(description="LOG_FILES_MB; past it the oldest file leaves.")
    waiting: int = Field(description="Lines not written yet.")
    dropped: int = Field(description="Lines since the start that could not be kept.")
    error: str | None = Field(description="Why the last write failed; null once one succeeded.")
    since_start: dict[str, int] = Field(description="Lines since the start, by level.")


class LogCounts(BaseModel):
    """Kept lines that match, counted."""

    total: int
    by_level: dict[str, int]
    by_category: dict[str, int] = Field(description="The 50 most frequent.")
    by_provider: dict[str, int] = Field(description="The 50 most frequent.")
    oldest: str | None
    newest: str | None
    storage: LogFilesState


class LogStats(BaseModel):
    data: LogCounts
    meta: LogMeta


class LogsDeleted(BaseModel):
    deleted_lines: int
    deleted_bytes: int
    before: str | None = Field(description="Lines from before this were deleted; null: every line.")
    meta: Meta
