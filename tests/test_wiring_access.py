"""Which secrets a start takes, and that a made one can be moved into the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import Unauthenticated
from crypto_dt_source.services import access
from crypto_dt_source.settings import Settings, SettingsError
from crypto_dt_source.store import Store, open_store
from crypto_dt_source.wiring_access import access_of

NOW = 1_789_983_437_000
STRONG = "q7Gv2xW9sLk4TzRb81NfYcHd6JmPu3Ea"
WEAK = "your-secret-key-change-in-production"
SECRETS = ("jwt_secret_key", "jwt_previous_keys", "api_key_salt", "cdts_admin_key")


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path / 'keys.db'}", clock=ManualClock(NOW))
    yield opened
    await opened.close()


def settings(folder: Path, **given: str) -> Settings:
    return Settings(_env_file=None, data_dir=folder, **given)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("name", SECRETS)
async def test_a_weak_secret_stops_the_start_in_production(name: str, tmp_path: Path, store: Store) -> None:
    clock = ManualClock(NOW)
    with pytest.raises(SettingsError, match=f"^{name.upper()}: got a secret that is too weak, ") as caught:
        access_of(settings(tmp_path, environment="production", **{name: WEAK}), store, clock)
    assert WEAK not in str(caught.value)
    access_of(settings(tmp_path, environment="production", **{name: STRONG}), store, clock)
    access_of(settings(tmp_path, environment="development", **{name: WEAK}), store, clock)


async def test_of_several_previous_secrets_each_is_judged(tmp_path: Path, store: Store) -> None:
    both = settings(tmp_path, environment="production", jwt_previous_keys=f"{STRONG}, {WEAK}")
    with pytest.raises(SettingsError, match=r"^JWT_PREVIOUS_KEYS: "):
        access_of(both, store, ManualClock(NOW))


async def test_made_secrets_are_good_as_settings_too(tmp_path: Path, store: Store) -> None:
    """Whoever goes on to several processes copies them out of their files; keys and tokens stay good."""
    clock = ManualClock(NOW)
    before = access_of(settings(tmp_path), store, clock)
    secret, key = await access.create(before, "desk", tier="pro")
    token, _ = before.keyring.tokens.issue(key)
    salt, signer = (
        (tmp_path / "secrets" / name).read_text().strip() for name in ("api_key_salt", "jwt_secret_key")
    )

    moved = settings(tmp_path / "other", api_key_salt=salt, jwt_secret_key=STRONG, jwt_previous_keys=signer)
    after = access_of(moved, store, clock)
    await access.follow(after)
    assert after.keyring.of_secret(secret).id == key.id
    assert after.keyring.of_bearer(token)[0].id == key.id

    unsaid = access_of(settings(tmp_path / "third", api_key_salt=salt), store, clock)
    await access.follow(unsaid)
    with pytest.raises(Unauthenticated):
        unsaid.keyring.of_bearer(token)
