"""What is held: models, stored answers, candles, backups."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from ...analysis.catalog import EMBEDDED, EMBEDDED_FOLDER
from ...analysis.states import FAILED, READY
from ...model.candle import INTERVAL_MS
from ...model.errors import ModelBusy, ModelUnavailable
from ...store import SeriesKey
from ...store.repos import candles as candle_repo
from ...store.repos import kept as kept_repo
from ...store.repos import upkeep
from .. import fixes
from ..runtime import Runtime
from .finding import CRITICAL, ERROR, INFO, WARNING, Finding, Fix, Scene, aside

SAMPLE = "Markets open."
LARGEST_HEADER = 100_000_000
SERIES_LOOKED_AT = 400
SERIES_TOLD = 20
BACKUP_SLACK = 2
"""Times the usual distance of two backups after which the newest is too old."""
FINISHED = ("backup", "snapshot")
_WEIGHTS = struct.Struct("<Q")


async def models(at: Scene) -> list[Finding]:
    """Models that could not be loaded, and whether the one that is loaded answers."""
    rt = at.running
    found = []
    for state in rt.models.states():
        if state.state != FAILED:
            continue
        # What would be fetched from a hub is not: nothing is installed unasked.
        fix = (
            Fix(f"load {state.id} again", partial(fixes.load_model, rt, state.id))
            if not state.hub_id
            else None
        )
        packaged = state.id == EMBEDDED
        found.append(
            Finding(
                "model.failed",
                CRITICAL if packaged else ERROR if state.default else WARNING,
                f"the model {state.id} cannot be loaded: {state.reason}",
                "Nothing is scored." if packaged else "The packaged model answers in its place.",
                "Install the package again."
                if packaged
                else "GET /api/models has the reason; check its files and memory.",
                state.id,
                fix,
            )
        )
    if rt.limits.sentiment and rt.models.state(EMBEDDED).state == READY:
        found += await _answers(rt)
    return found


async def _answers(rt: Runtime) -> list[Finding]:
    try:
        await rt.models.classify([SAMPLE], EMBEDDED)
    except ModelBusy:
        return []
    except ModelUnavailable as error:
        meaning, advice = (
            "News stay without sentiment.",
            "Restart the service; if it stays, install the package again.",
        )
        return [
            Finding(
                "model.silent", ERROR, f"the packaged model does not answer: {error.message}", meaning, advice
            )
        ]
    return []


async def model_files(at: Scene) -> list[Finding]:
    """The files of the packaged model and of those in DATA_DIR/models: whole as far as they can tell themselves."""
    folder = at.place.data_dir / "models" if at.place.data_dir is not None else None
    broken = await aside("models.files", lambda: list(_broken(EMBEDDED_FOLDER)))
    if folder is not None:
        broken += await aside("models.files", lambda: list(_broken(folder)))
    return [
        Finding(
            "model.file_damaged",
            ERROR,
            f"{name}: {why}",
            "The model cannot be loaded, or reads texts wrongly.",
            "Remove the folder of the model; it is fetched anew at its next load. The packaged one comes with the package.",
            name,
        )
        for name, why in broken
    ]


def _broken(folder: Path) -> Iterator[tuple[str, str]]:
    """Files that cannot be whole, and why."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        why = None
        if path.suffix in (".onnx", ".safetensors", ".json") and not path.stat().st_size:
            why = "the file is empty"
        elif path.suffix == ".json":
            why = _no_json(path)
        elif path.suffix == ".safetensors":
            why = _cut_short(path)
        if why is not None:
            yield f"{path.parent.name}/{path.name}", why


def _no_json(path: Path) -> str | None:
    try:
        msgspec.json.decode(path.read_bytes(), type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "the file is not JSON"
    return None


def _cut_short(path: Path) -> str | None:
    """The format's header says how long the file is (https://huggingface.co/docs/safetensors)."""
    with path.open("rb") as file:
        first = file.read(_WEIGHTS.size)
        size = _WEIGHTS.unpack(first)[0] if len(first) == _WEIGHTS.size else LARGEST_HEADER
        if size >= LARGEST_HEADER:
            return "the file has no header"
        try:
            header = json.loads(file.read(size))
            ends = [part["data_offsets"][1] for name, part in header.items() if name != "__metadata__"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return "the header cannot be read"
    wanted = _WEIGHTS.size + size + max(ends, default=0)
    there = path.stat().st_size
    return None if there == wanted else f"it has {there} bytes and should have {wanted}"


async def kept(at: Scene) -> list[Finding]:
    """Stored answers that cannot be read back."""
    rt, found = at.running, []
    for row in await kept_repo.all_kept(rt.store):
        try:
            msgspec.json.decode(row.payload, type=msgspec.Raw)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            found.append(
                Finding(
                    "cache.unreadable",
                    WARNING,
                    f"the stored answer {row.key} cannot be read",
                    "After a restart it is missing until an upstream gives it again.",
                    "Let the diagnosis drop it (auto_fix): it is fetched anew.",
                    row.key,
                    Fix(f"drop the stored answer {row.key}", partial(fixes.forget_kept, rt, row.key)),
                )
            )
    return found


async def candles(at: Scene) -> list[Finding]:
    """Candles that are missing inside the stored series, without those the venue confirmed to have none."""
    rt = at.running
    intervals = set(rt.limits.backfill_intervals)
    series = [key for key in candle_repo.stored_series(rt.store) if key.interval in intervals]
    holes: list[tuple[int, SeriesKey]] = []
    for key in series[:SERIES_LOOKED_AT]:
        known = await candle_repo.coverage(rt.store, key)
        if known is None:
            continue
        step = INTERVAL_MS[key.interval]
        missing = await candle_repo.gaps(rt.store, key, known.first_ms, known.last_ms + step)
        if count := sum((gap.end_ms - gap.start_ms) // step for gap in missing):
            holes.append((count, key))
    holes.sort(key=lambda hole: -hole[0])
    return [_gap(rt, count, key) for count, key in holes[:SERIES_TOLD]]


def _gap(rt: Runtime, count: int, key: SeriesKey) -> Finding:
    name = f"{key.provider} {key.base}/{key.quote} {key.interval}"
    return Finding(
        "candles.gap",
        WARNING,
        f"{count} candles are missing inside {name}",
        "Charts and indicators of that time are wrong or empty.",
        "Let the diagnosis fetch them (auto_fix); what no venue has is noted and not asked for again.",
        name,
        Fix(f"fetch the missing candles of {name}", partial(fixes.fetch_gaps, rt, key)),
    )


async def backups(at: Scene) -> list[Finding]:
    """How old the newest backup is, and whether the last one went well."""
    rt, every_s = at.running, at.place.backups_every_s
    if every_s is None:
        return []
    rows = await upkeep.last_backups(rt.store)
    ended = [row for row in rows if row.outcome is not None and row.kind in FINISHED]
    found = []
    if ended and ended[0].outcome != "ok":
        found.append(
            Finding(
                "backup.failed",
                ERROR,
                f"the last backup failed ({ended[0].outcome})",
                "What changed since the newest good one is lost with the disk.",
                "GET /api/jobs/backup/runs has the reason; check BACKUP_URL and the room there.",
            )
        )
    good = [row.ended_ms or row.started_ms for row in ended if row.outcome == "ok"]
    since_ms = rt.clock.now_ms() - (max(good) if good else rt.started_ms)
    if since_ms > BACKUP_SLACK * every_s * 1000:
        found.append(
            Finding(
                "backup.old",
                WARNING if good else INFO,
                f"the newest backup is {since_ms / 3_600_000:.0f} h old"
                if good
                else "no backup was ever made",
                "What changed since is lost with the disk.",
                "Run one (POST /api/jobs/backup/run, `cdts db backup`), and look why the timetable did not.",
            )
        )
    return found
