"""Untrusted upstream text made plain: what a page may print without thinking of markup.

The scanner is written for hostile input: every expression below reads a character a bounded number of times, whatever
the text is, and none can raise. It follows a browser where that is cheap and errs towards leaving text out.
"""

from __future__ import annotations

import html
import re

INPUT_LIMIT = 12_000
"""Characters read of one text; more is a page, not a description."""
PLAIN_LIMIT = 10_000
"""Characters kept of one text."""
LINK_LIMIT = 2_000
PASSES = 5

_HIDDEN = frozenset({"script", "style", "template", "noscript", "iframe", "object", "svg"})
_HIDDEN_END = {name: re.compile(rf"</{name}(?![^\s/>])[^>]*+>?", re.IGNORECASE) for name in _HIDDEN}
_BREAKS = frozenset({"p", "br", "div", "li", "ul", "ol", "tr", "h1", "h2", "h3", "h4", "h5", "h6"})
# No `<` inside a tag, not even in quotes: a tag that never ends is then read up to the next `<` and not to the end, so
# that ten thousand of them cost what one does. The second form takes a tag whose quotes do not close.
_TAG = re.compile(
    r"""</?+([A-Za-z][^\s/<>]*+)(?:(?:[^"'<>]++|"[^"<]*+"|'[^'<]*+')*+>|[^<>]*+>)""",
)
_DECLARATION = re.compile(r"<(?:[!?]|/(?![A-Za-z]))[^<>]*+>")
_LEFT_OPEN = re.compile(r"<++([A-Za-z/!?]?)")
# Python refuses to read a number of thousands of digits, and no character has one of more than seven.
_LONG_NUMBER = re.compile(r"&#[xX]?[0-9A-Fa-f]{9,}+;?")
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*")


def _words(text: str) -> str:
    return html.unescape(_LONG_NUMBER.sub("", text))


def _without_tags(text: str) -> str:
    """One pass: the text between tags with its entities as characters. A `<` that starts no whole tag stays."""
    parts: list[str] = []
    at = shown = 0  # text[shown:at] is text; what stands before `shown` is dealt with
    while (at := text.find("<", at)) >= 0:
        end, instead = _markup(text, at)
        if end == at:
            at += 1
            continue
        parts += (_words(text[shown:at]), instead)
        at = shown = end
    parts.append(_words(text[shown:]))
    return "".join(parts)


def _markup(text: str, at: int) -> tuple[int, str]:
    """Where the markup that starts at `at` ends, `at` itself when none does, and what stands in its place."""
    if text.startswith("<!--", at):
        closed = text.find("-->", at + 2)
        return (len(text) if closed < 0 else closed + 3), ""
    tag = _TAG.match(text, at)
    if tag is None:
        declared = _DECLARATION.match(text, at)
        return (at if declared is None else declared.end()), ""
    name = tag[1].lower()
    if name in _HIDDEN and text[at + 1] != "/" and not tag[0].endswith("/>"):
        closing = _HIDDEN_END[name].search(text, tag.end())
        return (len(text) if closing is None else closing.end()), ""
    return tag.end(), "\n" if name in _BREAKS else ""


def plain(text: str | None) -> str | None:
    """Plain text of upstream text that may hold HTML, or None when nothing is left.

    Tags, hidden elements and control characters are gone, entities are characters, blanks are collapsed, paragraphs
    are lines, and no `<` is left that could start a tag. At most PLAIN_LIMIT characters of the first INPUT_LIMIT.
    """
    if not text:
        return None
    result = text[:INPUT_LIMIT].replace("\r\n", "\n").replace("\r", "\n")
    # Markup that was escaped once more (`&lt;script&gt;`) is markup again after one pass.
    for _ in range(PASSES):
        previous, result = result, _without_tags(result)
        if result == previous:
            break
    result = _LEFT_OPEN.sub(lambda run: run[1] or run[0], _CONTROL.sub("", result))
    result = _LINES.sub("\n", _BLANKS.sub(" ", result)).strip()
    return result[:PLAIN_LIMIT].rstrip() or None


def link(text: str | None) -> str | None:
    """A web address worth linking to, or None for blanks and every scheme but http and https."""
    address = (text or "").strip()
    if not address.lower().startswith(("http://", "https://")) or len(address) > LINK_LIMIT:
        return None
    return None if re.search(r"[\s<>\"'`\\]", address) or _CONTROL.search(address) else address
