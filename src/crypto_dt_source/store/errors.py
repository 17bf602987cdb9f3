"""What can go wrong with the store. Drivers' own exceptions do not leave it."""

from __future__ import annotations

from ..model.errors import StoreUnavailable

RETRY_AFTER_S = 10
UNREACHABLE = "unreachable"
"""The kind of a failure where the server could not be spoken to at all."""


class StoreError(StoreUnavailable):
    """A read or a write failed. Of a write it means: nothing of that batch is there (but see `InDoubt`, `NotShipped`).

    `message` may hold the driver's own words: it is for the log and the command line. `kind` is the driver's name of
    the failure (`SQLITE_FULL`, an SQLSTATE class), None where it gave none.
    """

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message, retry_after=RETRY_AFTER_S)
        self.kind = kind


class StoreOpenError(StoreError):
    """The store cannot be opened; the message is one sentence that names the address and what to do."""


class InDoubt(StoreError):
    """The connection was lost during COMMIT, and the server could not be asked since whether the batch is there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind=UNREACHABLE)

    @property
    def public(self) -> str:
        return "The database went away while the change was stored; look whether it is there, then try again."


class NotShipped(StoreError):
    """The batch was written here, and is not yet known to be where the database is shipped to; or it was not written,
    because it never could be. The message says which, in words of this package alone."""

    @property
    def public(self) -> str:
        return self.message


class StoreClosed(StoreError):
    """The store is closing or closed; the batch was not written, or its commit was not waited for."""
