"""Tiers: how much each kind of caller may ask for. None is without a limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

FREE, PRO, ENTERPRISE = "free", "pro", "enterprise"
NAMES = (FREE, PRO, ENTERPRISE)
READ, ADMIN = "read", "admin"
SCOPES = (READ, ADMIN)
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_RATE = re.compile(r"([1-9][0-9]{0,8})\s*/\s*(?:([1-9][0-9]{0,2})\s*)?(second|minute|hour|day)s?")


class Rate(NamedTuple):
    """At most `amount` requests in any `per_s` seconds."""

    amount: int
    per_s: int


@dataclass(frozen=True, slots=True)
class Tier:
    """What a tier allows: requests, symbols a call, days of history, WebSocket connections and subscriptions a client."""

    name: str
    rate: Rate | None
    per_day: int | None
    symbols: int | None
    history_days: int | None
    sockets: int | None
    subscriptions: int | None

    def at_least(self, name: str) -> bool:
        """Whether this tier is `name` or above it."""
        return NAMES.index(self.name) >= NAMES.index(name)


Tiers = Mapping[str, Tier]


def parse_rate(text: str) -> Rate | None:
    """`30/minute` or `100/10 seconds` as a rate, `unlimited` as None. Raises ValueError saying what is allowed."""
    if text.strip().lower() == "unlimited":
        return None
    match = _RATE.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(
            "a rate such as 30/minute or 100/10 seconds (second, minute, hour, day), or unlimited"
        )
    return Rate(int(match[1]), int(match[2] or 1) * UNITS[match[3]])


class Caller(NamedTuple):
    """Who a request is from. `key` is the id of an API key, None for somebody without one; `bucket` is what the requests
    are counted by: the key, else the network address behind the trusted proxies. `token_ends_ms`: where the key was not
    shown but a token of it, when that ends."""

    tier: Tier
    scopes: frozenset[str]
    key: str | None
    bucket: str
    address: str
    token_ends_ms: int | None = None

    @property
    def admin(self) -> bool:
        """Whether the caller may change the service."""
        return ADMIN in self.scopes
