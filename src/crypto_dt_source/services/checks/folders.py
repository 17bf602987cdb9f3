"""Folders and files of the installation: there, writable, and secrets for their owner alone."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from functools import partial
from pathlib import Path

from .. import fixes
from .finding import CRITICAL, ERROR, WARNING, Finding, Fix, Scene, aside
from .machine import nearest

OTHERS = 0o077
"""Bits of a mode that let others than the owner in."""
PROBE_BYTES = 64 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


async def data(at: Scene) -> list[Finding]:
    """The data folder: there, and writable down to the disk."""
    folder = at.place.data_dir
    if folder is None:
        return []
    if at.rt is None:
        # Nothing is made by looking.
        existing = await aside("folders", lambda: nearest(folder))
        writable = await aside("folders", lambda: existing.is_dir() and os.access(existing, os.W_OK))
        return [] if writable else [_not_writable(folder, errno.EACCES)]
    if not await aside("folders", folder.is_dir):
        return [_lost(folder, "DATA_DIR", CRITICAL)]
    failed = await aside("folders", partial(_probe, folder))
    return [] if failed is None else [_not_writable(folder, failed)]


async def logs(at: Scene) -> list[Finding]:
    """The folder of log files, where some are kept."""
    kept = at.running.logs
    folder = kept.folder
    if folder is None or kept.waiting or not kept.counts:
        # It is made with the first line.
        return []
    if not await aside("folders.logs", folder.is_dir):
        return [_lost(folder, "DATA_DIR/logs", WARNING)]
    writable = await aside("folders.logs", lambda: os.access(folder, os.W_OK))
    return [] if writable else [_not_writable(folder, errno.EACCES)]


async def secrets(at: Scene) -> list[Finding]:
    """The secrets that are kept in files, and who may read them."""
    found: list[Finding] = []
    if sys.platform == "win32":
        return found
    for path in at.place.secret_files:
        mode = await aside("folders.secrets", partial(_mode, path))
        if mode is None:
            if at.rt is not None:
                found.append(_secret_lost(path))
        elif mode & OTHERS:
            found.append(_readable(path, mode))
    for folder in sorted({path.parent for path in at.place.secret_files}):
        mode = await aside("folders.secrets", partial(_mode, folder))
        if mode is not None and mode & OTHERS:
            found.append(_readable(folder, mode))
    return found


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _probe(folder: Path) -> int | None:
    """The error number of writing a little to the disk there and taking it away again; None where that went well."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-") as file:
            file.write(b"\0" * PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno or errno.EIO
    return None


def _lost(folder: Path, name: str, severity: str) -> Finding:
    return Finding(
        "folders.lost",
        severity,
        f"{name} is not there any more ({folder.name})",
        "What was in it is gone; files that are open live until the process ends.",
        "Let the diagnosis make the folder again (auto_fix), then look for who removed it.",
        name,
        Fix(f"make {name} again", partial(fixes.make_folder, folder), first=True),
    )


def _not_writable(folder: Path, number: int) -> Finding:
    if number in _FULL:
        return Finding(
            "machine.disk_full",
            CRITICAL,
            f"nothing more can be written to the disk of {folder.name} ({os.strerror(number)})",
            "Nothing is stored any more: prices, keys and settings that change now are lost with the process.",
            "Free space on the disk of DATA_DIR, or shorten RETENTION_DAYS.",
        )
    if number == errno.EROFS:
        return Finding(
            "folders.read_only",
            CRITICAL,
            f"the disk of {folder.name} is mounted for reading only",
            "Nothing is stored any more; a system mounts a disk so when it finds errors on it.",
            "Look into the system's log (`dmesg`), check the disk, mount it for writing.",
        )
    return Finding(
        "folders.not_writable",
        CRITICAL,
        f"{folder} cannot be written ({os.strerror(number)})",
        "Nothing can be stored.",
        "Set DATA_DIR to a folder you own, or give this user the folder (`chown`).",
        folder.name,
    )


def _readable(path: Path, mode: int) -> Finding:
    wanted = mode & ~OTHERS
    return Finding(
        "folders.secret_readable",
        ERROR,
        f"others may get at {path.parent.name}/{path.name} (mode {mode:04o})",
        "Whoever reads the secrets can make tokens for every key; the next start refuses files others may read.",
        "Let the diagnosis take the rights away (auto_fix). If somebody may have read them, set new ones.",
        path.name,
        Fix(f"make {path.name} its owner's alone", partial(fixes.close_to_others, path, wanted)),
    )


def _secret_lost(path: Path) -> Finding:
    return Finding(
        "folders.secret_lost",
        CRITICAL,
        f"the file of {path.name.upper()} is gone",
        "This process still has the secret. After a restart a new one is made, and every key or token made under the old one "
        "is unknown.",
        "Restore the file from a backup before you restart.",
        path.name,
        None,
    )
