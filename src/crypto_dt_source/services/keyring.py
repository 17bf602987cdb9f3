"""Who a key or token belongs to: every key in memory, found by its keyed hash, kept in step with the database."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from typing import NoReturn

from ..clock import Clock
from ..model.access import ApiKey
from ..model.errors import Unauthenticated
from ..security.keys import ALPHABET, PREFIX, fingerprint, prefix_of, same, usable, well_formed
from ..security.tiers import ADMIN, ENTERPRISE, SCOPES, Tier
from ..security.tokens import MAX_LENGTH, Tokens

TOKENS_KEPT = 10_000
OPERATOR_NAME = "CDTS_ADMIN_KEY"
MAX_KEY_CHARS = 256
"""No key is longer; nothing longer is hashed."""
_TYPO = "The key has a typing mistake: its checksum does not fit. Copy it again, whole."
_UNKNOWN = "The key is not one of this server's; ask its operator for one."
_ENDED = {
    "revoked": "The key has been revoked; ask the operator for another.",
    "expired": "The key has expired; ask the operator for another.",
}


class Keyring:
    """All keys of the service. `operator_key` (CDTS_ADMIN_KEY) is held here alone, not in the database; empty: none.

    `ended` are called with the id of a key that can no longer be used: one that was revoked as soon as this process knows,
    one that expired by the next `lapse`.
    """

    def __init__(
        self,
        salt: bytes,
        tokens: Tokens,
        tiers: Mapping[str, Tier],
        clock: Clock,
        operator_key: str = "",
    ) -> None:
        self.salt = salt
        self.tokens = tokens
        self.tiers = tiers
        self.changed = 0
        """The number of the last change taken up."""
        self.used: dict[str, int] = {}
        """When keys were used last, ms by id: what the database does not know yet."""
        self.ended: list[Callable[[str], None]] = []
        self._clock = clock
        self._by_id: dict[str, ApiKey] = {}
        self._by_fingerprint: dict[str, ApiKey] = {}
        self._verified: OrderedDict[bytes, tuple[str, int]] = OrderedDict()
        """Of tokens that were found valid: the key's id and the end, ms, by digest. To verify one costs five times what
        all else about a request does."""
        self._expiring: list[tuple[int, str]] = []
        self.operator: ApiKey | None = None
        if operator_key:
            self.operator = _operator(operator_key, salt, clock.now_ms())
            self._hold(self.operator)

    def __len__(self) -> int:
        return len(self._by_id)

    def take_up(self, keys: Iterable[ApiKey]) -> None:
        """New keys and changed ones, as the database has them."""
        for key in keys:
            # A key of the database never takes the place of the one the operator set.
            if self.operator is None or key.fingerprint != self.operator.fingerprint:
                self._hold(key)

    def _hold(self, key: ApiKey) -> None:
        before = self._by_id.get(key.id)
        if before is not None:
            self._by_fingerprint.pop(before.fingerprint, None)
        self._by_id[key.id] = self._by_fingerprint[key.fingerprint] = key
        if key.expires_ms is not None and (before is None or before.expires_ms != key.expires_ms):
            heappush(self._expiring, (key.expires_ms, key.id))
        if key.revoked_ms is not None and (before is None or before.revoked_ms is None):
            self._tell(key.id)

    def lapse(self) -> None:
        """Tell of the keys whose time came since the last call."""
        now = self._clock.now_ms()
        while self._expiring and self._expiring[0][0] <= now:
            expires, name = heappop(self._expiring)
            key = self._by_id[name]
            if key.expires_ms == expires and key.revoked_ms is None:
                self._tell(name)

    def _tell(self, id: str) -> None:
        for call in self.ended:
            call(id)

    def by_id(self, id: str) -> ApiKey | None:
        """The key of that id, used up or not."""
        return self._by_id.get(id)

    def all(self) -> list[ApiKey]:
        """Every key, the oldest first, with when it was used last; the operator's own is not among them."""
        return [
            key._replace(last_used_ms=self.used.get(key.id, key.last_used_ms))
            for key in sorted(self._by_id.values(), key=lambda key: (key.created_ms, key.id))
            if key is not self.operator
        ]

    def has_admin(self) -> bool:
        """Whether somebody can use an admin route."""
        now = self._clock.now_ms()
        return any(ADMIN in key.scopes and usable(key, now) is None for key in self._by_id.values())

    def of_secret(self, secret: str) -> ApiKey:
        """The key whose secret this is, usable now. Raises Unauthenticated, saying whether it was mistyped, is not known,
        revoked or expired."""
        found = None
        if len(secret) <= MAX_KEY_CHARS:
            made = fingerprint(secret, self.salt)
            found = self._by_fingerprint.get(made)
            if found is not None and not same(found.fingerprint, made):
                found = None
        if found is None:
            mistyped = secret.startswith(PREFIX) and not well_formed(secret)
            raise Unauthenticated(_TYPO if mistyped else _UNKNOWN)
        return self._usable(found)

    def of_bearer(self, text: str) -> tuple[ApiKey, int | None]:
        """The key that `text` is or is a token of, and when that token ends, ms; None for a key. Many clients can only
        send a bearer: a key in its place is a key. Of a token the key as it is now: its tier and scopes count, not those
        of the token. Raises Unauthenticated for what is not valid, and for a key that ended."""
        if text.startswith(PREFIX) or text.count(".") != 2:
            return self.of_secret(text), None
        subject, ends_ms = self._subject(text)
        key = self._by_id.get(subject)
        if key is None:
            raise Unauthenticated(_UNKNOWN)
        return self._usable(key), ends_ms

    def _subject(self, token: str) -> tuple[str, int]:
        if len(token) > MAX_LENGTH:
            claims = self.tokens.read(token)
            return claims.sub, claims.expires_ms
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._verified.get(digest)
        if known is not None and self._clock.now_ms() < known[1]:
            return known
        claims = self.tokens.read(token)
        self._verified[digest] = claims.sub, claims.expires_ms
        while len(self._verified) > TOKENS_KEPT:
            self._verified.popitem(last=False)
        return claims.sub, claims.expires_ms

    def _usable(self, key: ApiKey) -> ApiKey:
        now = self._clock.now_ms()
        why = usable(key, now)
        if why is not None:
            _refuse(why)
        self.used[key.id] = now
        return key


def _refuse(why: str) -> NoReturn:
    raise Unauthenticated(_ENDED[why], details={"reason": why})


def _operator(secret: str, salt: bytes, now_ms: int) -> ApiKey:
    """The operator's key. Its id follows from the secret, so that tokens stay good over a restart with the same one."""
    made = fingerprint(secret, salt)
    number = int(made, 16)
    name = "key_"
    for _ in range(12):
        number, digit = divmod(number, len(ALPHABET))
        name += ALPHABET[digit]
    return ApiKey(
        id=name,
        name=OPERATOR_NAME,
        prefix=prefix_of(secret),
        fingerprint=made,
        tier=ENTERPRISE,
        scopes=frozenset(SCOPES),
        created_ms=now_ms,
    )
