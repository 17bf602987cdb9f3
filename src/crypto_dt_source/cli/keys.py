"""`cdts keys create|list|revoke|rotate`: on the database itself, also while a server has it open, which notices within a
second. Every change is in the audit log with the actor `cli`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from ..api.key_view import key_view
from ..clock import SystemClock, parse_rfc3339, rfc3339
from ..model.access import ApiKey
from ..model.errors import CdtsError, InvalidParameter, NotFound
from ..security.tiers import READ
from ..services import access
from ..services.access import Access
from ..settings import Settings, load
from ..store import AuditRow, StoreError, open_store
from ..telemetry import configure, logger, mask
from ..wiring_access import keys_alone

log = logger("access")
ACTOR = "cli"
DAY_MS = 86_400_000
LONGEST_DAYS = 36_500
Made = tuple[str | None, ApiKey]
"""The secret, where there is a new one, and what is kept."""


def run(arguments: argparse.Namespace) -> int:
    """Make, show, end or replace keys."""
    configure("WARNING")
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    settings = load(data_dir=Path(arguments.data_dir) if arguments.data_dir else None)
    clock = SystemClock()
    _check_folder(settings, arguments)
    store = await open_store(settings.sql_url(), clock=clock, beside=True)
    try:
        held = await asyncio.to_thread(keys_alone, settings, store, clock)
        await access.follow(held)
        if arguments.action == "list":
            _show_all(await access.listed(held), clock.now_ms(), as_json=arguments.json)
        else:
            secret, key = await _change(held, arguments)
            _show(secret, key, clock.now_ms(), arguments)
    finally:
        await store.close()
    return 0


def _check_folder(settings: Settings, arguments: argparse.Namespace) -> None:
    """A folder that was meant to be another is told at once: a key made there is unknown to the server. Raises
    NotFound."""
    database = Path(settings.sql_url().removeprefix("sqlite:///"))
    if settings.database_url or database.exists():
        return
    if arguments.action != "create":
        raise NotFound(
            f"There is no database in {settings.data_dir}; name the folder of the server with --data-dir."
        )
    if not (arguments.json or arguments.quiet):
        print(
            f"{settings.data_dir} has no database yet: the key is for a server that will be started on it.",
            file=sys.stderr,
        )


async def _change(held: Access, arguments: argparse.Namespace) -> Made:
    target = "" if arguments.action == "create" else f"id={mask(arguments.id)[:100]}"
    work = {"create": _create, "revoke": _revoke, "rotate": _rotate}[arguments.action]
    return await _audited(held, arguments.action, target, lambda: work(held, arguments))


async def _audited(held: Access, action: str, target: str, work: Callable[[], Awaitable[Made]]) -> Made:
    """Do it between the two entries in the audit log, as the API does."""
    row = await access.note(
        held,
        actor=ACTOR,
        address="",
        action=f"cdts keys {action}",
        target=target,
        request=f"{ACTOR}-{secrets.token_hex(8)}",
    )
    try:
        secret, key = await work()
    except CdtsError as error:
        await _noted(held, row, error.status)
        raise
    made = "" if secret is None or not target else f"{target}, replaced_by={key.id}"
    await _noted(held, row._replace(target=made or f"id={key.id}"), 200)
    return secret, key


async def _noted(held: Access, row: AuditRow, status: int) -> None:
    try:
        await access.noted(held, row, status)
    except StoreError as error:
        # A secret that was made must be shown all the same.
        log.error("the audit log cannot be written", status=status, reason=error.message)


async def _create(held: Access, arguments: argparse.Namespace) -> Made:
    return await access.create(
        held,
        arguments.name,
        tier=arguments.tier,
        scopes=arguments.scope or (READ,),
        expires_ms=_expiry(arguments.expires, held.clock.now_ms()),
        origins=arguments.origin or (),
    )


async def _revoke(held: Access, arguments: argparse.Namespace) -> Made:
    return None, await access.revoke(held, arguments.id)


async def _rotate(held: Access, arguments: argparse.Namespace) -> Made:
    if not 0 <= arguments.grace <= access.MAX_GRACE_S:
        raise InvalidParameter(
            f"--grace: got {arguments.grace}; allowed: 0 to {access.MAX_GRACE_S} seconds.",
            details={"parameter": "grace", "got": arguments.grace, "allowed": f"0 to {access.MAX_GRACE_S}"},
        )
    return await access.rotate(held, arguments.id, grace_s=arguments.grace)


def _expiry(text: str | None, now_ms: int) -> int | None:
    """Milliseconds UTC of an RFC 3339 time or a number of days from now. Raises InvalidParameter."""
    if text is None:
        return None
    days = text.removesuffix("d")
    if days.isascii() and days.isdigit() and 0 < int(days[:9]) <= LONGEST_DAYS:
        return now_ms + int(days) * DAY_MS
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        allowed = f"an RFC 3339 time ahead, or 1 to {LONGEST_DAYS} days"
        raise InvalidParameter(
            f"--expires: got {text[:40]!r}; allowed: {allowed}.",
            details={"parameter": "expires", "got": text[:40], "allowed": allowed},
        ) from None


def _show(secret: str | None, key: ApiKey, now_ms: int, arguments: argparse.Namespace) -> None:
    if arguments.json:
        told = {**key_view(key, now_ms), **({} if secret is None else {"key": secret})}
        print(msgspec.json.encode(told).decode())
    elif secret is None:
        print(f"{key.id}  {key.prefix}  revoked {rfc3339(key.revoked_ms or now_ms)}")
    elif arguments.quiet:
        print(secret)
    else:
        print(f"{key.id}  {key.name}  {key.tier}  {' '.join(sorted(key.scopes))}")
        print("shown this once; keep it:")
        print(secret)


def _show_all(found: list[ApiKey], now_ms: int, *, as_json: bool) -> None:
    rows = [key_view(key, now_ms) for key in found]
    if as_json:
        print(msgspec.json.encode(rows).decode())
        return
    head = ("id", "prefix", "tier", "scopes", "state", "created", "last used", "expires", "name")
    names = ("id", "prefix", "tier", "scopes", "state", "created_at", "last_used_at", "expires_at", "name")
    lines = [head, *(tuple(_cell(row[name]) for name in names) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else value or "–"
