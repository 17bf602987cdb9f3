"""Jobs, pools' history, added sources, discovery, scores, archives, backups, diagnoses. `ops_tables.py` says what each table
is for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SERIAL_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def serial() -> sa.Column[Any]:
    return sa.Column("number", SERIAL_BIG, nullable=False)


def big(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def real(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Double(), nullable=True)


def word(name: str, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def upgrade() -> None:
    _pools()
    _jobs_and_pools()
    _sources()
    _discovery()
    _keeping()


def _pools() -> None:
    """Nothing has written into the two tables of the first schema, so that they are made anew rather than altered."""
    op.drop_table("pool_members")
    op.drop_table("pools")
    op.create_table(
        "pools",
        word("id"),
        word("name"),
        word("category"),
        word("strategy"),
        word("capabilities"),
        flag("enabled"),
        big("created_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_pools"),
    )
    op.create_table(
        "pool_members",
        word("pool"),
        sa.Column("provider", sa.SmallInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("weight", sa.Double(), nullable=False),
        flag("enabled"),
        flag("removed"),
        sa.ForeignKeyConstraint(["pool"], ["pools.id"], name="fk_pool_members_pool", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_pool_members_provider"),
        sa.PrimaryKeyConstraint("pool", "provider", name="pk_pool_members"),
    )
    op.create_table(
        "pool_asides",
        big("since_ms"),
        big("until_ms", null=True),
        flag("turned"),
        word("pool"),
        word("reason"),
        sa.Column("provider", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_pool_asides_provider"),
        sa.PrimaryKeyConstraint("pool", "provider", name="pk_pool_asides"),
    )


def _pools_of_the_first_schema() -> None:
    op.create_table(
        "pools",
        word("id"),
        word("name"),
        word("category"),
        word("strategy"),
        flag("enabled"),
        big("created_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_pools"),
    )
    op.create_table(
        "pool_members",
        word("pool"),
        sa.Column("provider", sa.SmallInteger(), nullable=False),
        count("priority"),
        sa.Column("weight", sa.Double(), nullable=False),
        flag("enabled"),
        sa.ForeignKeyConstraint(["pool"], ["pools.id"], name="fk_pool_members_pool", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_pool_members_provider"),
        sa.PrimaryKeyConstraint("pool", "provider", name="pk_pool_members"),
    )


def _jobs_and_pools() -> None:
    op.create_table(
        "job_states",
        big("due_ms", null=True),
        big("asked_ms", null=True),
        big("changed_ms"),
        flag("paused"),
        word("job"),
        sa.PrimaryKeyConstraint("job", name="pk_job_states"),
    )
    op.create_table(
        "job_runs",
        serial(),
        big("started_ms"),
        big("ended_ms", null=True),
        big("due_ms"),
        big("handled", null=True),
        word("job"),
        word("cause"),
        word("outcome", null=True),
        word("error", null=True),
        sa.PrimaryKeyConstraint("number", name="pk_job_runs"),
    )
    op.create_index("ix_job_runs_job", "job_runs", ["job", "started_ms"])
    op.create_index("ix_job_runs_started_ms", "job_runs", ["started_ms"])
    op.create_index(
        "ux_job_runs_under_way",
        "job_runs",
        ["job"],
        unique=True,
        sqlite_where=sa.text("ended_ms IS NULL"),
        postgresql_where=sa.text("ended_ms IS NULL"),
    )
    op.create_table(
        "pool_events",
        serial(),
        big("at_ms"),
        word("pool"),
        word("kind"),
        word("provider", null=True),
        word("other", null=True),
        word("reason"),
        sa.PrimaryKeyConstraint("number", name="pk_pool_events"),
    )
    op.create_index("ix_pool_events_at_ms", "pool_events", ["at_ms"])


def _sources() -> None:
    op.create_table(
        "provider_hours",
        big("hour_ms"),
        count("calls"),
        count("failures"),
        count("drifts"),
        count("quotes"),
        count("excluded"),
        sa.Column("provider", sa.SmallInteger(), nullable=False),
        real("p50_ms"),
        real("p95_ms"),
        real("age_ms"),
        real("deviation_pct"),
        sa.PrimaryKeyConstraint("provider", "hour_ms", name="pk_provider_hours"),
        sa.ForeignKeyConstraint(["provider"], ["providers.number"], name="fk_provider_hours_provider"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "own_entries",
        big("changed_ms"),
        flag("removed"),
        word("id"),
        word("category"),
        word("origin"),
        word("payload"),
        sa.PrimaryKeyConstraint("id", name="pk_own_entries"),
    )


def _discovery() -> None:
    op.create_table(
        "candidates",
        big("found_ms"),
        big("changed_ms"),
        word("id"),
        word("url"),
        word("kind"),
        word("name"),
        word("state"),
        word("found_by"),
        word("proposal", null=True),
        word("evidence"),
        sa.PrimaryKeyConstraint("id", name="pk_candidates"),
    )
    op.create_index("ix_candidates_state", "candidates", ["state", "changed_ms"])
    op.create_table(
        "discovery_runs",
        serial(),
        big("started_ms"),
        big("ended_ms", null=True),
        count("found"),
        count("probed"),
        count("shadowed"),
        count("admitted"),
        count("refused"),
        word("cause"),
        word("detail"),
        sa.PrimaryKeyConstraint("number", name="pk_discovery_runs"),
    )
    op.create_index("ix_discovery_runs_started_ms", "discovery_runs", ["started_ms"])


def _keeping() -> None:
    op.create_table(
        "archives",
        big("at_ms"),
        big("from_ms"),
        big("to_ms"),
        big("rows"),
        big("size_bytes"),
        word("dataset"),
        word("url"),
        sa.PrimaryKeyConstraint("dataset", "from_ms", name="pk_archives"),
    )
    op.create_table(
        "backups",
        serial(),
        big("started_ms"),
        big("ended_ms", null=True),
        big("size_bytes", null=True),
        word("kind"),
        word("target"),
        word("outcome", null=True),
        word("detail", null=True),
        sa.PrimaryKeyConstraint("number", name="pk_backups"),
    )
    op.create_index("ix_backups_started_ms", "backups", ["started_ms"])
    op.create_table(
        "diagnoses",
        serial(),
        big("at_ms"),
        word("payload"),
        sa.PrimaryKeyConstraint("number", name="pk_diagnoses"),
    )
    op.create_index("ix_diagnoses_at_ms", "diagnoses", ["at_ms"])


def downgrade() -> None:
    for table in (
        "diagnoses",
        "backups",
        "archives",
        "discovery_runs",
        "candidates",
        "own_entries",
        "provider_hours",
        "pool_events",
        "pool_asides",
        "pool_members",
        "pools",
        "job_runs",
        "job_states",
    ):
        op.drop_table(table)
    _pools_of_the_first_schema()
