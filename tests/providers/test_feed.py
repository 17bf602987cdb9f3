"""Feeds of every format become the same articles, and an unchanged one costs no body."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from feed_desk import ENDPOINT, NOON_MS, NOW_MS, item, read, rss

from crypto_dt_source.model.ask import NewsAsk
from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.model.news import SUMMARY_LIMIT, TITLE_LIMIT
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.adapters.feed import AUTHORS_LIMIT, TAGS_LIMIT
from crypto_dt_source.providers.feeds.item import ITEMS_LIMIT

RSS_20 = rss(
    item(
        "Bitcoin &amp; Ether rise",
        "https://paper.example/rise?utm_source=rss&amp;id=7",
        """<guid isPermaLink="false">p-7</guid><pubDate>Sat, 03 Oct 2026 12:00:00 +0000</pubDate>
        <dc:creator><![CDATA[Ann Writer]]></dc:creator><category>Markets</category><category></category>
        <description><![CDATA[<p>Both <b>gained</b>.</p>]]></description>
        <media:content url="https://cdn.example/rise.jpg" type="image/*"><credit>Someone</credit></media:content>""",
    )
)
RSS_091 = """<rss version="0.91"><channel><title>The Paper</title><link>https://paper.example/</link>
<item><title>Bitcoin &amp; Ether rise</title><link>https://paper.example/rise?id=7</link>
<description>Both gained.</description></item></channel></rss>"""
RSS_090 = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://my.netscape.com/rdf/simple/0.9/"><channel><title>The Paper</title><link>https://paper.example/</link></channel>
<item><title>Bitcoin &amp; Ether rise</title><link>https://paper.example/rise?id=7</link></item></rdf:RDF>"""
RSS_10 = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://paper.example/feed"><title>The Paper</title><link>https://paper.example/</link>
<items><rdf:Seq><rdf:li rdf:resource="https://paper.example/rise"/></rdf:Seq></items></channel>
<item rdf:about="p-7"><title>Bitcoin &amp; Ether rise</title><link>https://paper.example/rise?id=7</link>
<description>Both gained.</description><dc:date>2026-10-03T12:00Z</dc:date><dc:creator>Ann Writer</dc:creator>
<dc:subject>Markets</dc:subject></item></rdf:RDF>"""
ATOM_10 = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://paper.example/feed/">
<title type="text">The Paper</title><link href="/"/><link rel="self" href="atom.xml"/>
<entry><title type="html">Bitcoin &amp;amp; Ether rise</title><id>p-7</id>
<link rel="replies" href="https://paper.example/comments"/><link type="application/json" href="/rise.json"/>
<link href="/rise?id=7"/><link rel="enclosure" type="image/jpeg" href="https://cdn.example/rise.jpg"/>
<published>2026-10-03T14:00:00+02:00</published><updated>2026-10-03T15:00:00Z</updated>
<author><name>Ann Writer</name><email>ann@paper.example</email></author><category term="markets" label="Markets"/>
<source><title>Another paper</title></source>
<summary type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Both <b>gained</b>.</p></div></summary></entry></feed>"""
ATOM_03 = """<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>The Paper</title>
<link rel="alternate" type="text/html" href="https://paper.example/"/>
<entry><title>Bitcoin &amp; Ether rise</title><link rel="alternate" type="text/html" href="https://paper.example/rise?id=7"/>
<id>p-7</id><issued>2026-10-03T12:00:00Z</issued><modified>2026-10-03T13:00:00Z</modified>
<author><name>Ann Writer</name></author><content type="text/html" mode="escaped">&lt;p&gt;Both gained.&lt;/p&gt;</content>
</entry></feed>"""
PREFIXED = """<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:title>The Paper</a:title><a:entry>
<a:title>Bitcoin &amp; Ether rise</a:title><a:link href="https://paper.example/rise?id=7"/><a:id>p-7</a:id>
<a:updated>2026-10-03T12:00:00Z</a:updated><a:summary>Both gained.</a:summary></a:entry></a:feed>"""
JSON_11 = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "The Paper",
        "home_page_url": "https://paper.example/",
        "items": [
            {
                "id": "p-7",
                "url": "/rise?id=7",
                "title": "Bitcoin & Ether rise",
                "content_html": "<p>Both <b>gained</b>.</p>",
                "image": "https://cdn.example/rise.jpg",
                "date_published": "2026-10-03T12:00:00Z",
                "authors": [{"name": "Ann Writer"}],
                "tags": ["Markets"],
            }
        ],
    }
)
JSON_1 = JSON_11.replace("/1.1", "/1").replace(
    '"authors": [{"name": "Ann Writer"}]', '"author": {"name": "Ann Writer"}'
)
FORMATS = {
    "RSS 0.90": (RSS_090, ()),
    "RSS 0.91": (RSS_091, ("summary",)),
    "RSS 1.0": (RSS_10, ("summary", "date", "author", "tags", "guid")),
    "RSS 2.0": (RSS_20, ("summary", "date", "author", "tags", "guid", "image")),
    "Atom 0.3": (ATOM_03, ("summary", "date", "author", "guid")),
    "Atom 1.0": (ATOM_10, ("summary", "date", "author", "tags", "guid", "image")),
    "Atom with a prefix": (PREFIXED, ("summary", "date", "guid")),
    "JSON Feed 1": (JSON_1, ("summary", "date", "author", "tags", "guid", "image")),
    "JSON Feed 1.1": (JSON_11, ("summary", "date", "author", "tags", "guid", "image")),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(name: str) -> None:
    body, says = FORMATS[name]
    found = read(body)
    article = found.only
    assert found.unreadable == []
    assert (found.state.title, found.state.unchanged) == ("The Paper", False)
    assert (article.provider, article.received_ms) == ("paper", NOW_MS)
    assert (article.title, article.url) == ("Bitcoin & Ether rise", "https://paper.example/rise?id=7")
    assert article.summary == ("Both gained." if "summary" in says else None)
    assert article.published_ms == (NOON_MS if "date" in says else None)
    assert article.author == ("Ann Writer" if "author" in says else None)
    assert article.tags == (("Markets",) if "tags" in says else ())
    assert article.guid == ("p-7" if "guid" in says else None)
    assert article.image == ("https://cdn.example/rise.jpg" if "image" in says else None)


def test_the_link_stays_as_the_feed_gave_it() -> None:
    assert read(RSS_20).only.link == "https://paper.example/rise?utm_source=rss&id=7"


RECORDED = {
    "bitcoinmagazine.xml": (2, "IMF Praises El Salvador — But Still Tries To Scale Back Its Bitcoin Project"),
    "coindesk.xml": (
        5,
        "Payments firm OpenPayd targets year-end Nasdaq listing to fund U.S. expansion and acquisitions",
    ),
    "cointelegraph.xml": (4, "Here’s what happened in crypto today"),
    "cryptoslate.xml": (2, "Bankers sue to overturn OCC trust-bank rule used by crypto firms"),
    "decrypt.xml": (4, "Chainalysis Used AI to Trace the $387M Bitget Hack Back to North Korea"),
    "theblock.xml": (
        4,
        "Drift opens exploit recovery claims with initial payouts of just over 1% of user losses",
    ),
    "utoday.xml": (5, "Cardano (ADA) Completes First Daily Golden Cross of 2026 After 14-Month Wait"),
}


def test_no_recorded_feed_is_forgotten(wire: Path) -> None:
    assert {path.name for path in (wire / "rss").iterdir()} == set(RECORDED)


@pytest.mark.parametrize("file", sorted(RECORDED))
def test_a_recorded_feed_is_read_whole(wire: Path, file: str) -> None:
    count, title = RECORDED[file]
    found = read((wire / "rss" / file).read_bytes(), etag='"1"')
    assert (len(found.articles), found.unreadable, found.state.etag) == (count, [], '"1"')
    assert found.articles[0].title == title
    host = catalog.load()[file.removesuffix(".xml")].host.removeprefix("www.")
    for article in found.articles:
        assert article.url.removeprefix("https://").removeprefix("www.").startswith(f"{host}/")
        assert article.published_ms is not None
        assert article.author
        assert article.summary
        assert "&#" not in article.title + article.summary
        assert "appeared first on" not in article.summary


def test_the_request_is_conditional_once_a_feed_has_said_what_it_is() -> None:
    assert ENDPOINT.conditional
    first = ENDPOINT.request(NewsAsk())
    assert (first.path, [name for name, _ in first.headers]) == ("", ["Accept"])
    again = dict(ENDPOINT.request(NewsAsk('W/"abc"', "Sat, 03 Oct 2026 12:00:00 GMT")).headers)
    assert again["If-None-Match"] == 'W/"abc"'
    assert again["If-Modified-Since"] == "Sat, 03 Oct 2026 12:00:00 GMT"


@pytest.mark.parametrize("value", ['"a"\r\nX-Evil: 1', "é", '"' + "a" * 600 + '"', "\x00", "   "])
def test_a_validator_that_is_no_header_is_neither_kept_nor_sent(value: str) -> None:
    assert [name for name, _ in ENDPOINT.request(NewsAsk(value, value)).headers] == ["Accept"]
    state = read(RSS_20, etag=value, last_modified=value).state
    assert (state.etag, state.last_modified) == (None, None)


def test_an_unchanged_feed_has_no_articles_and_keeps_its_validators() -> None:
    ask = NewsAsk('"old"', "Sat, 03 Oct 2026 12:00:00 GMT")
    kept = read(b"", ask, status=304)
    assert kept.articles == []
    assert (kept.state.unchanged, kept.state.etag, kept.state.last_modified) == (
        True,
        ask.etag,
        ask.last_modified,
    )
    newer = read(b"", ask, status=304, etag='"new"').state
    assert (newer.etag, newer.last_modified) == ('"new"', ask.last_modified)


def test_a_feed_cut_short_is_asked_for_again_in_full() -> None:
    cut = rss(item() + item("Second", "https://paper.example/2"))[:-60]
    found = read(cut, etag='"1"', last_modified="Sat, 03 Oct 2026 12:00:00 GMT")
    assert [article.title for article in found.articles] == ["Bitcoin rises"]
    assert (found.state.etag, found.state.last_modified) == (None, None)


@pytest.mark.parametrize(
    ("more", "link"),
    [
        ("<link>/news/1</link>", "https://paper.example/news/1"),
        ("<link>//other.example/1</link>", "https://other.example/1"),
        ("<link>\n  https://paper.example/1\n </link>", "https://paper.example/1"),
        ("<link>https://paper.example/it's a story</link>", "https://paper.example/it%27s%20a%20story"),
        ("<link>https://paper.example/?a=1&copy=2&sect=3</link>", "https://paper.example/?a=1&copy=2&sect=3"),
        ("<link/><guid>https://paper.example/1</guid>", "https://paper.example/1"),
        ('<atom:link href="https://paper.example/1"/>', "https://paper.example/1"),
        ('<atom:link rel="self" href="https://paper.example/f"/><link>https://paper.example/1</link>', "https://paper.example/1"),
        ("<link>javascript:alert(1)</link><guid>https://paper.example/1</guid>", "https://paper.example/1"),
    ],
)  # fmt: skip
def test_the_link_is_found_wherever_a_feed_puts_it(more: str, link: str) -> None:
    assert read(rss(f"<item><title>t</title>{more}</item>")).only.link == link


@pytest.mark.parametrize(
    "more",
    [
        "<link>javascript:alert(1)</link>",
        "<link>java\nscript:alert(1)</link>",
        "<link>data:text/html,x</link>",
        "<link>https://paper.example@evil.example/</link>",
        "<link>https://user:secret@paper.example/</link>",
        "<link>https:///nowhere</link>",
        "<link>https://paper.example:99999/</link>",
        "<link>ftp://paper.example/</link>",
        '<guid isPermaLink="false">https://paper.example/?p=1</guid>',
        "",
    ],
)
def test_an_item_without_a_usable_link_is_left_out_and_named(more: str) -> None:
    found = read(rss(item() + f"<item><title>Second</title>{more}</item>"))
    assert [article.title for article in found.articles] == ["Bitcoin rises"]
    assert [row.symbol for row in found.unreadable] == ["item 2"]
    assert found.unreadable[0].reason.startswith("no usable link")


def test_a_relative_link_without_a_base_is_refused() -> None:
    with pytest.raises(PayloadChanged, match="none of 1 items"):
        read(rss("<item><title>t</title><link>/1</link></item>", head=""))


def test_xml_base_goes_before_the_site() -> None:
    body = rss('<item xml:base="https://base.example/a/"><title>t</title><link>b</link></item>')
    assert read(body).only.link == "https://base.example/a/b"


def test_one_page_is_one_article() -> None:
    twice = item(link="https://paper.example/1?utm_medium=a") + item("Again", "http://paper.example/1/#top")
    assert read(rss(twice)).only.title == "Bitcoin rises"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("It&amp;#039;s &amp;quot;on&amp;quot;", 'It\'s "on"'),
        ("AT&T rises", "AT&T rises"),
        ("Price < 5 > 4", "Price < 5 > 4"),
        ("A&nbsp;B&hellip;", "A B…"),
        ("<![CDATA[One <b>two</b>]]> three", "One two three"),
        ("<![CDATA[<script>alert(1)</script>Safe]]>", "Safe"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;Safe", "Safe"),
        ("<b>One</b> two", "One two"),
        ("&#x42;it&#99;oin &unknown;", "Bitcoin &unknown;"),
        ("Bit\x00co\x08in", "Bitcoin"),
        ("one\n\n  two", "one two"),
        ("a\u2028b\u202ec", "a bc"),
    ],
)
def test_titles_are_plain(title: str, expected: str) -> None:
    assert read(rss(item(title))).only.title == expected


def test_texts_are_cut_between_words() -> None:
    found = read(rss(item("Word " * 400, more=f"<description>{'Longer ' * 900}</description>"))).only
    assert len(found.title) <= TITLE_LIMIT
    assert found.title.endswith("Word…")
    assert found.summary is not None
    assert len(found.summary) <= SUMMARY_LIMIT
    assert found.summary.endswith("Longer…")
    assert len(read(rss(item("x" * 900))).only.title) == TITLE_LIMIT


def test_an_item_without_a_title_is_called_by_its_text() -> None:
    found = read(
        rss("<item><link>https://paper.example/1</link><description>Short note.</description></item>")
    )
    assert found.only.title == "Short note."
    silent = read(rss(item() + "<item><link>https://paper.example/2</link></item>"))
    assert silent.unreadable[0].reason == "neither a title nor a text"


def test_a_summary_says_what_the_title_does_not() -> None:
    html = """&lt;p&gt;&lt;a href="/"&gt;The Paper&lt;/a&gt;&lt;br/&gt;Bitcoin rises&lt;/p&gt;&lt;p&gt;It gained.&lt;/p&gt;
    &lt;p&gt;The post Bitcoin rises appeared first on The Paper.&lt;/p&gt;"""
    assert read(rss(item(more=f"<description>{html}</description>"))).only.summary == "It gained."
    whole = "<description>Bitcoin rises</description><content:encoded><![CDATA[<p>All of it.</p>]]></content:encoded>"
    assert read(rss(item(more=whole))).only.summary == "All of it."


@pytest.mark.parametrize(
    ("more", "author"),
    [
        ("<dc:creator>A</dc:creator><dc:creator>B</dc:creator><dc:creator>A</dc:creator>", "A, B"),
        ("<author>ann@paper.example (Ann Writer)</author>", "Ann Writer"),
        ("<author>ann@paper.example</author>", None),
        ("<dc:creator/>", None),
    ],
)
def test_authors_are_names(more: str, author: str | None) -> None:
    assert read(rss(item(more=more))).only.author == author


def test_many_authors_and_tags_are_bounded() -> None:
    many = "".join(f"<dc:creator>W{n}</dc:creator><category>T{n}</category>" for n in range(200))
    found = read(rss(item(more=many))).only
    assert (found.author or "").count("W") == AUTHORS_LIMIT
    assert len(found.tags) == TAGS_LIMIT
    same = read(rss(item(more="<category>Bitcoin</category><category>BITCOIN</category>"))).only
    assert same.tags == ("Bitcoin",)


@pytest.mark.parametrize(
    ("more", "image"),
    [
        ('<media:thumbnail url="https://cdn.example/a"/>', "https://cdn.example/a"),
        (
            '<media:group><media:content url="https://cdn.example/a.png"/></media:group>',
            "https://cdn.example/a.png",
        ),
        ('<media:content url="https://cdn.example/a.mp4" medium="video"/>', None),
        ('<enclosure url="/a.jpg" length="1000000" type="image/jpeg"/>', "https://paper.example/a.jpg"),
        ('<enclosure url="https://cdn.example/a.mp3" type="audio/mpeg"/>', None),
        ('<enclosure url="javascript:alert(1)" type="image/png"/>', None),
        ('<description>&lt;img src="/a.png"&gt;</description>', "https://paper.example/a.png"),
        ('<description>&lt;img src="/p.gif" width="1" height="1"&gt;</description>', None),
    ],
)
def test_the_picture_of_an_item(more: str, image: str | None) -> None:
    assert read(rss(item(more=more))).only.image == image


def test_a_title_of_the_media_module_is_not_the_items() -> None:
    found = read(
        rss(
            item(
                more='<media:content url="https://c.example/a.jpg"><media:title>No</media:title></media:content>'
            )
        )
    )
    assert found.only.title == "Bitcoin rises"


def test_items_that_forgot_to_end_are_still_apart() -> None:
    body = rss(item().removesuffix("</item>") + item("Second", "https://paper.example/2"))
    assert [article.title for article in read(body).articles] == ["Bitcoin rises", "Second"]


def test_a_feed_has_at_most_so_many_items() -> None:
    many = "".join(item(link=f"https://paper.example/{n}") for n in range(ITEMS_LIMIT + 50))
    found = read(rss(many), etag='"1"')
    assert len(found.articles) == ITEMS_LIMIT
    assert found.state.etag == '"1"'


def test_an_item_of_json_of_another_shape_loses_no_other() -> None:
    found = read(JSON_11.replace('"items": [', '"items": [{"id": {}, "title": 5}, 7, '))
    assert found.only.title == "Bitcoin & Ether rise"
    assert [row.symbol for row in found.unreadable] == ["item 1", "item 2"]


def test_a_young_feed_has_no_items() -> None:
    assert read(rss("")).articles == []
    assert read('{"version": "https://jsonfeed.org/version/1", "items": []}').articles == []
