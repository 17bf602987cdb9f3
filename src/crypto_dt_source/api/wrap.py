"""From records with provenance to bytes on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from fastapi import Request, Response

from ..clock import rfc3339
from ..services.runtime import Runtime
from ..store.cache import Cached

WARM_S = 1.0
"""How long an answer may be repeated byte for byte: the unit of `age_seconds`."""


def meta(
    rt: Runtime, *, source: Iterable[str], fetched_ms: int | None, state: str, **extra: Any
) -> dict[str, Any]:
    """The provenance of an answer. `fetched_ms` None: nothing was fetched (an empty answer)."""
    age = None if fetched_ms is None else max(0, (rt.clock.now_ms() - fetched_ms) // 1000)
    return {
        "source": sorted(source),
        "fetched_at": None if fetched_ms is None else rfc3339(fetched_ms),
        "age_seconds": age,
        "stale": state == "stale",
        "cache": state,
        "mode": rt.mode,
        **extra,
    }


def meta_of(rt: Runtime, cached: Cached[Any], **extra: Any) -> dict[str, Any]:
    """The provenance of something out of the cache."""
    return meta(rt, source=cached.source, fetched_ms=cached.fetched_ms, state=cached.state, **extra)


def data_response(
    request: Request, content: Mapping[str, Any], about: Mapping[str, Any], *, ttl_s: float, warm: bool = True
) -> Response:
    """`{…content, "meta": about}`. The ETag is of the content alone: an answer that only grew older is the same.

    A loaded-just-now answer is not kept warm, or it would go on saying `miss`.
    """
    inner = msgspec.json.encode(content)
    body = inner[:-1] + b',"meta":' + msgspec.json.encode(about) + b"}"
    age = about.get("age_seconds") or 0
    if warm and about.get("cache") != "miss":
        request.scope["cdts.warm_s"] = WARM_S
    return Response(
        body,
        media_type="application/json",
        headers={
            "ETag": f'"{blake2b(inner, digest_size=10).hexdigest()}"',
            "Cache-Control": f"public, max-age={max(0, int(min(ttl_s, 60) - age)) if ttl_s else 0}",
            "Age": str(age),
        },
    )


def page_of(rows: list[Any], number: int, size: int) -> tuple[list[Any], dict[str, Any]]:
    """One page of a list (`number` from 1) and its `page` object."""
    total = len(rows)
    start = (number - 1) * size
    page = {
        "number": number,
        "size": size,
        "total": total,
        "next": number + 1 if start + size < total else None,
        "previous": number - 1 if number > 1 else None,
    }
    return rows[start : start + size], page
