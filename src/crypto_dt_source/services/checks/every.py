"""All checks, as one tuple. `cdts doctor` runs those that need nothing that runs."""

from __future__ import annotations

from . import configuration, contents, database, folders, machine, upstreams, work
from .finding import Check

NOTHING, STORE, RUNTIME = "nothing", "store", "runtime"

CHECKS: tuple[Check, ...] = (
    Check("machine.disk", "room on the disk", machine.disk, NOTHING),
    Check("machine.memory", "memory that is left", machine.memory, NOTHING),
    Check("machine.files", "open file descriptors", machine.files),
    Check("machine.loop", "lag of the event loop", machine.loop),
    Check("machine.clock", "the clock against the upstreams'", machine.clock),
    Check("folders.data", "the data folder", folders.data, NOTHING),
    Check("folders.logs", "the folder of log files", folders.logs),
    Check("folders.secrets", "who may read the secrets", folders.secrets, NOTHING),
    Check("settings.secrets", "secrets that can be guessed", configuration.secrets, NOTHING),
    Check("settings.unknown", "names that are no setting", configuration.unknown, NOTHING),
    Check("settings.elsewhere", "addresses that were replaced", configuration.elsewhere, NOTHING),
    Check("database.answers", "reads, and the last write", database.answers, STORE),
    Check("database.writes", "a write, to its commit", database.writes),
    Check("database.pages", "every page of the database", database.pages, STORE),
    Check("database.schema", "tables, indexes, migrations", database.schema, STORE),
    Check("database.room", "the log, and unused pages", database.room),
    Check("database.engine", "the version of SQLite", database.engine, STORE),
    Check("providers", "every provider, and the network", upstreams.providers),
    Check("streams", "the venues' streams", upstreams.streams),
    Check("feeds", "the news feeds", upstreams.feeds),
    Check("jobs", "jobs that fail, hang or are late", work.jobs),
    Check("queues", "what waits", work.queues),
    Check("models", "models that answer", contents.models),
    Check("models.files", "files of models", contents.model_files, NOTHING),
    Check("cache", "stored answers that can be read", contents.kept),
    Check("candles", "gaps in stored candles", contents.candles),
    Check("backups", "age and outcome of backups", contents.backups),
)
MODELS = tuple(check for check in CHECKS if check.id in ("models", "models.files"))
