"""The settings of how the service runs itself: the timetable, logs, backups, discovery. Part of `settings.Settings`."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from .model.crontab import EVERY, Crontab

TARGETS = ("backup_url", "ship_url", "archive_url")
"""Addresses that may hold a secret; never printed."""
OFF = "off"
ALL = "all"
"""Every exchange, in EXCHANGES_POLLED."""
ANY = "any"
AUTO = "auto"
"""DATA_DIR is looked for."""
SPACE: dict[str, Any] = {
    "hf_space": True,
    "host": "0.0.0.0",  # noqa: S104 - the Space's proxy comes from outside the container
    "port": 7860,
    "log_format": "json",
    "trusted_proxy_hops": 1,
    "data_dir": AUTO,
    "upstream_ports": "80,443,8080",
    "upstream_region": "US",
}
"""What HF_SPACE makes of settings that are not set: where a Space listens, what stands in front of it, which ports it may
call (https://huggingface.co/docs/hub/spaces-overview#networking) and the country its machines are in."""
_PASSING = ("overlay", "tmpfs", "ramfs")
"""File systems that end with their container."""
_REMOTE = ("fuse", "nfs", "cifs", "smb")
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

    upstream_ports: str = Field(
        "",
        description="Ports that calls may go to from here, comma separated; sources and streams on another one are not used. "
        "Not set, or any: every port.",
    )
    upstream_region: str = Field(
        "",
        description="The country calls come from, two letters of ISO 3166: sources that refuse it are not used. Not set, or "
        "any: all are tried.",
    )

    @field_validator("upstream_ports")
    @classmethod
    def _ports(cls, value: str) -> str:
        named = [part.strip() for part in value.lower().split(",") if part.strip()]
        if named == [ANY]:
            return ""
        if not all(part.isascii() and part.isdigit() and 0 < int(part) <= 65535 for part in named):
            raise ValueError("ports from 1 to 65535, comma separated, or any")
        return ",".join(named)

    @field_validator("upstream_region")
    @classmethod
    def _country(cls, value: str) -> str:
        value = value.strip().upper()
        if value and value != ANY.upper() and not re.fullmatch(r"[A-Z]{2}", value):
            raise ValueError("two letters of ISO 3166, for example US, or any")
        return "" if value == ANY.upper() else value

    def ports(self) -> frozenset[int] | None:
        """UPSTREAM_PORTS; None for every port."""
        return frozenset(map(int, self.upstream_ports.split(","))) if self.upstream_ports else None

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


class SpacePreset(PydanticBaseSettingsSource):
    """The least of the sources of settings: SPACE where HF_SPACE is true, or where it is not set and SPACE_ID is, which
    Spaces set (https://huggingface.co/docs/hub/spaces-overview#helper-environment-variables). Whatever is set elsewhere
    wins."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One field's value, which it does not have without the others."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every value of the preset, or none."""
        given = self.current_state.get("hf_space", bool(os.environ.get("SPACE_ID")))
        try:
            return dict(SPACE) if TypeAdapter(bool).validate_python(given) else {}
        except ValidationError:
            return {}  # the field itself says what is wrong with it


def data_places() -> tuple[Path, Path, Path]:
    """Where DATA_DIR=auto looks, the best first: the disk of a Space or a volume, the home, the temporary files."""
    name = "crypto-dt-source"
    home = Path(os.path.expanduser("~"), name)
    return Path("/data"), home, Path(tempfile.gettempdir(), f"{name}-{os.getuid()}")


def data_folder(places: tuple[Path, Path, Path], mounts: str) -> Path:
    """The first of `places` that files can be written in; `mounts` is the text of /proc/self/mounts. The first is a disk
    that is there or not, the others are made. One of a remote file system is passed over: SQLite cannot live there. Blocks
    on the disk. Raises ValueError where there is none."""
    disk, _, shared = places
    for place in places:
        if file_system(place, mounts).startswith(_REMOTE):
            continue
        try:
            if place != disk:
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if place == shared and place.stat().st_uid != os.getuid():
                continue  # anybody may have made a folder of that name there
            with tempfile.TemporaryFile(dir=place) as probe:
                probe.write(b"written")
                probe.flush()
        except OSError:
            continue
        return place
    raise ValueError(f"a folder that can be written in; {', '.join(map(str, places))} cannot")


def lasts(folder: Path, mounts: str) -> bool:
    """Whether a folder outlives the container it is in."""
    return file_system(folder, mounts) not in _PASSING


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system a path is on, `ext4` or `fuse.hf-mount`; empty where that cannot be told."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split()
        # Octal escapes stand for blanks in the names of mount points.
        if len(fields) < 3 or not Path(path).is_relative_to(point := fields[1].replace("\\040", " ")):
            continue
        if len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def mounted() -> str:
    """The text of /proc/self/mounts; empty on systems that have none."""
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
