"""What can go wrong with the store. Drivers' own exceptions do not leave it."""

from __future__ import annotations

from ..model.errors import CdtsError


class StoreError(CdtsError):
    """A read or a write failed. Of a write it means: nothing of that batch is there."""


class StoreOpenError(StoreError):
    """The store cannot be opened; the message is one sentence that names the address and what to do."""


class StoreClosed(StoreError):
    """The store is closing or closed; the batch was not written."""
