"""News as feeds tell it. Every text is plain text already: no markup, no control characters, bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

TITLE_LIMIT = 500
SUMMARY_LIMIT = 2_000
URL_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Article:
    """One item of one feed.

    `url` is canonical (no tracking parameters, no fragment) and is what makes an article the same one again; `link` is
    the address as the feed gave it. `guid` is the feed's own id. `published_ms` is when the feed says it was published;
    None when it says nothing that can be a time. `tags` are the feed's categories. `image` is an https or http address.
    """

    provider: str
    url: str
    link: str
    guid: str | None
    title: str
    summary: str | None
    author: str | None
    tags: tuple[str, ...]
    image: str | None
    published_ms: int | None
    received_ms: int


class FeedState(NamedTuple):
    """What a feed said of itself. `etag` and `last_modified` are sent back as they came, so that an unchanged feed
    costs a 304. `unchanged`: the upstream answered that it has nothing new, and the reply has no articles."""

    provider: str
    title: str | None
    etag: str | None
    last_modified: str | None
    unchanged: bool
    received_ms: int
