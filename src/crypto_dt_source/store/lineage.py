"""Which epochs a database file has been through, kept beside it: whether what lies at a target grew out of it."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

KEPT = 50


class Lineage:
    """`database` is the SQLite file, `word` what this start adds to the names of its epochs. Methods that touch the disk
    block and raise OSError."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.word = secrets.token_hex(4)
        self._file = database.with_name(database.name + ".shipped")
        self._epochs: list[str] = []

    def load(self) -> None:
        """Read what is kept; a file that cannot be read says nothing."""
        try:
            self._epochs = msgspec.json.decode(self._file.read_bytes(), type=list[str])
        except (FileNotFoundError, msgspec.MsgspecError):
            self._epochs = []

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
        made.write_bytes(msgspec.json.encode(self._epochs))
        made.replace(self._file)
