"""Reading the places that name sources: leads out of what they say, and nothing out of what strangers slip in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.providers.directories import (
    DIRECTORIES,
    MAX_LEADS,
    Directory,
    Lead,
    api_catalog,
    apis_json,
    follow,
    github,
    guru,
    openapi,
    page,
    public_apis,
    well_known,
)
from crypto_dt_source.providers.inference import kind_of, meaning_of

SITE = "https://x.example.org/docs/"
json = msgspec.json.encode


def urls(leads: list[Lead]) -> list[str]:
    return [lead.url for lead in leads]


def test_github_gives_homepages_as_https() -> None:
    found = {
        "items": [
            {"full_name": "a/one", "homepage": "http://one.example.org/"},
            {"full_name": "a/two", "homepage": ""},
            {"full_name": "../three", "homepage": None},
            {"full_name": "<b>a</b>/four\u0007", "homepage": "https://four.example.org/#start"},
            {"full_name": "a/five", "homepage": "javascript:alert(1)"},
            "not a row",
        ]
    }
    assert github(json(found), SITE) == [
        Lead("https://one.example.org/", "page", "a/one"),
        Lead("https://four.example.org/", "page", "a/four"),
        Lead("https://raw.githubusercontent.com/a/two/HEAD/README.md", "readme", "a/two"),
        Lead("https://raw.githubusercontent.com/a/five/HEAD/README.md", "readme", "a/five"),
    ]


def test_of_the_public_list_two_headings_are_read() -> None:
    text = (
        "# Public APIs\n\n### Animals\nAPI | Description\n| [Cats](https://cats.example.org) | Cats | No |\n\n"
        "### Cryptocurrency\nAPI | Description\n|---|---|\n| [Coins](https://coins.example.org/docs) | Prices | No |\n"
        "| [Rates](http://rates.example.org) | Rates | `apiKey` |\n\n### Weather\n| [Rain](https://rain.example.org) | x |\n"
    )
    assert public_apis(text.encode(), SITE) == [
        Lead("https://coins.example.org/docs", "page", "Coins"),
        Lead("https://rates.example.org", "page", "Rates"),
    ]
    # Were the blanks tried in every split, this would take a day, and no other thread would run.
    assert public_apis(b"### Blockchain \n##" + b" " * 300_000 + b"x" * 200, SITE) == []


def test_of_described_apis_those_about_cryptocurrencies_are_taken() -> None:
    def api(title: str, url: str, text: str | None = None) -> dict[str, Any]:
        return {
            "preferred": "1",
            "versions": {"1": {"info": {"title": title, "description": text}, "swaggerUrl": url}},
        }

    found = {
        "a.example": api("Bitcoin prices", "https://d.example.org/a.json"),
        "b.example": api("Weather", "https://d.example.org/b.json"),
        "c.example": api("Market data", "https://d.example.org/c.json", "For stablecoins and more"),
    }
    assert urls(guru(json(found), SITE)) == ["https://d.example.org/a.json", "https://d.example.org/c.json"]


def test_an_api_catalog_leads_to_descriptions_first() -> None:
    linkset = [
        {"anchor": SITE, "item": [{"href": "/v1/tickers"}, {"href": 5}], "service-doc": [{"href": "https://x.example.org/d"}]},
        {"anchor": "https://x.example.org/v1", "service-desc": [{"href": "../openapi.json", "type": "application/json"}]},
    ]  # fmt: skip
    assert api_catalog(json({"linkset": linkset}), SITE) == [
        Lead("https://x.example.org/openapi.json", "api", "x.example.org"),
        Lead("https://x.example.org/v1/tickers", "api", "x.example.org"),
        Lead("https://x.example.org/d", "page", "x.example.org"),
        Lead("https://x.example.org/v1", "api", "x.example.org"),
    ]


def test_apis_json_leads_to_descriptions_and_addresses() -> None:
    api = {
        "name": "Prices",
        "baseURL": "https://api.example.org/v1",
        "humanURL": "/about",
        "properties": [
            {"type": "OpenAPI", "url": "https://x.example.org/o.json"},
            {"type": "Other", "url": "/no"},
        ],
    }
    assert urls(apis_json(json({"apis": [api, 7]}), SITE)) == [
        "https://x.example.org/o.json",
        "https://api.example.org/v1",
        "https://x.example.org/about",
    ]


PATHS = {
    "/orders": {"get": {}},
    "/ticker/{symbol}": {"get": {}},
    "/ticker/one": {"get": {"parameters": [{"name": "symbol", "required": True}]}},
    "/prices": {"get": {"parameters": [{"name": "limit"}]}},
    "/tickers": {"get": {}},
    "/tickers/all": {"post": {}},
    "/markets": {"parameters": [{"name": "x", "required": True}], "get": {}},
}


@pytest.mark.parametrize(
    ("head", "base"),
    [
        (
            {"openapi": "3.0.0", "servers": [{"url": "https://{host}/x"}, {"url": "/v2/"}]},
            "https://x.example.org/v2",
        ),
        ({"openapi": "3.0.0"}, "https://x.example.org"),
        ({"swagger": "2.0", "host": "api.example.org", "basePath": "/v1/"}, "https://api.example.org/v1"),
        ({"openapi": "3.0.0", "servers": [{"url": "http://["}]}, "https://x.example.org"),
    ],
    ids=["servers", "none", "swagger", "no address"],
)
def test_a_description_leads_to_what_needs_no_parameter(head: dict[str, Any], base: str) -> None:
    assert urls(openapi(json({**head, "paths": PATHS}), SITE)) == [f"{base}/tickers", f"{base}/prices"]


def test_a_page_leads_to_its_feeds_then_to_addresses_of_prices_in_its_text() -> None:
    text = (
        '<html><head><link rel="alternate" type="application/rss+xml" title="All &amp; news" href="/feed.xml">'
        '<link rel="alternate" hreflang="de" href="/de"><link rel=service-desc href="https://x.example.org/desc">'
        '</head><body><a href="/swagger.json">Spec</a> GET <code>https://api.x.example.org/v1/tickers</code>, then '
        "https://api.x.example.org/v1/orders and https://api.x.example.org/coins/{id}, https://x\u2100y.org/prices.</body>"
    )
    assert page(text.encode(), SITE, "text/html") == [
        Lead("https://x.example.org/feed.xml", "feed", "All & news"),
        Lead("https://x.example.org/desc", "api", "x.example.org"),
        Lead("https://x.example.org/swagger.json", "api", "x.example.org"),
        Lead("https://api.x.example.org/v1/tickers", "api", "api.x.example.org"),
    ]


def test_leads_are_bounded_and_each_is_named_once() -> None:
    items = [{"full_name": "a", "homepage": f"https://h{n}.example.org"} for n in range(3 * MAX_LEADS)]
    assert len(github(json({"items": [*items[:5], *items]}), SITE)) == MAX_LEADS
    text = "".join(f"https://h{n}.example.org/tickers " for n in range(3 * MAX_LEADS))
    assert len(page(text.encode(), SITE)) == MAX_LEADS


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example.org/", "https://", "https://x.example.org/{id}", "https://x\u0430.example", "https://[::1", "x" * 600, 7],
    ids=["scheme", "no host", "template", "other letters", "brackets", "long", "number"],
)  # fmt: skip
def test_what_is_no_address_is_no_lead(url: Any) -> None:
    assert github(json({"items": [{"full_name": "no name", "homepage": url}]}), SITE) == []
    assert api_catalog(json({"linkset": [{"item": [{"href": url}]}]}), "ftp://x") == []


@pytest.mark.parametrize("directory", DIRECTORIES, ids=[directory.id for directory in DIRECTORIES])
def test_a_directory_reads_nothing_or_refuses_what_is_not_its_own(directory: Directory) -> None:
    assert directory.base_url.startswith("https://")
    assert directory.limits
    for body in (b"", b"<html>", b"[" * 10_000, b'{"items": 5}', b'{"linkset": [1]}', b"null"):
        try:
            assert directory.read(body, SITE) == []
        except PayloadChanged:
            continue


def test_follow_reads_each_kind_by_its_own_reader_and_no_other() -> None:
    body = json({"linkset": [{"item": [{"href": "/tickers"}]}]})
    assert urls(follow(body, SITE, meaning_of(msgspec.json.decode(body)))) == [
        "https://x.example.org/tickers"
    ]
    assert follow(body, SITE, "table") == []
    assert kind_of(b"<p>") == "html"
    assert well_known(SITE)[0] == "https://x.example.org/.well-known/api-catalog"
