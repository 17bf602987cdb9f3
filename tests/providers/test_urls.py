"""Addresses of pages: which are one page, which are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.providers.text import LINK_LIMIT
from crypto_dt_source.providers.urls import TRACKING, TRACKING_PREFIXES, absolute, canonical_url
from each_case import each

PAGE = "https://paper.example/news/bitcoin-rises"


@pytest.mark.parametrize(
    "url",
    [
        PAGE,
        "http://paper.example/news/bitcoin-rises",
        "HTTPS://Paper.EXAMPLE/news/bitcoin-rises",
        "https://paper.example./news/bitcoin-rises",
        "https://paper.example:443/news/bitcoin-rises",
        "http://paper.example:80/news/bitcoin-rises",
        f"{PAGE}/",
        f"{PAGE}#comments",
        f"{PAGE}?",
        f"{PAGE}?utm_source=rss&utm_medium=feed&UTM_Campaign=x",
        f"{PAGE}?fbclid=1&gclid=2&mc_cid=3&ref=home&cmpid=4&%66bclid=5",
        f"{PAGE}/amp/",
        f"{PAGE}/amp?utm_source=x#y",
        f"{PAGE}?amp",
        f"{PAGE}?outputType=amp",
        "https://paper.example/./news/old/../bitcoin-rises",
        "https://paper.example/%6eews/bitcoin%2Drises",
        "https://paper.example/%2e/news/bitcoin-rises",
        f" {PAGE}\n",
        "https://paper.exa\nmple/news/bitcoin-rises",
    ],
)
def test_one_page_has_one_address(url: str) -> None:
    assert canonical_url(url) == PAGE


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://paper.example", "https://paper.example/"),
        ("https://paper.example/?p=380005", "https://paper.example/?p=380005"),
        ("https://paper.example/?b=2&utm_id=1&a=1&&b=1", "https://paper.example/?b=2&a=1&b=1"),
        ("https://paper.example/price/amp", "https://paper.example/price/amp"),
        ("https://paper.example/a%2fb/%e2%82%ac", "https://paper.example/a%2Fb/%E2%82%AC"),
        ("https://paper.example/a%2Fb/€", "https://paper.example/a%2Fb/%E2%82%AC"),
        ("https://paper.example/100%", "https://paper.example/100%25"),
        ("https://paper.example:8443/a", "https://paper.example:8443/a"),
        ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://straße.example/a", "https://xn--strae-oqa.example/a"),
        ("https://WWW.Paper.example/a", "https://www.paper.example/a"),
        ("https://paper.example/Case/Matters?Q=A", "https://paper.example/Case/Matters?Q=A"),
        ("https://paper.example/a b?c=d e", "https://paper.example/a%20b?c=d%20e"),
    ],
)
def test_what_makes_another_page_stays(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "", "paper.example/a", "/a", "javascript:alert(1)", "data:text/html,x", "ftp://paper.example/", "https://",
        "https:///a", "https://user@paper.example/", "https://user:secret@paper.example/", "https://@paper.example/",
        "https://paper.example@evil.example/", "https://paper.example:0x50/", "https://paper.example:99999/",
        "https://[::1]/", "https://[bad", "https://paper..example/", "https://-paper.example/", "https://paper.example\\@evil",
        "https://pa per.example/", "https://" + "a" * 64 + ".example/", "https://" + "a." * 200 + "example/",
        "https://" + "ü" * 5000 + "/", "https://paper.example/" + "a" * LINK_LIMIT, "https://paper.example/" + "é" * 700,
        "https://\u202eelpmaxe.example/", "https://%70aper.example/", "https://\ud800.example/",
    ],
)  # fmt: skip
def test_what_is_no_public_page(url: str) -> None:
    assert canonical_url(url) is None


@each("name", sorted(TRACKING) + [f"{prefix}x" for prefix in TRACKING_PREFIXES])
def test_every_tracking_parameter_is_dropped(name: str) -> None:
    assert canonical_url(f"{PAGE}?a=1&{name}=2") == f"{PAGE}?a=1"


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("/a", "https://paper.example/feed", "https://paper.example/a"),
        ("a", "https://paper.example/feed/", "https://paper.example/feed/a"),
        ("?p=1", "https://paper.example/feed", "https://paper.example/feed?p=1"),
        ("//cdn.example/a", None, "https://cdn.example/a"),
        ("//cdn.example/a", "http://paper.example/", "http://cdn.example/a"),
        ("https://x.example/it's", None, "https://x.example/it%27s"),
        ("a", None, None),
        ("", "https://paper.example/", None),
        (None, "https://paper.example/", None),
        ("javascript:alert(1)", "https://paper.example/", None),
        ("java\tscript:alert(1)", "https://paper.example/", None),
        ("a", "javascript:alert(1)", None),
        ("//[", "https://paper.example/", None),
        ("mailto:a@b.example", "https://paper.example/", None),
    ],
)
def test_an_address_in_a_page(text: str | None, base: str | None, expected: str | None) -> None:
    assert absolute(text, base) == expected


PIECES = st.sampled_from(
    ["/", "..", ".", "%2e", "%2F", "%", "%4", "a", "A", "-", "é", "?", "&", "=", "#", "utm_source=x", "amp", "/amp", ":", "80",
     "@", "+", " ", "'", ";", "~", "%7E", "%zz", "xn--", "ß", "İ", "\u3002", "\u200d", "%25", "|", "p.example"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join)))
def test_the_canonical_form_is_final(rest: str) -> None:
    for url in (f"https://{rest}", f"http://p.example/{rest}", f"https://p.example/?{rest}", rest):
        once = canonical_url(url)
        if once is not None:
            assert canonical_url(once) == once
            assert once.startswith("https://")
            assert once.isascii()
            assert once.isprintable()
            assert len(once) <= LINK_LIMIT


@given(st.text(max_size=80), st.text(max_size=40))
def test_no_text_is_an_address_by_accident(text: str, base: str) -> None:
    for found in (absolute(text, base), absolute(text, "https://p.example/x/"), absolute(text, None)):
        assert found is None or found.lower().startswith(("http://", "https://"))
