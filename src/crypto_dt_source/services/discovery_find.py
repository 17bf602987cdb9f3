"""Asking the directories, once each a round, and making candidates of what they name."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..gateway.limits import Meter
from ..model.errors import BudgetExhausted, CdtsError, UpstreamRejected
from ..providers.directories import Directory, Lead
from ..providers.kit import Request
from ..store.repos import discovery as repo
from ..store.repos.discovery import CandidateRow
from ..telemetry import mask
from .discovery_state import FOUND, Candidate, Discovery, Evidence, id_of, site_of, understood
from .runtime import Runtime

NEW_A_ROUND = 150
"""Candidates taken up in a round; more wait until the next."""
SITES_A_ROUND = 8
EXCHANGES_A_ROUND = 20
_BASES = ("public", "rest", "spot", "market")


class Found(NamedTuple):
    """Leads of one place, or the code and sentence of why there are none."""

    place: str
    leads: list[Lead]
    error: str = ""


async def find(rt: Runtime, discovery: Discovery) -> list[Found]:
    """What every place names now: the directories, the sites of feeds in use, and the exchanges that the exchange library
    knows. A place that fails costs itself alone."""
    asked = [_directory(discovery, directory, rt) for directory in discovery.directories]
    found = [*await asyncio.gather(*asked)]
    known = await repo.known(rt.store)
    if discovery.feed_sites:
        found.append(Found("feed_sites", _sites(rt, known)))
    if discovery.exchange_library:
        try:
            leads = await asyncio.to_thread(_exchanges, _library_ids(rt), known)
            found.append(Found("exchange_library", leads))
        except ImportError:
            found.append(Found("exchange_library", [], "not installed"))
    return found


async def _directory(discovery: Discovery, directory: Directory, rt: Runtime) -> Found:
    meter = discovery.meters.setdefault(
        directory.base_url, Meter(f"directory:{directory.base_url}", directory.limits, rt.clock)
    )
    try:
        if meter.take(1, background=True) > 0:
            raise BudgetExhausted("asked often enough")
        reply = await discovery.transport.send(
            directory.id,
            directory.base_url,
            Request(directory.path),
            dict(directory.headers),
            discovery.timeout_s,
        )
        if reply.status != 200:
            raise UpstreamRejected(f"status {reply.status}")
        return Found(
            directory.id, await understood(directory.read, reply.body, directory.base_url + directory.path)
        )
    except CdtsError as error:
        return Found(directory.id, [], f"{error.code}: {error.message}"[:200])


def _sites(rt: Runtime, known: frozenset[str]) -> list[Lead]:
    """Sites of feeds in use, for what else they publish; a few that were not looked at yet."""
    pages = sorted({entry.docs for entry in rt.entries.values() if entry.kind == "feed" and entry.docs})
    fresh = [page for page in pages if page.startswith("https://") and id_of(page) not in known]
    return [Lead(page, "page", urlsplit(page).hostname or "") for page in fresh[:SITES_A_ROUND]]


def _library_ids(rt: Runtime) -> frozenset[str]:
    return frozenset(
        name for entry in rt.entries.values() for name in (entry.id, entry.source, entry.library_id) if name
    )


def _exchanges(taken: frozenset[str], known: frozenset[str]) -> list[Lead]:
    """Lists of tickers of exchanges that ccxt describes and the catalogue does not have; nothing of it goes to the network
    (https://docs.ccxt.com/#/?id=exchanges). Raises ImportError where it is not installed."""
    if importlib.util.find_spec("ccxt") is None:
        raise ImportError("ccxt")
    import ccxt

    leads: list[Lead] = []
    for name in ccxt.exchanges:
        if name in taken or len(leads) >= EXCHANGES_A_ROUND:
            continue
        leads += [
            lead for lead in _tickers(name, getattr(ccxt, name)().describe()) if id_of(lead.url) not in known
        ]
    return leads


def _tickers(name: str, about: Mapping[str, Any]) -> Iterator[Lead]:
    """Where an exchange's list of tickers may be, by its description, else its page for people."""
    told = about.get("urls", {})
    urls, api = told.get("api"), about.get("api")
    base = (
        next((urls[key] for key in _BASES if isinstance(urls.get(key), str)), None)
        if isinstance(urls, dict)
        else urls
    )
    public = api.get("public") if isinstance(api, dict) else None
    paths = public.get("get") if isinstance(public, dict) else None
    if isinstance(base, str) and isinstance(paths, dict | list):
        base = base.replace("{hostname}", str(about.get("hostname", ""))).rstrip("/")
        fitting = sorted((path for path in paths if "ticker" in path.lower() and "{" not in path), key=len)
        if fitting and base.startswith("https://") and "{" not in base:
            yield Lead(f"{base}/{fitting[0].lstrip('/')}", "api", name)
            return
    page = told.get("www")
    if isinstance(page, str) and page.startswith("https://"):
        yield Lead(page, "page", name)


def candidates(rt: Runtime, found: Iterable[Found], known: frozenset[str]) -> list[CandidateRow]:
    """Rows of what is new among the leads, NEW_A_ROUND at most, each place having its turn. Left out: what was found before,
    and sites that the catalogue has, but for their feeds."""
    now = rt.clock.now_ms()
    sites = {site_of(entry.base_url) for entry in rt.entries.values()}
    feeds = {entry.base_url for entry in rt.entries.values() if entry.kind == "feed"}
    rows: dict[str, CandidateRow] = {}
    waiting = [(place.place, iter(place.leads)) for place in found]
    while waiting and len(rows) < NEW_A_ROUND:
        still = []
        for place, leads in waiting:
            lead = next(leads, None)
            if lead is None:
                continue
            still.append((place, leads))
            name = id_of(lead.url)
            taken = lead.url in feeds or (
                place != "feed_sites" and lead.kind != "feed" and site_of(lead.url) in sites
            )
            if name not in known and name not in rows and not taken and len(rows) < NEW_A_ROUND:
                rows[name] = _row(lead, place, name, now)
        waiting = still
    return list(rows.values())


def _row(lead: Lead, place: str, name: str, now_ms: int) -> CandidateRow:
    row = CandidateRow(now_ms, now_ms, name, lead.url, lead.kind, mask(lead.name), FOUND, place, None, "")
    candidate = Candidate(row, Evidence(), None)
    candidate.note(now_ms, FOUND, place)
    return candidate.stored()
