"""Where new sources are looked for, and reading what those places answer: leads to an address, nothing more.

Pure, and for documents of strangers: every reader stops at a bound and leaves out what it does not know. Formats:
GitHub's search (https://docs.github.com/en/rest/search/search#search-repositories), the public-apis list
(https://github.com/public-apis/public-apis), APIs.guru (https://apis.guru/api-doc), APIs.json (https://apisjson.org/),
api-catalog (RFC 9727 with the link sets of RFC 9264), OpenAPI (https://spec.openapis.org/oas/latest.html), and feeds named
in a page's head (https://www.rssboard.org/rss-autodiscovery).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec

from .catalog import Limit
from .feeds.encoding import text_of
from .feeds.markup import ALONE, OPEN, attributes, tokens
from .inference import document
from .kit import decoder, read
from .text import plain

MAX_LEADS = 120
"""Leads out of one document at most."""
READMES = 20
MAX_URL = 500
MAX_NAME = 120
FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json")
ABOUT = re.compile(r"crypto|bitcoin|blockchain|ethereum|altcoin|stablecoin|\bdefi\b|\bweb3\b", re.IGNORECASE)
"""Words that say of a text that it is about what this service is for."""
_TICKERS = re.compile(
    r"ticker|/prices?\b|/quotes?\b|/markets?\b|/summar(?:y|ies)\b|/coins\b|/assets\b", re.IGNORECASE
)
_TOLD = re.compile(r"https://[^\s\"'<>`()\[\]|\\^]{4,500}")
_ROW = re.compile(r"^\|\s*\[([^\]\n]{1,200})\]\((https?://[^)\s]{4,500})\)\s*\|", re.MULTILINE)
_REPOSITORY = re.compile(r"[\w-][\w.-]{0,99}/[\w-][\w.-]{0,99}", re.ASCII)
_HEADING = re.compile(r"^#{2,4}[ \t]+(\S[^\n]{0,99})$", re.MULTILINE)
_SECTIONS = frozenset({"cryptocurrency", "blockchain"})


class _Info(msgspec.Struct):
    title: str | None = None
    description: str | None = None


class _Version(msgspec.Struct, rename={"swagger_url": "swaggerUrl"}):
    info: _Info
    swagger_url: str = ""


class _Api(msgspec.Struct):
    preferred: str
    versions: dict[str, _Version]


# The list has several megabytes: only what is needed of it becomes objects.
_guru = decoder(dict[str, _Api])


class Lead(NamedTuple):
    """An address where a source may be. `kind`: `api`, `page`, `feed` or `readme`, as whoever named it believes; `name` for people."""

    url: str
    kind: str
    name: str


Read = Callable[[bytes, str], list[Lead]]
"""A body and the address it came from to leads. Raises PayloadChanged for a body of another shape."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A place that names sources. `path` holds the query; `limits` are its own, published or modest; it is asked once in a
    round."""

    id: str
    name: str
    base_url: str
    path: str
    docs: str
    limits: tuple[Limit, ...]
    read: Read
    headers: tuple[tuple[str, str], ...] = ()


def _lead(url: Any, kind: str, name: Any = "") -> Iterator[Lead]:
    """A lead, or nothing for what is no https address (http is asked for as https, which most servers have)."""
    if not isinstance(url, str) or len(url) > MAX_URL or not url.isascii() or not url.isprintable():
        return
    if url.startswith("http://"):
        url = "https://" + url.removeprefix("http://")
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return
    if host and url.startswith("https://") and "{" not in url and " " not in url:
        told = plain(name[: 4 * MAX_NAME]) if isinstance(name, str) else None
        yield Lead(url.split("#", 1)[0], kind, " ".join((told or host).split())[:MAX_NAME])


def _bounded(leads: Iterable[Lead]) -> list[Lead]:
    found: dict[str, Lead] = {}
    for lead in leads:
        found.setdefault(lead.url, lead)
        if len(found) >= MAX_LEADS:
            break
    return list(found.values())


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def github(body: bytes, url: str) -> list[Lead]:
    """Homepages of the repositories a search found; of a few without one what their README names."""
    found = document(body)
    rows = _objects(found.get("items")) if isinstance(found, dict) else []
    leads: list[Lead] = []
    readmes: list[Lead] = []
    for row in rows:
        name = row.get("full_name")
        homepage = [*_lead(row.get("homepage"), "page", name)]
        leads += homepage
        if not homepage and isinstance(name, str) and _REPOSITORY.fullmatch(name):
            readmes += _lead(f"https://raw.githubusercontent.com/{name}/HEAD/README.md", "readme", name)
    return _bounded([*leads, *readmes[:READMES]])


def public_apis(body: bytes, url: str) -> list[Lead]:
    """The list's tables under its headings for cryptocurrencies and blockchains."""
    text = body.decode("utf-8", "replace")
    marks = [*_HEADING.finditer(text)]
    leads: list[Lead] = []
    for mark, following in zip_longest(marks, marks[1:]):
        if mark[1].strip().lower() in _SECTIONS:
            end = following.start() if following else len(text)
            for row in _ROW.finditer(text, mark.end(), end):
                leads += _lead(row[2], "page", row[1])
    return _bounded(leads)


def guru(body: bytes, url: str) -> list[Lead]:
    """Descriptions of APIs whose title or text says what they are about."""
    leads: list[Lead] = []
    for name, api in read(_guru, body).items():
        version = api.versions.get(api.preferred)
        if version is not None and ABOUT.search(
            f"{name} {version.info.title} {(version.info.description or '')[:2000]}"
        ):
            leads += _lead(version.swagger_url, "api", name)
    return _bounded(leads)


def apis_json(body: bytes, url: str) -> list[Lead]:
    """Descriptions, base addresses and pages that an APIs.json names."""
    return _bounded(_apis(document(body), url))


def _apis(found: Any, url: str) -> Iterator[Lead]:
    for api in _objects(found.get("apis")) if isinstance(found, dict) else ():
        name = api.get("name")
        for row in _objects(api.get("properties")):
            if str(row.get("type", "")).lower() in ("openapi", "swagger"):
                yield from _joined(row.get("url"), url, "api", name)
        yield from _joined(api.get("baseURL"), url, "api", name)
        yield from _joined(api.get("humanURL"), url, "page", name)


def api_catalog(body: bytes, url: str) -> list[Lead]:
    """What a link set names: descriptions of services first, then its items and anchors."""
    return _bounded(_linkset(document(body), url))


def _linkset(found: Any, url: str) -> Iterator[Lead]:
    contexts = _objects(found.get("linkset")) if isinstance(found, dict) else []
    for relation, kind in (("service-desc", "api"), ("item", "api"), ("service-doc", "page")):
        for context in contexts:
            for link in _objects(context.get(relation)):
                yield from _joined(link.get("href"), url, kind, link.get("title"))
    for context in contexts:
        if context.get("anchor") != url:
            yield from _joined(context.get("anchor"), url, "api")


def _joined(link: Any, url: str, kind: str, name: Any = "") -> Iterator[Lead]:
    if not isinstance(link, str) or len(link) > MAX_URL:
        return
    try:
        there = urljoin(url, link)
    except ValueError:
        return
    yield from _lead(there, kind, name)


def openapi(body: bytes, url: str) -> list[Lead]:
    """Addresses of what an API can be asked without any parameter, those that sound like prices, the likeliest first."""
    found = document(body)
    paths = found.get("paths") if isinstance(found, dict) else None
    if not isinstance(paths, dict):
        return []
    base = _server(found, url)
    names = [
        path
        for path, item in list(paths.items())[:2_000]
        if "{" not in path and _TICKERS.search(path) and _free(item)
    ]
    names.sort(key=lambda path: ("ticker" not in path.lower(), len(path)))
    return _bounded(lead for path in names for lead in _lead(base + path, "api"))


def _server(found: Mapping[str, Any], url: str) -> str:
    """The first server without a variable, or where a Swagger 2 document says its API is."""
    for server in _objects(found.get("servers")):
        where = server.get("url")
        if isinstance(where, str) and "{" not in where and len(where) <= MAX_URL:
            with suppress(ValueError):
                return urljoin(url, where).rstrip("/")
    host = found.get("host")
    base = str(found.get("basePath", "")).rstrip("/")
    return f"https://{host}{base}" if isinstance(host, str) else urljoin(url, "/").rstrip("/") + base


def _free(item: Any) -> bool:
    """Whether a path can be read with GET and nothing else."""
    get = item.get("get") if isinstance(item, dict) else None
    if not isinstance(get, dict):
        return False
    given = [*_objects(item.get("parameters")), *_objects(get.get("parameters"))]
    return not any(row.get("required") is True for row in given)


def page(body: bytes, url: str, content_type: str = "") -> list[Lead]:
    """What a page for people leads to: feeds and descriptions named in its head, then addresses in its text that sound like
    prices."""
    text = text_of(body, content_type)
    leads: list[Lead] = []
    for token in tokens(text):
        if token.kind not in (OPEN, ALONE) or token.name not in ("link", "a"):
            continue
        given = attributes(text, token)
        relations = given.get("rel", "").lower().split()
        if token.name == "link" and "alternate" in relations and given.get("type", "").lower() in FEED_TYPES:
            leads += _joined(given.get("href"), url, "feed", given.get("title"))
        elif "service-desc" in relations or "api-catalog" in relations:
            leads += _joined(given.get("href"), url, "api", given.get("title"))
        elif token.name == "a" and re.search(r"(?:openapi|swagger)\.json$", given.get("href", "")):
            leads += _joined(given.get("href"), url, "api")
        if len(leads) >= MAX_LEADS:
            break
    told = (lead for match in _TOLD.finditer(text) for lead in _lead(match[0].rstrip(".,;:!?&"), "api"))
    leads += [lead for lead in told if _TICKERS.search(urlsplit(lead.url).path)]
    return _bounded(leads)


def follow(body: bytes, url: str, kind: str, content_type: str = "") -> list[Lead]:
    """Where a body of `kind` (see `inference.kind_of` and `meaning_of`) leads on to; nowhere for any other kind."""
    if kind in ("html", "readme"):
        return page(body, url, content_type)
    readers: Mapping[str, Read] = {"openapi": openapi, "linkset": api_catalog, "apis_json": apis_json}
    return readers[kind](body, url) if kind in readers else []


def well_known(url: str) -> list[str]:
    """Addresses of the same site at which it may describe its API itself."""
    root = urljoin(url, "/")
    return [f"{root}.well-known/api-catalog", f"{root}apis.json", f"{root}openapi.json"]


_GITHUB = (("Accept", "application/vnd.github+json"), ("X-GitHub-Api-Version", "2022-11-28"))
_SEARCH = "/search/repositories?q={}&sort=updated&per_page=100"
_SEARCHES = {"exchange": "topic%3Acryptocurrency-exchange", "api": "topic%3Acryptocurrency-api"}
DIRECTORIES: tuple[Directory, ...] = (
    *(
        Directory(
            f"github_{name}",
            f"GitHub repositories ({name})",
            "https://api.github.com",
            _SEARCH.format(query),
            "https://docs.github.com/en/rest/search/search#rate-limit",
            (Limit(10, 60),),
            github,
            _GITHUB,
        )
        for name, query in _SEARCHES.items()
    ),
    Directory(
        "public_apis",
        "public-apis",
        "https://raw.githubusercontent.com",
        "/public-apis/public-apis/master/README.md",
        "https://github.com/public-apis/public-apis",
        (Limit(4, 3600),),
        public_apis,
    ),
    Directory(
        "apis_guru",
        "APIs.guru",
        "https://api.apis.guru",
        "/v2/list.json",
        "https://apis.guru/api-doc",
        (Limit(4, 3600),),
        guru,
    ),
)
"""Asked in this order. Sites that sources in use belong to are looked at for more feeds besides (`services/discovery_find.py`)."""
