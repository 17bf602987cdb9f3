"""The catalogue: list, export, import, copy, add, take away."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from ...model.errors import NotFound
from ...services import catalogue, providers, resources
from ..access import Admin, done_to
from ..bodies import takes
from ..deps import TEXT, PageNumber, PageSize, Rt
from ..errors import responses
from ..schemas.resources import (
    CopyPage,
    Exported,
    ImportPage,
    Origin,
    RemovedPage,
    ResourceList,
    ResourcePage,
)
from ..streams import Streamed
from ..wrap import data_response, fresh_response, meta, page_of

router = APIRouter(prefix="/api/resources", tags=["providers"])
JSON, CSV = "application/json", "text/csv"
EXAMPLE = {
    "id": "harbour",
    "category": "exchange",
    "fields": {
        "name": "Harbour",
        "adapter": "json_table",
        "base_url": "https://api.harbour.example",
        "docs": "https://harbour.example/docs/rest",
        "limits": [{"amount": 20, "per_s": 1}],
        "quotes_in": ["USDT"],
        "offers": {"quotes": {"rank": 95}},
        "tables": {
            "quotes": {
                "path": "/v1/tickers",
                "rows": "rows",
                "symbol": "pair",
                "symbol_form": "BASE-QUOTE",
                "price": "last",
            }
        },
    },
}
_ENTRY: dict[str, Any] = {
    "type": "object",
    "required": ["id", "category", "fields"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z][a-z0-9_]{1,39}$"},
        "category": {"type": "string", "pattern": "^[a-z][a-z0-9_]{1,39}$"},
        "fields": {"type": "object", "description": "As in a catalogue file (docs/add-a-provider.md)."},
    },
}
_MANY = {
    "type": "object",
    "required": ["entries"],
    "properties": {"entries": {"type": "array", "items": _ENTRY}},
}
_CSV_ROW = {
    "id": "harbour",
    "category": "exchange",
    "status": "gone",
    "name": "Harbour",
    "base_url": "https://harbour.example",
    "reason": '"Closed."',
    "since": "2026",
}
_CSV_EXAMPLE = "".join(
    f"{','.join(cells)}\r\n"
    for cells in (resources.COLUMNS, [_CSV_ROW.get(name, "") for name in resources.COLUMNS])
)
_CSV_ANSWER: dict[int | str, Any] = {
    200: {
        "content": {CSV: {"schema": {"type": "string"}, "example": _CSV_EXAMPLE}},
        "description": "The catalogue.",
    }
}
EntryId = Annotated[
    str, Path(description="Id of an entry.", min_length=1, max_length=64, pattern=TEXT, examples=["harbour"])
]


def _body(media_type: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    content = {media_type: {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _about(rt: Rt, **extra: Any) -> dict[str, Any]:
    return meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", **extra)


def _listed(request: Request, rt: Rt, rows: list[dict[str, Any]], number: int, size: int) -> Response:
    part, about_page = page_of(rows, number, size)
    about = _about(rt, total=len(rows), in_use_by_category=resources.counts(rt.entries.values()))
    return data_response(request, {"data": part, "page": about_page}, about, ttl_s=1)


@router.get("", response_model=ResourceList, responses=responses(422), summary="The catalogue")
async def all_resources(
    request: Request,
    rt: Rt,
    category: Annotated[
        str | None, Query(max_length=40, pattern=TEXT, description="A category.", examples=["exchange"])
    ] = None,
    status: Annotated[
        Literal["live", "keyed", "off", "gone"] | None,
        Query(description="The entry's status.", examples=["live"]),
    ] = None,
    kind: Annotated[
        Literal["venue", "aggregator", "feed", "data"] | None,
        Query(description="Its kind.", examples=["venue"]),
    ] = None,
    origin: Annotated[Origin | None, Query(description="Who brought it.", examples=["package"])] = None,
    q: Annotated[
        str | None,
        Query(max_length=64, pattern=TEXT, description="Part of the id or name.", examples=["bin"]),
    ] = None,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Response:
    """Every source the service knows, whether it is in use or not: what it offers, its limits, its terms."""
    rows = resources.listed(rt, category=category, status=status, kind=kind, origin=origin, q=q)
    return _listed(request, rt, rows, page, page_size)


@router.get(
    "/category/{category}",
    response_model=ResourceList,
    responses=responses(404, 422),
    summary="One category of it",
)
async def of_category(
    request: Request,
    rt: Rt,
    category: Annotated[
        str, Path(description="A category.", min_length=1, max_length=40, examples=["explorer"])
    ],
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Response:
    """Entries of one category."""
    known = providers.categories(rt)
    if category not in known:
        raise NotFound(
            f"There is no category {category!r}; choose one of {', '.join(known)}.",
            details={"category": category, "allowed": known},
        )
    return _listed(request, rt, resources.listed(rt, category=category), page, page_size)


@router.get(
    "/export/json", response_model=Exported, responses=responses(503), summary="The catalogue as JSON"
)
async def export_json(request: Request, rt: Rt) -> Response:
    """All entries with all fields, to be kept or imported elsewhere. Feeds of the settings are left out."""
    headers = {"Content-Disposition": 'attachment; filename="catalogue.json"', "Cache-Control": "no-store"}
    return Streamed(lambda: resources.as_json(rt), request.app.state.exports, JSON, headers)


@router.get(
    "/export/csv",
    responses={**responses(503), **_CSV_ANSWER},
    response_class=Response,
    summary="The catalogue as CSV",
)
async def export_csv(request: Request, rt: Rt) -> Response:
    """The same, a row an entry; what is no text is JSON. An apostrophe stands before a text that a spreadsheet would take
    for a formula; the import takes it off."""
    headers = {"Content-Disposition": 'attachment; filename="catalogue.csv"', "Cache-Control": "no-store"}
    return Streamed(lambda: resources.as_csv(rt), request.app.state.exports, f"{CSV}; charset=utf-8", headers)


@router.post(
    "/import/json",
    response_model=ImportPage,
    responses=responses(400, 401, 403, 409, 413, 415, 422, 503),
    dependencies=[Admin],
    openapi_extra=_body(JSON, _MANY, {"entries": [EXAMPLE]}),
    summary="Import JSON",
)
async def import_json(request: Request, rt: Rt, body: Annotated[bytes, Depends(takes(JSON))]) -> Response:
    """Take in an exported catalogue, or some entries of one: checked whole before anything changes, and 422 lists every
    wrong row. An entry that is there is replaced; none is taken away. Needs the admin scope."""
    return await _take_in(request, rt, resources.read_json(body))


@router.post(
    "/import/csv",
    response_model=ImportPage,
    responses=responses(400, 401, 403, 409, 413, 415, 422, 503),
    dependencies=[Admin],
    openapi_extra=_body(CSV, {"type": "string"}, _CSV_EXAMPLE),
    summary="Import CSV",
)
async def import_csv(request: Request, rt: Rt, body: Annotated[bytes, Depends(takes(CSV))]) -> Response:
    """The same of CSV with the columns of the export. Needs the admin scope."""
    return await _take_in(request, rt, resources.read_csv(body))


async def _take_in(request: Request, rt: Rt, given: list[resources.Given]) -> Response:
    done = await resources.take_in(rt, given)
    done_to(request, f"added={len(done.added)}, replaced={len(done.replaced)}")
    return fresh_response({"data": done._asdict()}, _about(rt))


@router.post(
    "/backup",
    response_model=CopyPage,
    status_code=201,
    responses=responses(401, 403, 503),
    dependencies=[Admin],
    summary="Copy the catalogue",
)
async def backup(request: Request, rt: Rt) -> Response:
    """Write the whole catalogue into a file under DATA_DIR, as the JSON export has it; the newest 20 are kept. Needs the
    admin scope."""
    made = await resources.copy(rt)
    done_to(request, f"file={made['file']}")
    answer = fresh_response({"data": made}, _about(rt))
    answer.status_code = 201
    return answer


@router.post(
    "/provider",
    response_model=ResourcePage,
    status_code=201,
    responses=responses(400, 401, 403, 409, 413, 415, 422, 503),
    dependencies=[Admin],
    openapi_extra=_body(JSON, _ENTRY, EXAMPLE),
    summary="Add a provider",
)
async def add(request: Request, rt: Rt, body: Annotated[bytes, Depends(takes(JSON))]) -> Response:
    """Add one source, from now on and after every start. It is called through the outbound guard, without a key, and a
    venue's quotes are in no price before they agreed with it. Needs the admin scope."""
    given = resources.one_of(resources.read_json(body))
    entry = await catalogue.add_entry(rt, given.id, given.category, given.fields, origin="admin")
    done_to(request, f"id={entry.id}")
    answer = fresh_response({"data": resources.row(rt, entry)}, _about(rt))
    answer.status_code = 201
    return answer


@router.delete(
    "/provider/{id}",
    response_model=RemovedPage,
    responses=responses(401, 403, 404, 409, 422, 503),
    dependencies=[Admin],
    summary="Take a provider away",
)
async def remove(rt: Rt, id: EntryId) -> Response:
    """From now on and after every start, an added one or one of the package; importing it brings it back. Needs the admin
    scope."""
    await catalogue.remove_entry(rt, id)
    return fresh_response({"data": {"id": id, "removed": True}}, _about(rt))
