"""Settings that hold secrets keep them: in their text, and in the sentence about a wrong one."""

from __future__ import annotations

import re

import pytest

from crypto_dt_source import settings as settings_module
from crypto_dt_source.settings import Settings, SettingsError
from crypto_dt_source.settings_access import ACCESS_SECRETS
from crypto_dt_source.settings_ops import TARGETS

MARK = re.compile("Mark[1-9]")
OURS = {
    "cdts_admin_key": "Mark1-operators-own-admin-key-0f9c",
    "jwt_secret_key": "Mark2-3b1d7c0e5f6a4b8c9d0e1f2a3b4c5d6e",
    "jwt_previous_keys": "Mark3-a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5, Mark3-other",
    "api_key_salt": "Mark4-7f6e5d4c3b2a19080716253443526170",
}
UPSTREAM = {"etherscan_api_key": "Mark5ETHERSCANKEY0123456789", "coincap_api_key": "Mark6-coincap-key-0123"}
ADDRESSES = {
    "redis_url": "redis://caller:Mark7-redis-password@127.0.0.1:1/0",
    "database_url": "postgresql://owner:Mark8-%2Fpassword@127.0.0.1:1/cdts",
    "news_feeds": "own=https://feeds.example.org/Mark9-feed-token/rss",
}


@pytest.mark.parametrize("name", [*OURS, *UPSTREAM, *ADDRESSES])
def test_settings_keep_their_secrets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {**OURS, **UPSTREAM, **ADDRESSES}[name]
    monkeypatch.setenv(name.upper(), secret)
    loaded = settings_module.load()
    assert getattr(loaded, name)
    assert not MARK.search(repr(loaded) + str(loaded))
    assert any(MARK.search(value) for value in loaded.secrets())
    for wrong in (f"{secret}\x07", f"\n{secret}\n{secret}"):
        monkeypatch.setenv(name.upper(), wrong)
        monkeypatch.setenv("PORT", "70000")
        with pytest.raises(SettingsError) as caught:
            settings_module.load()
        assert not MARK.search(str(caught.value) + repr(caught.value))


def test_every_part_that_is_secret_is_told_to_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in {**OURS, **UPSTREAM, **ADDRESSES}.items():
        monkeypatch.setenv(name.upper(), secret)
    told = settings_module.load().secrets()
    assert {"Mark7-redis-password", "Mark8-%2Fpassword", "Mark8-/password", "Mark3-other"} <= set(told)
    assert "https://feeds.example.org/Mark9-feed-token/rss" in told
    assert all(told)
    assert Settings(_env_file=None, database_url="sqlite:///a@b.db").secrets().count("") == 0  # type: ignore[call-arg]


def test_the_settings_that_hold_secrets_are_all_marked_here() -> None:
    named = {*settings_module.SECRETS, *ACCESS_SECRETS, *TARGETS, "database_url", "news_feeds"}
    hidden = {name for name, field in Settings.model_fields.items() if not field.repr}
    assert hidden == named
    assert {*OURS, *UPSTREAM, *ADDRESSES} <= named
