"""The dashboard in a real browser, over a running demo."""

from __future__ import annotations

import gzip
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from bench.running import fault
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from browser.conftest import Demo, demo_at
from browser.visiting import AWAY, PHONE, WIDE, visit

PAGES = {
    "": "table tbody tr[data-id=bitcoin]",
    "asset/BTC": ".chart canvas",
    "news": ".stories li",
    "defi": "table tbody tr[data-id]",
    "defi/yields": "table tbody tr[data-id]",
    "sources": "table tbody tr[data-id]",
    "sources/binance": ".card",
    "sources/pools": ".card",
    "system": ".card",
    "system/jobs": "table tbody tr",
    "system/logs": ".card",
    "api": ".card",
}
"""Each page, and what is there once it is drawn."""
REQUESTS = 8
"""A page may ask so often when it is opened: the free tier has 30 requests a minute."""
SLOW_MS = 20_000
"""Twice what a person is promised (a lie is shown within 10 s): the suite shares two cores."""
CUMULATIVE_SHIFT = 0.1
"""https://web.dev/articles/cls calls this good."""


def settled(page: Page, selector: str) -> None:
    """The page is drawn and nothing on it is being fetched any more."""
    page.wait_for_selector(selector, timeout=20_000)
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=20_000)


FEW_ROWS = {"exclude": [["tbody tr:nth-child(n+4)"]]}
"""Rows of a table are alike, and the colours of each cell take long to look at."""


@pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")], ids=["wide-light", "phone-dark"]
)
def test_every_page_is_drawn_without_an_error_and_open_to_all(
    browser: Browser, demo: Demo, size: dict[str, int], scheme: str
) -> None:
    axe = Axe()
    problems = {}
    for place, selector in PAGES.items():
        with visit(browser, demo.url, size, scheme) as visitor:
            page = visitor.first(place)
            settled(page, selector)
            found = [
                f"{violation['id']} ({violation['impact']}): {violation['nodes'][0]['html'][:120]}"
                for violation in axe.run(page, context=FEW_ROWS).response["violations"]
                if violation["impact"] in ("serious", "critical")
            ]
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found.append("scrolls sideways")
            if (shifted := page.evaluate("window.shifted ?? 0")) > CUMULATIVE_SHIFT:
                found.append(f"shifts by {shifted:.2f}")
            if len(visitor.asked) > REQUESTS:
                found.append(f"asks {len(visitor.asked)} times: {visitor.asked}")
            if found + visitor.fails():
                problems[place] = found + visitor.fails()
    assert problems == {}


def test_prices_move_by_themselves(browser: Browser, demo: Demo) -> None:
    with visit(browser, demo.url) as visitor:
        page = visitor.go("")
        settled(page, PAGES[""])
        price = page.locator("tr[data-id=bitcoin] .price")
        first = price.inner_text()
        expect(price).not_to_have_text(first, timeout=SLOW_MS)
        expect(page.locator("#mode")).to_be_visible()
        page.fill("input[name=q]", "ether")
        expect(page.locator("tbody tr[data-id=bitcoin]")).to_have_count(0)
        expect(page.locator("tbody tr[data-id=ethereum]")).to_have_count(1)
        assert visitor.fails() == []


def test_a_page_without_a_place_on_the_stream_says_so_and_takes_one_later(
    browser: Browser, demo: Demo
) -> None:
    """The server as it is with all connections of the tier taken; on a machine whose clock is an hour ahead."""
    refused = {
        "type": "error",
        "error": "All are open.",
        "details": {"policy": "connections"},
        "retry_after": 5,
    }
    asked: list[Any] = []

    def serve(route: WebSocketRoute) -> None:
        def answer(message: str | bytes) -> None:
            asked.append(json.loads(message))
            route.send(json.dumps({"type": "subscribed"} if len(asked) > few else refused))

        few = 2
        route.on_message(answer)
        route.send(json.dumps({"type": "welcome", "data": {"tier": "free", "subscriptions_allowed": 20}}))
        route.send(json.dumps(refused))

    with visit(browser, demo.url) as visitor:
        page = visitor.page
        page.clock.install(time=time.time() + 3600)
        page.route_web_socket(lambda address: "/ws" in address, serve)
        page.goto(demo.url)
        settled(page, PAGES[""])
        expect(page.locator("#live")).to_have_text("Not live")
        expect(page.locator("#notice")).to_contain_text("All are open.")
        expect(page.locator(".heading time")).not_to_contain_text("h ")
        page.clock.run_for(20_000)
        expect(page.locator("#live")).to_have_text("Live")
        expect(page.locator("#notice")).to_be_hidden()
        expect(page.locator(".tile strong").first).to_contain_text("$")
        assert {"action": "subscribe", "channel": "system"} in asked
        assert visitor.fails() == []


def test_a_source_that_lies_is_shown_excluded_with_its_reason(browser: Browser, demo: Demo) -> None:
    with visit(browser, demo.url) as visitor:
        page = visitor.go("asset/BTC")
        settled(page, PAGES["asset/BTC"])
        row = page.locator("[aria-label='Excluded sources'] tr", has_text="Power of ten")
        expect(row).to_have_count(0)
        with fault(demo.simulator, {"provider": "kraken", "fault": "power_of_ten", "k": 1}):
            expect(row.filter(has_text="kraken").first).to_be_visible(timeout=SLOW_MS)
        expect(row).to_have_count(0, timeout=20_000)
        assert visitor.fails() == []


def test_the_page_goes_on_by_itself_after_the_server_was_away(
    browser: Browser, free_port: int, tmp_path: Path
) -> None:
    with demo_at(tmp_path, free_port) as first, visit(browser, first.url) as visitor:
        page = visitor.go("")
        settled(page, PAGES[""])
        live = page.locator("#live")
        expect(live).to_have_attribute("data-state", "live")
        first.service.kill()
        expect(live).not_to_have_attribute("data-state", "live", timeout=SLOW_MS)
        # A page whose files were not fetched before: a browser does not ask for them twice.
        page.evaluate("location.hash = '#/defi'")
        expect(page.locator(".failure")).to_contain_text("cannot be reached")
        with demo_at(tmp_path, free_port):
            expect(live).to_have_attribute("data-state", "live", timeout=20_000)
            expect(page.locator("tbody tr th").first).to_be_visible(timeout=SLOW_MS)
            page.evaluate("location.hash = '#/'")
            price = page.locator("tr[data-id=bitcoin] .price")
            expect(price).not_to_have_text(price.inner_text(), timeout=SLOW_MS)
        assert visitor.fails(*AWAY) == []


def test_an_admin_action_works_with_a_key_and_fails_without(browser: Browser, demo: Demo) -> None:
    with visit(browser, demo.url) as visitor:
        page = visitor.go("system/jobs")
        settled(page, PAGES["system/jobs"])
        pause, resume = (page.locator(f"[data-action={name}][data-job=news]") for name in ("pause", "resume"))
        expect(pause).to_have_count(0)
        visitor.key("cdts_live_no-such-key")
        expect(page.locator("dialog [role=alert]")).not_to_be_empty()
        page.keyboard.press("Escape")
        visitor.key(demo.key)
        pause.click()
        expect(resume).to_be_visible()
        assert _paused(demo, "news", 1)
        resume.click()
        expect(pause).to_be_visible()
        assert not _paused(demo, "news", 2)
        # The browser writes the refusal of the wrong key into its console by itself.
        assert visitor.fails("401") == []


def _paused(demo: Demo, job: str, time: int) -> bool:
    """Asked by an address of its own each time: an answer may be repeated for a second."""
    with urllib.request.urlopen(f"{demo.url}/api/jobs/{job}?time={time}") as answer:
        return bool(json.load(answer)["data"]["paused"])


def test_it_works_inside_a_frame_of_another_domain(browser: Browser, demo: Demo, tmp_path: Path) -> None:
    """As in a Space: another site around it, and a browser that lets a frame keep nothing."""
    denied = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    (tmp_path / "index.html").write_text(
        f"<!doctype html><title>x</title><iframe width=1000 height=700 src='{demo.url}/'></iframe>"
    )
    with served(tmp_path) as outside, visit(browser, demo.url) as visitor:
        page = visitor.page
        page.add_init_script(denied)
        page.goto(outside)
        frame = page.frame_locator("iframe")
        price = frame.locator("tr[data-id=bitcoin] .price")
        expect(price).to_be_visible(timeout=SLOW_MS)
        frame.locator("#theme").click()
        expect(price).not_to_have_text(price.inner_text(), timeout=SLOW_MS)
        assert page.context.cookies() == []
        assert visitor.fails(outside, "favicon", "404") == []


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder at an address that a browser takes for another site than the demo's."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_pages_are_light(demo: Demo) -> None:
    """What a first visit loads before it asks the API for anything, compressed."""

    def got(path: str) -> tuple[bytes, dict[str, str]]:
        request = urllib.request.Request(f"{demo.url}{path}", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as answer:
            return answer.read(), {name.lower(): value for name, value in answer.headers.items()}

    body, headers = got("/")
    page = gzip.decompress(body).decode()
    files = {address for address in page.split('"') if address.startswith("static/")}
    assert len(files) > 10
    weight = len(body)
    for file in files:
        part, told = got(f"/{file}")
        assert "immutable" in told["cache-control"]
        weight += len(part)
    assert weight < 200_000
    assert headers["cache-control"] == "no-cache"
    chart = next(iter(files)).split("/")[1]
    assert weight + len(got(f"/static/{chart}/vendor/lightweight-charts.js")[0]) < 1_500_000
