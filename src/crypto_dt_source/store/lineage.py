"""Which epochs a database file has been through, kept beside it: whether what lies at a target grew out of it."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

KEPT = 50


class _Kept(msgspec.Struct):
    epochs: list[str]
    target: str | None


class Lineage:
    """`database` is the SQLite file, `target` where it is shipped to now, as it may be shown, `word` what this start adds
    to the names of its epochs. Methods that touch the disk block and raise OSError."""

    def __init__(self, database: Path, target: str) -> None:
        self.database = database
        self.word = secrets.token_hex(4)
        self._target = target
        self._shipped_to: str | None = None
        self._file = database.with_name(database.name + ".shipped")
        self._epochs: list[str] = []

    def load(self) -> None:
        """Read what is kept; a file that cannot be read says nothing."""
        try:
            found = msgspec.json.decode(self._file.read_bytes(), type=_Kept | list[str])
            # A list of epochs alone is what earlier versions wrote.
            kept = _Kept(found, None) if isinstance(found, list) else found
        except (FileNotFoundError, msgspec.MsgspecError):
            kept = _Kept([], None)
        self._epochs, self._shipped_to = kept.epochs, kept.target

    @property
    def at_target(self) -> bool:
        """Whether something of this file should be at the target: it was shipped there the last time."""
        return self.shipped and self._shipped_to == self._target

    @property
    def shipped(self) -> bool:
        """Whether this file was ever shipped or made from what was."""
        return bool(self._epochs)

    def knows(self, epoch: str) -> bool:
        """Whether everything of that epoch is in this file."""
        return epoch in self._epochs

    def begin(self, epoch: str) -> None:
        """The file is about to be made anew, for this epoch."""
        self._epochs = []
        self.add(epoch)

    def add(self, epoch: str) -> None:
        """The file has been through this epoch too."""
        self._epochs = [*self._epochs, epoch][-KEPT:]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        made = self._file.with_name(self._file.name + ".new")
        self._shipped_to = self._target
        made.write_bytes(msgspec.json.encode(_Kept(self._epochs, self._target)))
        made.replace(self._file)
