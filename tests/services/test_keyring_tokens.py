"""A token that was verified once is found by its digest: it ends all the same when it, or its key, does."""

from __future__ import annotations

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import Unauthenticated
from crypto_dt_source.security.keys import new_record
from crypto_dt_source.security.tokens import MAX_LENGTH, TokenClaims, Tokens
from crypto_dt_source.services import keyring
from crypto_dt_source.services.keyring import Keyring

SALT, SIGNING = b"a salt of this test", b"a signing key of this test, long enough"


class Counting(Tokens):
    """Counts how often a token is verified."""

    reads = 0

    def read(self, token: str) -> TokenClaims:
        self.reads += 1
        return super().read(token)


def made(lifetime_s: int = 3600) -> tuple[ManualClock, Counting, Keyring, list[str]]:
    clock = ManualClock()
    tokens = Counting([SIGNING], clock, lifetime_s=lifetime_s)
    ring = Keyring(SALT, tokens, {}, clock)
    records = [new_record(f"k{n}", "pro", ("read",), salt=SALT, now_ms=clock.now_ms())[1] for n in range(4)]
    ring.take_up(records)
    return clock, tokens, ring, [tokens.issue(record)[0] for record in records]


async def test_it_is_verified_once() -> None:
    _, tokens, ring, (token, other, *_) = made()
    assert {ring.of_bearer(token)[0].name for _ in range(5)} == {"k0"}
    assert ring.of_bearer(other)[0].name == "k1"
    assert tokens.reads == 2


async def test_it_ends_when_it_expires() -> None:
    clock, _, ring, (token, *_) = made(60)
    await clock.advance(59.9)
    assert ring.of_bearer(token)[0].name == "k0"
    await clock.advance(0.1)
    with pytest.raises(Unauthenticated):
        ring.of_bearer(token)


async def test_it_ends_with_its_key_and_follows_its_tier() -> None:
    clock, _, ring, (token, *_) = made()
    key = ring.of_bearer(token)[0]
    ring.take_up([key._replace(tier="free")])
    assert ring.of_bearer(token)[0].tier == "free"
    ring.take_up([key._replace(revoked_ms=clock.now_ms())])
    with pytest.raises(Unauthenticated) as refused:
        ring.of_bearer(token)
    assert refused.value.details == {"reason": "revoked"}


async def test_nothing_near_it_passes_for_it() -> None:
    _, _, ring, (token, *_) = made()
    ring.of_bearer(token)
    flipped = "A" if token[-1] != "A" else "B"
    for other in (
        token + "=",
        token[:-1] + flipped,
        token.upper(),
        f"{token} ",
        token + "\ud800",
        token + "A" * MAX_LENGTH,
    ):
        with pytest.raises(Unauthenticated):
            ring.of_bearer(other)
    assert len(ring._verified) == 1


async def test_what_is_remembered_is_bounded_and_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "TOKENS_KEPT", 2)
    _, tokens, ring, issued = made()
    for token in issued:
        ring.of_bearer(token)
    assert len(ring._verified) == 2
    assert not any(token.encode() in digest for digest in ring._verified for token in issued)
    ring.of_bearer(issued[0])
    assert tokens.reads == 5
