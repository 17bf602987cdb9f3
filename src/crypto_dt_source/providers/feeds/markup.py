"""Tags and texts of XML as feeds really are: read in one pass, whatever is wrong with them.

There are no entities but characters: a document's own declarations are passed over, so there is nothing to expand and
nothing to fetch. Every expression reads a character a bounded number of times.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.entities import html5
from typing import NamedTuple

TOKENS_LIMIT = 100_000
"""Tags of one document, and every other `<` in it. A feed of 500 items with all of their articles has fewer."""
ATTRIBUTES_LIMIT = 64
SOURCE_LIMIT = 16_000
"""Characters of one tag's attributes that are read."""

OPEN, CLOSE, ALONE, TEXT, LITERAL = range(5)

# As in providers/text.py: no `<` inside a tag, so that one which never ends costs no more than up to the next.
_TAG = re.compile(
    r"""<(/?)([^\W\d][^\s/<>"'=]*+)((?:[^"'<>]++|"[^"<]*+"|'[^'<]*+')*+)>|<(/?)([^\W\d][^\s/<>"'=]*+)([^<>]*+)>"""
)
_ATTRIBUTE = re.compile(r"""([^\s=/"'<>]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]++)))?+""")
_NAMED = re.compile(r"&(?:#(\d{1,7}|[xX][0-9A-Fa-f]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));")
_DECLARATION = re.compile(r"""(?:[^\[<>"']++|"[^"]*+"|'[^']*+')*+""")
_SUBSET_END = re.compile(r"\]\s*+>")


class Token(NamedTuple):
    """A piece of the document. `name` is a tag's, in lower case and with its prefix; text[start:end] are a tag's
    attributes, the characters of a text (TEXT, entities still in it) or of a CDATA section (LITERAL)."""

    kind: int
    name: str
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """Every tag and text in order, up to TOKENS_LIMIT. Comments, instructions and declarations are passed over; a `<`
    that starts nothing belongs to the text around it."""
    at = shown = count = 0
    while (at := text.find("<", at)) >= 0 and count < TOKENS_LIMIT:
        count += 1
        token, after = _markup(text, at)
        if after == at:
            at += 1
            continue
        if shown < at:
            yield Token(TEXT, "", shown, at)
        if token is not None:
            yield token
        at = shown = after
    if at < 0 and shown < len(text):
        yield Token(TEXT, "", shown, len(text))


def _markup(text: str, at: int) -> tuple[Token | None, int]:
    """The tag or section at a `<` and where it ends; `at` itself where it is none. What never ends takes the rest."""
    follows = text[at + 1 : at + 2]
    if follows == "?":
        return None, _after(text, "?>", at + 2)
    if follows == "!":
        return _bang(text, at)
    tag = _TAG.match(text, at)
    if tag is None:
        return None, at
    group = 1 if tag[2] is not None else 4
    start, end = tag.span(group + 2)
    name = tag[group + 1].lower()
    if tag[group]:
        return Token(CLOSE, name, start, end), tag.end()
    return Token(ALONE if text[end - 1] == "/" else OPEN, name, start, end), tag.end()


def _bang(text: str, at: int) -> tuple[Token | None, int]:
    if text.startswith("<!--", at):
        return None, _after(text, "-->", at + 4)
    if text.startswith("<![CDATA[", at):
        end = text.find("]]>", at + 9)
        if end < 0:
            return Token(LITERAL, "", at + 9, len(text)), len(text)
        return Token(LITERAL, "", at + 9, end), end + 3
    if text[at : at + 9].lower() != "<!doctype":
        return None, _after(text, ">", at + 2)
    head = _DECLARATION.match(text, at + 9)
    end = head.end() if head else at + 9
    if text[end : end + 1] == "[":
        close = _SUBSET_END.search(text, end)
        return None, close.end() if close else len(text)
    return None, _after(text, ">", end)


def _after(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found + len(mark)


def attributes(text: str, token: Token) -> dict[str, str]:
    """A tag's attributes, names in lower case, ATTRIBUTES_LIMIT at most; of two with one name the first counts."""
    found: dict[str, str] = {}
    source = text[token.start : min(token.end, token.start + SOURCE_LIMIT)]
    for match in _ATTRIBUTE.finditer(source):
        if len(found) >= ATTRIBUTES_LIMIT:
            break
        name, double, single, bare = match.groups()
        found.setdefault(name.lower(), characters(double or single or bare or "").strip())
    return found


def characters(text: str) -> str:
    """`text` with its character references and HTML's named entities as characters; others stay as they stand."""
    return _NAMED.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    if match[1] is None:
        return html5.get(f"{match[2]};", match[0])
    return html.unescape(match[0])
