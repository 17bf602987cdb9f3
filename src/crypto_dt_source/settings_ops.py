"""The settings of how the service runs itself: the timetable, logs, backups, discovery. Part of `settings.Settings`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from .model.crontab import EVERY, Crontab

TARGETS = ("backup_url", "ship_url", "archive_url")
"""Addresses that may hold a secret; never printed."""
OFF = "off"
ALL = "all"
"""Every exchange, in EXCHANGES_POLLED."""
_CRON = "five fields of cron in UTC (minute hour day month weekday), or off"


class OpsSettings(BaseSettings):
    """The timetable, metrics, logs, backups, the archive, discovery."""

    cron_prices: str = Field("*/5 * * * *", description=f"When prices are decided and stored: {_CRON}.")
    cron_defi: str = Field("0 * * * *", description=f"When DeFi is collected: {_CRON}.")
    cron_news: str = Field("*/30 * * * *", description=f"When feeds are read: {_CRON}.")
    cron_sentiment: str = Field(
        "5 * * * *", description=f"When the sentiment of each asset is summed up: {_CRON}."
    )
    cron_provider_health: str = Field(
        "*/5 * * * *", description=f"When providers not asked lately are probed: {_CRON}."
    )
    cron_statistics: str = Field(
        "*/5 * * * *", description=f"When statistics are told to the stream: {_CRON}."
    )
    cron_backup: str = Field("0 2 * * *", description=f"When a backup is made: {_CRON}.")
    cron_clean_up: str = Field("0 3 * * *", description=f"When rows past their retention leave: {_CRON}.")
    cron_diagnostics: str = Field("15 * * * *", description=f"When the service examines itself: {_CRON}.")
    enable_auto_fix: bool = Field(
        False,
        description="Let the diagnosis of the timetable put right what is safe and reversible. Off: it reports.",
    )
    cron_discovery: str = Field(
        "",
        description=f"When new sources are looked for, while ENABLE_AUTO_DISCOVERY: {_CRON}. Not set: every "
        "AUTO_DISCOVERY_INTERVAL_HOURS.",
    )

    metrics_access: Literal["public", "admin"] = Field(
        "public", description="Who may read /metrics and /api/metrics."
    )
    log_files_mb: int = Field(
        32,
        ge=0,
        le=10_240,
        description="Room of log files in DATA_DIR/logs, for GET /api/logs; 0: none are kept.",
    )

    backup_url: str = Field(
        "",
        repr=False,
        description="Where backups go: a folder or an fsspec URL (s3://bucket/path, hf://datasets/owner/name). Not set: "
        "DATA_DIR/backups.",
    )
    backup_keep: int = Field(7, ge=1, le=1000, description="Backups kept, the oldest leaving first.")
    ship_url: str = Field(
        "",
        repr=False,
        description="Where the database is shipped to all the time, for hosts whose disk does not last; a folder or an "
        "fsspec URL. At a start without a database the newest copy is restored from there.",
    )
    ship_interval: int = Field(30, ge=5, le=3600, description="Seconds between two shipments.")
    archive_url: str = Field(
        "",
        repr=False,
        description="Where rows past their retention are written as Parquet before they leave; a folder or an fsspec "
        "URL. Not set: they leave.",
    )

    exchanges_polled: str = Field(
        "",
        description="Exchanges read through the exchange library (the extra [exchanges]) whose quotes are collected: ids, "
        "comma separated, or all. The others are asked when a person asks or the usual venues fail.",
    )

    enable_auto_discovery: bool = Field(False, description="Look for new sources on the timetable.")
    auto_discovery_interval_hours: int = Field(
        24, ge=1, le=8760, description="Hours between two rounds of discovery."
    )
    auto_admit: bool = Field(
        False, description="Admit candidates whose proof is complete without asking an admin."
    )

    @field_validator(
        "cron_prices",
        "cron_defi",
        "cron_news",
        "cron_sentiment",
        "cron_provider_health",
        "cron_statistics",
        "cron_backup",
        "cron_clean_up",
        "cron_diagnostics",
        "cron_discovery",
    )
    @classmethod
    def _crontab(cls, value: str, info: ValidationInfo) -> str:
        text = " ".join(value.lower().split())
        # The library takes a tenth of a second to import, which a command that only reads its settings need not wait.
        if text in ("", OFF, cls.model_fields[info.field_name or ""].default):
            return text
        if text.startswith(EVERY):
            raise ValueError(_CRON)
        try:
            Crontab(text).check()
        except ValueError:
            raise ValueError(_CRON) from None
        return text

    @field_validator("exchanges_polled")
    @classmethod
    def _exchanges(cls, value: str) -> str:
        from .providers import catalog

        names = [name.strip().lower() for name in value.split(",") if name.strip()]
        known = {
            entry.id for entry in catalog.load().values() if entry.library_id and catalog.pollable(entry)
        }
        if not set(names) <= known | {ALL}:
            raise ValueError("all, or ids of exchanges read through the exchange library, comma separated")
        return ",".join(names)

    @field_validator(*TARGETS)
    @classmethod
    def _target(cls, value: str) -> str:
        value = value.strip()
        if not value.isprintable():
            raise ValueError("a folder, or an address such as s3://bucket/path")
        return value
