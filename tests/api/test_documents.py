"""The documentation pages work without any other host."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import jsonschema_rs
import pytest
from in_process import Service

from crypto_dt_source.api import documents
from crypto_dt_source.api.app import create_app

pytestmark = pytest.mark.asyncio(loop_scope="module")


WITHOUT_503 = ("/api/auth/token",)
"""Answered from memory alone."""
WITHOUT_BODY = (
    *("/load", "/unload", "/health-check", "/backup", "/return", "/rotate", "/run", "/approve", "/reject"),
    *("/take-back", "/pause", "/resume"),
)
"""Ends of what says everything in its address."""


class References(HTMLParser):
    """Everything a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]
        self._in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.inline += data


@pytest.mark.parametrize(("page", "script"), [("/docs", "SwaggerUIBundle("), ("/redoc", "Redoc.init(")])
async def test_page_loads_everything_from_this_server(api: Service, page: str, script: str) -> None:
    answer = await api.get(page)
    assert answer.headers["content-type"].startswith("text/html")
    seen = References()
    seen.feed(answer.text)
    assert seen.inline.strip() == ""
    bodies = []
    for reference in seen.found:
        assert not re.match(r"[a-z]+:|//", reference)
        loaded = await api.get(f"/{reference}")
        assert loaded.status_code == 200, reference
        assert len(loaded.content) > 100
        bodies.append(loaded.text if "image" not in loaded.headers["content-type"] else "")
    assert any(body.startswith(script) for body in bodies)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*", policy)
    assert "script-src 'self';" in policy


async def test_no_script_names_the_logo_server_or_the_validator(api: Service) -> None:
    assert "cdn.redoc.ly" not in (await api.get("/docs/assets/redoc.standalone.js")).text
    assert "validatorUrl: null" in (await api.get("/docs/assets/swagger.js")).text


async def test_document_and_files_may_be_kept_by_a_browser(api: Service) -> None:
    for path in ("/openapi.json", "/docs", "/redoc", *(f"/docs/assets/{n}" for n in documents.PACKAGED)):
        answer = await api.get(path)
        assert int(answer.headers["cache-control"].rpartition("=")[2]) >= 300
        assert (await api.get(path, if_none_match=answer.headers["etag"])).status_code == 304


async def test_document_is_served_whole(api: Service) -> None:
    served = await api.data("/openapi.json")
    assert served["openapi"].startswith("3.1")
    assert served["paths"]["/api/prices"]["get"]["responses"]["200"]["content"]["application/json"]["example"]


async def test_document_is_sent_small_to_who_takes_it_so(api: Service) -> None:
    whole = await api.get("/openapi.json", accept_encoding="identity")
    small = await api.get("/openapi.json", accept_encoding="gzip")
    assert "content-encoding" not in whole.headers
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(whole.content) / 5
    assert small.content == whole.content
    assert small.headers["etag"] != whole.headers["etag"]


async def test_every_body_has_its_refusals_and_an_example_that_fits() -> None:
    document = create_app().openapi()
    posts = {
        path: operations["post"] for path, operations in document["paths"].items() if "post" in operations
    }
    named = {path for path, operation in posts.items() if "requestBody" in operation}
    assert len(named) >= 6
    assert {path for path in posts if not path.endswith(WITHOUT_BODY)} <= named
    for path in named:
        (body,) = posts[path]["requestBody"]["content"].values()
        jsonschema_rs.validate(body["schema"], body["example"])
        assert {"400", "413", "415", "422"} <= set(posts[path]["responses"]), path
        assert "503" in posts[path]["responses"] or path in WITHOUT_503, path
        assert "409" in posts[path]["responses"] or "model" not in body["schema"].get("properties", ()), path
    key_or_token = [{"APIKeyHeader": []}, {"Bearer": []}]
    assert posts["/api/analyze/batch"]["security"] == key_or_token
    assert posts["/api/hf/run-sentiment"]["security"] == [{}, *key_or_token]
    assert posts["/api/auth/token"]["security"] == [{}, *key_or_token]
    assert "security" not in posts["/api/analyze/text"]
