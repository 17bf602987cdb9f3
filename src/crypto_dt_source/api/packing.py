"""Answers compressed for who takes them so: a list of coins is a fifth as long.

Only whole answers of text, from a size at which it is worth a client's while; event streams and exports go as they are. The
content is what it was: its ETag becomes a weak one, which stands for either form
(https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1). There is no cookie here by which another page could make a browser
ask and learn secrets from lengths.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable

Header = tuple[bytes, bytes]
FROM_BYTES = 4096
IN_THREAD_BYTES = 32 * 1024
"""From this size the loop does not stand still for it; below, a thread would cost more than it saves."""
LEVEL = 5
VARY: Header = (b"vary", b"Accept-Encoding")
_TEXTS = (b"application/json", b"text/")


def takes_gzip(headers: Iterable[Header]) -> bool:
    """Whether Accept-Encoding names gzip, or everything without a word on gzip, and does not refuse it."""
    takes = False
    for name, value in headers:
        if name == b"accept-encoding":
            for part in value.lower().split(b","):
                coding, _, quality = part.partition(b";")
                allowed = quality.replace(b" ", b"").rstrip(b"0.") != b"q="
                if coding.strip() == b"gzip":
                    return allowed
                if coding.strip() == b"*":
                    takes = allowed
    return takes


def worthwhile(headers: Iterable[Header], body: bytes) -> bool:
    """Whether an answer with these headers may be sent compressed. One that knows of encodings itself is left alone."""
    if len(body) < FROM_BYTES:
        return False
    text = False
    for name, value in headers:
        if name == b"content-encoding" or (name == b"vary" and b"accept-encoding" in value.lower()):
            return False
        if name == b"content-type":
            text = value.startswith(_TEXTS)
    return text


async def packed(body: bytes) -> bytes:
    """The body as gzip."""
    if len(body) < IN_THREAD_BYTES:
        return gzip.compress(body, LEVEL, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, LEVEL, mtime=0)


def packed_headers(headers: Iterable[Header], length: int) -> list[Header]:
    """The headers of the compressed form."""
    made = [
        (name, b"W/" + value if name == b"etag" and not value.startswith(b"W/") else value)
        for name, value in headers
        if name != b"content-length"
    ]
    return [*made, (b"content-encoding", b"gzip"), (b"content-length", b"%d" % length)]
