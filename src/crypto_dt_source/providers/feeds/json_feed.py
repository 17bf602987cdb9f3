"""JSON Feed 1 and 1.1. https://www.jsonfeed.org/version/1.1/"""

from __future__ import annotations

import msgspec

from ...model.errors import PayloadChanged
from ..kit import decoder
from .item import ITEMS_LIMIT, TEXT_LIMIT, VALUES_LIMIT, Feed, Item

VERSION = "jsonfeed.org/version/1"


class _Author(msgspec.Struct):
    name: str | None = None


class _Item(msgspec.Struct):
    id: str | int | float | None = None
    url: str | None = None
    external_url: str | None = None
    title: str | None = None
    content_html: str | None = None
    content_text: str | None = None
    summary: str | None = None
    image: str | None = None
    banner_image: str | None = None
    date_published: str | None = None
    date_modified: str | None = None
    author: _Author | None = None
    authors: list[_Author] | None = None
    tags: list[str] | None = None


class _Feed(msgspec.Struct):
    version: str
    items: list[msgspec.Raw]
    title: str | None = None
    home_page_url: str | None = None
    feed_url: str | None = None


_FEED = decoder(_Feed)
_ITEM = decoder(_Item)


def read_json(text: str) -> Feed:
    """The feed in `text`. Raises PayloadChanged for JSON that is no feed, or no JSON. An item of another shape does not
    lose the others: it says what is `wrong` with it."""
    try:
        feed = _FEED.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise PayloadChanged(
            f"the body is no JSON feed, or one cut short: {str(error)[:200]}", path="$"
        ) from None
    if VERSION not in feed.version:
        raise PayloadChanged("the body is JSON, but no feed", path="$.version")
    base = feed.home_page_url or feed.feed_url
    items = [_item(place, raw, base) for place, raw in enumerate(feed.items[:ITEMS_LIMIT], 1)]
    return Feed((feed.title or "")[:TEXT_LIMIT], items, complete=True)


def _item(place: int, raw: msgspec.Raw, base: str | None) -> Item:
    try:
        item = _ITEM.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        return Item(place, wrong=str(error)[:200])
    html = item.content_html or ""
    # The summary and the text are plain by definition: what looks like markup in them is dealt with all the same.
    texts = (item.summary, item.content_text, html)
    people = [*(item.authors or ()), *((item.author,) if item.author else ())]
    return Item(
        place,
        base,
        title=(item.title or "")[:TEXT_LIMIT],
        guid="" if item.id is None else str(item.id)[:TEXT_LIMIT],
        links=[url for url in (item.url, item.external_url, str(item.id or "")) if url],
        summaries=[text[:TEXT_LIMIT] for text in texts if text],
        authors=[person.name for person in people[:VALUES_LIMIT] if person.name],
        tags=(item.tags or [])[:VALUES_LIMIT],
        images=[url for url in (item.image, item.banner_image) if url],
        dates=[text for text in (item.date_published, item.date_modified) if text],
    )
