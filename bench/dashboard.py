"""The dashboard's first visit in headless Chromium over a running demo, with an empty cache: when something is painted, when
the first live price stands, what travels over the wire.

The demo and the browser share the machine. A page is opened several times, each time in a context that has kept nothing;
the time shown is the median. Weights are what the browser received, headers included, the chart library too. The reference
of the first paint is an error answer of one line from the same server: what the browser alone needs.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Browser, Error, sync_playwright

from bench.report import claim
from bench.running import CDTS, process

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PAINT_MS, ASSET_BYTES, OTHER_BYTES = 1000.0, 1_500_000, 200_000
PAGES = ("", "asset/BTC", "news", "defi", "sources", "system", "api")
LINE = "/.well-known/nothing"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def visited(browser: Browser, address: str, settle_ms: int) -> tuple[float, int]:
    """Milliseconds to the first contentful paint, and bytes received until `settle_ms` later."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    received = 0

    def ended(event: dict[str, Any]) -> None:
        nonlocal received
        received += int(event["encodedDataLength"])

    wire.send("Network.enable")
    wire.on("Network.loadingFinished", ended)
    page.goto(address)
    while (paint := page.evaluate(PAINT)) is None:
        page.wait_for_timeout(10)
    page.wait_for_timeout(settle_ms)
    context.close()
    return float(paint), received


def measured(address: str, rounds: int) -> bool:
    """Every page's claims."""
    met = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        visited(browser, address, 1000)
        bare = statistics.median(visited(browser, address + LINE, 0)[0] for _ in range(rounds))
        for page in PAGES:
            found = [visited(browser, f"{address}/#/{page}", 2500) for _ in range(rounds)]
            paint = statistics.median(paint for paint, _ in found)
            weight = max(weight for _, weight in found)
            bound = ASSET_BYTES if page.startswith("asset") else OTHER_BYTES
            name = page or "markets"
            met &= claim(
                f"{name}: first paint",
                paint,
                "ms",
                "one line of JSON",
                bare,
                paint / bare,
                "under 1,000 ms",
                paint < PAINT_MS,
            )
            met &= claim(
                f"{name}: weight",
                weight / 1000,
                "KB",
                "bound",
                bound / 1000,
                weight / bound,
                "at most 1",
                weight <= bound,
            )
        browser.close()
    return met


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every page met its targets, 1 when one did not, 2 without a browser."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(argv).rounds
    with tempfile.TemporaryDirectory() as folder:
        command = [*CDTS, "demo", "--port", "0", "--data-dir", folder]
        with process(command, {"FREE_TIER_CONNECTIONS": "50"}) as service:
            said = (line for line in service.lines(service.started + 30) if line.startswith("serving"))
            address = next(said).split()[1]
            try:
                return 0 if measured(address, rounds) else 1
            except Error as error:
                print(f"no browser that works here: {error.message.splitlines()[0]}", file=sys.stderr)
                return 2


if __name__ == "__main__":
    sys.exit(main())
