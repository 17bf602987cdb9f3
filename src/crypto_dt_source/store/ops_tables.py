"""Tables of how the service runs itself: jobs, pools' history, sources that were added, discovery, scores, archives,
backups, diagnoses. `tables.py` says what holds for all."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, text

from .columns import big_number, metadata, ms, provider_number, real, word

# `due_ms` is the newest time of the timetable that was taken up, so that what fell due while nothing ran is seen. `asked_ms`:
# when another process asked the one that runs the timetable for a run; it takes that up.
job_states = Table(
    "job_states",
    metadata,
    ms("due_ms", nullable=True),
    ms("asked_ms", nullable=True),
    ms("changed_ms"),
    Column("paused", Boolean, nullable=False),
    word("job", nullable=False),
    PrimaryKeyConstraint("job"),
)

# `outcome` is 'ok' or an error code; NULL: under way, or ended with its process. `cause`: start, timetable, catch_up, person,
# command, fix. Of one job one run at most is under way, whichever process it is in.
job_runs = Table(
    "job_runs",
    metadata,
    Column("number", big_number, primary_key=True),
    ms("started_ms"),
    ms("ended_ms", nullable=True),
    ms("due_ms"),
    Column("handled", BigInteger),
    word("job", nullable=False),
    word("cause", nullable=False),
    word("outcome"),
    word("error"),
    Index("ix_job_runs_job", "job", "started_ms"),
    Index("ix_job_runs_started_ms", "started_ms"),
    Index(
        "ux_job_runs_under_way",
        "job",
        unique=True,
        sqlite_where=text("ended_ms IS NULL"),
        postgresql_where=text("ended_ms IS NULL"),
    ),
)

# Members that are asked after the others of their pool until `until_ms`, or (NULL) until they are brought back. `turned`:
# by a rotation. Not a part of `pools`, which does not hold shipped ones that nobody changed.
pool_asides = Table(
    "pool_asides",
    metadata,
    ms("since_ms"),
    ms("until_ms", nullable=True),
    Column("turned", Boolean, nullable=False),
    word("pool", nullable=False),
    word("reason", nullable=False),
    provider_number(),
    PrimaryKeyConstraint("pool", "provider"),
)

# What happened in a pool: rotated, failed_over, returned, changed, created, deleted, restored. `provider` came to the front
# or back, `other` was there before.
pool_events = Table(
    "pool_events",
    metadata,
    Column("number", big_number, primary_key=True),
    ms("at_ms"),
    word("pool", nullable=False),
    word("kind", nullable=False),
    word("provider"),
    word("other"),
    word("reason", nullable=False),
    Index("ix_pool_events_at_ms", "at_ms"),
)

# A provider's hour. Latencies and ages are ms; `deviation_pct` is the median distance of its quotes from the consensus.
provider_hours = Table(
    "provider_hours",
    metadata,
    ms("hour_ms"),
    Column("calls", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("drifts", Integer, nullable=False),
    Column("quotes", Integer, nullable=False),
    Column("excluded", Integer, nullable=False),
    provider_number(),
    real("p50_ms"),
    real("p95_ms"),
    real("age_ms"),
    real("deviation_pct"),
    PrimaryKeyConstraint("provider", "hour_ms"),
    sqlite_with_rowid=False,
)

# Sources beside the packaged catalogue, as the fields of a catalogue entry in JSON. `removed`: of this id there is none,
# also where the package has one. `origin`: import, admin, discovery.
own_entries = Table(
    "own_entries",
    metadata,
    ms("changed_ms"),
    Column("removed", Boolean, nullable=False),
    word("id", nullable=False),
    word("category", nullable=False),
    word("origin", nullable=False),
    word("payload", nullable=False),
    PrimaryKeyConstraint("id"),
)

# `state`: found, probed, shadow, proven, admitted, refused, failed, taken_back. `proposal` is a catalogue entry in JSON, `evidence`
# what speaks for and against it.
candidates = Table(
    "candidates",
    metadata,
    ms("found_ms"),
    ms("changed_ms"),
    word("id", nullable=False),
    word("url", nullable=False),
    word("kind", nullable=False),
    word("name", nullable=False),
    word("state", nullable=False),
    word("found_by", nullable=False),
    word("proposal"),
    word("evidence", nullable=False),
    PrimaryKeyConstraint("id"),
    Index("ix_candidates_state", "state", "changed_ms"),
)

discovery_runs = Table(
    "discovery_runs",
    metadata,
    Column("number", big_number, primary_key=True),
    ms("started_ms"),
    ms("ended_ms", nullable=True),
    Column("found", Integer, nullable=False),
    Column("probed", Integer, nullable=False),
    Column("shadowed", Integer, nullable=False),
    Column("admitted", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    word("cause", nullable=False),
    word("detail", nullable=False),
    Index("ix_discovery_runs_started_ms", "started_ms"),
)

# What was written as Parquet before it left the database: rows of a table with times in [from_ms, to_ms).
archives = Table(
    "archives",
    metadata,
    ms("at_ms"),
    ms("from_ms"),
    ms("to_ms"),
    Column("rows", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    word("dataset", nullable=False),
    word("url", nullable=False),
    PrimaryKeyConstraint("dataset", "from_ms"),
)

# `kind`: backup, snapshot, segment. `outcome` is 'ok' or an error code.
backups = Table(
    "backups",
    metadata,
    Column("number", big_number, primary_key=True),
    ms("started_ms"),
    ms("ended_ms", nullable=True),
    Column("size_bytes", BigInteger),
    word("kind", nullable=False),
    word("target", nullable=False),
    word("outcome"),
    word("detail"),
    Index("ix_backups_started_ms", "started_ms"),
)

# A diagnosis as the route answers it, in JSON.
diagnoses = Table(
    "diagnoses",
    metadata,
    Column("number", big_number, primary_key=True),
    ms("at_ms"),
    word("payload", nullable=False),
    Index("ix_diagnoses_at_ms", "at_ms"),
)
