"""What stands for a row that could not be read, so that its name reaches the quarantine."""

from __future__ import annotations

from typing import NamedTuple


class Unreadable(NamedTuple):
    """A row of a list whose other rows could be read. Never in normal form: `violation` answers `reason`."""

    symbol: str
    """The row's own name or key where it has one, else its place in the list (`row 17`)."""
    reason: str
