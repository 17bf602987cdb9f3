"""What is kept of API keys and of what callers have used."""

from __future__ import annotations

from typing import NamedTuple


class ApiKey(NamedTuple):
    """What is kept of a key. Times are milliseconds UTC, None where it has not happened or never will.

    `fingerprint` is all there is of the secret; `prefix` may be shown and logged. `scopes` are of SCOPES, `origins`
    the Origin headers a browser may send with it (empty: any). `replaced_by` is the id of the key that took its place.
    """

    id: str
    name: str
    prefix: str
    fingerprint: str
    tier: str
    scopes: frozenset[str]
    created_ms: int
    last_used_ms: int | None = None
    expires_ms: int | None = None
    revoked_ms: int | None = None
    origins: tuple[str, ...] = ()
    replaced_by: str | None = None


class Use(NamedTuple):
    """One bucket as kept over a restart: `used` on UTC day number `day` (days since 1970), and `cells` of (wall time in
    ms, requests) inside the window of `per_s` seconds (0 without a rate). `at_ms` is its last accepted request."""

    bucket: str
    tier: str
    at_ms: int
    day: int
    used: int
    per_s: int
    cells: tuple[tuple[int, int], ...]
