"""Where the database is copied to, and how that goes: what backups, shipping and the archive share."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..store.repos.backups import BackupRow
from ..store.shipping import Shipper
from ..store.targets import Target


@dataclass(slots=True)
class Keeping:
    """Made by the wiring. `database_url` may hold a password. `shipper` and `archive` are None where they are not set.

    `lasting`: what is here outlives the container it is in, or is shipped.
    `last_backup` is how the newest attempt ended; `unarchived` why rows could not be archived the last time, and
    `left_unarchived` how many datasets have lost rows to the hard bound since the start."""

    database_url: str = field(repr=False)
    version: str
    backups: Target
    keep: int
    shipper: Shipper | None = None
    archive: Target | None = None
    last_backup: BackupRow | None = None
    unarchived: str | None = None
    left_unarchived: int = 0
    lasting: bool = True
