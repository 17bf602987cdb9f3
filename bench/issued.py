"""API keys for benchmarks: made in a database before the server that is to know them starts."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import NamedTuple

import jwt

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.security.keys import new_record
from crypto_dt_source.security.tokens import Tokens
from crypto_dt_source.settings import Settings
from crypto_dt_source.store import open_store
from crypto_dt_source.store.repos import keys

ENVIRONMENT = {"API_KEY_SALT": secrets.token_hex(32), "JWT_SECRET_KEY": secrets.token_hex(32)}
"""What a server's environment needs to know the keys and their tokens."""
USUAL_AUDIENCE = "usual"


class Issued(NamedTuple):
    """A key's secret, and a token for it."""

    secret: str
    token: str


async def issue(folder: Path, tier: str, count: int, *, database_url: str = "") -> list[Issued]:
    """So many new keys of the tier, stored in the database of the data folder, or in the one given."""
    clock = SystemClock()
    settings = Settings(_env_file=None, data_dir=folder, database_url=database_url)  # type: ignore[call-arg]
    salt = ENVIRONMENT["API_KEY_SALT"].encode()
    tokens = Tokens([ENVIRONMENT["JWT_SECRET_KEY"].encode()], clock)
    made = [
        new_record(f"caller {n}", tier, ("read",), salt=salt, now_ms=clock.now_ms()) for n in range(count)
    ]
    store = await open_store(settings.sql_url(), pool_size=1, clock=clock)
    try:
        await keys.put(store, *(record for _, record in made))
    finally:
        await store.close()
    return [Issued(secret, tokens.issue(record)[0]) for secret, record in made]


def usual_token(name: str, secret: str) -> str:
    """A token that `bench.usual_route` takes."""
    return jwt.encode({"sub": name, "aud": USUAL_AUDIENCE}, secret, algorithm="HS256")
