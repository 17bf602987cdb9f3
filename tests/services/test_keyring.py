"""The keys in memory: found by hash, refused in words, told of when they end."""

from __future__ import annotations

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.access import ApiKey
from crypto_dt_source.model.errors import Unauthenticated
from crypto_dt_source.security import keys as key_forms
from crypto_dt_source.security.keys import new_key, new_record
from crypto_dt_source.security.tokens import REFUSED, Tokens
from crypto_dt_source.services import keyring as keyring_module
from crypto_dt_source.services.keyring import MAX_KEY_CHARS, Keyring

SALT = b"salt" * 8
NOW = 1_700_000_000_000


class Rig:
    """A keyring whose clock the test moves."""

    def __init__(self, operator_key: str = "") -> None:
        self.clock = ManualClock(NOW)
        self.tokens = Tokens([b"k" * 32], self.clock)
        self.ring = Keyring(SALT, self.tokens, {}, self.clock, operator_key)
        self.told: list[str] = []
        self.ring.ended.append(self.told.append)

    def made(self, **changes: object) -> tuple[str, ApiKey]:
        given: dict[str, object] = {"expires_ms": None, "scopes": ["read"], **changes}
        secret, key = new_record("desk", "pro", salt=SALT, now_ms=self.clock.now_ms(), **given)  # type: ignore[arg-type]
        self.ring.take_up([key])
        return secret, key


def why(rig: Rig, secret: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        rig.ring.of_secret(secret)
    assert set(caught.value.details) <= {"reason"}
    return caught.value.message


def test_a_key_is_found_by_its_secret_and_its_token() -> None:
    rig = Rig()
    secret, key = rig.made()
    rig.made()
    token, _ = rig.tokens.issue(key)
    assert rig.ring.of_secret(secret) == rig.ring.of_bearer(token)[0] == key == rig.ring.by_id(key.id)
    assert len(rig.ring) == 2


def test_a_refusal_says_what_is_wrong() -> None:
    rig = Rig()
    secret, key = rig.made()
    expiring, _ = rig.made(expires_ms=NOW + 1000)
    assert "typing mistake" in why(rig, secret[:-1])
    for text in (new_key(), "some text", "", "\ud800", "é", "x" * 10_000_000, f"{secret} {secret}"[59:]):
        assert "not one of this server's" in why(rig, text)
    rig.ring.take_up([key._replace(revoked_ms=NOW)])
    assert "revoked" in why(rig, secret)
    rig.clock._elapsed += 1
    assert "expired" in why(rig, expiring)


def test_nothing_longer_than_a_key_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    made = key_forms.fingerprint

    def watched(text: str, salt: bytes) -> str:
        hashed.append(len(text))
        return made(text, salt)

    monkeypatch.setattr(keyring_module, "fingerprint", watched)
    rig = Rig()
    for length in (MAX_KEY_CHARS, MAX_KEY_CHARS + 1, 1_000_000):
        why(rig, "x" * length)
    assert hashed == [MAX_KEY_CHARS]


def test_what_is_found_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    secret, key = rig.made()
    compared: list[tuple[str, str]] = []

    def never(a: str, b: str) -> bool:
        compared.append((a, b))
        return False

    monkeypatch.setattr(keyring_module, "same", never)
    assert "not one of this server's" in why(rig, secret)
    assert compared == [(key.fingerprint, key.fingerprint)]


def test_a_token_counts_for_its_key_as_it_is_now() -> None:
    rig = Rig()
    _, key = rig.made()
    token, _ = rig.tokens.issue(key)
    poorer = key._replace(tier="free")
    rig.ring.take_up([poorer])
    assert rig.ring.of_bearer(token)[0] == poorer
    rig.ring.take_up([key._replace(revoked_ms=NOW)])
    with pytest.raises(Unauthenticated, match="revoked"):
        rig.ring.of_bearer(token)
    with pytest.raises(Unauthenticated) as caught:
        rig.ring.of_bearer(token[:-2])
    assert caught.value.message == REFUSED
    other = new_record("gone", "pro", ["read"], salt=SALT, now_ms=NOW)[1]
    with pytest.raises(Unauthenticated, match="not one of"):
        rig.ring.of_bearer(rig.tokens.issue(other)[0])


def test_whoever_listens_is_told_once_when_a_key_is_revoked() -> None:
    rig = Rig()
    _, key = rig.made()
    rig.ring.take_up([key])
    assert rig.told == []
    for _ in range(3):
        rig.ring.take_up([key._replace(revoked_ms=NOW)])
    assert rig.told == [key.id]


def test_whoever_listens_is_told_once_when_a_key_expires() -> None:
    rig = Rig()
    _, first = rig.made(expires_ms=NOW + 1000)
    _, sooner = rig.made(expires_ms=NOW + 9000)
    _, revoked = rig.made(expires_ms=NOW + 1500)
    rig.made()
    rig.ring.take_up([sooner._replace(expires_ms=NOW + 2000), revoked._replace(revoked_ms=NOW)])
    for _ in range(3):
        rig.ring.take_up([first])
    assert rig.told == [revoked.id]
    seen = []
    for _ in range(12):
        rig.ring.lapse()
        seen.append(len(rig.told))
        rig.clock._elapsed += 1
    assert rig.told == [revoked.id, first.id, sooner.id]
    assert seen[:4] == [1, 2, 3, 3]


def test_the_operators_key_is_held_and_not_listed() -> None:
    operator = "the operator's own words"
    rig = Rig(operator)
    held = rig.ring.of_secret(operator)
    assert (held.tier, held.scopes, held.prefix) == ("enterprise", {"read", "admin"}, "…")
    assert key_forms.ID.fullmatch(held.id)
    assert Rig(operator).ring.operator == held
    assert Rig(operator + "!").ring.operator != held
    assert rig.ring.all() == []
    assert rig.ring.has_admin()
    _, twin = new_record("twin", "free", ["read"], salt=SALT, now_ms=NOW, secret=operator)
    rig.ring.take_up([twin])
    assert rig.ring.of_secret(operator) == held


def test_an_admin_is_one_who_can_be_one_now() -> None:
    rig = Rig()
    rig.made()
    _, expiring = rig.made(scopes=["admin"], expires_ms=NOW + 1000)
    assert rig.ring.has_admin()
    rig.clock._elapsed += 1
    assert not rig.ring.has_admin()
    _, admin = rig.made(scopes=["admin"])
    assert rig.ring.has_admin()
    rig.ring.take_up([admin._replace(revoked_ms=NOW), expiring])
    assert not rig.ring.has_admin()


def test_keys_are_listed_the_oldest_first_with_their_last_use() -> None:
    rig = Rig()
    secret, first = rig.made()
    rig.clock._elapsed += 1
    _, second = rig.made()
    rig.clock._elapsed += 1
    rig.ring.of_secret(secret)
    assert rig.ring.all() == [first._replace(last_used_ms=NOW + 2000), second]
    assert rig.ring.used == {first.id: NOW + 2000}
