"""Feeds made to harm: whatever comes, articles or PayloadChanged, no markup, in a time that grows with the size alone."""

from __future__ import annotations

import codecs
import gzip
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import astuple

import pytest
from feed_desk import Read, item, read, rss
from hypothesis import given, settings
from hypothesis import strategies as st
from test_feed import FORMATS

from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.providers.feeds.encoding import FEED_LIMIT, text_of
from crypto_dt_source.providers.feeds.markup import TOKENS_LIMIT, tokens
from crypto_dt_source.providers.urls import canonical_url

PROLOG = '<?xml version="1.0"?>'
MARKUP = re.compile(r"<[A-Za-z/!?]")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SLOWEST_S = 10.0
"""The slowest takes two on one free core of today; what grows with the square of its size would take minutes."""


def texts(found: Read) -> Iterator[str]:
    for record in (found.state, *found.articles):
        for value in astuple(record) if not isinstance(record, tuple) else record:
            yield from [value] if isinstance(value, str) else value if isinstance(value, tuple) else ()


def harmless(body: str | bytes) -> int:
    """The articles of a body, after looking at every text of theirs; -1 where it is refused."""
    try:
        found = read(body)
    except PayloadChanged:
        return -1
    for text in texts(found):
        assert MARKUP.search(text) is None
        assert CONTROL.search(text) is None
    for article in found.articles:
        assert canonical_url(article.url) == article.url
        for address in (article.link, article.image or "https://"):
            assert address.lower().startswith(("http://", "https://"))
    return len(found.articles)


def laughs() -> str:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    return PROLOG + f'<!DOCTYPE rss [<!ENTITY a0 "ha">{entities}]>' + rss(item("&a11;")).removeprefix(PROLOG)


def declared(entity: str) -> str:
    return f"{PROLOG}<!DOCTYPE rss [{entity}]>" + rss(item("&x; rises")).split("?>", 1)[1]


def test_what_a_document_declares_is_never_expanded() -> None:
    assert read(laughs()).only.title == "&a11;"
    assert read(declared('<!ENTITY x "expanded">')).only.title == "&x; rises"


@pytest.mark.parametrize(
    "entity",
    [
        '<!ENTITY x SYSTEM "file:///etc/hostname">',
        '<!ENTITY x SYSTEM "http://127.0.0.1:1/x">',
        '<!ENTITY x PUBLIC "-//x" "http://127.0.0.1:1/x">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:1/x"> %p;',
    ],
)
def test_nothing_outside_is_read_or_fetched(entity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*given: object, **named: object) -> None:
        raise AssertionError("something was opened")

    monkeypatch.setattr("builtins.open", opened)
    monkeypatch.setattr("socket.socket.connect", opened)
    assert read(declared(entity)).only.title == "&x; rises"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", "HTML"),
        (b'<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>', "HTML"),
        (b"Too Many Requests", "not a feed"),
        (b'<?xml version="1.0"?><opml version="2.0"><body/></opml>', "not a feed"),
        (b"[1, 2]", "not a feed"),
        (b'{"error": "no"}', "no JSON feed"),
        (b'{"version": "2", "items": []}', "no feed"),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": [', "no JSON feed"),
        (b"<rss><channel><title>The Paper", "cut short"),
        (gzip.compress(rss(item()).encode(), mtime=0), "not a feed"),
        (b"\x00" * 1000, "empty"),
        (b"\xff\xfe" + b"\x00\xd8" * 1000, "not a feed"),
    ],
)  # fmt: skip
def test_what_is_no_feed_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(PayloadChanged, match=reason):
        read(body)


WORD = "“Über” rises — 5 €"


@pytest.mark.parametrize(
    ("prolog", "codec", "content_type"),
    [
        ('<?xml version="1.0" encoding="UTF-8"?>', "utf-8", ""),
        ("", "utf-8", ""),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "utf-8", "text/xml; charset=iso-8859-1"),
        ('<?xml version="1.0" encoding="UTF-8"?>', "utf-8-sig", ""),
        ('<?xml version="1.0" encoding="UTF-8"?>', "utf-16", "text/xml; charset=utf-8"),
        ('<?xml version="1.0" encoding="UTF-16"?>', "utf-16-le", ""),
        ('<?xml version="1.0" encoding="UTF-16"?>', "utf-16-be", ""),
        ('<?xml version="1.0"?>', "utf-32", ""),
        ('<?xml version="1.0" encoding="UTF-8"?>', "cp1252", "text/xml; charset=utf-8"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "cp1252", ""),
        ("", "cp1252", ""),
        ("<?xml version='1.0' encoding = 'windows-1250' ?>", "cp1250", ""),
        ('<?xml version="1.0" encoding="UTF-8"?>', "cp1257", "application/rss+xml; charset=windows-1257"),
        ('\n\n  <?xml version="1.0" encoding="windows-1254"?>', "cp1254", ""),
        ('<?xml version="1.0" encoding="unicode_escape"?>', "cp1252", "text/xml; charset=utf-7"),
        ('<?xml version="1.0" encoding="zlib"?>', "cp1252", "text/xml; charset=idna"),
        ('<?xml version="1.0" encoding="no-such"?>', "cp1252", "text/xml; charset="),
    ],
)  # fmt: skip
def test_bytes_are_read_as_what_they_are(prolog: str, codec: str, content_type: str) -> None:
    body = (prolog + rss(item(WORD)).split("?>", 1)[1]).encode(codec)
    assert read(body, content_type=content_type).only.title == WORD


def test_a_byte_that_is_wrong_spoils_only_itself() -> None:
    assert read(rss(item("Größe X rises")).encode().replace(b"X", b"\x96")).only.title == "Größe – rises"


@given(st.binary(max_size=300), st.text(max_size=60))
def test_any_bytes_become_text(body: bytes, content_type: str) -> None:
    for head in (b"", *(getattr(codecs, name) for name in dir(codecs) if name.startswith("BOM_UTF"))):
        found = text_of(head + body, content_type)
        assert "\x00" not in found
        found.encode("utf-8", "surrogatepass")


def big(unit: str | bytes) -> bytes:
    content = unit.encode() if isinstance(unit, str) else unit
    return content * (FEED_LIMIT // len(content) + 1)


def items_of(text: str, count: int = 100) -> bytes:
    """Items as long as 500 of them can be, with `text` in each."""
    each = FEED_LIMIT // 500 - 120
    filled = (text * (each // len(text) + 1))[:each]
    more = f"<description>{filled}</description>"
    return rss("".join(item(link=f"https://paper.example/{n}", more=more) for n in range(count))).encode()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a million tags": lambda: b"<rss><channel>" + big("<a>"),
    "a million ends": lambda: b"<rss><channel>" + b"<b>" * 99 + big("</c>"),
    "a million attributes": lambda: b"<rss><channel><item " + big('a="b" ') + b">",
    "an attribute without end": lambda: b'<rss><channel><item a="' + big("a"),
    "quotes": lambda: b"<rss><channel><item " + big("\"'"),
    "namespaces": lambda: b"<rss><channel>" + big('<a xmlns:n="u" xmlns:m="v">'),
    "bases": lambda: b"<rss><channel>" + big('<a xml:base="../x/">'),
    "a million items": lambda: b"<rss><channel>" + big("<item><title>t</title><link>https://p.example/1</link></item>"),
    "a million empty items": lambda: b"<rss><channel>" + big("<item/>"),
    "a million titles": lambda: b"<rss><channel><item>" + big("<title>t</title>"),
    "one title": lambda: b"<rss><channel><item><title>" + big("word "),
    "one CDATA": lambda: b"<rss><channel><item><title><![CDATA[" + big("]]"),
    "comments": lambda: b"<rss><channel>" + big("<!--"),
    "declarations": lambda: b"<!DOCTYPE x [" + big("]  "),
    "angles": lambda: b"<rss><channel><item><title>" + big("<"),
    "ampersands": lambda: b"<rss><channel><item><title>" + big("&#"),
    "bad bytes": lambda: b"<rss><channel><item><title>" + big(b"\xe9a"),
    "texts of angles": lambda: items_of("<![CDATA[<]]>"),
    "texts of entities": lambda: items_of("&amp;amp;lt;"),
    "texts of pictures": lambda: items_of('&lt;img src="'),
    "texts of footers": lambda: items_of("The post "),
    "texts of lines": lambda: items_of("&lt;br&gt;", 500),
    "deep JSON": lambda: b'{"version":"https://jsonfeed.org/version/1","items":[' + big("["),
    "a million items of JSON": lambda: b'{"version":"https://jsonfeed.org/version/1","items":[' + b"{}," * 1_000_000 + b"{}]}",
    "long addresses": lambda: items_of("x").replace(b"https://paper.example/", b"https://paper.example/" + b"%2e%2e/" * 250),
    "long hosts": lambda: items_of("x").replace(b"https://paper.example/", b"https://" + "ü".encode() * 900 + b"/"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_time_and_memory_stay_bounded(name: str) -> None:
    body = HOSTILE[name]()
    begun = time.process_time()
    harmless(body)
    assert time.process_time() - begun < SLOWEST_S


def test_memory_stays_near_the_size_of_what_is_read() -> None:
    body = b"<rss><channel>" + b"<item><title>t</title><link>https://p.example/1</link></item>" * 500_000
    assert len(body) > 7 * FEED_LIMIT
    tracemalloc.start()
    try:
        assert harmless(body) == 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * FEED_LIMIT


def test_what_lies_beyond_the_bounds_is_not_read() -> None:
    assert sum(1 for _ in tokens("<a>" * (2 * TOKENS_LIMIT))) == TOKENS_LIMIT
    late = rss(item() + f"<!--{'x' * FEED_LIMIT}-->" + item("Late", "https://paper.example/late"))
    found = read(late, etag='"1"')
    assert (found.only.title, found.state.etag) == ("Bitcoin rises", '"1"')


SEEDS = [body for body, _ in FORMATS.values()] + [
    rss(item("<![CDATA[a<b>c]]>&#x3c;script&gt;", more="<guid>g</guid>"))
]
SPICE = [
    "<", ">", "</", "/>", "<!", "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>", "&", "&lt;", "&#60;", "&amp;lt;", "&#xD800;",
    "&#0;", '"', "'", "=", "\x00", "\x0b", "\u202e", "\ud800", "<script>alert(1)</script>", "&lt;script&gt;", "javascript:",
    "data:text/html,", "https://", "//", "\\", "@", "<item>", "</item>", "<entry>", "</channel>", "<title>", "xmlns='x'",
    "xml:base='javascript:'", "<!DOCTYPE x [", "]>", "{", "}", "null", "1e999", "\ufeff", " ", "\n", "&bogus;", "<svg/onload=x>",
]  # fmt: skip
EDITS = st.lists(
    st.tuples(st.integers(0, 2_000), st.integers(0, 30), st.sampled_from(SPICE)), min_size=1, max_size=12
)


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), EDITS, st.sampled_from(["utf-8", "utf-16", "cp1252"]))
def test_any_change_of_a_feed_is_read_or_refused(
    seed: str, edits: list[tuple[int, int, str]], codec: str
) -> None:
    for at, length, spice in edits:
        place = at % (len(seed) + 1)
        seed = seed[:place] + spice + seed[place + length :]
    harmless(seed.encode(codec, "ignore"))


@settings(max_examples=150)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 5_000), st.binary(max_size=4)), max_size=8),
    st.integers(0, 3_000),
)
def test_any_bytes_in_a_feed_are_read_or_refused(seed: str, edits: list[tuple[int, bytes]], cut: int) -> None:
    body = seed.encode()
    for at, junk in edits:
        place = at % (len(body) + 1)
        body = body[:place] + junk + body[place + len(junk) :]
    harmless(body[:cut] if cut % 3 == 0 else body)


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from([*SPICE, "a", "https://paper.example/", "<link>", "</link>", "</title>"]), max_size=40
    ).map("".join)
)
def test_any_markup_is_read_or_refused(text: str) -> None:
    harmless(rss(f"<item>{text}").encode("utf-8", "ignore"))


@pytest.mark.parametrize("end", range(0, 1400, 7))
def test_a_feed_cut_anywhere_keeps_the_whole_items(end: int) -> None:
    body = rss(item() + item("Second", "https://paper.example/2") + item("Third", "https://paper.example/3"))[
        :end
    ]
    whole = body.count("</item>")
    assert harmless(body) == (whole or -1)
