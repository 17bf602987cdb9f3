"""How a key looks to whoever looks after keys, in the API and on the command line."""

from __future__ import annotations

from typing import Any

from ..clock import rfc3339
from ..model.access import ApiKey
from ..security.keys import usable


def key_view(key: ApiKey, now_ms: int) -> dict[str, Any]:
    """What is kept of a key but its fingerprint; times are RFC 3339, None where it has not happened or never will."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "tier": key.tier,
        "scopes": sorted(key.scopes),
        "origins": list(key.origins),
        "state": usable(key, now_ms) or "active",
        "created_at": rfc3339(key.created_ms),
        "last_used_at": moment_or_none(key.last_used_ms),
        "expires_at": moment_or_none(key.expires_ms),
        "revoked_at": moment_or_none(key.revoked_ms),
        "replaced_by": key.replaced_by,
    }


def moment_or_none(ms: int | None) -> str | None:
    """RFC 3339, None for None."""
    return None if ms is None else rfc3339(ms)
