"""The catalogue: every upstream as data. One TOML file a category under `catalog/`, one table an entry."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from ..model.ask import Capability
from . import exchange_calls
from .kit import Adapter
from .streaming import Stream

STATUSES = ("live", "keyed", "off", "gone")
KINDS = ("venue", "aggregator", "feed", "data")
"""Who quotes prices at first hand, who gathers them, who publishes news, and who gives other data."""
AUTH_PLACES = ("header", "query", "bearer")


DEFAULT_POLL_S = 60
"""How often a venue's quotes are fetched unless its entry or the operator (COLLECT_INTERVAL) says otherwise."""


OWN_FEED_LIMIT_CALLS, OWN_FEED_LIMIT_S = 4, 600
"""A feed is read every half hour; four reads in ten minutes are restarts."""


class CatalogError(ValueError):
    """An entry breaks the schema; the message names the file, the entry and the field."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` units of weight in any `per_s` seconds, as published by the upstream."""

    amount: int
    per_s: int


@dataclass(frozen=True, slots=True)
class Auth:
    """Where the key goes: a header, a query parameter, or `Authorization: Bearer`. `prefix` precedes it there."""

    env: str
    place: str
    name: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """One capability of an entry. `rank`: lower is asked first. `page_limit`: pages a full read may take. `chains`: the
    only ones of the entry's that it has this of; none named: all of them."""

    capability: Capability
    rank: int
    page_limit: int = 1
    chains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One upstream as the service uses it.

    `source` is the unit of independence and of metering: two entries with the same `source` (two hosts of one venue)
    count once in a price and share their limits. `quotes_in` lists the quote tickers to prefer at this venue, the
    best first. `poll_s` is how often its full list of quotes is fetched. `listed_as` is the venue's id in the exchange
    list of an aggregator, by that aggregator's `source`. `chains` are those a source of on-chain data knows. The base URL
    of a feed is the feed's whole address. `stream` is the module of its public WebSocket in `streams/`, empty where it has
    none, and `ws_url` where that is; empty where a token step tells. `library_id` is what the exchange library calls the venue;
    `tables` says of each capability where its values stand in the answer, for adapters that read both from the entry.
    `refuses` are countries (ISO 3166, two letters) whose addresses it refuses.
    """

    id: str
    name: str
    category: str
    kind: str
    source: str
    adapter: str
    base_url: str
    docs: str
    status: str
    offers: Mapping[Capability, Offer]
    limits: tuple[Limit, ...] = ()
    auth: Auth | None = None
    attribution: str = ""
    reason: str = ""
    since: str = ""
    quotes_in: tuple[str, ...] = ()
    poll_s: int = DEFAULT_POLL_S
    tickers: Mapping[str, str] = field(default_factory=dict)
    listed_as: Mapping[str, str] = field(default_factory=dict)
    chains: tuple[str, ...] = ()
    stream: str = ""
    ws_url: str = ""
    library_id: str = ""
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refuses: tuple[str, ...] = ()

    def chains_of(self, capability: Capability) -> tuple[str, ...]:
        """The chains it has this of; none without an offer."""
        offer = self.offers.get(capability)
        return () if offer is None else offer.chains or self.chains

    @property
    def host(self) -> str:
        """Host of the base URL; breakers are keyed by it."""
        return urlsplit(self.base_url).netloc


_FIELDS = {
    "name", "kind", "source", "adapter", "base_url", "docs", "status", "offers", "limits", "auth", "attribution",
    "reason", "since", "quotes_in", "poll_s", "tickers", "listed_as", "chains", "stream", "ws_url", "library_id", "tables",
    "refuses",
}  # fmt: skip


def _auth(raw: dict[str, Any], fail: Callable[[str], CatalogError]) -> Auth:
    try:
        auth = Auth(**raw)
    except TypeError as error:
        raise fail(f"auth: {error}") from None
    if auth.place not in AUTH_PLACES:
        raise fail(f"auth.place {auth.place!r} is not one of {', '.join(AUTH_PLACES)}")
    return auth


def _ws_url(raw: dict[str, Any], fail: Callable[[str], CatalogError]) -> str:
    url = str(raw.get("ws_url", ""))
    if url and not url.startswith("wss://"):
        raise fail("ws_url must start with wss://")
    return url


def _texts(raw: dict[str, Any], name: str, fail: Callable[[str], CatalogError]) -> dict[str, str]:
    table = raw.get(name, {})
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise fail(f"{name} must be a table of texts")
    return dict(table)


def _offers(
    raw: dict[str, Any], fail: Callable[[str], CatalogError]
) -> tuple[dict[Capability, Offer], tuple[Limit, ...]]:
    try:
        offers = {
            Capability(name): Offer(Capability(name), **{**offer, "chains": tuple(offer.get("chains", ()))})
            for name, offer in raw.get("offers", {}).items()
        }
        return offers, tuple(Limit(**limit) for limit in raw.get("limits", ()))
    except (TypeError, ValueError) as error:
        raise fail(f"offers or limits: {error}") from None


def entry_of(category: str, entry_id: str, raw: dict[str, Any]) -> Entry:
    """The entry of a table of fields, which have the types they are declared with. Raises CatalogError naming the file,
    the entry and the field."""

    def fail(what: str) -> CatalogError:
        return CatalogError(f"catalog/{category}.toml [{entry_id}]: {what}")

    if unknown := set(raw) - _FIELDS:
        raise fail(f"unknown field {sorted(unknown)[0]!r}")
    status = raw.get("status", "live")
    if status not in STATUSES:
        raise fail(f"status {status!r} is not one of {', '.join(STATUSES)}")
    if status in ("off", "gone") and not (raw.get("reason") and raw.get("since")):
        raise fail(f"status {status} needs reason and since")
    kind = raw.get("kind", "venue")
    if kind not in KINDS:
        raise fail(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    base_url = str(raw.get("base_url", ""))
    if not base_url.startswith("https://") or (base_url.endswith("/") and kind != "feed"):
        raise fail("base_url must start with https:// and not end with a slash")
    if not raw.get("name"):
        raise fail("name is missing")
    poll_s = raw.get("poll_s", DEFAULT_POLL_S)
    if not isinstance(poll_s, int) or poll_s < 1:
        raise fail("poll_s must be a whole number of seconds above 0")
    auth = _auth(raw["auth"], fail) if "auth" in raw else None
    if status == "keyed" and auth is None:
        raise fail("status keyed needs auth")
    offers, limits = _offers(raw, fail)
    if status in ("live", "keyed") and not (offers and limits and raw.get("docs")):
        raise fail("a live entry needs docs, limits and offers")
    return Entry(
        id=entry_id,
        name=raw["name"],
        category=category,
        kind=kind,
        source=raw.get("source", entry_id),
        adapter=raw.get("adapter", entry_id),
        base_url=base_url,
        docs=raw.get("docs", ""),
        status=status,
        offers=offers,
        limits=limits,
        auth=auth,
        attribution=raw.get("attribution", ""),
        reason=raw.get("reason", ""),
        since=str(raw.get("since", "")),
        quotes_in=tuple(raw.get("quotes_in", ())),
        poll_s=poll_s,
        tickers=_texts(raw, "tickers", fail),
        listed_as=_texts(raw, "listed_as", fail),
        chains=tuple(raw.get("chains", ())),
        stream=str(raw.get("stream", "")),
        ws_url=_ws_url(raw, fail),
        library_id=str(raw.get("library_id", "")),
        tables=raw.get("tables", {}),
        refuses=tuple(raw.get("refuses", ())),
    )


@cache
def load() -> Mapping[str, Entry]:
    """Every entry by id, in the order of the files. Raises CatalogError naming the first wrong field."""
    entries: dict[str, Entry] = {}
    folder = resources.files(__package__) / "catalog"
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if not file.name.endswith(".toml"):
            continue
        category = file.name.removesuffix(".toml")
        for entry_id, raw in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if entry_id in entries:
                raise CatalogError(f"catalog/{category}.toml: {entry_id} is declared twice")
            # `exchange_library.toml` holds more of the category `exchange`.
            entries[entry_id] = entry_of(category.partition("_")[0], entry_id, raw)
    return entries


def own_feed(feed_id: str, url: str) -> Entry:
    """The entry of a feed an operator added; the address is theirs to answer for, and may hold a key in its path or query:
    nothing of it is shown but the site."""
    site = urlsplit(url)
    return Entry(
        id=feed_id,
        name=feed_id,
        category="news",
        kind="feed",
        source=feed_id,
        adapter="feed",
        base_url=url,
        docs=f"{site.scheme}://{site.hostname}/",
        status="live",
        offers={Capability.NEWS: Offer(Capability.NEWS, rank=50)},
        limits=(Limit(OWN_FEED_LIMIT_CALLS, OWN_FEED_LIMIT_S),),
    )


@cache
def adapter(name: str) -> Adapter:
    """The adapter module's `ADAPTER`, imported on first use. Raises CatalogError when there is none."""
    found: Adapter = _adapter_module(name).ADAPTER
    return found


def _adapter_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{__package__}.adapters.{name}")
    except ModuleNotFoundError:
        raise CatalogError(f"there is no adapter {name!r}") from None


def adapter_of(entry: Entry) -> Adapter:
    """The adapter of an entry: its module's `ADAPTER`, or what the module's `of(entry)` makes of one that says itself how it
    is read. Raises CatalogError when there is none, or when the entry cannot be read that way."""
    module = _adapter_module(entry.adapter)
    if not hasattr(module, "of"):
        return adapter(entry.adapter)
    made: Adapter = module.of(entry)
    return made


def pollable(entry: Entry) -> bool:
    """Whether its quotes can be collected: all at once, or pair by pair from its own list of pairs."""
    if not entry.library_id:
        return Capability.QUOTES in entry.offers
    whole = entry.tables.get("quotes", {}).get("all", False) or Capability.INSTRUMENTS in entry.offers
    return Capability.QUOTES in entry.offers and bool(whole)


NEEDS_EXTRA = f"needs the extra [{exchange_calls.EXTRA}]"
"""Why an entry of the exchange library is not in use where the library is not installed."""


def installed(entry: Entry) -> bool:
    """Whether all that reading an entry takes is there: those of the exchange library need an extra."""
    return not entry.library_id or exchange_calls.installed()


@cache
def stream(name: str) -> Stream:
    """The stream module's `STREAM`, imported on first use. Raises CatalogError when there is none."""
    try:
        module = importlib.import_module(f"{__package__}.streams.{name}")
    except ModuleNotFoundError:
        raise CatalogError(f"there is no stream {name!r}") from None
    found: Stream = module.STREAM
    return found
