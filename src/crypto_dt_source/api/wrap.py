"""From records with provenance to bytes on the wire."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from fastapi import Request, Response

from ..clock import rfc3339
from ..gateway import trace
from ..model.errors import CdtsError
from ..providers.resolver import Resolution
from ..services import pool_rows, together
from ..services.runtime import Runtime
from ..store.cache import Cached
from .gate import CALLER

WARM_S = 1.0
"""How long an answer may be repeated byte for byte: the unit of `age_seconds`."""
REUSE_S = 60
"""Longest that a cache between here and the client may go on using an answer."""


def meta(
    rt: Runtime, *, source: Iterable[str], fetched_ms: int | None, state: str, **extra: Any
) -> dict[str, Any]:
    """The provenance of an answer. `fetched_ms` None: nothing was fetched (an empty answer). `added` is there where
    one of `source` is not of the package, `asked` where upstreams were asked for it just now."""
    age = None if fetched_ms is None else max(0, (rt.clock.now_ms() - fetched_ms) // 1000)
    asked = trace.asked()
    names = sorted(source)
    added = [name for name in names if name in rt.added and rt.added[name].foreign]
    return {
        "source": names,
        "fetched_at": None if fetched_ms is None else rfc3339(fetched_ms),
        "age_seconds": age,
        "stale": state == "stale",
        "cache": state,
        "mode": rt.mode,
        **({"added": added} if added else {}),
        **({"asked": [pool_rows.way(one) for one in asked]} if asked else {}),
        **extra,
    }


def meta_of(rt: Runtime, cached: Cached[Any], **extra: Any) -> dict[str, Any]:
    """The provenance of something out of the cache."""
    return meta(rt, source=cached.source, fetched_ms=cached.fetched_ms, state=cached.state, **extra)


def meta_of_parts(rt: Runtime, parts: Collection[Cached[Any]], **extra: Any) -> dict[str, Any]:
    """The provenance of an answer put together of several parts of the cache, at least one: its age is that of the oldest,
    and it is stale when one of them is."""
    states = {part.state for part in parts}
    about = meta(
        rt,
        source={name for part in parts for name in part.source},
        fetched_ms=min(part.fetched_ms for part in parts),
        state=next((state for state in ("miss", "stale") if state in states), "hit"),
        **extra,
    )
    return {**about, "stale": "stale" in states}


def received(cached: Cached[Any]) -> dict[str, Any]:
    """When one row of several was received, and whether it is past its TTL."""
    return {"fetched_at": rfc3339(cached.fetched_ms), "stale": cached.state == "stale"}


def failed(errors: Iterable[tuple[str, CdtsError]]) -> list[dict[str, Any]]:
    """Parts that are missing in an answer, each with what went wrong."""
    return [
        {"name": name, "code": together.cause(error), "error": error.public, "tried": together.tried(error)}
        for name, error in errors
    ]


def ambiguous(*resolutions: Resolution) -> dict[str, list[str]]:
    """Ids of the other coins that each resolved symbol could have meant, by ticker."""
    return {r.asset.ticker: [a.id for a in r.ambiguous] for r in resolutions if r.ambiguous}


def data_response(
    request: Request,
    content: Mapping[str, Any],
    about: Mapping[str, Any],
    *,
    ttl_s: float,
    reuse_s: float = REUSE_S,
) -> Response:
    """`{…content, "meta": about}`. The ETag is of the content alone: an answer that only grew older is the same.

    Cache-Control counts from when the data was received, as Age does: an answer may be reused until it is `ttl_s` old,
    for `reuse_s` at most. An answer loaded just now is not kept warm, or it would go on saying `miss`.
    """
    inner = msgspec.json.encode(content)
    body = inner[:-1] + b',"meta":' + msgspec.json.encode(about) + b"}"
    age = about.get("age_seconds") or 0
    # What a caller with a key is answered may be more than others get.
    private = request.scope[CALLER].key is not None if CALLER in request.scope else False
    if about.get("cache") != "miss":
        request.scope["cdts.warm_s"] = WARM_S
    return Response(
        body,
        media_type="application/json",
        headers={
            "ETag": f'"{blake2b(inner, digest_size=10).hexdigest()}"',
            "Cache-Control": f"{'private' if private else 'public'}, max-age={age + int(max(0, min(ttl_s - age, reuse_s)))}",
            "Age": str(age),
            "Vary": "X-API-Key, Authorization",
        },
    )


def page_of(rows: list[Any], number: int, size: int) -> tuple[list[Any], dict[str, Any]]:
    """One page of a list (`number` from 1) and its `page` object."""
    start = (number - 1) * size
    return rows[start : start + size], about_page(number, size, len(rows), start + size < len(rows))


def about_page(number: int, size: int, total: int | None, more: bool) -> dict[str, Any]:
    """The `page` object; `previous` of a page past the end is the last one that has rows."""
    last = number if total is None else max(1, -(-total // size))
    return {
        "number": number,
        "size": size,
        "total": total,
        "next": number + 1 if more else None,
        "previous": min(number - 1, last) if number > 1 else None,
    }


def fresh_response(content: Mapping[str, Any], about: Mapping[str, Any]) -> Response:
    """The answer to a POST: made for this request, and not to be kept by anybody."""
    body = msgspec.json.encode({**content, "meta": about})
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
