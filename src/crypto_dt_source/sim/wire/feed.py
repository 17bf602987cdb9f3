"""Any publisher's feed: RSS 2.0, Atom 1.0, RSS 1.0 or JSON Feed by its place in the catalogue, with the validators of a
conditional GET. https://www.rssboard.org/rss-specification https://www.rfc-editor.org/rfc/rfc4287
https://web.resource.org/rss/1.0/spec https://www.jsonfeed.org/version/1.1/
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from html import escape
from typing import NamedTuple

import msgspec

from ...model.ask import Capability
from ..news import WINDOW_MS, NewsDesk, Story, desk_of
from . import Call, Route, SimReply

_CROWD = SimReply(b"<html><head><title>429 Too Many Requests</title></head></html>", 200, {}, "text/html")


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    """A page for people: feeds have no errors of their own."""
    if kind == "rate_limited_in_200":
        return _CROWD
    return SimReply(b"<html><head><title>Page not found</title></head></html>", 404, {}, "text/html")


class Paper(NamedTuple):
    """A publisher: its name, the address of its site and of its feed, and its place among the feeds."""

    name: str
    site: str
    feed: str
    place: int


class Page(NamedTuple):
    """A feed's body before it is sent."""

    paper: Paper
    stories: list[Story]
    changed_ms: int

    def link(self, story: Story) -> str:
        """The story's address; some publishers tell their feed's readers apart by it."""
        suffix = "?utm_source=rss_feed&utm_medium=rss" if self.paper.place % 3 == 1 else ""
        return f"{self.address(story)}{suffix}"

    def address(self, story: Story) -> str:
        return f"{self.paper.site}/news/{story.slug}"


def _http_date(ms: int) -> str:
    return formatdate(ms // 1000, usegmt=True)


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _section(story: Story) -> str:
    return {"policy": "Policy", "network": "Technology"}.get(story.event.kind, "Markets")


def _rss(page: Page) -> str:
    items = []
    cdata = page.paper.place % 2 == 0
    for story in page.stories:
        title = f"<![CDATA[{story.title}]]>" if cdata else escape(story.title)
        text = f"<![CDATA[<p>{escape(story.summary)}</p>]]>" if cdata else escape(story.summary)
        items.append(
            f"<item><title>{title}</title><link>{escape(page.link(story))}</link>"
            f'<guid isPermaLink="false">{escape(story.slug)}</guid>'
            f"<pubDate>{formatdate(story.published_ms // 1000)}</pubDate><dc:creator>{escape(story.author)}</dc:creator>"
            f"<category>{_section(story)}</category><category>{escape(story.event.facts['name'])}</category>"
            f"<description>{text}</description></item>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"><channel>'
        f"<title>{escape(page.paper.name)}</title><link>{escape(page.paper.site)}/</link>"
        f'<atom:link href="{escape(page.paper.feed)}" rel="self" type="application/rss+xml"/>'
        f"<description>News of a simulated market</description><language>en</language>"
        f"<lastBuildDate>{formatdate(page.changed_ms // 1000)}</lastBuildDate>{''.join(items)}</channel></rss>"
    )


def _atom(page: Page) -> str:
    entries = [
        f'<entry><title type="html">{escape(escape(story.title))}</title>'
        f'<link rel="alternate" type="text/html" href="{escape(page.link(story))}"/>'
        f"<id>tag:{page.paper.site.partition('://')[2]},{story.event.slot}</id>"
        f"<published>{_iso(story.published_ms)}</published><updated>{_iso(story.published_ms)}</updated>"
        f"<author><name>{escape(story.author)}</name></author>"
        f'<category term="{_section(story).lower()}" label="{_section(story)}"/>'
        f'<summary type="html">{escape(f"<p>{escape(story.summary)}</p>")}</summary></entry>'
        for story in page.stories
    ]
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f'<title>{escape(page.paper.name)}</title><link href="{escape(page.paper.site)}/"/>'
        f'<link rel="self" href="{escape(page.paper.feed)}"/><id>{escape(page.paper.site)}/</id>'
        f"<updated>{_iso(page.changed_ms)}</updated>{''.join(entries)}</feed>"
    )


def _rdf(page: Page) -> str:
    items = [
        f'<item rdf:about="{escape(page.address(story))}"><title>{escape(story.title)}</title>'
        f"<link>{escape(page.link(story))}</link><description>{escape(story.summary)}</description>"
        f"<dc:date>{_iso(story.published_ms)}</dc:date><dc:creator>{escape(story.author)}</dc:creator>"
        f"<dc:subject>{_section(story)}</dc:subject></item>"
        for story in page.stories
    ]
    places = "".join(f'<rdf:li rdf:resource="{escape(page.address(story))}"/>' for story in page.stories)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<channel rdf:about="{escape(page.paper.feed)}"><title>{escape(page.paper.name)}</title>'
        f"<link>{escape(page.paper.site)}/</link><description>News of a simulated market</description>"
        f"<items><rdf:Seq>{places}</rdf:Seq></items></channel>{''.join(items)}</rdf:RDF>"
    )


def _json(page: Page) -> str:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": page.paper.name,
        "home_page_url": f"{page.paper.site}/",
        "feed_url": page.paper.feed,
        "items": [
            {
                "id": story.slug,
                "url": page.link(story),
                "title": story.title,
                "content_html": f"<p>{escape(story.summary)}</p>",
                "date_published": _iso(story.published_ms),
                "authors": [{"name": story.author}],
                "tags": [_section(story), story.event.facts["name"]],
            }
            for story in page.stories
        ],
    }
    return msgspec.json.encode(feed).decode()


def _format(desk: NewsDesk, place: int) -> tuple[Callable[[Page], str], str]:
    """How a feed writes, and the type it calls that. The last of the catalogue writes JSON."""
    if place == len(desk.feeds) - 1:
        return _json, "application/feed+json"
    if place % 5 == 3:
        return _atom, "application/atom+xml; charset=utf-8"
    if place % 7 == 4:
        return _rdf, "application/rdf+xml"
    return _rss, "application/rss+xml; charset=UTF-8"


def feed(call: Call) -> SimReply:
    """The feed as it is now, or 304 without a body for who has it already."""
    desk = desk_of(call.market)
    if call.provider not in desk.feeds:
        return ERROR("unknown_symbol")
    place = desk.feeds.index(call.provider)
    entry = call.market.entries[call.provider]
    paper = Paper(entry.name, f"https://{entry.host}", entry.base_url, place)
    stories = desk.stories(call.provider, call.now_ms)
    # A feed without a story has not changed for as long as a story stays in one.
    newest = max((s.published_ms for s in stories), default=(call.now_ms // WINDOW_MS - 1) * WINDOW_MS)
    write, kind = _format(desk, place)
    body = write(Page(paper, stories, newest)).encode()
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "last-modified": _http_date(newest)}
    if _has(call, etag, newest):
        return SimReply(b"", 304, headers, kind)
    return SimReply(body, 200, headers, kind)


def _has(call: Call, etag: str, changed_ms: int) -> bool:
    """Whether the client has what would be sent (RFC 9110, 13.1): the entity tag decides where it sends one."""
    tags = call.headers.get("if-none-match")
    if tags is not None:
        return etag in (tag.strip().removeprefix("W/") for tag in tags.split(","))
    try:
        return (
            parsedate_to_datetime(call.headers.get("if-modified-since", "")).timestamp() * 1000 >= changed_ms
        )
    except ValueError:
        return False


ROUTES = {"/": Route(feed, (Capability.NEWS,))}
