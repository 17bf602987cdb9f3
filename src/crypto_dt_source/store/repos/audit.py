"""What was done with the admin scope: one row an action, written before it."""

from __future__ import annotations

from .. import tables
from ..engine import Store
from ..rows import AuditRow
from ..sql import Write, insert, storable

_PUT = insert(tables.audit_log, without=("number",))
# Clients may choose request ids, so one alone does not tell whose action it was.
_ENDED = """UPDATE audit_log SET status = ?, target = ? WHERE number = (SELECT MAX(number) FROM audit_log
    WHERE at_ms = ? AND actor = ? AND request = ? AND status IS NULL)"""
_PAGE = """SELECT number, at_ms, actor, address, action, target, request, status FROM audit_log
    WHERE number < ? ORDER BY number DESC LIMIT ?"""
_DROP = "DELETE FROM audit_log WHERE at_ms < ?"
_ALWAYS = 2**62


async def begun(store: Store, row: AuditRow) -> None:
    """Store an action before it is done; `number` is given by the database."""
    values = (
        row.at_ms,
        row.status,
        storable(row.actor),
        storable(row.address),
        storable(row.action),
        storable(row.target),
        storable(row.request),
    )
    await store.write([Write(_PUT, [values])])


async def ended(store: Store, row: AuditRow) -> None:
    """Add how it ended, `status`, and what it was done to, `target`, to an action that has begun."""
    values = (row.status, storable(row.target), row.at_ms, storable(row.actor), storable(row.request))
    await store.write([Write(_ENDED, [values])])


async def page(store: Store, limit: int, before: int | None = None) -> list[AuditRow]:
    """The newest actions first, those with numbers under `before`."""
    rows = await store.fetch(_PAGE, (_ALWAYS if before is None else before, limit))
    return list(map(AuditRow._make, rows))


async def drop(store: Store, before_ms: int) -> int:
    """Forget what was done before; gives the number of rows."""
    return await store.write([Write(_DROP, [(before_ms,)], counted=True)])
