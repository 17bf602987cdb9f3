"""Where the service is installed and how it is set, as plain values: what the checks may know of the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

ALIKE = 0.92
"""How alike a name must be to one of ours to count as meant for it; below it is another program's."""
OWN = "CDTS_"
OF_COMMANDS = "CDTS_API_KEY"
"""Read by the commands that ask a running server, not by the service."""
TYPOS = 2
"""Letters that such a name may have too many or too few."""


class Weak(NamedTuple):
    """A secret that was given and is too weak, and why, in words that do not repeat it."""

    setting: str
    reason: str


class Unknown(NamedTuple):
    """A variable that no setting has, and the setting it is nearest to, '' where none is near."""

    name: str
    nearest: str


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None where there is none. Blocks on the disk."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@dataclass(frozen=True, slots=True)
class Installation:
    """`database` is the SQLite file, None with PostgreSQL, and `database_identity` what it was when it was opened. `secret_files` are those in use: of secrets that were not given
    as settings. `backups_every_s` is how far apart backups should be at most,
    None where none are made. `elsewhere` names providers whose address the operator replaced. `may_fix`: the hourly
    diagnosis does what is safe without being asked. `preset` names the preset of settings that is on, empty without one."""

    data_dir: Path | None = None
    database: Path | None = None
    database_identity: tuple[int, int] | None = None
    secret_files: tuple[Path, ...] = ()
    backups_every_s: float | None = None
    weak: tuple[Weak, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    elsewhere: tuple[str, ...] = ()
    may_fix: bool = False
    preset: str = ""


def unknown_settings(
    filed: Iterable[str], environment: Iterable[str], known: Iterable[str], prefixes: Iterable[str]
) -> tuple[Unknown, ...]:
    """Variables that were meant for this service and that it does not read: in its own `.env` those that are no setting's,
    in the process's environment those that begin with CDTS_ or are a setting's but for a letter or two. `known` are the
    settings, upper case; names that begin with one of `prefixes` are settings too. The service ignores all of them."""
    settings, beginnings = set(known), tuple(prefixes)

    def ours(name: str) -> bool:
        return name.upper() in settings or name == OF_COMMANDS or name.upper().startswith(beginnings)

    def nearest(name: str, cutoff: float) -> str:
        text = name.upper()
        # At each start, for every name there is: comparing texts is slow, looking at their ends is not.
        among = [one for one in settings if one[0] == text[0] or one[-1] == text[-1]]
        if cutoff == ALIKE:
            among = [one for one in among if abs(len(one) - len(text)) <= TYPOS]
        return next(iter(get_close_matches(text, among, n=1, cutoff=cutoff)), "")

    found = {name: nearest(name, 0.7) for name in filed if not ours(name)}
    for name in environment:
        if name in found or ours(name):
            continue
        if name.upper().startswith(OWN):
            found[name] = nearest(name, 0.7)
        elif "_" in name and (near := nearest(name, ALIKE)):
            found[name] = near
    return tuple(Unknown(name, near) for name, near in sorted(found.items()))
