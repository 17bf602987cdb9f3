"""RSS 0.9x, 1.0 (RDF) and 2.0, Atom 0.3 and 1.0, by one reader: what they call things differs, not where it stands.

https://www.rssboard.org/rss-specification, https://web.resource.org/rss/1.0/spec, https://www.rfc-editor.org/rfc/rfc4287
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from ...model.errors import PayloadChanged
from ..urls import absolute
from .item import ITEMS_LIMIT, TEXT_LIMIT, VALUES_LIMIT, Feed, Item
from .markup import ALONE, CLOSE, LITERAL, OPEN, TEXT, Token, attributes, characters, tokens

DEPTH_LIMIT = 100
NAMESPACES_LIMIT = 64

_ROOTS = frozenset({"rss", "rdf", "feed"})
_HEADS = frozenset({"channel", "feed"})
_ITEMS = frozenset({"item", "entry"})
_PREFIXES = {
    "purl.org/rss/1.0": "", "my.netscape.com/rdf/simple/0.9": "", "channel.netscape.com/rdf/simple/0.9": "",
    "backend.userland.com/rss": "", "backend.userland.com/rss2": "", "blogs.law.harvard.edu/tech/rss": "",
    "purl.org/net/rss1.1#": "", "www.w3.org/2005/atom": "", "purl.org/atom/ns#": "",
    "www.w3.org/1999/02/22-rdf-syntax-ns#": "", "purl.org/dc/elements/1.1": "dc", "purl.org/dc/terms": "dcterms",
    "purl.org/rss/1.0/modules/content": "content", "search.yahoo.com/mrss": "media",
    "video.search.yahoo.com/mrss": "media",
    "rssnamespace.org/feedburner/ext/1.0": "feedburner",
}  # fmt: skip
_USUAL = {"": "", "atom": "", "rdf": "", "rss": "", **{p: p for p in _PREFIXES.values() if p}}
_CAPTURED = frozenset(
    "title link guid id description summary content content:encoded author dc:creator category dc:subject pubdate "
    "published issued dc:date dcterms:issued dcterms:created updated modified dcterms:modified "
    "feedburner:origlink".split()
)
_DATES = (
    "pubdate", "published", "issued", "dc:date", "dcterms:issued", "dcterms:created", "updated", "modified",
    "dcterms:modified",
)  # fmt: skip
_SUMMARIES = ("description", "summary", "content:encoded", "content")
_PERSON = re.compile(r"<name(?![^\s>])[^<>]*+>([^<]*+)")
_PICTURE = re.compile(r"\.(?:jpe?g|png|webp|gif|avif)(?:$|[?@])", re.IGNORECASE)


class _Level(NamedTuple):
    """An element that is open: its name, what prefixes mean in it and what addresses in it are relative to."""

    name: str
    local: str
    prefixes: dict[str, str]
    base: str | None


def read_xml(text: str) -> Feed:
    """The feed in `text`, its whole items if it is cut short. Raises PayloadChanged for what is no feed."""
    reader = _Reader(text)
    for token in tokens(text):
        if not reader.take(token):
            break
    return reader.result()


class _Reader:
    """Follows the tokens of one document. Elements are closed by the end tag of any that holds them, so that one tag
    forgotten costs what it holds and not the feed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Level] = []
        self._times: Counter[str] = Counter()
        self._root = ""
        self._ended = False
        self._feed = Feed()
        self._site = ""
        self._item: Item | None = None
        self._said: dict[str, list[str]] = {}
        self._captured: list[str] = []
        self._capture_depth = 0
        self._room = 0

    def take(self, token: Token) -> bool:
        """Read one token; False when enough was read."""
        kind = token.kind
        if kind in (TEXT, LITERAL):
            if self._capture_depth:
                self._hear(token)
            return True
        if kind == CLOSE:
            return self._close(token)
        return self._start(token)

    def result(self) -> Feed:
        """Raises PayloadChanged when there was no feed, or no item of one that is cut short."""
        feed = self._feed
        if self._root not in _ROOTS:
            what = "an HTML page" if self._root == "html" else "not a feed"
            raise PayloadChanged(f"the body is {what}", path="$")
        if not (feed.items or self._ended or feed.complete):
            raise PayloadChanged("the feed is cut short before its first item ends", path="$")
        feed.complete = feed.complete or self._ended
        return feed

    def _start(self, token: Token) -> bool:
        if self._capture_depth:
            self._quote(token)
        if len(self._open) >= DEPTH_LIMIT:
            return True
        above = self._open[-1] if self._open else _Level("", "", {}, None)
        given = attributes(self._text, token) if token.end > token.start else {}
        level = _level(token, above, given)
        if not self._open:
            self._root = level.name
            if self._root not in _ROOTS:
                return False
        if level.name in _ITEMS and self._item is not None and not self._capture_depth:
            # Items do not hold each other: the one before has lost its end tag.
            while self._item is not None:
                if not self._leave():
                    return False
        self._open.append(level)
        self._times[level.local] += 1
        if not self._capture_depth:
            self._enter(level, above, given, token.kind == OPEN)
        return self._leave() if token.kind == ALONE else True

    def _enter(self, level: _Level, above: _Level, given: dict[str, str], opened: bool) -> None:
        """An element outside of any that is being captured."""
        if level.name in _ITEMS and self._item is None:
            self._item = Item(len(self._feed.items) + 1, level.base or self._site or None)
            self._said = {}
            about = given.get("rdf:about", "")
            if about:
                self._say("about", about)
        elif self._item is not None:
            self._in_item(level, above, given, opened)
        elif above.name in _HEADS and level.name in ("title", "link"):
            if level.name == "link" and given.get("rel", "alternate") == "alternate":
                self._site = self._site or absolute(given.get("href"), level.base) or ""
            if opened:
                self._begin()

    def _in_item(self, level: _Level, above: _Level, given: dict[str, str], opened: bool) -> None:
        name = level.name
        if name in ("media:content", "media:thumbnail", "enclosure"):
            kind = given.get("type", "") or given.get("medium", "")
            url = given.get("url", "")
            if name == "media:thumbnail" or kind.startswith("image") or (not kind and _PICTURE.search(url)):
                self._say("image", _address(url, level.base))
        if above.name not in _ITEMS:
            return
        if name == "link" and "href" in given:
            self._link(given, level.base)
            return
        if name == "category":
            self._say("category", given.get("label") or given.get("term") or "")
        if name == "guid" and given.get("ispermalink", "true").lower() == "false":
            self._say("opaque", "yes")
        if opened and name in _CAPTURED:
            self._begin()

    def _link(self, given: dict[str, str], base: str | None) -> None:
        """An Atom link. Of several alternates the page comes before other forms of it."""
        rel, kind, href = given.get("rel", "alternate"), given.get("type", ""), given["href"]
        if rel == "alternate":
            name = "page" if not kind or "html" in kind else "other form"
            self._say(name, _address(href, base))
        elif rel == "enclosure" and kind.startswith("image"):
            self._say("image", _address(href, base))

    def _begin(self) -> None:
        self._capture_depth = len(self._open)
        self._captured = []
        self._room = TEXT_LIMIT

    def _hear(self, token: Token) -> None:
        piece = self._text[token.start : min(token.end, token.start + self._room)]
        self._keep(characters(piece) if token.kind == TEXT else piece)

    def _quote(self, token: Token) -> None:
        """A tag inside a captured element is part of its text: XHTML, or HTML that nobody escaped."""
        local = token.name.rpartition(":")[2]
        source = self._text[token.start : min(token.end, token.start + self._room)]
        self._keep(f"</{local}>" if token.kind == CLOSE else f"<{local}{source}>")

    def _keep(self, piece: str) -> None:
        if piece and self._room > 0:
            self._captured.append(piece)
            self._room -= len(piece)

    def _say(self, name: str, value: str | None) -> None:
        values = self._said.setdefault(name, [])
        if value and len(values) < VALUES_LIMIT:
            values.append(value)

    def _close(self, token: Token) -> bool:
        local = token.name.rpartition(":")[2]
        depth = len(self._open) if self._times.get(local) else 0
        while depth and self._open[depth - 1].local != local:
            depth -= 1
        if self._capture_depth and (not depth or depth > self._capture_depth):
            self._quote(token)
        while depth and len(self._open) >= depth:
            if not self._leave():
                return False
        return True

    def _leave(self) -> bool:
        """The innermost element ends. False when the feed has ended, or enough of it was read."""
        level = self._open.pop()
        self._times[level.local] -= 1
        if not self._times[level.local]:
            del self._times[level.local]
        if self._capture_depth > len(self._open):
            self._capture_depth = 0
            text = "".join(self._captured).strip()
            if self._item is not None:
                self._say(level.name, text)
            elif level.name == "title":
                self._feed.title = self._feed.title or text
            else:
                self._site = self._site or absolute(text, level.base) or ""
        elif level.name in _ITEMS and self._item is not None and not _ITEMS & self._times.keys():
            self._feed.items.append(self._finished(self._item))
            self._item = None
            if len(self._feed.items) >= ITEMS_LIMIT:
                self._feed.complete = True
                return False
        if not self._open:
            self._ended = True
            return False
        return True

    def _finished(self, item: Item) -> Item:
        said = self._said
        ids = said.get("guid") or said.get("id") or said.get("about") or []
        permanent = [] if "opaque" in said else ids
        item.title = next(iter(said.get("title", ())), "")
        item.guid = next(iter(ids), "")
        item.base = item.base or self._site or None
        item.links = [
            *said.get("feedburner:origlink", ()),
            *said.get("link", ()),
            *said.get("page", ()),
            *said.get("other form", ()),
            *permanent,
        ]
        item.summaries = [text for name in _SUMMARIES for text in said.get(name, ())]
        item.authors = [*said.get("dc:creator", ()), *map(_person, said.get("author", ()))]
        item.tags = [*said.get("category", ()), *said.get("dc:subject", ())]
        item.images = said.get("image", [])
        item.dates = [text for name in _DATES for text in said.get(name, ())]
        return item


def _person(text: str) -> str:
    """The name in Atom's author element, or the whole of RSS's."""
    name = _PERSON.search(text)
    return name[1] if name else text


def _address(url: str, base: str | None) -> str:
    """`url` against the base of its own element, as it stands where that gives no web address."""
    return absolute(url, base) or url


def _level(token: Token, above: _Level, given: dict[str, str]) -> _Level:
    """The element that a start tag opens. What an unknown namespace means is guessed from its prefix."""
    prefixes, base = above.prefixes, above.base
    declared = {
        prefix: _PREFIXES.get(uri.lower().partition("://")[2].rstrip("/"), _USUAL.get(prefix, "other"))
        for name, uri in given.items()
        if name == "xmlns" or name.startswith("xmlns:")
        for prefix in (name[6:],)
    }
    if declared and len(prefixes) < NAMESPACES_LIMIT:
        prefixes = {**prefixes, **declared}
    if "xml:base" in given:
        base = absolute(given["xml:base"], base) or base
    prefix, _, local = token.name.rpartition(":")
    meaning = prefixes.get(prefix, _USUAL.get(prefix, "other"))
    return _Level(f"{meaning}:{local}" if meaning else local, local, prefixes, base)
