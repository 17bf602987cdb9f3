"""A visit to the dashboard: a page of the browser, and what it saw that it should not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
AWAY = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "503")
"""What a browser writes into its console by itself while the server is away."""
SHIFTS = """new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted = (window.shifted ?? 0) + shift.value;
}).observe({type: "layout-shift", buffered: true})"""


class Visit:
    """`wrong` gathers console errors, crashes of scripts and requests to other hosts; `asked` the API's paths."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.bytes = 0
        page.on("console", lambda said: said.type == "error" and self.wrong.append(said.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def _asked(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.url).netloc:
            self.wrong.append(f"asked {address}")
        if parts.path.startswith("/api/"):
            self.asked.append(parts.path)

    def first(self, place: str) -> Page:
        """Open the first page of a visit."""
        self.page.goto(f"{self.url}/#/{place}")
        return self.page

    def go(self, place: str) -> Page:
        """Open a page as somebody does who follows a link to it, also from another page of the dashboard."""
        self.page.goto(f"{self.url}/#/{place}")
        self.page.reload()
        return self.page

    def key(self, secret: str) -> None:
        """Type a key into the dialog."""
        self.page.click("#key")
        self.page.fill("dialog input[name=key]", secret)
        self.page.click("dialog button[type=submit]")

    def fails(self, *but: str) -> list[str]:
        """What was wrong, without lines that hold one of `but`."""
        return [line for line in self.wrong if not any(part in line for part in but)]


@contextmanager
def visit(browser: Browser, url: str, size: dict[str, Any] = WIDE, scheme: str = "light") -> Iterator[Visit]:
    """A visitor with an empty cache."""
    context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    context.add_init_script(SHIFTS)
    try:
        yield Visit(context.new_page(), url)
    finally:
        context.close()
