"""The pages of whoever runs the service: sources that turn bad, and actions that need a key, in a real browser."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from bench.running import fault
from playwright.sync_api import Browser, Page, expect

from browser.conftest import Demo
from browser.visiting import visit


def asked(demo: Demo, method: str, path: str) -> Any:
    """The `data` of an answer to the admin."""
    request = urllib.request.Request(f"{demo.url}{path}", method=method, headers={"X-API-Key": demo.key})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"]


def told(page: Page, text: str) -> None:
    expect(page.locator(".outcome", has_text=text)).to_be_visible()


def agreed(page: Page, button: str) -> None:
    """Click a button that asks once, and say yes."""
    page.get_by_role("button", name=button, exact=True).click()
    page.locator("dialog[open] button.danger").click()


def test_a_source_that_fails_is_shown_down_where_it_was_up(browser: Browser, demo: Demo) -> None:
    with visit(browser, demo.url) as visitor:
        page = visitor.go("sources?q=coinpaprika&kind=aggregator")
        row = page.locator("tr[data-id=coinpaprika]")
        expect(row).to_contain_text("up", timeout=20_000)
        expect(page.locator("tbody tr")).to_have_count(1)
        with fault(demo.simulator, {"provider": "coinpaprika", "fault": "5xx"}):
            for _ in range(6):
                assert asked(demo, "POST", "/api/providers/coinpaprika/health-check")["ok"] is False
            expect(row).to_contain_text("down", timeout=25_000)
        expect(page.locator(".states [data-state=down] strong")).not_to_have_text("0")
        page.locator(".states [data-state=up]").click()
        expect(row).to_have_count(0)
        # As it was, for whoever comes next: a probe that is answered closes the breaker.
        assert asked(demo, "POST", "/api/providers/coinpaprika/health-check")["ok"] is True
        assert visitor.fails() == []


def test_sources_and_pools_are_changed_with_a_key(browser: Browser, demo: Demo) -> None:
    with visit(browser, demo.url) as visitor:
        page = visitor.go("sources/bigone")
        expect(page.locator("#main .empty", has_text="admin scope")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("button", name="Switch off", exact=True)).to_have_count(0)
        visitor.key(demo.key)
        agreed(page, "Switch off")
        told(page, "It is off.")
        expect(page.locator(".heading .badge")).to_have_text("off")
        # A list that nobody asked for lately: an answer may be repeated for a second.
        (switched,) = asked(demo, "GET", "/api/providers?q=bigone")
        assert switched["enabled"] is False
        page.get_by_role("button", name="Switch on", exact=True).click()
        told(page, "It is in use again.")
        page.evaluate("location.hash = '#/sources/pools/exchanges'")
        page.select_option("select[name=provider]", "bigone")
        page.fill("input[name=reason]", "<b>maintenance</b>")
        page.get_by_role("button", name="Set aside", exact=True).click()
        row = page.locator("tr[data-id=bigone]")
        expect(row).to_contain_text("<b>maintenance</b>")
        page.get_by_role("button", name="Return: bigone").click()
        told(page, "bigone takes its place again.")
        expect(row).not_to_contain_text("maintenance")
        assert visitor.fails() == []


def test_a_pool_is_made_changed_and_deleted_with_a_key(browser: Browser, demo: Demo) -> None:
    with visit(browser, demo.url) as visitor:
        visitor.page.clock.install()
        page = visitor.go("sources/pools")
        expect(page.locator("#main .empty", has_text="admin scope")).to_be_visible(timeout=20_000)
        visitor.key(demo.key)
        for name, value in (("id", "own"), ("name", "<b>Our</b> own"), ("category", "exchange")):
            page.fill(f"input[name={name}]", value)
        page.get_by_role("button", name="Make", exact=True).click()
        expect(page.locator(".outcome.bad")).to_contain_text("capabilities: must be")
        page.check("input[value=book]")
        page.get_by_role("button", name="Make", exact=True).click()
        for provider in ("kraken", "okx"):
            page.fill("input[name=provider]", provider)
            page.get_by_role("button", name="Put in", exact=True).click()
            told(page, f"{provider} is a member now.")
        page.get_by_role("button", name="Edit: okx").click()
        page.fill("input[name=priority]", "1")
        page.get_by_role("button", name="Put in", exact=True).click()
        told(page, "okx is changed.")
        agreed(page, "Take out: kraken")
        told(page, "kraken is no member any more.")
        page.select_option("select[name=strategy]", "weighted")
        page.get_by_role("button", name="Save", exact=True).click()
        told(page, "The pool is changed.")
        (own,) = [pool for pool in asked(demo, "GET", "/api/pools") if pool["id"] == "own"]
        assert (own["name"], own["strategy"], own["capabilities"]) == ("<b>Our</b> own", "weighted", ["book"])
        assert [(each["provider"], each["priority"]) for each in own["members"]] == [("okx", 1)]
        agreed(page, "Delete")
        expect(page.locator("tr[data-id=exchanges]")).to_be_visible()
        expect(page.locator("tr[data-id=own]")).to_have_count(0)
        assert visitor.fails("422") == []
        # A list that stays open is asked for again.
        page.evaluate("location.hash = '#/defi/chains'")
        expect(page.locator("tbody tr[data-id]").first).to_be_visible()
        with page.expect_response("**/api/defi/chains?*"):
            page.clock.fast_forward("05:01")
        assert visitor.fails("422") == []


def test_a_key_is_shown_once_and_may_do_what_it_was_made_for(browser: Browser, demo: Demo) -> None:
    with visit(browser, demo.url) as visitor:
        page = visitor.go("system/keys")
        expect(page.locator("#main .empty")).to_contain_text("admin scope")
        visitor.key(demo.key)
        page.fill("input[name=name]", "a <b>reader</b>")
        page.get_by_role("button", name="Make", exact=True).click()
        secret = page.locator(".secret code").inner_text()
        expect(page.locator("tbody tr", has_text="a <b>reader</b>")).to_have_count(1)
        page.evaluate("location.hash = '#/system/logs?level=info'")
        expect(page.locator("tbody tr", has_text="key made").first).to_be_visible()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save as JSON", exact=True).click()
        assert secret not in saved.value.path().read_text()
        page.evaluate("location.hash = '#/system/keys'")
        expect(page.locator("tbody tr", has_text="a <b>reader</b>")).to_have_count(1)
        assert secret not in page.content()
        visitor.key(secret)
        expect(page.locator("#main .failure").first).to_contain_text("admin scope")
        assert visitor.fails("403") == []
