"""The text of a feed's bytes, whatever the server and the prolog claim about them.

Claims are tried last: bytes that are valid UTF-8 are UTF-8, and hardly a text in another encoding is by accident.
https://www.w3.org/TR/xml/#sec-guessing and https://encoding.spec.whatwg.org/#names-and-labels
"""

from __future__ import annotations

import codecs
import re

FEED_LIMIT = 4 * 1024 * 1024
"""Bytes read of a feed. The largest of the catalogue, with whole articles in it, are near 1 MB."""
PIECE = 64 * 1024
"""Bytes decoded at once: decoding holds the interpreter, and the event loop with it."""
SAMPLE = 512

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_PROLOG = re.compile(rb"<\?xml[^<>]{0,200}?\bencoding\s{0,20}=\s{0,20}[\"']([\w.:-]{1,40})", re.IGNORECASE)
_LATIN = frozenset({"ascii", "iso8859-1", "cp1252"})
# Python knows encodings that are none of a text (`zlib`, `idna`, `unicode_escape`), and UTF-7 hides markup.
_KNOWN = _LATIN | {
    *(f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
    *(f"cp{n}" for n in (874, 1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258)),
    "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "gb2312", "gbk", "gb18030", "big5", "big5hkscs", "euc_jp",
    "shift_jis", "cp932", "euc_kr", "cp949",
}  # fmt: skip
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_AS_WINDOWS = {0xDC00 + byte: bytes((byte,)).decode("cp1252", "replace") for byte in range(0x80, 0x100)}


def text_of(body: bytes, content_type: str = "") -> str:
    """The characters of at most FEED_LIMIT bytes, without a byte order mark and without NULs. Never raises.

    In turn: a byte order mark, the pattern of NULs that UTF-16 leaves, valid UTF-8, the charset of `content_type` (a
    header), the one of the XML prolog, and windows-1252 for the bytes that are no UTF-8.
    """
    body = body[:FEED_LIMIT]
    for mark, name in _BOMS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], name)
    wide = _wide(body[:SAMPLE])
    if wide is not None:
        return _decoded(body, wide)
    found = _decoded(body, "utf-8", "surrogateescape")
    if _NOT_UTF8.search(found) is None:
        return found
    claims = (_CHARSET.search(content_type[:SAMPLE]), _PROLOG.search(body[:SAMPLE]))
    for claim in claims:
        codec = _codec(claim[1]) if claim else None
        if codec is not None and codec not in _LATIN:
            return _decoded(body, codec)
    return "".join(found[at : at + PIECE].translate(_AS_WINDOWS) for at in range(0, len(found), PIECE))


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of mostly ASCII text is NUL."""
    half = len(sample) // 2
    if half < 8:
        return None
    if sample[1::2].count(0) > 0.8 * half and sample[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if sample[::2].count(0) > 0.8 * half and sample[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _codec(label: str | bytes) -> str | None:
    """Python's name of a text encoding, None for one that a feed may not use."""
    name = label.decode("ascii", "replace") if isinstance(label, bytes) else label
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return None
    return found if found in _KNOWN else None


def _decoded(body: bytes, codec: str, errors: str = "replace") -> str:
    decoder = codecs.getincrementaldecoder(codec)(errors)
    pieces = [decoder.decode(body[at : at + PIECE]) for at in range(0, len(body), PIECE)]
    pieces.append(decoder.decode(b"", final=True))
    return "".join(pieces).removeprefix("\ufeff").replace("\x00", "")
