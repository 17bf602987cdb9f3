"""Stored history as a file: JSON, CSV, Parquet or Arrow, made while it is sent."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ... import __version__
from ...clock import rfc3339
from ...services import exports
from ...services.exports import Asked, Export, Format
from ...services.exports_columns import Dataset, Seen
from ..access import Pro, Who
from ..deps import SYMBOL_TEXT, Interval, Moment, ProviderQuery, Rt, moment
from ..errors import responses
from ..schemas.historical import Historical
from ..streams import Streamed
from ..views import tier_limit
from ..wrap import ambiguous, meta

router = APIRouter(prefix="/api/historical-data", tags=["market"])
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
ENDINGS = {"json": "json", "csv": "csv", "parquet": "parquet", "arrow": "arrows"}
_UNSAFE = re.compile(r"[^A-Za-z0-9._]+")
_FILES: dict[str, Any] = {
    media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
    for name, media_type in MEDIA_TYPES.items()
    if name != "json"
}
_ANSWERS = {
    **responses(401, 403, 404, 422, 503),
    200: {"content": _FILES, "description": "The rows, ascending by time."},
}

DatasetQuery = Annotated[Dataset, Query(description="What to export.", examples=["ohlcv"])]
Filter = Annotated[
    str | None,
    Query(
        description=f"Needed for prices and ohlcv, a filter of news, not of use for market. {SYMBOL_TEXT}",
        min_length=1,
        max_length=64,
        examples=["BTC"],
    ),
]
FormatQuery = Annotated[
    Format,
    Query(
        description="`json`; `csv`; `parquet`; `arrow`, an IPC stream. CSV puts an apostrophe before a text that a "
        "spreadsheet would take for a formula; Parquet and Arrow name mode, pair and time of making in the schema.",
        examples=["csv"],
    ),
]


@router.get(
    "", response_model=Historical, responses=_ANSWERS, dependencies=[Pro], summary="Stored history as a file"
)
async def historical_data(
    request: Request,
    rt: Rt,
    caller: Who,
    dataset: DatasetQuery,
    symbol: Filter = None,
    start: Moment = None,
    end: Moment = None,
    format: FormatQuery = "json",
    interval: Interval = "1h",
    provider: ProviderQuery = None,
) -> Response:
    """All stored rows from `start` up to, not including, `end`; without them as far back as the tier goes, up to now.
    Nothing is fetched for it: /api/ohlcv and the backfill store candles. `interval` and `provider` are of ohlcv alone. A
    start before what the tier has is moved, which `meta.tier_limit` says, and the header X-Tier-Limit. X-Mode is live or
    demo; X-Pair and X-Source are the pair and the venue of candles. A connection that is broken off before the end of the
    body means that the export failed."""
    now = rt.clock.now_ms()
    days = caller.tier.history_days
    step = interval if dataset == "ohlcv" else "1h"
    window = exports.window(now, moment("start", start), moment("end", end), days, step)
    export = await exports.plan(rt, Asked(dataset, symbol, interval, provider, window))
    about = _about(export)

    def told(seen: Seen) -> dict[str, Any]:
        found = export.resolution
        return meta(
            rt,
            source=seen.sources or (export.sources if seen.rows else ()),
            fetched_ms=export.fetched(seen),
            state="stale" if export.stale else "hit",
            ambiguous=ambiguous(found) if found else {},
            rows=seen.rows,
            **about,
            **tier_limit(caller, window.cut),
        )

    facts = _facts(about, export, rt.mode, now)
    return Streamed(
        lambda: exports.encoded(export, lambda: exports.rows_of(export, format, facts, told)),
        request.app.state.exports,
        MEDIA_TYPES[format],
        _headers(about, export, rt.mode, format),
    )


def _about(export: Export) -> dict[str, Any]:
    """What is known of an export before it begins."""
    asset = export.resolution.asset if export.resolution else None
    series = export.series
    return {
        "dataset": export.dataset,
        "symbol": asset.ticker if asset else None,
        "id": asset.id if asset else None,
        "pair": f"{series.base}/{series.quote}" if series else None,
        "interval": series.interval if series else None,
        "start": rfc3339(export.window.start_ms),
        "end": rfc3339(export.window.end_ms),
    }


def _limit(export: Export) -> str | None:
    cut = export.window.cut
    return None if cut is None else f"{cut.limit}={cut.given}"


def _facts(about: dict[str, Any], export: Export, mode: str, now_ms: int) -> dict[str, str]:
    """What a Parquet or Arrow file says of itself."""
    given = {
        **about,
        "tier_limit": _limit(export),
        "provider": export.series.provider if export.series else None,
        "mode": mode,
        "generated_at": rfc3339(now_ms),
        "service": f"crypto-dt-source {__version__}",
    }
    return {name: value for name, value in given.items() if value is not None}


def _headers(about: dict[str, Any], export: Export, mode: str, format: Format) -> dict[str, str]:
    """The same for who reads headers, as far as it fits there."""
    given = {
        "X-Mode": mode,
        "X-Source": ",".join(export.sources) or None,
        "X-Pair": about["pair"],
        "X-Tier-Limit": _limit(export),
    }
    # A ticker can be of any script.
    shown = {name: v for name, v in given.items() if v is not None and v.isascii() and v.isprintable()}
    place = "inline" if format == "json" else "attachment"
    name = f"{_file_name(about, export)}.{ENDINGS[format]}"
    return {**shown, "Content-Disposition": f'{place}; filename="{name}"', "Cache-Control": "no-store"}


def _file_name(about: dict[str, Any], export: Export) -> str:
    """`crypto-dt-source-ohlcv-BTC-1h-20261101-20261122`: letters, digits, dots and dashes."""
    days = (about["start"][:10], rfc3339(max(export.window.start_ms, export.window.end_ms - 1))[:10])
    parts = (about["dataset"], about["symbol"], about["interval"], *(day.replace("-", "") for day in days))
    safe = (_UNSAFE.sub("_", part).strip("._") for part in parts if part is not None)
    return "-".join(["crypto-dt-source", *filter(None, safe)])
