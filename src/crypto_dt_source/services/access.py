"""Keys in the database and in memory, what the limiter counted, and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..clock import Clock
from ..model.access import ApiKey
from ..model.errors import Conflict, NotFound
from ..security.keys import ID, new_record, usable
from ..security.limiter import Limiter, MemoryLimiter
from ..security.tiers import ADMIN, ENTERPRISE, READ, Tier
from ..store import AuditRow, Store, StoreError
from ..store.repos import audit, keys, limiter
from ..telemetry import logger
from .keyring import Keyring

log = logger("access")
DAY_MS = 86_400_000
LOOK_EVERY_S = 0.5
"""How often changes of other processes are looked for: a key revoked by `cdts keys revoke` ends within a second."""
SAVE_EVERY_S = 1.0
"""How often the limiter's counts are stored: what a kill -9 can give back is what was used since."""
USED_EVERY_S = 15.0
SEEN_AGAIN = 16
"""Changes that are looked at again: on a server two of one moment may show in the other order than they are numbered."""
BOOTSTRAP = "first admin key"
MAX_GRACE_S = 7 * 86_400
"""How long an old secret may stay good beside the one that replaced it."""


@dataclass(slots=True)
class Access:
    """Who may ask, and how often."""

    clock: Clock
    store: Store
    keyring: Keyring
    limiter: Limiter
    tiers: Mapping[str, Tier]
    hops: int = 0
    """Trusted proxies in front."""
    saved_ms: int = 0
    """Up to when the limiter's counts are stored."""
    refused: dict[str, int] = field(default_factory=dict)
    """Requests that were turned away since the start, by error code."""
    following: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while changes are taken up, or an older look could overwrite what a younger one has found."""


async def begin(access: Access) -> None:
    """Take up the keys and the limiter's counts of the database."""
    await follow(access)
    if isinstance(access.limiter, MemoryLimiter):
        access.limiter.restore(await limiter.every(access.store))
    access.saved_ms = access.clock.now_ms()


async def follow(access: Access) -> int:
    """Take up what changed in the database since the last look, and tell of keys that expired; gives the number of keys
    looked at. Raises StoreError."""
    keyring = access.keyring
    async with access.following:
        keyring.lapse()
        found, last = await keys.since(access.store, max(0, keyring.changed - SEEN_AGAIN))
        keyring.take_up(found)
        keyring.changed = max(last, keyring.changed)
    return len(found)


async def save(access: Access) -> int:
    """Store what the limiter counted since the last time; gives the number of buckets."""
    if not isinstance(access.limiter, MemoryLimiter):
        return 0
    began = access.clock.now_ms()
    stored = await limiter.put(access.store, access.limiter.changed_since(access.saved_ms))
    access.saved_ms = began
    return stored


async def save_uses(access: Access) -> int:
    """Store when keys were used last; gives the number of keys."""
    times, access.keyring.used = access.keyring.used, {}
    if access.keyring.operator is not None:
        times.pop(access.keyring.operator.id, None)
    if times:
        try:
            await keys.used(access.store, times)
        except (StoreError, asyncio.CancelledError):
            # A time that is stored a second time changes nothing.
            access.keyring.used = {**times, **access.keyring.used}
            raise
    for name, at in times.items():
        held = access.keyring.by_id(name)
        if held is not None:
            access.keyring.take_up([held._replace(last_used_ms=at)])
    return len(times)


async def clean_up(access: Access, keep_days: int) -> int:
    """Forget counts of days gone by, and audit rows older than `keep_days`; gives the number of rows."""
    now = access.clock.now_ms()
    dropped = await limiter.drop(access.store, now // DAY_MS - 1, now - 2 * DAY_MS)
    return dropped + await audit.drop(access.store, now - keep_days * DAY_MS)


async def create(
    access: Access,
    name: str,
    *,
    tier: str,
    scopes: Iterable[str] = (READ,),
    expires_ms: int | None = None,
    origins: Iterable[str] = (),
) -> tuple[str, ApiKey]:
    """A new key, stored: its secret, which is not kept and cannot be told again, and what is. Raises InvalidParameter."""
    secret, record = new_record(
        name,
        tier,
        scopes,
        salt=access.keyring.salt,
        now_ms=access.clock.now_ms(),
        expires_ms=expires_ms,
        origins=origins,
    )
    await keys.put(access.store, record)
    await follow(access)
    log.info("key made", key=record.id, tier=tier)
    return secret, record


async def first_key(access: Access) -> str | None:
    """The secret of a first admin key where nobody can administrate yet; None where somebody can."""
    if access.keyring.has_admin():
        return None
    secret, _ = await create(access, BOOTSTRAP, tier=ENTERPRISE, scopes=(READ, ADMIN))
    return secret


async def revoke(access: Access, id: str) -> ApiKey:
    """End a key, its tokens and its open connections; one that was revoked before stays as it is. Raises NotFound, and
    Conflict for the one set as CDTS_ADMIN_KEY."""
    key = await _kept(access, id)
    now = access.clock.now_ms()
    if key.revoked_ms is None:
        await keys.revoke(access.store, id, now)
        await follow(access)
        log.info("key revoked", key=id)
    return access.keyring.by_id(id) or key


async def rotate(access: Access, id: str, *, grace_s: int = 0) -> tuple[str, ApiKey]:
    """A new key like another in its place: the old one ends at once, or after `grace_s` seconds. Raises NotFound, and
    Conflict for a key that has ended or been replaced and the one set as CDTS_ADMIN_KEY."""
    old = await _kept(access, id)
    now = access.clock.now_ms()
    _check_replaceable(old, now)
    secret, record = new_record(
        old.name,
        old.tier,
        old.scopes,
        salt=access.keyring.salt,
        now_ms=now,
        expires_ms=old.expires_ms,
        origins=old.origins,
    )
    if grace_s:
        end = now + grace_s * 1000
        ending = old._replace(expires_ms=end if old.expires_ms is None else min(end, old.expires_ms))
    else:
        ending = old._replace(revoked_ms=now)
    done = await keys.replace(access.store, ending, record)
    await follow(access)
    if not done:
        _check_replaceable(access.keyring.by_id(id) or old, now)
        raise Conflict("The key was changed at the same moment; look at it and try again.")
    log.info("key rotated", key=id, replaced_by=record.id)
    return secret, record


def _check_replaceable(key: ApiKey, now_ms: int) -> None:
    """Raises Conflict."""
    why = usable(key, now_ms)
    if why is not None:
        raise Conflict(f"The key is {why}; make a new one.", details={"key": key.id, "reason": why})
    if key.replaced_by is not None:
        raise Conflict(
            "The key has been replaced already.", details={"key": key.id, "replaced_by": key.replaced_by}
        )


async def _kept(access: Access, id: str) -> ApiKey:
    """A key of the database by its id, asked for there too where this process does not know it yet. Raises NotFound and
    Conflict."""
    key = access.keyring.by_id(id)
    if key is None:
        await follow(access)
        key = access.keyring.by_id(id)
    if key is None:
        # What is no id may be the secret itself, which is not repeated.
        told = {"key": id} if ID.fullmatch(id) else {}
        raise NotFound("There is no key of this id; ids begin with key_ and are in the list.", details=told)
    if key is access.keyring.operator:
        raise Conflict("This key is the setting CDTS_ADMIN_KEY; change it there and restart the server.")
    return key


async def listed(access: Access) -> list[ApiKey]:
    """Every key, the oldest first, with when it was used last by any process; CDTS_ADMIN_KEY is not among them. Raises
    StoreError."""
    await follow(access)
    uses = await keys.uses(access.store)
    return [
        key._replace(last_used_ms=max(filter(None, (key.last_used_ms, uses.get(key.id))), default=None))
        for key in access.keyring.all()
    ]


async def note(
    access: Access, *, actor: str, address: str, action: str, target: str, request: str
) -> AuditRow:
    """Write an action of an admin into the audit log before it is done. Raises StoreError."""
    row = AuditRow(0, access.clock.now_ms(), actor, address, action, target, request, None)
    await audit.begun(access.store, row)
    return row


async def noted(access: Access, row: AuditRow, status: int) -> None:
    """Add how an action ended, and its target where that became known on the way. Raises StoreError."""
    await audit.ended(access.store, row._replace(status=status))


async def actions(access: Access, limit: int, before: int | None = None) -> list[AuditRow]:
    """The newest actions of admins, at most `limit`, with numbers under `before`. Raises StoreError."""
    return await audit.page(access.store, limit, before)
