"""What every feed format is read into, before anything is made plain."""

from __future__ import annotations

from dataclasses import dataclass, field

ITEMS_LIMIT = 500
"""Items read of one feed; the newest stand first in every format."""
TEXT_LIMIT = 12_000
"""Characters read of one field."""
VALUES_LIMIT = 64
"""Values read of one field that may repeat, such as categories."""


@dataclass(slots=True)
class Item:
    """One item as the feed wrote it: texts may hold markup, addresses may be relative to `base`.

    Everything is in order of preference: the first of `links`, `dates`, `summaries` and `images` that can be used is.
    `place` counts the items of the feed from 1.
    """

    place: int
    base: str | None = None
    title: str = ""
    guid: str = ""
    links: list[str] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    wrong: str = ""
    """Why nothing of the item could be read, where nothing could."""


@dataclass(slots=True)
class Feed:
    """A whole feed. `complete`: it was read to its end, or left at a bound of ours rather than cut short."""

    title: str = ""
    items: list[Item] = field(default_factory=list)
    complete: bool = False
