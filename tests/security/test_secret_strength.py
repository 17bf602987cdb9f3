"""What a token secret must not be."""

from __future__ import annotations

import base64
import random
import time

import pytest

from crypto_dt_source.security.secret_file import strength

WEAK = {
    "": "0 bytes",
    "short": "5 bytes",
    "x" * 31: "31 bytes",
    " " * 40: "0 bytes",
    "aB3$" + " " * 60: "4 bytes",
    "a" * 64: "1 different",
    "abc" * 20: "3 different",
    "01" * 32: "2 different",
    "1234567" * 8: "7 different",
    "your-secret-key-change-this-in-production": "example",
    "your_super_secret_key_change_in_production": "example",
    "your-256-bit-secret-your-256-bit-secret": "example",
    "a-string-secret-at-least-256-bits-long": "example",
    "changeme-changeme-changeme-changeme-please": "example",
    "jwt-secret-jwt-secret-jwt-secret-key": "example",
    "CHANGE_THIS_TO_A_LONG_RANDOM_STRING": "example",
    "please_replace_me_with_your_own_secret!!": "example",
    "supersecretpasswordsupersecretpassword": "example",
    "django-insecure-my-secret-key-for-development": "example",
    "this is a very secret key, do not use it": "example",
    "crypto-dt-source-development-secret-key": "example",
    "qwertyuiopasdfghjklzxcvbnm1234567890": "example",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7": "example",
    "Xk3-9vQzXk3-9vQzXk3-9vQzXk3-9vQzXk3": "repeats after 8",
    "Zq8+kP2mWv5RtYxG4nLd" * 3: "repeats after 20",
    "abcdefghijklmnopqrstuvwxyzABCDEF": "neighbour",
    "aabbccddeeffgghhiijjkkllmmnnooppqq": "neighbour",
    "abcdefghijklmnopqrstuvwxyz0123456789": "neighbour",
}


@pytest.mark.parametrize("secret", WEAK, ids=lambda secret: secret[:24])
def test_a_weak_secret_is_told_why(secret: str) -> None:
    why = strength(secret)
    assert why is not None
    assert WEAK[secret] in why
    assert not secret.strip() or secret not in why


def test_a_random_secret_is_fine() -> None:
    draw = random.Random(4)
    for _ in range(3000):
        for size in (16, 24, 32, 48):
            assert strength(draw.randbytes(size).hex()) is None
            if size > 16:
                assert strength(base64.b64encode(draw.randbytes(size)).decode()) is None
                assert strength(base64.urlsafe_b64encode(draw.randbytes(size)).decode().rstrip("=")) is None


@pytest.mark.parametrize(
    "secret",
    [
        "jwt-secret-" + "9c41f07be2d85a3160fb7c2e",
        "correct horse battery staple wanders off",
        "пароль, который никто не угадает",
        "}*~%^!&@#<?=+[{;:|/>.,$(_-)`'\"\\}*",
        "Zq8+kP2mWv5RtYxG4nLdHs7Bc1Ju6EfA" * 2,
    ],
)
def test_a_long_secret_of_ones_own_is_fine(secret: str) -> None:
    assert strength(secret) is None


def test_length_is_in_bytes_and_no_text_raises() -> None:
    assert strength("éèêëēėęàáâäãåāçć") is None
    assert strength("\ud800" * 40) is not None
    assert strength("\0" * 40) is not None


def test_megabytes_are_judged_by_their_start() -> None:
    begun = time.process_time()
    assert strength("ab" * 5_000_000) is not None
    assert strength(random.Random(1).randbytes(3_000_000).hex()) is None
    assert time.process_time() - begun < 1
