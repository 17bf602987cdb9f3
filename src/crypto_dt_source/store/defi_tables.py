"""Tables of decentralised finance, and of the lists that are kept as a whole. `tables.py` says what holds for all."""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table

from .columns import metadata, ms, provider_number, real, word

WRITER = "writer "
"""How the keys of rows begin that are no list: each process writing to a PostgreSQL has one (`postgres.py`)."""

# Few rows and long ones: the payload is the whole list. `source` is the ids of the providers behind it, with commas.
kept = Table(
    "kept",
    metadata,
    ms("timestamp"),
    word("key", nullable=False),
    word("source", nullable=False),
    word("payload", nullable=False),
    PrimaryKeyConstraint("key"),
)

defi_protocols = Table(
    "defi_protocols",
    metadata,
    ms("timestamp"),
    real("tvl", nullable=False),
    real("change_1h_pct"),
    real("change_1d_pct"),
    real("change_7d_pct"),
    real("market_cap"),
    provider_number(),
    word("slug", nullable=False),
    word("name", nullable=False),
    word("symbol"),
    word("category"),
    word("chain"),
    word("chains", nullable=False),
    word("url"),
    PrimaryKeyConstraint("provider", "slug"),
)

# `subject` is `all`, `chain:Ethereum` or `protocol:aave`.
tvl_history = Table(
    "tvl_history",
    metadata,
    ms("day_ms"),
    provider_number(),
    word("subject", nullable=False),
    real("tvl", nullable=False),
    PrimaryKeyConstraint("subject", "provider", "day_ms"),
    sqlite_with_rowid=False,
)
