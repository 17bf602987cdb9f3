"""The catalogue in use: the packaged entries, those that were added, without those that were taken away. A change holds at
once, in every answer and in what the gateway may call, and is stored first, so that a start finds it again.

Whatever was added is asked through the outbound guard and without a key, unless the packaged catalogue calls the same
host; the quotes of an added venue are in no price before each ticker's price has agreed with the asset's
(`services/identity.py`), and what else it says is asked for after the packaged sources, whatever rank it came with.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from ..gateway.guard import check_base_url
from ..gateway.outbound import check_url
from ..model.ask import Capability
from ..model.errors import AddressRefused, CdtsError, Conflict, InvalidParameter, NotFound
from ..providers import catalog
from ..providers.catalog import CatalogError, Entry
from ..providers.entry_fields import checked, fields_of
from ..store.repos import own_entries as repo
from ..store.repos.own_entries import OwnEntryRow
from ..telemetry import logger
from . import choices, collect
from .runtime import Runtime

log = logger("catalogue")
MAX_ADDED = 1_000
MAX_CALLS_PER_S = 20
"""Calls a second to a source that was added, at most, whatever limits it was added with."""
POLLED_S = 60
"""Seconds between two fetches of an added venue's quotes, unless its entry says more."""
POLLS_AT_ONCE = 4
FOLLOW_S = 30
TURN = 20
"""Entries put in before other work has its turn."""
READ_BY_GET = frozenset({"json_table", "feed"})
"""Adapters that ask by GET alone, as the outbound guard does."""
RESERVED = frozenset({"scoreboard", "category", "consensus", "all", "export", "import", "backup", "provider"})
ORIGINS = ("admin", "import", "discovery")
_FIELD = re.compile(r"[A-Za-z_][\w.\[\]-]*")


@dataclass(slots=True)
class Added:
    """An entry beside the packaged ones, who brought it, and when it was polled last. `foreign`: it reads what no packaged
    entry of its id reads."""

    entry: Entry
    origin: str
    polled_ms: int = 0
    foreign: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """Entries to be added (with the origin) or put in the place of those of the same id, and ids to be taken away."""

    puts: Sequence[tuple[Entry, str]] = ()
    removes: Sequence[str] = ()


async def add_entry(
    rt: Runtime, entry_id: str, category: str, fields: Mapping[str, Any], *, origin: str
) -> Entry:
    """Add a source; `fields` are those of a catalogue entry. Raises InvalidParameter naming the field that is wrong,
    Conflict for an id that is taken, StoreError."""
    entry = usable(category, entry_id, fields, origin=origin)
    async with rt.changing:
        if entry_id in rt.entries:
            raise Conflict(
                f"There is a provider {entry_id!r} already; DELETE it first, or choose another id.",
                details={"parameter": "id", "got": entry_id},
            )
        room_for(rt, [entry])
        await apply(rt, Change(puts=[(entry, origin)]))
    return entry


def room_for(rt: Runtime, entries: Sequence[Entry]) -> None:
    """Raises Conflict where these would be more than may be added."""
    new = {entry.id for entry in entries if not is_packaged(entry)}
    if len(new | rt.added.keys()) > MAX_ADDED:
        raise Conflict(f"At most {MAX_ADDED} sources may be added; there would be more.")


def of_settings(rt: Runtime, entry_id: str) -> bool:
    """Whether the entry is a feed of NEWS_FEEDS, which only the operator's settings change."""
    return entry_id in rt.entries and entry_id not in rt.added and entry_id not in catalog.load()


async def remove_entry(rt: Runtime, entry_id: str) -> None:
    """Take a source out of the catalogue, an added one or a packaged one. Raises NotFound, Conflict for a feed of the
    settings, StoreError."""
    async with rt.changing:
        if entry_id not in rt.entries:
            raise NotFound(
                f"There is no provider {entry_id!r}; GET /api/resources lists them.",
                details={"provider": entry_id},
            )
        if of_settings(rt, entry_id):
            raise Conflict(
                f"{entry_id!r} is a feed of NEWS_FEEDS; take it out there.", details={"provider": entry_id}
            )
        await apply(rt, Change(removes=[entry_id]))


def usable(category: str, entry_id: str, fields: Mapping[str, Any], *, origin: str) -> Entry:
    """The entry, checked whole: its fields, its address, what it may hold as somebody's addition, and its tables. Raises
    InvalidParameter naming the field."""
    try:
        entry = checked(category, entry_id, fields)
        if not is_packaged(entry):
            _may_be_added(entry, origin)
            if entry.status in ("live", "keyed"):
                catalog.adapter_of(entry)
    except CatalogError as error:
        raise _invalid(str(error)) from None
    return entry


def is_packaged(entry: Entry) -> bool:
    """Whether the package has this very entry."""
    return catalog.load().get(entry.id) == entry


def _is_kept(entry: Entry) -> bool:
    """Whether it reads what a packaged entry of its id reads, in the same way: other limits or ranks are an admin's word on
    a source that the package vouches for."""
    like = catalog.load().get(entry.id)
    return like is not None and (like.base_url, like.adapter, like.tables) == (
        entry.base_url,
        entry.adapter,
        entry.tables,
    )


def known_host(entry: Entry) -> bool:
    """Whether a packaged entry in use calls the same host, so that its address is nobody's word but the project's."""
    return entry.host in _packaged_hosts()


@cache
def _packaged_hosts() -> frozenset[str]:
    return frozenset(e.host for e in catalog.load().values() if e.status in ("live", "keyed"))


def _may_be_added(entry: Entry, origin: str) -> None:
    """What holds for an addition beside what holds for every entry. Raises CatalogError."""

    def fail(what: str) -> CatalogError:
        return CatalogError(f"catalog/{entry.category}.toml [{entry.id}]: {what}")

    packaged = catalog.load()
    if entry.id in RESERVED:
        raise fail(f"id {entry.id!r} is a word of the API; choose another")
    try:
        check_url(entry.base_url)
        check_base_url(entry.base_url, whole=entry.kind == "feed")
    except AddressRefused as error:
        raise fail(f"base_url {error.message}") from None
    if entry.docs and not entry.docs.startswith("https://"):
        raise fail("docs must start with https://")
    like = packaged.get(entry.id)
    if (entry.stream, entry.ws_url) != ("", "") and (like is None or _streams(like) != _streams(entry)):
        raise fail("stream cannot be added: streams are part of the package")
    mine = entry.source == entry.id or (like is not None and like.source == entry.source)
    sources = {e.source for e in packaged.values() if e.id != entry.id}
    if not mine or (entry.source in sources and not known_host(entry)):
        raise fail("source must be the id: somebody else's stands for their limits and their opinion")
    for limit in entry.limits:
        if limit.amount > MAX_CALLS_PER_S * limit.per_s:
            raise fail(f"limits allow more than {MAX_CALLS_PER_S} calls a second")
    if not known_host(entry):
        _of_a_stranger(entry, fail)
    elif entry.auth is not None:
        keyed = {(e.host, e.auth) for e in packaged.values() if e.auth is not None}
        if origin == "discovery" or (entry.host, entry.auth) not in keyed:
            raise fail("auth names a key that is not sent to this host, or not in this place")


def _of_a_stranger(entry: Entry, fail: Any) -> None:
    if entry.auth is not None:
        raise fail("auth cannot be added: keys go to hosts of the package alone")
    if entry.status in ("live", "keyed") and entry.adapter not in READ_BY_GET:
        raise fail(f"adapter must be one of {', '.join(sorted(READ_BY_GET))}")
    for name, table in entry.tables.items():
        if table.get("method", "GET") != "GET":
            raise fail(f"tables.{name}.method must be GET")


def _streams(entry: Entry) -> tuple[str, str, str]:
    return entry.stream, entry.ws_url, entry.host


def _invalid(text: str) -> InvalidParameter:
    what = text.rpartition("]: ")[2]
    named = re.search(r"unknown field `(\w+)`", what) or re.search(r"unknown field '(\w+)'", what)
    field = named[1] if named else (found[0] if (found := _FIELD.match(what)) else "entry")
    return InvalidParameter(
        f"{what[:300]}.", details={"parameter": field, "got": None, "allowed": what[:300]}
    )


# --- taking effect ----------------------------------------------------------------------------------------------------


async def apply(rt: Runtime, change: Change) -> None:
    """Store the change and let it hold. What is now as the package has it is forgotten. Raises StoreError, and then
    nothing has changed."""
    now = rt.clock.now_ms()
    rows = [
        OwnEntryRow(now, False, entry.id, entry.category, origin, encoded(entry))
        for entry, origin in change.puts
        if not is_packaged(entry)
    ]
    packaged = catalog.load()
    gone = [
        OwnEntryRow(now, True, name, packaged[name].category, "admin", "")
        for name in change.removes
        if name in packaged
    ]
    forgotten = [entry.id for entry, _ in change.puts if is_packaged(entry)]
    forgotten += [name for name in change.removes if name not in packaged]
    await repo.put(rt.store, [*rows, *gone], forgotten)
    rt.catalogue_seen.update((row.id, now) for row in (*rows, *gone))
    for name in forgotten:
        rt.catalogue_seen.pop(name, None)
    for name in change.removes:
        await _take_out(rt, name)
    for place, (entry, origin) in enumerate(change.puts):
        await _put_in(rt, entry, origin)
        if place % TURN == TURN - 1:
            await rt.clock.sleep(0)
    # What an operator chose for a source outlives its entry.
    await choices.restore(rt)


def encoded(entry: Entry) -> str:
    """The fields of an entry as JSON."""
    return msgspec.json.encode(fields_of(entry)).decode()


async def _put_in(rt: Runtime, entry: Entry, origin: str) -> None:
    """Raises AddressRefused and CatalogError, which `usable` has ruled out."""
    await _take_out(rt, entry.id)
    rt.board.know(entry)
    if is_packaged(entry):
        rt.resolver.trust(entry.id, entry.tickers)
        rt.gateway.add(entry)
    else:
        foreign = not _is_kept(entry)
        rt.added[entry.id] = Added(entry, origin, foreign=foreign)
        rt.resolver.doubt(entry.id, entry.tickers)
        rt.gateway.add(entry, guarded=not known_host(entry), added=foreign)
    rt.entries = {**rt.entries, entry.id: entry}


async def _take_out(rt: Runtime, name: str) -> None:
    rt.gateway.remove(name)
    rt.added.pop(name, None)
    rt.entries = {key: entry for key, entry in rt.entries.items() if key != name}
    if rt.feeds is not None:
        await rt.feeds.drop(name)
    rt.board.drop(name)


async def restore(rt: Runtime) -> None:
    """Take up the changes of earlier runs, before anything is asked. One that this version cannot read is left out and
    logged. Raises StoreError."""
    await _take_up(rt)


async def follow(rt: Runtime) -> int:
    """The same for what other processes have changed since; gives how many entries. A SQLite file has one process. Raises
    StoreError."""
    if rt.store.dialect != "postgresql":
        return 0
    done = await _take_up(rt)
    if done:
        await choices.restore(rt)
    return done


async def _take_up(rt: Runtime) -> int:
    async with rt.changing:
        rows = {row.id: row for row in await repo.everything(rt.store)}
        changed = [row for row in rows.values() if rt.catalogue_seen.get(row.id) != row.changed_ms]
        gone = [name for name in rt.catalogue_seen if name not in rows]
        for row in changed:
            await _take_up_one(rt, row)
        for name in gone:
            packaged = catalog.load().get(name)
            await (_take_out(rt, name) if packaged is None else _put_in(rt, packaged, "package"))
        rt.catalogue_seen = {row.id: row.changed_ms for row in rows.values()}
    return len(changed) + len(gone)


async def _take_up_one(rt: Runtime, row: OwnEntryRow) -> None:
    if row.removed:
        await _take_out(rt, row.id)
        return
    try:
        fields = msgspec.json.decode(row.payload)
        await _put_in(rt, usable(row.category, row.id, fields, origin=row.origin), row.origin)
    except (CdtsError, CatalogError, msgspec.DecodeError) as error:
        log.warning("an added source cannot be used", provider=row.id, reason=str(error)[:200])


# --- collecting -------------------------------------------------------------------------------------------------------


async def collect_added(rt: Runtime) -> int:
    """Fetch the quotes and market lists of added sources whose time has come; gives how many answered."""
    now = rt.clock.now_ms()
    due = [a for a in rt.added.values() if now - a.polled_ms >= max(POLLED_S, a.entry.poll_s) * 1000]
    # Where the job's time is up before all have had their turn, the others begin the next one.
    due.sort(key=lambda added: added.polled_ms)
    gate = asyncio.Semaphore(POLLS_AT_ONCE)

    async def one(added: Added) -> bool:
        async with gate:
            return await _poll(rt, added, now)

    return sum(await asyncio.gather(*map(one, due)))


async def _poll(rt: Runtime, added: Added, now: int) -> bool:
    name, offers = added.entry.id, added.entry.offers
    if name not in rt.gateway.sources or not rt.gateway.sources[name].enabled:
        return False
    added.polled_ms = now
    with suppress(CdtsError):
        if added.entry.kind == "venue" and Capability.QUOTES in offers:
            return await collect.venue_quotes(rt, name) >= 0
        if added.entry.kind == "aggregator" and Capability.COINS in offers:
            return await collect.aggregator_coins(rt, name) >= 0
    return False
