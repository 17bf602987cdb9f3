"""Keys of the database in several processes: what one changes the others follow, and nothing that ended comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.access import ApiKey
from crypto_dt_source.model.errors import Conflict, NotFound, Unauthenticated
from crypto_dt_source.security.limiter import MemoryLimiter
from crypto_dt_source.security.tiers import ENTERPRISE, FREE, PRO, Rate, Tier
from crypto_dt_source.security.tokens import Tokens
from crypto_dt_source.services import access
from crypto_dt_source.services.access import Access
from crypto_dt_source.services.keyring import Keyring
from crypto_dt_source.store import Store, StoreError, open_store
from crypto_dt_source.store.repos import audit, keys, limiter

NOW = 1_700_000_000_000
TIERS = {name: Tier(name, Rate(30, 60), 1000, 5, 7, 5, 20) for name in (FREE, PRO, ENTERPRISE)}


def process(store: Store, clock: ManualClock) -> Access:
    """What one process holds of a database."""
    ring = Keyring(b"salt" * 8, Tokens([b"k" * 32], clock), TIERS, clock)
    return Access(clock, store, ring, MemoryLimiter(clock), TIERS)


@asynccontextmanager
async def processes(folder: Path, count: int = 2) -> AsyncIterator[tuple[list[Access], ManualClock]]:
    """So many of them on one database; the first owns it."""
    clock = ManualClock(NOW)
    stores = [await open_store(f"sqlite:///{folder}/cdts.db", clock=clock, beside=True) for _ in range(count)]
    held = [process(store, clock) for store in stores]
    for each in held:
        await access.begin(each)
    yield held, clock
    for store in stores:
        await store.close()


def usable(held: Access, secret: str) -> bool:
    try:
        held.keyring.of_secret(secret)
    except Unauthenticated:
        return False
    return True


async def last_uses(held: Access) -> dict[str, int | None]:
    return {key.id: key.last_used_ms for key in await access.listed(held)}


async def test_another_process_follows_within_one_look(tmp_path: Path) -> None:
    assert 2 * access.LOOK_EVERY_S <= 1
    async with processes(tmp_path) as ((here, there), _):
        told: list[str] = []
        there.keyring.ended.append(told.append)
        secret, key = await access.create(here, "desk", tier="pro")
        assert (usable(here, secret), usable(there, secret)) == (True, False)
        await access.follow(there)
        assert usable(there, secret)
        token, _ = there.keyring.tokens.issue(key)
        await access.revoke(here, key.id)
        assert (usable(here, secret), usable(there, secret)) == (False, True)
        await access.follow(there)
        assert not usable(there, secret)
        assert told == [key.id]
        with pytest.raises(Unauthenticated, match="revoked"):
            there.keyring.of_bearer(token)


async def test_a_key_made_elsewhere_can_be_changed_at_once(tmp_path: Path) -> None:
    async with processes(tmp_path) as ((here, there), clock):
        _, one = await access.create(here, "one", tier="pro")
        _, two = await access.create(here, "two", tier="pro")
        assert (await access.revoke(there, one.id)).revoked_ms == clock.now_ms()
        await access.rotate(there, two.id)
        with pytest.raises(NotFound):
            await access.revoke(there, "key_000000000000")


async def test_what_was_revoked_elsewhere_is_not_brought_back_by_replacing_it(tmp_path: Path) -> None:
    async with processes(tmp_path) as ((here, there), _):
        secret, key = await access.create(here, "desk", tier="pro")
        await access.follow(there)
        await access.revoke(here, key.id)
        with pytest.raises(Conflict, match="revoked"):
            await access.rotate(there, key.id, grace_s=3600)
        assert not usable(there, secret)
        assert len(await access.listed(there)) == 1


async def test_an_older_look_does_not_overwrite_a_younger(tmp_path: Path, monkeypatch: Any) -> None:
    async with processes(tmp_path, 1) as ((here,), _):
        secret, key = await access.create(here, "desk", tier="pro")
        look, gate, reached = keys.since, asyncio.Event(), asyncio.Event()
        held_up = [True]

        async def slow(store: Store, changed: int = 0) -> tuple[list[ApiKey], int]:
            found = await look(store, changed)
            if held_up.pop() if held_up else False:
                reached.set()
                await gate.wait()
            return found

        monkeypatch.setattr(keys, "since", slow)
        older = asyncio.create_task(access.follow(here))
        await reached.wait()
        revoking = asyncio.create_task(access.revoke(here, key.id))
        while (await look(here.store))[0][0].revoked_ms is None:
            pass
        for _ in range(20):
            # As long as a look takes that nothing holds up.
            await look(here.store)
        gate.set()
        await asyncio.gather(older, revoking)
        assert not usable(here, secret)


async def test_a_change_that_shows_late_is_found(tmp_path: Path) -> None:
    """On a server a lower number may be committed after a higher one."""
    async with processes(tmp_path) as ((here, there), _):
        made = [await access.create(here, f"desk {n}", tier="free") for n in range(5)]
        await access.follow(there)
        there.keyring.changed += 3
        await access.revoke(here, made[0][1].id)
        await access.follow(there)
        assert not usable(there, made[0][0])
        assert there.keyring.changed == 8


async def test_expiry_is_told_of_by_the_next_look(tmp_path: Path) -> None:
    async with processes(tmp_path, 1) as ((here,), clock):
        told: list[str] = []
        here.keyring.ended.append(told.append)
        _, key = await access.create(here, "desk", tier="free", expires_ms=NOW + 2000)
        secret, old = await access.create(here, "desk", tier="free")
        await access.rotate(here, old.id, grace_s=1)
        assert usable(here, secret)
        await clock.advance(1)
        await access.follow(here)
        assert told == [old.id]
        await clock.advance(1)
        await access.follow(here)
        assert told == [old.id, key.id]


async def test_the_grace_of_a_key_is_not_beyond_its_own_end(tmp_path: Path) -> None:
    async with processes(tmp_path, 1) as ((here,), _):
        _, key = await access.create(here, "desk", tier="free", expires_ms=NOW + 2000)
        _, new = await access.rotate(here, key.id, grace_s=3600)
        old = here.keyring.by_id(key.id)
        assert old is not None
        assert (old.expires_ms, old.replaced_by, new.expires_ms) == (NOW + 2000, new.id, NOW + 2000)


async def test_the_first_admin_key_is_made_once(tmp_path: Path) -> None:
    async with processes(tmp_path, 1) as ((here,), _):
        secret = await access.first_key(here)
        assert secret is not None
        held = here.keyring.of_secret(secret)
        assert (held.name, held.tier, held.scopes) == (access.BOOTSTRAP, ENTERPRISE, {"read", "admin"})
        assert await access.first_key(here) is None
    async with processes(tmp_path, 1) as ((again,), _):
        assert await access.first_key(again) is None
        assert usable(again, secret)
        await access.revoke(again, held.id)
        assert await access.first_key(again) is not None


async def test_uses_are_stored_and_not_lost_where_that_fails(tmp_path: Path, monkeypatch: Any) -> None:
    async with processes(tmp_path) as ((here, there), clock):
        secret, key = await access.create(here, "desk", tier="free")
        other, second = await access.create(here, "desk", tier="free")
        await access.follow(there)
        usable(here, secret)

        async def failing(*_: Any) -> None:
            await clock.advance(1)
            usable(here, other)
            raise StoreError("no space")

        monkeypatch.setattr(keys, "used", failing)

        async def ended(*_: Any) -> None:
            raise asyncio.CancelledError

        with pytest.raises(StoreError):
            await access.save_uses(here)
        monkeypatch.setattr(keys, "used", ended)
        with pytest.raises(asyncio.CancelledError):
            await access.save_uses(here)
        monkeypatch.undo()
        assert here.keyring.used == {key.id: NOW, second.id: NOW + 1000}
        assert await access.save_uses(here) == 2
        assert await access.save_uses(here) == 0
        assert await last_uses(there) == {key.id: NOW, second.id: NOW + 1000}
        await clock.advance(1)
        usable(there, secret)
        assert await last_uses(there) == {key.id: NOW + 2000, second.id: NOW + 1000}
        assert await last_uses(here) == {key.id: NOW, second.id: NOW + 1000}


async def test_counts_are_taken_up_after_a_restart(tmp_path: Path) -> None:
    async with processes(tmp_path, 1) as ((here,), _):
        for _ in range(30):
            assert (await here.limiter.take("key:a", TIERS[FREE])).allowed
        assert await access.save(here) == 1
        assert await access.save(here) in (0, 1)
    async with processes(tmp_path, 1) as ((again,), _):
        assert not (await again.limiter.take("key:a", TIERS[FREE])).allowed
        used = await again.limiter.usage("key:a", TIERS[FREE])
        assert used is not None
        assert (used.window, used.today) == (30, 30)


async def test_old_counts_and_actions_are_forgotten(tmp_path: Path) -> None:
    async with processes(tmp_path, 1) as ((here,), clock):
        await here.limiter.take("key:a", TIERS[FREE])
        await access.save(here)
        row = await access.note(here, actor="cli", address="", action="a", target="", request="r")
        await access.noted(here, row._replace(target="t"), 200)
        assert [(found.target, found.status) for found in await access.actions(here, 5)] == [("t", 200)]
        assert await access.clean_up(here, 90) == 0
        await clock.advance(3 * 86_400)
        assert await access.clean_up(here, 90) == 1
        await clock.advance(90 * 86_400)
        assert await access.clean_up(here, 90) == 1
        assert await limiter.every(here.store) == []
        assert await audit.page(here.store, 5) == []
