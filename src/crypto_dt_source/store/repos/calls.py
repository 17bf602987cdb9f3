"""The two logs: calls to upstreams, requests of clients. Callers collect rows and write them in batches."""

from __future__ import annotations

from collections.abc import Sequence

from .. import tables
from ..engine import Store
from ..rows import ApiCallRow, CallStats, RequestStats, UserRequestRow
from ..sql import Write, insert, storable

_ADD_CALL = insert(tables.api_calls, without=["number"])
_SELECT_CALLS = """SELECT c.timestamp, p.id, c.endpoint, c.response_time_ms, c.status, c.http_status
    FROM api_calls c JOIN providers p ON p.number = c.provider WHERE c.timestamp >= ?"""
_NEWEST = "ORDER BY c.timestamp DESC, c.number DESC LIMIT ?"
_CALLS = f"{_SELECT_CALLS} {_NEWEST}"
_CALLS_OF = f"{_SELECT_CALLS} AND p.id = ? {_NEWEST}"
_FAILURES = f"{_SELECT_CALLS} AND c.status <> 'ok' {_NEWEST}"
_STATS = """SELECT p.id, COUNT(*), SUM(CASE WHEN c.status = 'ok' THEN 0 ELSE 1 END),
        AVG(CASE WHEN c.status = 'ok' THEN c.response_time_ms END), MAX(c.timestamp)
    FROM api_calls c JOIN providers p ON p.number = c.provider WHERE c.timestamp >= ? GROUP BY p.id ORDER BY p.id"""
_FAILURE_CLASSES = """SELECT p.id, c.status, COUNT(*) FROM api_calls c JOIN providers p ON p.number = c.provider
    WHERE c.timestamp >= ? AND c.status <> 'ok' GROUP BY p.id, c.status ORDER BY p.id, c.status"""

_ADD_REQUEST = insert(tables.user_requests, without=["number"])
_REQUESTS = """SELECT COALESCE(SUM(batched), 0),
        SUM(response_time_ms * batched) / SUM(CASE WHEN response_time_ms IS NOT NULL THEN batched END)
    FROM user_requests WHERE timestamp >= ?"""
_RECENT_REQUESTS = """SELECT timestamp, address, endpoint, status, response_time_ms, batched FROM user_requests
    WHERE timestamp >= ? ORDER BY timestamp DESC, number DESC LIMIT ?"""


async def write_api_calls(store: Store, calls: Sequence[ApiCallRow]) -> None:
    """Append upstream calls."""
    numbers = await store.numbers.providers({call.provider for call in calls})
    rows = [
        (c.timestamp, c.response_time_ms, numbers[c.provider], c.http_status, storable(c.endpoint), c.status)
        for c in calls
    ]
    await store.write([Write(_ADD_CALL, rows)])


async def api_calls(
    store: Store, since_ms: int, *, provider: str | None = None, limit: int = 1000
) -> list[ApiCallRow]:
    """Upstream calls since `since_ms`, the newest first; of one provider where it is named."""
    if provider is None:
        rows = await store.fetch(_CALLS, (since_ms, limit))
    else:
        rows = await store.fetch(_CALLS_OF, (since_ms, provider, limit))
    return list(map(ApiCallRow._make, rows))


async def failures(store: Store, since_ms: int, limit: int = 1000) -> list[ApiCallRow]:
    """Upstream calls since `since_ms` that failed, the newest first."""
    return list(map(ApiCallRow._make, await store.fetch(_FAILURES, (since_ms, limit))))


async def failure_classes(store: Store, since_ms: int) -> dict[tuple[str, str], int]:
    """How many calls failed since `since_ms`, by (provider, code)."""
    return {(row[0], row[1]): row[2] for row in await store.fetch(_FAILURE_CLASSES, (since_ms,))}


async def call_stats(store: Store, since_ms: int) -> list[CallStats]:
    """Upstream calls since `since_ms`, summed by provider."""
    return list(map(CallStats._make, await store.fetch(_STATS, (since_ms,))))


async def write_user_requests(store: Store, requests: Sequence[UserRequestRow]) -> None:
    """Append client requests, those of one minute that are alike as one row."""
    rows = [
        (r.timestamp, r.response_time_ms, r.batched, r.status, storable(r.address), storable(r.endpoint))
        for r in requests
    ]
    await store.write([Write(_ADD_REQUEST, rows)])


async def user_requests(store: Store, since_ms: int, limit: int = 1000) -> list[UserRequestRow]:
    """Client requests since `since_ms`, the newest first."""
    return list(map(UserRequestRow._make, await store.fetch(_RECENT_REQUESTS, (since_ms, limit))))


async def request_stats(store: Store, since_ms: int) -> RequestStats:
    """How many client requests came since `since_ms`, and their mean response time."""
    ((count, mean),) = await store.fetch(_REQUESTS, (since_ms,))
    return RequestStats(count, mean)
