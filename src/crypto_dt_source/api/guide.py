"""The documentation as pages, `/guide`, as the Markdown it is written in, `/guide/{page}.md`, and as a list for language
models, `/llms.txt`. Pages need no script; addresses in them are relative, so that they hold below any prefix a proxy adds."""

from __future__ import annotations

import asyncio
import posixpath
import re
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ..model.errors import NotFound
from .documents import kept
from .guide_pages import FILES, GROUPS, MACHINE, PAGES, SUMMARY, llms_txt

PACKAGE = Path(__file__).resolve().parents[1]
STYLE = PACKAGE / "api" / "static" / "css" / "guide.css"
POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors *"
"""What a page may load. It may be framed by anybody, as the dashboard that links here is: nothing can be done in it."""
MAX_AGE_S = 300
SUFFIX = ".md"
_COMMENT = re.compile(r"^<!--.*?-->\n", re.M | re.S)
_NO_SLUG = re.compile(r"[^\w\- ]")


@cache
def folder() -> Path:
    """Where the pages are: inside an installed package, beside the sources of an editable one."""
    packaged = PACKAGE / "guide"
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / "docs"


@cache
def sources() -> dict[str, Path]:
    """Every page there is, by its name: `stream`, `reference/settings`. Empty where the installation has none."""
    found = sorted(folder().rglob(f"*{SUFFIX}"))
    return {path.relative_to(folder()).as_posix().removesuffix(SUFFIX): path for path in found}


def slug(heading: str) -> str:
    """The anchor of a heading, made as code hosts make it: links between the files hold there and here."""
    return _NO_SLUG.sub("", heading.strip().lower()).replace(" ", "-")


def _text(token: Token) -> str:
    """What a heading says, without its marks."""
    return "".join(part.content for part in token.children or () if part.type in ("text", "code_inline"))


def _upwards(name: str) -> str:
    """From a page to the root of the server; the front page has the name ''."""
    return "../" * (name.count("/") + 1) if name else "./"


def _link(name: str, target: str) -> str | None:
    """Where a link of a page leads: another page, a file of the guide, elsewhere on the web; None for what is not served."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return target
    if not parts.path:
        return target
    meant = posixpath.normpath(posixpath.join(posixpath.dirname(name), parts.path))
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    if meant in FILES:
        return f"{_upwards(name)}guide/{meant}"
    page = meant.removesuffix(SUFFIX)
    if meant.endswith(SUFFIX) and page in sources():
        return f"{_upwards(name)}guide/{page}{anchor}"
    if meant == "../README.md":
        return f"{_upwards(name)}guide"
    return None


def _parsed(name: str, text: str) -> tuple[MarkdownIt, list[Token]]:
    """A page's tokens with anchors on headings, links that lead somewhere, and tables and code that can be scrolled."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(_COMMENT.sub("", text))
    used: dict[str, int] = {}
    for token, following in zip(tokens, [*tokens[1:], tokens[-1]] if tokens else [], strict=True):
        if token.type == "heading_open":
            anchor = slug(_text(following))
            used[anchor] = used.get(anchor, -1) + 1
            token.attrSet("id", f"{anchor}-{used[anchor]}" if used[anchor] else anchor)
        # Alignment of a column would be a style, which the policy does not let in.
        token.attrs.pop("style", None)
        for part in token.children or ():
            _led(name, part)
    return reader, tokens


def _led(name: str, part: Token) -> None:
    """Point a link where it leads. One that leads nowhere here keeps its words alone."""
    if part.type != "link_open":
        return
    target = _link(name, str(part.attrGet("href") or ""))
    if target is None:
        part.attrs = {}
        return
    part.attrSet("href", target)
    if urlsplit(target).scheme:
        # A frame around this page is no place for a page of somebody else.
        part.attrSet("target", "_blank")
        part.attrSet("rel", "noreferrer")


def _rendered(name: str, text: str) -> tuple[str, str]:
    """Title and HTML of a page."""
    reader, tokens = _parsed(name, text)
    title = next((_text(after) for token, after in pairwise(tokens) if token.tag == "h1"), name)
    html = reader.renderer.render(tokens, reader.options, {}).replace("<th></th>", "<td></td>")
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace(
        "</table>", "</table></div>"
    )
    return title, html.replace("<pre>", '<pre tabindex="0">')


def _navigation(name: str) -> str:
    """All pages by group, this one marked."""
    made = []
    for group in GROUPS:
        links = "".join(
            f'<li><a href="{_upwards(name)}guide/{page.name}"{current}>{escape(page.title)}</a></li>'
            for page in group.pages
            for current in [' aria-current="page"' if page.name == name else ""]
        )
        made.append(f"<h2>{escape(group.title)}</h2><ul>{links}</ul>")
    return "".join(made)


def _neighbours(name: str) -> str:
    """The pages before and after this one, in the order of the navigation."""
    names = [page.name for page in PAGES]
    if name not in names:
        return ""
    at = names.index(name)
    links = []
    if at > 0:
        links.append(
            f'<a rel="prev" href="{_upwards(name)}guide/{names[at - 1]}">← {escape(PAGES[at - 1].title)}</a>'
        )
    if at + 1 < len(names):
        links.append(
            f'<a rel="next" href="{_upwards(name)}guide/{names[at + 1]}">{escape(PAGES[at + 1].title)} →</a>'
        )
    return f'<nav class="turn" aria-label="Before and after">{"".join(links)}</nav>'


def _whole(name: str, title: str, html: str) -> bytes:
    up = _upwards(name)
    source = f'<a href="{up}guide/{name}{SUFFIX}">This page as Markdown</a>' if name else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Crypto-DT-Source</title>"
        f'<link rel="icon" href="{up}docs/assets/favicon.png"><link rel="stylesheet" href="{up}guide/guide.css"></head>'
        '<body><a class="skip" href="#content">Skip to the text</a>'
        f'<header><a class="home" href="{up}">Crypto-DT-Source</a><nav aria-label="Site">'
        f'<a href="{up}guide">Guide</a><a href="{up}docs">API</a><a class="all" href="#pages">All pages</a></nav></header>'
        f'<main id="content" tabindex="-1">{html}{_neighbours(name)}</main>'
        f'<nav id="pages" aria-label="Pages">{_navigation(name)}</nav>'
        f'<footer>{source}<a href="{up}llms.txt">llms.txt</a></footer></body></html>'
    ).encode()


@cache
def front() -> bytes:
    """The page at `/guide`: what there is to read."""
    made = [f"<h1>Guide</h1><p>{escape(SUMMARY)}</p>"]
    for group in GROUPS:
        rows = "".join(
            f'<dt><a href="./guide/{page.name}">{escape(page.title)}</a></dt><dd>{escape(page.about)}</dd>'
            for page in group.pages
        )
        made.append(f"<h2>{escape(group.title)}</h2><dl>{rows}</dl>")
    rows = "".join(
        f'<dt><a href="./{page.name}">{escape(page.title)}</a></dt><dd>{escape(page.about)}</dd>'
        for page in MACHINE
    )
    return _whole("", "Guide", "".join([*made, f"<h2>For programs</h2><dl>{rows}</dl>"]))


@cache
def page(name: str) -> bytes:
    """A page by its name. Raises KeyError for one that does not exist."""
    title, html = _rendered(name, sources()[name].read_text(encoding="utf-8"))
    return _whole(name, title, html)


def answer(name: str) -> tuple[bytes, str]:
    """Body and type of what is at `/guide/{name}`. Raises NotFound. Reads files, and renders a page the first time."""
    if name == STYLE.name:
        return STYLE.read_bytes(), "text/css"
    if name in FILES and (folder() / name).is_file():
        return (folder() / name).read_bytes(), FILES[name]
    if name.endswith(SUFFIX) and name.removesuffix(SUFFIX) in sources():
        return sources()[name.removesuffix(SUFFIX)].read_bytes(), "text/markdown"
    if name in sources():
        return page(name), "text/html"
    raise NotFound("The guide has no such page; /guide lists them all.")


def _given(body: bytes, kind: str) -> Response:
    return kept(body, kind, MAX_AGE_S, **({"Content-Security-Policy": POLICY} if kind == "text/html" else {}))


def install(app: FastAPI) -> None:
    """`/guide` and what is below it, and `/llms.txt`, outside the OpenAPI document."""

    @app.get("/guide", include_in_schema=False)
    async def guide() -> Response:
        return _given(front(), "text/html")

    @app.get("/guide/{name:path}", include_in_schema=False)
    async def guide_page(name: str) -> Response:
        if not name:
            return RedirectResponse("../guide", status_code=308)
        # A long page takes some hundredths of a second to render: not on the loop.
        return _given(*await asyncio.to_thread(answer, name))

    @app.get("/llms.txt", include_in_schema=False)
    async def for_language_models() -> Response:
        return _given(llms_txt().encode(), "text/plain")
