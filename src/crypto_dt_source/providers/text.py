"""Untrusted upstream text made plain: what a page may print without thinking of markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

INPUT_LIMIT = 40_000
"""Characters read of one text; more is a page, not a description."""
PLAIN_LIMIT = 10_000
"""Characters kept of one text."""
LINK_LIMIT = 2_000
PASSES = 5

_HIDDEN = frozenset({"script", "style", "template", "noscript", "iframe", "object", "svg"})
_BREAKS = frozenset({"p", "br", "div", "li", "ul", "ol", "tr", "h1", "h2", "h3", "h4", "h5", "h6"})
_TAG_START = re.compile(r"<+(?=[A-Za-z/!?])")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*")


class _Words(HTMLParser):
    """Collects the text between tags, without what a browser would not show."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BREAKS:
            self.parts.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _without_tags(text: str) -> str:
    words = _Words()
    words.feed(text)
    words.close()
    return "".join(words.parts)


def plain(text: str | None) -> str | None:
    """Plain text of upstream text that may hold HTML, or None when nothing is left.

    Tags, hidden elements and control characters are gone, entities are characters, blanks are collapsed, paragraphs
    are lines, and no `<` is left that could start a tag. At most PLAIN_LIMIT characters.
    """
    if not text:
        return None
    result = text[:INPUT_LIMIT].replace("\r\n", "\n").replace("\r", "\n")
    # Markup that was escaped once more (`&lt;script&gt;`) is markup again after one pass.
    for _ in range(PASSES):
        previous, result = result, _without_tags(result)
        if result == previous:
            break
    result = _TAG_START.sub("", _CONTROL.sub("", result))
    result = _LINES.sub("\n", _BLANKS.sub(" ", result)).strip()
    return result[:PLAIN_LIMIT].rstrip() or None


def link(text: str | None) -> str | None:
    """A web address worth linking to, or None for blanks and every scheme but http and https."""
    address = (text or "").strip()
    if not address.lower().startswith(("http://", "https://")) or len(address) > LINK_LIMIT:
        return None
    return None if re.search(r"[\s<>\"'`\\]", address) else address
