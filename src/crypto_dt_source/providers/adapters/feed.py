"""News feeds: RSS 0.9x, 1.0 and 2.0, Atom, JSON Feed; any publisher's, its whole address being the entry's base URL.

Feeds are read by a scanner of our own (`providers/feeds`) rather than by feedparser 6.0.14, fastfeedparser 0.6.5 or
lxml 6.1 in recovery: on one body of a million attributes the first two ran on for more than half a minute, and lxml
expands entities that a document declares and loses what follows one stray `<`; the scanner knows no entities, reads in
linear time and stops at its bounds. What it reads is made plain by `providers/text.py`, like every upstream text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...model.answer import Record
from ...model.ask import Capability, NewsAsk
from ...model.errors import PayloadChanged
from ...model.news import SUMMARY_LIMIT, TITLE_LIMIT, URL_LIMIT, Article, FeedState
from ...model.unreadable import Unreadable
from ..feeds.dates import published_ms
from ..feeds.encoding import FEED_LIMIT, text_of
from ..feeds.item import Feed, Item
from ..feeds.json_feed import read_json
from ..feeds.xml_feed import read_xml
from ..kit import Adapter, Endpoint, Reply, Request
from ..text import plain
from ..urls import absolute, canonical_url

ACCEPT = (
    "application/rss+xml, application/atom+xml, application/rdf+xml, application/feed+json;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.5, */*;q=0.1"
)
NOT_MODIFIED = 304
HEADER_LIMIT = 500
"""Characters of a validator (ETag, Last-Modified) that is kept and sent back."""
NAME_LIMIT = 200
"""Characters of an author, a tag and a feed's title."""
AUTHORS_LIMIT = 5
TAGS_LIMIT = 40
TITLE_FROM_TEXT = 120
"""Characters of the title that an item without one gets of its text."""
PICTURES_LIMIT = 5
"""Pictures of a text that are looked at for one to show."""
WORD_SHARE = 0.6
"""A text is cut between words unless that costs more than the rest of its limit."""

_PICTURE = re.compile(r"<img\b[^<>]*+>", re.IGNORECASE)
_SOURCE = re.compile(r"""\ssrc\s*+=\s*+(?:"([^"<>]*+)"|'([^'<>]*+)')""", re.IGNORECASE)
_PIXEL = re.compile(r"""\s(?:width|height)\s*+=\s*+["']?[01](?:px)?["'\s/>]""", re.IGNORECASE)
_MAILBOX = re.compile(r"\s*[^\s@()]++@[^\s@()]++\s*(?:\(([^()]*+)\))?\s*")
_FOOTER = re.compile(
    r"(?:The|This) (?:post|article) .{1,600}? (?:first )?appeared (?:first )?on .{1,200}\Z", re.IGNORECASE
)


def _request(ask: NewsAsk) -> Request:
    headers = [("Accept", ACCEPT)]
    if etag := _validator(ask.etag):
        headers.append(("If-None-Match", etag))
    if modified := _validator(ask.last_modified):
        headers.append(("If-Modified-Since", modified))
    return Request("", headers=tuple(headers), moves=True)


def _validator(text: str | None) -> str | None:
    """A header's value that can be sent back as it is, else None."""
    value = (text or "").strip()
    return value if value and len(value) <= HEADER_LIMIT and value.isascii() and value.isprintable() else None


def _parse(reply: Reply, ask: NewsAsk) -> Iterable[Record]:
    """The state of the feed, then its articles, each address once. Raises PayloadChanged for a body that is no feed,
    and for one of whose items none can be read."""
    etag, modified = (_validator(reply.headers.get(name)) for name in ("etag", "last-modified"))
    if reply.status == NOT_MODIFIED:
        etag, modified = etag or _validator(ask.etag), modified or _validator(ask.last_modified)
        return [FeedState(reply.provider, None, etag, modified, True, reply.received_ms)]
    feed = _read(reply)
    if not feed.complete and len(reply.body) <= FEED_LIMIT:
        # The rest is worth asking for again, whatever the server says has not changed.
        etag = modified = None
    title = _line(feed.title, NAME_LIMIT)
    articles: dict[str, Article] = {}
    unreadable: list[Unreadable] = []
    for item in feed.items:
        record = _article(reply, item, title)
        if isinstance(record, Article):
            articles.setdefault(record.url, record)
        else:
            unreadable.append(record)
    if unreadable and not articles:
        raise PayloadChanged(
            f"none of {len(unreadable)} items can be read: {unreadable[0].reason}", path="$.items"
        )
    return [
        FeedState(reply.provider, title, etag, modified, False, reply.received_ms),
        *articles.values(),
        *unreadable,
    ]


def _read(reply: Reply) -> Feed:
    text = text_of(reply.body, reply.headers.get("content-type", "")).lstrip()
    if not text:
        raise PayloadChanged("the body is empty", path="$")
    return read_json(text) if text[0] == "{" else read_xml(text)


def _article(reply: Reply, item: Item, feed_title: str | None) -> Article | Unreadable:
    guid = _line(item.guid, URL_LIMIT + 1)
    name = f"item {item.place}"
    if item.wrong:
        return Unreadable(name, item.wrong)
    addresses = ((link, canonical_url(link)) for text in item.links if (link := absolute(text, item.base)))
    link, url = next(((link, url) for link, url in addresses if url), (None, None))
    if link is None or url is None:
        return Unreadable(name, f"no usable link among {len(item.links)}")
    title = _line(item.title, TITLE_LIMIT)
    summary = _summary(item.summaries, {title, feed_title})
    if title is None:
        title = _line(summary or "", TITLE_FROM_TEXT)
    if title is None:
        return Unreadable(name, "neither a title nor a text")
    dates = (published_ms(text, reply.received_ms) for text in item.dates)
    return Article(
        provider=reply.provider,
        url=url,
        link=link,
        guid=guid if guid and len(guid) <= URL_LIMIT else None,
        title=title,
        summary=summary,
        author=_authors(item.authors),
        tags=_tags(item.tags),
        image=_image(item),
        published_ms=next((moment for moment in dates if moment is not None), None),
        received_ms=reply.received_ms,
    )


def _line(text: str, limit: int) -> str | None:
    """Plain text in one line."""
    words = " ".join((plain(text) or "").split())
    return _shortened(words, limit) or None


def _shortened(text: str, limit: int) -> str:
    """At most `limit` characters, cut between words where there are any."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    at = max(cut.rfind(" "), cut.rfind("\n"))
    return (cut[:at] if at >= WORD_SHARE * limit else cut).rstrip() + "…"


def _summary(texts: Sequence[str], said: set[str | None]) -> str | None:
    """The first text that says something, without the lines that repeat the title or the publisher's name and without
    the footer that some publishing software adds."""
    for text in texts:
        lines = [line for line in (plain(text) or "").split("\n") if line.strip() not in said]
        if lines and _FOOTER.fullmatch(lines[-1]):
            del lines[-1]
        rest = "\n".join(lines).strip()
        if rest:
            return _shortened(rest, SUMMARY_LIMIT)
    return None


def _authors(texts: Sequence[str]) -> str | None:
    names: dict[str, None] = {}
    for text in texts[:AUTHORS_LIMIT]:
        name = _line(text, NAME_LIMIT) or ""
        mailbox = _MAILBOX.fullmatch(name)
        name = (mailbox[1] or "").strip() if mailbox else name
        if name:
            names.setdefault(name)
    return _shortened(", ".join(names), NAME_LIMIT) or None


def _tags(texts: Sequence[str]) -> tuple[str, ...]:
    tags: dict[str, str] = {}
    for text in texts:
        tag = _line(text, NAME_LIMIT)
        if tag is not None:
            tags.setdefault(tag.casefold(), tag)
    return tuple(tags.values())[:TAGS_LIMIT]


def _image(item: Item) -> str | None:
    """What the item names as its picture, else the first in its text that is none of a single pixel."""
    for url in item.images:
        if address := absolute(url, item.base):
            return address
    for text in item.summaries:
        for tag in _PICTURE.findall(text)[:PICTURES_LIMIT]:
            source = None if _PIXEL.search(tag) else _SOURCE.search(tag)
            if source and (address := absolute(source[1] or source[2], item.base)):
                return address
    return None


ADAPTER = Adapter(
    name="feed",
    endpoints={Capability.NEWS: Endpoint(request=_request, parse=_parse, conditional=True, threaded=True)},
)
