"""API keys, the limiter's counts, the audit log. `access_tables.py` says what each table is for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERIAL_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def big(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def word(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        big("created_ms"),
        big("last_used_ms", null=True),
        big("expires_ms", null=True),
        big("revoked_ms", null=True),
        big("changed"),
        word("id"),
        word("name"),
        word("prefix"),
        word("fingerprint"),
        word("tier"),
        word("scopes"),
        word("origins"),
        word("replaced_by", null=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("fingerprint", name="uq_api_keys_fingerprint"),
    )
    op.create_index("ix_api_keys_changed", "api_keys", ["changed"])
    op.create_table(
        "limiter_uses",
        big("at_ms"),
        big("day"),
        big("used"),
        big("per_s"),
        word("bucket"),
        word("tier"),
        word("cells"),
        sa.PrimaryKeyConstraint("bucket", name="pk_limiter_uses"),
    )
    op.create_table(
        "audit_log",
        sa.Column("number", SERIAL_BIG, nullable=False),
        big("at_ms"),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        word("actor"),
        word("address"),
        word("action"),
        word("target"),
        word("request"),
        sa.PrimaryKeyConstraint("number", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_at_ms", "audit_log", ["at_ms"])


def downgrade() -> None:
    for table in ("audit_log", "limiter_uses", "api_keys"):
        op.drop_table(table)
