"""API keys: their form, their checksum, what is kept of them and what is refused."""

from __future__ import annotations

import hmac
import secrets
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.clock import rfc3339
from crypto_dt_source.model.errors import InvalidParameter
from crypto_dt_source.security import keys
from crypto_dt_source.security.keys import ApiKey, fingerprint, new_key, new_record, prefix_of, same, usable
from crypto_dt_source.security.keys import well_formed as ok

SALT = b"s" * 32
NOW = 1_700_000_000_000
ZEROS = "cdts_live_" + "0" * 43


def record(**changes: object) -> ApiKey:
    given: dict[str, object] = {
        "name": "desk",
        "tier": "pro",
        "scopes": ["read"],
        "salt": SALT,
        "now_ms": NOW,
    }
    return new_record(**{**given, **changes})[1]  # type: ignore[arg-type]


def base62(text: str) -> int:
    number = 0
    for digit in text:
        number = number * 62 + keys.ALPHABET.index(digit)
    return number


def test_a_key_is_prefix_secret_and_the_crc_of_both() -> None:
    key = new_key()
    assert key.startswith("cdts_live_")
    assert len(key) == 59
    assert base62(key[10:53]) < 2**256
    assert base62(key[53:]) == zlib.crc32(key[:53].encode())
    assert ok(key)


def test_the_form_does_not_change() -> None:
    assert zlib.crc32(ZEROS.encode()) == 429_952_194 == 29 * 62**4 + 6 * 62**3 + 2 * 62**2 + 12 * 62 + 50
    assert ok(ZEROS + "0T62Co")


@pytest.mark.parametrize("number", [0, 1, 2**255, 2**256 - 1])
def test_all_256_bits_fit_and_are_drawn_from_the_system(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    asked: list[int] = []

    def drawn(bits: int) -> int:
        asked.append(bits)
        return number

    monkeypatch.setattr(secrets, "randbits", drawn)
    key = new_key()
    assert asked == [256]
    assert base62(key[10:53]) == number
    assert ok(key)


def test_no_two_keys_are_alike() -> None:
    made = [new_key() for _ in range(2000)]
    assert len(set(made)) == 2000
    # Every place but the first, which 2**256 does not fill, takes every digit.
    assert all(len({key[place] for key in made}) == 62 for place in range(11, 53))


def test_a_checksum_shorter_than_six_digits_is_padded() -> None:
    text = next(t for t in (f"cdts_live_{n:043d}" for n in range(100_000)) if zlib.crc32(t.encode()) < 62**4)
    assert keys._checksum(text).startswith("00")
    assert ok(text + keys._checksum(text))
    assert not ok(text + keys._checksum(text)[2:])


def test_every_change_of_one_digit_shows() -> None:
    key = new_key()
    for place in range(len(key)):
        for digit in keys.ALPHABET + "_":
            if digit != key[place]:
                assert not ok(key[:place] + digit + key[place + 1 :]), (place, digit)


@given(st.randoms(use_true_random=False), st.integers(0, 58), st.characters())
def test_any_other_character_anywhere_shows(source: object, place: int, character: str) -> None:
    secret = "cdts_live_" + keys._base62(source.getrandbits(256), 43)  # type: ignore[attr-defined]
    key = secret + keys._checksum(secret)
    assert ok(key)
    changed = key[:place] + character + key[place + 1 :]
    assert ok(changed) == (changed == key)
    assert not ok(key[:place] + character + key[place:])
    assert not ok(key[:place] + key[place + 1 :])


def test_two_digits_in_the_wrong_order_show() -> None:
    key = new_key()
    for place in range(10, 52):
        changed = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
        assert ok(changed) == (changed == key)


@given(st.text())
def test_no_text_is_a_key_and_none_raises(text: str) -> None:
    assert not ok(text)
    assert not ok("cdts_live_" + text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cdts_live_",
        "é" * 59,
        "cdts_live_" + "０" * 49,
        "cdts_live_" + "٣" * 49,
        "\ud800" * 59,
        "\0" * 59,
        "cdts_test_" + "0" * 49,
        "x" * 30_000_000,
        "cdts_live_" + "0" * 30_000_000,
    ],
    ids=lambda text: repr(text[:14]),
)
def test_hostile_texts_are_no_keys(text: str) -> None:
    assert not ok(text)
    assert prefix_of(text) == "…"


def test_nothing_may_stand_before_or_behind_a_key() -> None:
    key = new_key()
    for changed in (f"{key}\n", f" {key}", f"{key}0", key.lower(), key.upper(), key[1:], key + key):
        assert not ok(changed)


def test_what_may_be_shown() -> None:
    key = new_key()
    assert prefix_of(key) == key[:16] + "…"
    assert prefix_of("AKIA-another-service's-secret") == "…"
    assert prefix_of(key[:-1]) == "…"


def test_the_fingerprint_is_hmac_sha_256() -> None:
    assert (
        fingerprint("The quick brown fox jumps over the lazy dog", b"key")
        == "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    )
    key = new_key()
    assert fingerprint(key, b"one") != fingerprint(key, b"two")
    assert len(fingerprint("\ud800", b"one")) == 64
    with pytest.raises(ValueError, match="salt"):
        fingerprint(key, b"")


def test_comparison_is_the_one_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        seen.append((a, b))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    assert same("é\ud800", "é\ud800")
    assert not same("abc", "abd")
    assert not same("abc", "")
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("changes", "now", "why"),
    [
        ({}, NOW, None),
        ({"expires_ms": NOW + 5}, NOW + 4, None),
        ({"expires_ms": NOW + 5}, NOW + 5, "expired"),
        ({"revoked_ms": NOW}, NOW, "revoked"),
        ({"revoked_ms": NOW}, NOW - 86_400_000, "revoked"),
        ({"revoked_ms": 0}, NOW, "revoked"),
        ({"revoked_ms": NOW, "expires_ms": NOW}, NOW, "revoked"),
        ({"expires_ms": 0}, NOW, "expired"),
        ({"replaced_by": "key_000000000000", "last_used_ms": NOW}, NOW, None),
    ],
)
def test_when_a_key_may_be_used(changes: dict[str, object], now: int, why: str | None) -> None:
    assert usable(record()._replace(**changes), now) == why  # type: ignore[arg-type]


def test_a_new_record_keeps_no_secret() -> None:
    key, made = new_record(
        "  Trading desk №1  ",
        "enterprise",
        ["read", "admin", "read"],
        salt=SALT,
        now_ms=NOW,
        expires_ms=NOW + 1,
    )
    assert ok(key)
    assert made == ApiKey(
        id=made.id,
        name="Trading desk №1",
        prefix=key[:16] + "…",
        fingerprint=fingerprint(key, SALT),
        tier="enterprise",
        scopes=frozenset({"read", "admin"}),
        created_ms=NOW,
        expires_ms=NOW + 1,
    )
    assert keys.ID.fullmatch(made.id)
    assert key[16:] not in repr(made)
    assert made.id != record().id


def test_the_operators_own_key_is_kept_as_it_is() -> None:
    key, made = new_record("root", "pro", ["admin"], salt=SALT, now_ms=NOW, secret="an operator's own text")
    assert key == "an operator's own text"
    assert made.fingerprint == fingerprint(key, SALT)
    assert made.prefix == "…"


@pytest.mark.parametrize(
    ("parameter", "value", "got"),
    [
        ("name", "", ""),
        ("name", "   ", "   "),
        ("name", "x" * 101, "x" * 100),
        ("name", "two\nlines", "two\nlines"),
        ("name", "\x1b[31m", "\x1b[31m"),
        ("name", "\u202egnp", "\u202egnp"),
        ("name", "half \ud800", "half ?"),
        ("tier", "gold", "gold"),
        ("tier", "PRO", "PRO"),
        ("scopes", ["read", "root"], "root"),
        ("scopes", [], []),
        ("scopes", "admin", "a"),
        ("expires_ms", NOW, rfc3339(NOW)),
        ("expires_ms", -1, -1),
        ("expires_ms", 253_402_300_800_000, 253_402_300_800_000),
        ("origins", [f"https://h{n}.org" for n in range(21)], 21),
    ],
)
def test_a_wrong_value_is_named(parameter: str, value: object, got: object) -> None:
    with pytest.raises(InvalidParameter) as refused:
        record(**{parameter: value})
    details = refused.value.details
    assert set(details) == {"parameter", "got", "allowed"}
    assert details["parameter"] == parameter.removesuffix("_ms")
    assert details["got"] == got
    assert details["allowed"]
    assert refused.value.message.startswith(f"{details['parameter']}: must be ")


def test_the_longest_name_and_the_last_time_are_taken() -> None:
    assert record(name="x" * 100).name == "x" * 100
    assert record(expires_ms=253_402_300_799_999).expires_ms == 253_402_300_799_999


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://app.example.org", "https://app.example.org"),
        ("HTTPS://App.Example.ORG:443", "https://app.example.org"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://example.org:80", "http://example.org"),
        ("https://example.org:80", "https://example.org:80"),
        ("http://127.0.0.1:08080", "http://127.0.0.1:8080"),
        ("http://[0:0::1]:8080", "http://[::1]:8080"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://my_host", "https://my_host"),
    ],
)
def test_origins_are_kept_as_a_browser_sends_them(given: str, kept: str) -> None:
    assert record(origins=[given, kept]).origins == (kept,)


NO_ORIGINS = """null * https:// https://* https://*.example.org example.org //example.org ftp://example.org file:///etc
    javascript:alert(1) https://example.org/ https://example.org/path https://example.org?q https://example.org#f
    https://user@example.org https://u:p@example.org https://example.org: https://example.org:0
    https://example.org:65536 https://example.org:123456 https://example.org:-1 https://example..org
    https://.example.org https://example.org. https://-a.org https://a-.org https://[::1 https://::1 https://[::g]
    https://[1::2::3] https://[fe80::1%25eth0] https://bücher.example https://exa\u212aple.org https:\\\\example.org
    https://example.org,https://other.org https://١٢٣""".split()
NO_ORIGINS += [
    "",
    " ",
    "https://example.org ",
    "https://example.org\n",
    "https://exa mple.org",
    "https://\0",
    "\ud800",
]
NO_ORIGINS += ["https://" + "a" * 64 + ".org", "https://" + "a" * 5_000_000, "https://" + "a." * 2_000_000]


@pytest.mark.parametrize("origin", NO_ORIGINS, ids=lambda origin: repr(origin[:30]))
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        record(origins=["https://example.org", origin])
    assert refused.value.details["parameter"] == "origins"
    assert len(refused.value.details["got"]) <= 100
    refused.value.details["got"].encode()
