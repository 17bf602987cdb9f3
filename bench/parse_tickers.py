"""Claim 7: parsing tickers at least 10 times ccxt's rate on the same bodies.

    python -m bench.parse_tickers [--rows 2000] [--rounds 5] [VENUE...]

Each body is a venue's full list of tickers as the simulator's wire module writes it, from a market of as many coins as
make `--rows` rows. Ours is `Endpoint.parse`: bytes in, `Quote` records out. Theirs is the same bytes through
`fetch_tickers()`, everything but the network: its own JSON decoder and its own parser, with the venue's markets loaded
beforehand (their `set_markets`, from the pairs in the body). Rounds take turns; each side's best round counts. Both
sides must read the same last price of the same pairs, or the benchmark stops.

ccxt pins other versions of shared packages than the service does, so it lives in an environment of its own
(`.venv/bench`, made by `make bench`); started elsewhere, this file starts itself again there.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability, QuotesAsk
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Quote
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.providers.kit import Reply
from crypto_dt_source.sim.app import SimApp, create_app
from crypto_dt_source.sim.assets import DEFAULT, SimAsset
from crypto_dt_source.sim.market import Market

from .report import claim

TARGET = 10.0
START_MS = 1_789_983_437_000
PYTHON_WITH_CCXT = Path(__file__).resolve().parent.parent / ".venv" / "bench" / "bin" / "python"
THEIR_NAME = {"crypto_com": "cryptocom"}
VENUES = (
    "binance", "kraken", "okx", "bybit", "kucoin", "gate", "bitfinex", "mexc", "htx", "bitstamp", "gemini", "crypto_com",
)  # fmt: skip
"""Every venue with all tickers in one call. Coinbase Exchange answers one product a call: there is no list to parse."""


def coins(count: int) -> list[SimAsset]:
    """So many coins with names of four letters, none of which a quote currency could be read from."""
    names = itertools.islice(itertools.product("CFGHJKLMNPQVW", repeat=3), count)
    return [
        SimAsset(
            f"Q{''.join(n)}", f"Coin {i}", f"coin-{i}", "coin", 10 ** (i % 9 - 4) * 1.234567, 1e9, None, 0.03
        )
        for i, n in enumerate(names)
    ]


def app_with_rows(entry: Entry, rows: int) -> SimApp:
    """A simulator whose market lists at least `rows` pairs at this venue, and not many more."""
    app = create_app(7, ManualClock(START_MS), {entry.id: entry})
    extra = 0
    while len(app.market.view(entry.id).pairs()) < rows and extra < 2000:
        extra += 100
        app.market = Market(7, app.clock, [*DEFAULT, *coins(extra)], {entry.id: entry})
    return app


async def body_of(app: SimApp, entry: Entry) -> bytes:
    """The venue's answer to our own request for every ticker."""
    request = catalog.adapter_of(entry).endpoints[Capability.QUOTES].request(QuotesAsk())
    path, _, query = request.target().partition("?")
    parts: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise RuntimeError(f"{entry.id}: the simulator answered {message['status']}")
        parts.append(message.get("body", b""))

    scope = {
        "type": "http",
        "method": request.method,
        "path": f"/{entry.id}{path}",
        "query_string": query.encode(),
        "headers": [],
    }
    await app(scope, receive, send)
    return b"".join(parts)


def theirs(name: str, body: bytes, quotes: list[Quote]) -> Callable[[], dict[str, Any]]:
    """ccxt's `fetch_tickers` with the network taken out."""
    import ccxt

    exchange = getattr(ccxt, THEIR_NAME.get(name, name))({"enableRateLimit": False})
    exchange.set_markets(
        [
            exchange.safe_market_structure(
                {
                    # Their Gemini parser looks markets up in lower case.
                    "id": q.symbol.lower() if name == "gemini" else q.symbol,
                    "symbol": f"{q.base}/{q.quote}",
                    "base": q.base,
                    "quote": q.quote,
                    "baseId": q.base,
                    "quoteId": q.quote,
                    "type": "spot",
                    "spot": True,
                    "active": True,
                }
            )
            for q in quotes
        ]
    )

    def request(*_: Any, **__: Any) -> Any:
        return exchange.parse_json(body.decode())

    exchange.request = request
    return exchange.fetch_tickers  # type: ignore[no-any-return]


def same(name: str, quotes: list[Quote], tickers: dict[str, Any]) -> None:
    """Raises RuntimeError unless both read the same last price of every pair."""
    for quote in quotes:
        ticker = tickers.get(f"{quote.base}/{quote.quote}")
        if ticker is None or ticker["last"] != quote.price:
            raise RuntimeError(
                f"{name}: {quote.symbol} is {quote.price} here and {ticker and ticker['last']} there"
            )


def race(ours: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Seconds of each side's best round, turn about so that both meet the same machine."""
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for run, times in zip((ours, other), spent, strict=True):
            begun = time.perf_counter()
            run()
            times.append(time.perf_counter() - begun)
    return min(spent[0]), min(spent[1])


def measure(name: str, rows: int, rounds: int) -> tuple[float, float]:
    """Print one venue's figures; gives the ratio, and the ratio with the normal-form check counted on our side."""
    entry = catalog.load()[name]
    body = asyncio.run(body_of(app_with_rows(entry, rows), entry))
    parse = catalog.adapter_of(entry).endpoints[Capability.QUOTES].parse
    reply, ask = Reply(entry.id, 200, body, START_MS), QuotesAsk()

    def ours() -> list[Any]:
        return list(parse(reply, ask))

    quotes = ours()
    other = theirs(name, body, quotes)
    same(name, quotes, other())
    seconds, other_seconds = race(ours, other, rounds)
    checked, _ = race(lambda: [q for q in parse(reply, ask) if violation(q) is None], lambda: None, rounds)
    count = len(quotes)
    print(
        f"  {name:11} {count:5} rows {len(body) / 1e3:7.0f} kB   ours {count / seconds:11,.0f}/s"
        f"   with the normal-form check {count / checked:9,.0f}/s   ccxt {count / other_seconds:8,.0f}/s"
        f"   ratio {other_seconds / seconds:5.1f}",
        flush=True,
    )
    return other_seconds / seconds, other_seconds / checked


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the median ratio reaches the target, 1 when not, 2 when ccxt is not installed."""
    parser = argparse.ArgumentParser(prog="bench.parse_tickers")
    parser.add_argument("venue", nargs="*", default=list(VENUES))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    try:
        import ccxt
    except ImportError:
        if not PYTHON_WITH_CCXT.exists() or Path(sys.prefix) == PYTHON_WITH_CCXT.parent.parent:
            print("ccxt is not installed: run `make bench`, which makes an environment for it")
            return 2
        again = [
            str(PYTHON_WITH_CCXT),
            "-m",
            "bench.parse_tickers",
            *(sys.argv[1:] if argv is None else argv),
        ]
        return subprocess.call(again, cwd=Path(__file__).resolve().parent.parent)
    both = {name: measure(name, options.rows, options.rounds) for name in options.venue}
    ratios = {name: ratio for name, (ratio, _) in both.items()}
    checked = statistics.median(ratio for _, ratio in both.values())
    median = statistics.median(ratios.values())
    slowest = min(ratios, key=lambda name: ratios[name])
    ok = claim(
        f"tickers parsed against ccxt {ccxt.__version__}, median of {len(ratios)} venues",
        median,
        "times",
        "ccxt",
        1.0,
        median,
        f">= {TARGET:g}",
        median >= TARGET,
    )
    under = ", ".join(name for name, ratio in ratios.items() if ratio < TARGET) or "none"
    print(f"  slowest: {slowest} {ratios[slowest]:.1f}; under {TARGET:g}: {under}")
    print(f"  with the check of every record, which ccxt has no equal of: median {checked:.1f}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
