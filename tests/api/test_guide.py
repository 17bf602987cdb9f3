"""The guide: every page is there, whole, readable without a script, and links to what exists."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest
from in_process import ADDRESS, Service

from crypto_dt_source.api import guide
from crypto_dt_source.api.app import create_app
from crypto_dt_source.api.guide_pages import FILES, MACHINE, PAGES

pytestmark = pytest.mark.asyncio(loop_scope="module")
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Seen(HTMLParser):
    """A page as a browser has it: links, anchors, landmarks, and whether every element that was opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.marks: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.torn: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        self.anchors += [value for name, value in attrs if name == "id" and value]
        self.torn += [name for name in given if name.startswith("on") or name == "style"]
        if tag in ("main", "header", "footer", "nav"):
            self.marks.append(f"{tag} {given.get('aria-label', '')}".strip())
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.torn.append(tag)


def seen(name: str) -> Seen:
    return Seen((guide.page(name) if name else guide.front()).decode())


async def test_every_page_is_whole_and_without_script() -> None:
    for name in ("", *guide.sources()):
        page = seen(name)
        assert (page.torn, page.open) == ([], []), name
        assert page.tags.isdisjoint({"script", "style", "iframe", "img"}), name
        assert page.marks[:3] == ["header", "nav Site", "main"], name
        assert {"nav Pages", "footer"} <= set(page.marks)
        assert len(page.anchors) == len(set(page.anchors)), name
        assert "#content" in page.links


async def test_every_link_leads_to_a_page_that_exists_and_a_heading_on_it() -> None:
    served = {f"/guide/{name}": name for name in guide.sources()} | {"/guide": ""}
    routes = {route.path for route in create_app().routes if hasattr(route, "path")}
    files = {"/docs/assets/favicon.png", "/guide/guide.css", *(f"/guide/{name}" for name in FILES)}
    markdown = {f"{address}.md" for address in served if address != "/guide"}
    anchors = {name: set(seen(name).anchors) for name in ("", *guide.sources())}
    for name in ("", *guide.sources()):
        here = f"{ADDRESS}/guide" + (f"/{name}" if name else "")
        for link in seen(name).links:
            address, anchor = urldefrag(urljoin(here, link))
            if not address.startswith(ADDRESS):
                assert address.startswith(("https://", "http://127.0.0.1:7860/")), (name, link)
                continue
            path = address.removeprefix(ADDRESS)
            assert path in served or path in routes | files | markdown, (name, link)
            assert not anchor or anchor in anchors[served[path]], (name, link)


async def test_a_page_is_served_with_its_policy_and_kept_by_browsers(api: Service) -> None:
    for path in ("/guide", "/guide/stream", "/guide/reference/errors"):
        answer = await api.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; ")
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert (await api.get(path, if_none_match=answer.headers["etag"])).status_code == 304
        head = await api.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == answer.headers["etag"]


async def test_what_pages_load_and_their_sources_are_served(api: Service) -> None:
    style = await api.get("/guide/guide.css")
    assert style.headers["content-type"].startswith("text/css")
    assert not re.search(r"url\(|@import", style.text)
    source = await api.get("/guide/stream.md")
    assert source.headers["content-type"].startswith("text/markdown")
    assert source.text.startswith("# The stream\n")
    for name, kind in FILES.items():
        assert (await api.get(f"/guide/{name}")).headers["content-type"].startswith(kind)
    moved = await api.get("/guide/")
    assert (moved.status_code, urljoin(f"{ADDRESS}/guide/", moved.headers["location"])) == (
        308,
        f"{ADDRESS}/guide",
    )


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "nothing.md",
        "stream.txt",
        "../../pyproject.toml",
        "%2e%2e/README",
        "..%2fREADME.md",
        "reference",
    ],
)
async def test_what_is_not_in_the_guide_is_the_one_404(api: Service, name: str) -> None:
    answer = await api.get(f"/guide/{name}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "code", "details", "request_id"}


async def test_pages_are_rendered_once_and_not_on_the_loop(
    api: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide.page.cache_clear()
    rendered = []
    whole = guide._rendered

    def watched(name: str, text: str) -> tuple[str, str]:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        rendered.append(name)
        return whole(name, text)

    monkeypatch.setattr(guide, "_rendered", watched)
    for _ in range(2):
        assert (await api.get("/guide/pricing")).status_code == 200
    assert rendered == ["pricing"]


async def test_the_list_for_language_models_has_every_page(api: Service) -> None:
    answer = await api.get("/llms.txt")
    assert answer.headers["content-type"].startswith("text/plain")
    title, _, summary = answer.text.splitlines()[:3]
    assert title == "# Crypto-DT-Source"
    assert summary.startswith("> ")
    linked = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", answer.text, re.M)
    assert linked == ["openapi.json", "asyncapi.json", *(f"guide/{page.name}.md" for page in PAGES)]
    assert {f"/{page.name}" for page in MACHINE} <= {
        getattr(route, "path", "") for route in create_app().routes
    }
    assert {page.name for page in PAGES} <= set(guide.sources())


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that tries what a page might."""
    text = """# A *title* & `more`

<script>alert(1)</script> <b onclick="x()">b</b> [run](javascript:alert(1)) [there](other.md#it) [gone](none.md)
[up](../../secret.md) [out](https://example.org/?a=1&b=2)

## It

## It

| | b |
| --- | ---: |
| `x` | 1 |

```html
<script>alert(2)</script>
```
"""
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    (tmp_path / "other.md").write_text("# Other\n", encoding="utf-8")
    for cached in (guide.folder, guide.sources, guide.page):
        cached.cache_clear()
    monkeypatch.setattr(guide, "folder", lambda: tmp_path)


async def test_markup_in_a_page_is_text_and_links_lead_nowhere_else(
    hostile: None, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(guide.sources.cache_clear)
    request.addfinalizer(guide.page.cache_clear)
    html = guide.page("page").decode()
    page = Seen(html)
    assert page.tags.isdisjoint({"script", "b"})
    assert "<title>A title &amp; more · Crypto-DT-Source</title>" in html
    assert "&lt;script&gt;alert(2)" in html
    assert not any(link.startswith("javascript") or "secret" in link or "none" in link for link in page.links)
    assert '<a href="../guide/other#it">there</a>' in html
    assert '<a href="https://example.org/?a=1&amp;b=2" target="_blank" rel="noreferrer">' in html
    assert [anchor for anchor in page.anchors if anchor.startswith("it")] == ["it", "it-1"]
    assert re.search(r'<div class="scroll" tabindex="0"><table>\s*<thead>\s*<tr>\s*<td></td>', html)
    assert page.torn == []
