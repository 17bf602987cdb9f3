"""API keys. Every change gets the next number, by which other processes find it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...model.access import ApiKey
from ..engine import Store
from ..sql import Write, storable

_NEXT = "(SELECT COALESCE(MAX(changed), 0) + 1 FROM api_keys)"
_COLUMNS = "id, name, prefix, fingerprint, tier, scopes, created_ms, last_used_ms, expires_ms, revoked_ms, origins, replaced_by"
_VALUES = f"{', '.join('?' * 12)}, {_NEXT}"
# Nothing of a key is ever written over but its end, and that only while it has none: a revoked key stays revoked.
_PUT = f"INSERT INTO api_keys ({_COLUMNS}, changed) VALUES ({_VALUES})"  # noqa: S608 parts above
_END = f"""UPDATE api_keys SET expires_ms = ?, revoked_ms = ?, replaced_by = ?, changed = {_NEXT}
    WHERE id = ? AND revoked_ms IS NULL AND replaced_by IS NULL"""  # noqa: S608 parts above
_SUCCEED = f"""INSERT INTO api_keys ({_COLUMNS}, changed) SELECT {_VALUES}
    WHERE EXISTS (SELECT 1 FROM api_keys WHERE id = ? AND replaced_by = ?)"""  # noqa: S608 parts above
_REVOKE = f"UPDATE api_keys SET revoked_ms = ?, changed = {_NEXT} WHERE id = ? AND revoked_ms IS NULL"  # noqa: S608 parts above
_USED = "UPDATE api_keys SET last_used_ms = ? WHERE id = ? AND (last_used_ms IS NULL OR last_used_ms < ?)"
_SINCE = f"SELECT {_COLUMNS}, changed FROM api_keys WHERE changed >= ? ORDER BY changed, id"  # noqa: S608 parts above
_USES = "SELECT id, last_used_ms FROM api_keys WHERE last_used_ms IS NOT NULL"


async def put(store: Store, *new: ApiKey) -> None:
    """Store new keys in one transaction."""
    await store.write([Write(_PUT, [_row(key) for key in new])])


async def replace(store: Store, ending: ApiKey, new: ApiKey) -> bool:
    """Store `new` in the place of `ending`, which gets its `expires_ms` and `revoked_ms`: both or neither. Whether it was
    done: not where the key has been revoked or replaced meanwhile."""
    ended = (ending.expires_ms, ending.revoked_ms, new.id, ending.id)
    writes = [Write(_END, [ended], counted=True), Write(_SUCCEED, [(*_row(new), ending.id, new.id)])]
    return await store.write(writes) > 0


async def revoke(store: Store, id: str, at_ms: int) -> bool:
    """Whether the key was there, not revoked yet, and now is."""
    return await store.write([Write(_REVOKE, [(at_ms, id)], counted=True)]) > 0


async def used(store: Store, times: Mapping[str, int]) -> None:
    """Note when keys were used last, ms by id; an earlier time changes nothing."""
    await store.write([Write(_USED, [(at, name, at) for name, at in times.items()], promised=False)])


async def since(store: Store, changed: int = 0) -> tuple[list[ApiKey], int]:
    """Keys whose last change has this number or a later one, in that order, and the last number (`changed` itself where
    there is none). Two changes of one moment may share a number, or show in the other order: whoever follows asks again
    for some that he has seen."""
    rows = await store.fetch(_SINCE, (changed,))
    return [_key(row) for row in rows], rows[-1][12] if rows else changed


async def uses(store: Store) -> dict[str, int]:
    """When each key was used last, ms by id; keys never used are left out."""
    return {row[0]: row[1] for row in await store.fetch(_USES)}


def _row(key: ApiKey) -> tuple[Any, ...]:
    return (
        key.id,
        storable(key.name),
        storable(key.prefix),
        key.fingerprint,
        key.tier,
        " ".join(sorted(key.scopes)),
        key.created_ms,
        key.last_used_ms,
        key.expires_ms,
        key.revoked_ms,
        " ".join(key.origins),
        key.replaced_by,
    )


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row[0],
        name=row[1],
        prefix=row[2],
        fingerprint=row[3],
        tier=row[4],
        scopes=frozenset(row[5].split()),
        created_ms=row[6],
        last_used_ms=row[7],
        expires_ms=row[8],
        revoked_ms=row[9],
        origins=tuple(row[10].split()),
        replaced_by=row[11],
    )
