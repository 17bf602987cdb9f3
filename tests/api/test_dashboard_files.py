"""The dashboard's files: how they are sent, and what they may not do."""

from __future__ import annotations

import gzip
import re

import pytest
from in_process import Service

from crypto_dt_source.api import dashboard

MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
OUTSIDE = re.compile(rb"""(?:https?:)?//[a-z0-9-]+(?:\.[a-z0-9-]+)+""")
NAMED = {b"https://www.tradingview.com", b"http://www.w3.org", b"https://app.example.org"}
"""A link out of the footer, the name of SVG, and an example in a form."""


@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_names_files_that_are_kept_for_good(api: Service) -> None:
    answer = await api.get("/", Accept_Encoding="identity")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == dashboard.POLICY
    files = re.findall(r'(?:src|href)="(static/[^"]+)"', answer.text)
    assert len(files) > 10
    for file in files:
        sent = await api.get(f"/{file}")
        assert sent.status_code == 200, file
        assert "immutable" in sent.headers["cache-control"]
        assert sent.content == dashboard.site().files[file.split("/", 2)[2]].body
    again = await api.get("/", Accept_Encoding="identity", If_None_Match=answer.headers["etag"])
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip, br", True),
        ("*", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("deflate, GZIP;q=0.5", True),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_file_is_compressed_for_who_takes_it(api: Service, accepted: str, packed: bool) -> None:
    path = f"/static/{dashboard.site().digest}/vendor/lightweight-charts.js"
    answer = await api.get(path, Accept_Encoding=accepted)
    assert ("content-encoding" in answer.headers) is packed
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.content == dashboard.site().files["vendor/lightweight-charts.js"].body


@pytest.mark.asyncio(loop_scope="module")
async def test_a_file_of_another_version_is_not_kept_and_an_unknown_one_is_not_there(api: Service) -> None:
    older = await api.get("/static/0123456789abcdef/js/main.js")
    assert (older.status_code, older.headers["cache-control"]) == (200, "no-store")
    for path in ("js/none.js", "../app.py", "%2e%2e/app.py", "index.html", "js/", ""):
        answer = await api.get(f"/static/{dashboard.site().digest}/{path}")
        assert answer.status_code == 404, path
        assert answer.json()["code"] == "not_found"


def test_compressed_files_are_the_files() -> None:
    for path, file in dashboard.site().files.items():
        assert file.packed is None or gzip.decompress(file.packed) == file.body, path


def test_the_dashboards_own_files_are_small_and_make_no_markup_of_texts() -> None:
    own = {path: file.body for path, file in dashboard.site().files.items() if not path.startswith("vendor/")}
    own["index.html"] = dashboard.site().page.body
    scripts = {path: body.decode() for path, body in own.items() if path.endswith(".js")}
    assert {path: body.count("\n") for path, body in scripts.items() if body.count("\n") >= 400} == {}
    assert [path for path, body in scripts.items() if MARKUP.search(body)] == []
    assert {address for body in own.values() for address in OUTSIDE.findall(body)} <= NAMED
