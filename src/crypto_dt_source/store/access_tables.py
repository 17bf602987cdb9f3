"""Tables of who may ask: API keys, what the limiter has counted, and what was done with the admin scope. `tables.py` says
what holds for all."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, SmallInteger, Table, UniqueConstraint

from .columns import big_number, metadata, ms, word

# Of the secret only a keyed hash, found by its index. `changed` numbers every change, so that another process can ask for
# what is new since it last looked. `scopes` and `origins` are lists with blanks.
api_keys = Table(
    "api_keys",
    metadata,
    ms("created_ms"),
    ms("last_used_ms", nullable=True),
    ms("expires_ms", nullable=True),
    ms("revoked_ms", nullable=True),
    Column("changed", BigInteger, nullable=False),
    word("id", nullable=False),
    word("name", nullable=False),
    word("prefix", nullable=False),
    word("fingerprint", nullable=False),
    word("tier", nullable=False),
    word("scopes", nullable=False),
    word("origins", nullable=False),
    word("replaced_by"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("fingerprint"),
    Index("ix_api_keys_changed", "changed"),
)

# One row a bucket (`key:…` or an address). `cells` is the window: `time:count` pairs with blanks.
limiter_uses = Table(
    "limiter_uses",
    metadata,
    ms("at_ms"),
    Column("day", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("per_s", BigInteger, nullable=False),
    word("bucket", nullable=False),
    word("tier", nullable=False),
    word("cells", nullable=False),
    PrimaryKeyConstraint("bucket"),
)

# Written before the action; `status` is added after it (HTTP's; NULL: it did not come to an end).
audit_log = Table(
    "audit_log",
    metadata,
    Column("number", big_number, primary_key=True),
    ms("at_ms"),
    Column("status", SmallInteger),
    word("actor", nullable=False),
    word("address", nullable=False),
    word("action", nullable=False),
    word("target", nullable=False),
    word("request", nullable=False),
    Index("ix_audit_log_at_ms", "at_ms"),
)
