"""The places of a corpus: how many of each kind, and what each says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .discovery import VETTED, Corpus, Said, Speak, Tale, bomb, html, json, moved, rss_of, sometimes
from .discovery_tables import coins, dashed, joined
from .noise import key_of, unit

PRIVATE = (
    *(
        ("127.0.0.1",),
        ("10.1.2.3",),
        ("169.254.169.254",),
        ("192.168.1.1",),
        ("172.16.0.9",),
        ("100.64.0.1",),
    ),
    *(("::1",), ("fd00::1",), ("::ffff:10.0.0.1",), ("64:ff9b::a00:1",), ("0.0.0.0",), ("224.0.0.1",)),  # noqa: S104
)
LITERALS = (
    *("https://127.0.0.1:{port}/t", "https://10.0.0.8/t", "https://169.254.169.254/latest/meta-data"),
    *(
        "https://0x7f.1:{port}/",
        "https://2130706433:{port}/",
        "https://[::1]:{port}/",
        "https://localhost:{port}/",
    ),
    *(
        "https://user@127.0.0.1:{port}/",
        "https://127.1:{port}/",
        "https://metadata.internal/",
        "https://0177.0.0.1/",
    ),
)
ODD_PORTS = (22, 25, 3306, 6379, 9200, 11211)
TEXTS = (
    "Local team wins the cup after extra time",
    "Ten recipes for a quick dinner",
    "How to repot a fern",
    "City council debates a new tram line",
    "Weather: rain in the north, sun in the south",
    "A guide to mountain huts in spring",
    "New museum opens its doors",
    "The best films of the month",
    "Why cats sleep so long",
    "Road works near the station",
    "Review: a novel about lighthouses",
    "School orchestra on tour",
)
Make = Callable[[Corpus, int], None]


# --- good -------------------------------------------------------------------------------------------------------------


def _table(corpus: Corpus, n: int) -> None:
    path = ("/api/v1/tickers", "/v2/ticker", "/public/summary?all=1", "/ticker")[n % 4]
    corpus.add("table", corpus.table(n), good=True, path=path)


def _page(corpus: Corpus, n: int) -> None:
    table = corpus.table(n, path="/api/v1/tickers")
    spot = corpus.add("documented", lambda path, now: html("API"), good=True)
    there = f"https://{spot.host}:{corpus.port}/api/v1/tickers"

    def speak(path: str, now: int) -> Said:
        return html("Our API", f"<p>Prices: <code>{there}</code></p>") if path == "/" else table(path, now)

    spot.speak = speak


def _openapi(corpus: Corpus, n: int) -> None:
    table = corpus.table(n, path="/v1/market/tickers")
    own = [{"name": "id", "in": "query", "required": True}]
    described = {
        "openapi": "3.0.1",
        "servers": [{"url": "/v1"}],
        "paths": {
            "/status": {"get": {}},
            "/market/ticker/{symbol}": {"get": {"parameters": own}},
            "/market/candles": {"get": {"parameters": own}},
            "/market/tickers": {"get": {"summary": "All tickers"}},
            "/orders": {"post": {}},
        },
    }

    def speak(path: str, now: int) -> Said:
        return json(described) if path == "/openapi.json" else table(path, now)

    corpus.add("openapi", speak, good=True, path="/openapi.json")


def _well_known(corpus: Corpus, n: int) -> None:
    table = corpus.table(n, path="/rest/ticker/all")
    spot = corpus.add("well_known", lambda path, now: html("Exchange"), good=True)
    there = f"https://{spot.host}:{corpus.port}/rest/ticker/all"
    linkset = {"linkset": [{"anchor": f"https://{spot.host}/", "item": [{"href": there}]}]}
    apis = {"name": "x", "apis": [{"name": "Prices", "baseURL": there, "properties": []}]}

    def speak(path: str, now: int) -> Said:
        if path == "/.well-known/api-catalog" and n % 2:
            return json(linkset)
        if path == "/apis.json" and not n % 2:
            return json(apis)
        return html("Exchange") if path == "/" else table(path, now)

    spot.speak = speak


def _feed(corpus: Corpus, n: int) -> None:
    spot = corpus.add("feed", lambda path, now: html("News"), good=True, path="/rss")
    spot.speak = corpus.feed(n, f"https://{spot.host}", atom=bool(n % 2))


def _feed_page(corpus: Corpus, n: int) -> None:
    spot = corpus.add("feed_page", lambda path, now: html("News"), good=True)
    feed = corpus.feed(n, f"https://{spot.host}", atom=bool(n % 2))
    kind = "atom" if n % 2 else "rss"
    head = f'<link rel="alternate" type="application/{kind}+xml" title="News" href="/feed.xml">'
    spot.speak = lambda path, now: feed(path, now) if path == "/feed.xml" else html("News", head)


def _redirected(corpus: Corpus, n: int) -> None:
    table = corpus.table(n)
    corpus.add(
        "redirected",
        lambda path, now: moved("/moved/here") if path == "/prices" else table(path, now),
        good=True,
        path="/prices",
    )


def _flaky(corpus: Corpus, n: int) -> None:
    """One answer in twenty fails."""
    table = corpus.table(n)

    def speak(path: str, now: int) -> Said:
        ill = now > corpus.started_ms + 3_600_000 and unit(key_of("ill", n), now // 600_000) < 0.05
        return html("Bad gateway", status=502) if ill else table(path, now)

    corpus.add("flaky", speak, good=True, path="/tickers")


def _wicks(corpus: Corpus, n: int) -> None:
    """A venue of its own mind: one price in three hundred is one percent off."""
    corpus.add("wicks", corpus.table(n, Tale(sometimes(1 / 300, 1.01))), good=True, path="/tickers")


def _few(corpus: Corpus, n: int) -> None:
    """A small venue: four pairs, which is too few to be proven."""
    speak = corpus.table(n, style=dashed, pairs=4)
    corpus.add("few_pairs", speak, good=True, path="/tickers")


def _arrays(corpus: Corpus, n: int) -> None:
    """Rows without names: nothing says which number is the price."""

    def speak(path: str, now: int) -> Said:
        rows = corpus.rows(n, dashed, Tale(), now)
        return json([[f"t{r.base}{r.quote}", r.bid, 1.5, r.ask, 2.5, r.price, r.volume] for r in rows])

    corpus.add("arrays", speak, good=True, path="/v2/tickers?symbols=ALL")


def _spoken_late(corpus: Corpus, n: int) -> None:
    """A list that is made once a minute."""
    corpus.add("minute_old", corpus.table(n, Tale(late_ms=45_000)), good=True, path="/tickers")


# --- bad --------------------------------------------------------------------------------------------------------------


def _says(kind: str, said: Said, path: str = "/api/tickers", **more: Any) -> Make:
    return lambda corpus, n: _add(corpus, kind, lambda asked, now: said, path=path, **more)


def _add(corpus: Corpus, kind: str, speak: Speak, **more: Any) -> None:
    corpus.add(kind, speak, **more)


def _tells(kind: str, tale: Tale, *styles: Any) -> Make:
    def make(corpus: Corpus, n: int) -> None:
        style = styles[n % len(styles)] if styles else None
        corpus.add(kind, corpus.table(n, tale, style=style), path="/tickers")

    return make


def _late(corpus: Corpus, n: int) -> None:
    late_ms = (15, 30, 60, 90)[n % 4] * 60_000
    corpus.add("late", corpus.table(n, Tale(late_ms=late_ms)), path="/tickers")


def _drifting(corpus: Corpus, n: int) -> None:
    """Right when it is probed, and further off each hour."""
    begun = corpus.started_ms
    tale = Tale(lambda base, now: 1 + 0.0012 * (now - begun) / 3_600_000)
    corpus.add("drifting", corpus.table(n, tale), path="/tickers")


def _stops(corpus: Corpus, n: int) -> None:
    """Stands still after three good hours."""
    at = corpus.started_ms + 3 * 3_600_000
    live, still = corpus.table(n), corpus.table(n, stops_ms=at)
    corpus.add("stops", lambda path, now: (live if now < at else still)(path, now), path="/tickers")


def _copy(corpus: Corpus, n: int) -> None:
    """The very list of a venue that the service reads."""
    view = corpus.market.view("okx")

    def speak(path: str, now: int) -> Said:
        told = [(pair, view.ticker(pair, now)) for pair in view.pairs() if pair.quote in ("USDT", "USD")]
        return json([{"symbol": f"{p.base}_{p.quote}", "last": repr(t.last)} for p, t in told[:60]])

    corpus.add("copy", speak, path="/mirror/tickers")


def _swapped(corpus: Corpus, n: int) -> None:
    """Every twelfth coin has another one's price."""
    bases = [*corpus.market.assets]

    def factor(base: str, now: int) -> float:
        place = bases.index(base)
        if (place + n) % 12:
            return 1.0
        other = bases[(place + 1) % len(bases)]
        return corpus.market.true_price(other, now) / corpus.market.true_price(base, now)

    corpus.add("swapped", corpus.table(n, Tale(factor)), path="/tickers")


def _other_money(corpus: Corpus, n: int) -> None:
    money = ("EUR", "GBP", "JPY", "KRW", "TRY")[n % 5]
    tale = Tale(
        lambda base, now: 1 / corpus.market.true_price(money, now) if money in corpus.market.assets else 150.0
    )
    corpus.add("other_money", corpus.table(n, tale, style=(coins, joined)[n % 2]), path="/coins")


def _private(corpus: Corpus, n: int) -> None:
    corpus.add("private", corpus.table(n), addresses=[PRIVATE[n % len(PRIVATE)]], path="/tickers")


def _mixed(corpus: Corpus, n: int) -> None:
    corpus.add("mixed", corpus.table(n), addresses=[(VETTED, "127.0.0.1")], path="/tickers")


def _rebinding(corpus: Corpus, n: int) -> None:
    """Public when it is probed, private from then on."""
    corpus.add("rebinding", corpus.table(n), addresses=[(VETTED,), ("127.0.0.1",)], path="/tickers")


def _literal(corpus: Corpus, n: int) -> None:
    spot = corpus.add("literal", corpus.table(n))
    spot.url = LITERALS[n % len(LITERALS)].format(port=corpus.port)


def _odd_port(corpus: Corpus, n: int) -> None:
    spot = corpus.add("odd_port", corpus.table(n))
    spot.url = f"https://{spot.host}:{ODD_PORTS[n % len(ODD_PORTS)]}/tickers"


def _to_private(corpus: Corpus, n: int) -> None:
    to = LITERALS[n % len(LITERALS)].format(port=corpus.port)
    corpus.add("to_private", lambda path, now: moved(to), path="/tickers")


def _link_private(corpus: Corpus, n: int) -> None:
    to = LITERALS[n % 4].format(port=corpus.port)
    described = {"swagger": "2.0", "host": to.split("/")[2], "paths": {"/tickers": {"get": {}}}}
    linkset = {"linkset": [{"service-desc": [{"href": to}], "item": [{"href": f"{to}/tickers"}]}]}
    corpus.add("link_private", lambda path, now: json(linkset if n % 2 else described), path="/openapi.json")


def _off_topic(corpus: Corpus, n: int) -> None:
    def speak(path: str, now: int) -> Said:
        told = [
            (text, f"https://off{n}.example/{i}", text, now - i * 3_600_000) for i, text in enumerate(TEXTS)
        ]
        return rss_of(told)

    corpus.add("off_topic", speak, path="/rss")


def _old_feed(corpus: Corpus, n: int) -> None:
    spot = corpus.add("old_feed", lambda path, now: html("News"), path="/rss")
    spot.speak = corpus.feed(n, f"https://{spot.host}", age_ms=40 * 86_400_000)


def _random(base: str, now: int) -> float:
    return 0.5 + unit(key_of("random", base), now // 600_000)


_DEEP = Said(b"[" * 200_000 + b"]" * 200_000)
_WIDE = Said(msgspec.json.encode({f"k{n}": {"last": "1", "x": n} for n in range(40_000)}))
_BROKEN = Said(b'{"data": [{"symbol": "BTC_USDT", "last": "91')
_ERROR = json({"code": 40001, "msg": "parameter missing", "data": None})
_NANS = json([{"symbol": f"{t}_USDT", "last": "NaN"} for t in ("BTC", "ETH", "SOL", "XRP", "ADA")])
_OTHER = json([{"user": n, "city": "x", "value": n} for n in range(50)])
_PARKED = html("This domain is for sale", "<a href='/buy'>Buy it</a><a href='/tickers'>crypto prices</a>")

GOOD: Mapping[Make, int] = {
    _table: 38,
    _page: 8,
    _openapi: 10,
    _well_known: 8,
    _feed: 10,
    _feed_page: 8,
    _redirected: 4,
    _flaky: 4,
    _wicks: 3,
    _few: 2,
    _arrays: 2,
    _spoken_late: 3,
}
BAD: Mapping[Make, int] = {
    lambda c, n: _add(c, "no_name", c.table(n), addresses=[]): 8,
    _says("closes", Said(trap="close")): 6,
    _says("not_found", html("Not found", status=404)): 6,
    _says("broken", html("Oops", status=500)): 4,
    _says("challenge", html("Just a moment", status=403)): 4,
    _says("page", html("Welcome", "<p>We love crypto</p>"), "/"): 4,
    _says("parked", _PARKED, "/"): 4,
    _says("cut", _BROKEN): 4,
    _says("error", _ERROR): 4,
    _says("no_numbers", _NANS): 3,
    _says("other_json", _OTHER): 4,
    _tells("off_1", Tale(lambda base, now: 1.012)): 4,
    _tells("off_small", Tale(lambda base, now: 1.0062)): 6,
    _tells("off_low", Tale(lambda base, now: 0.985)): 4,
    _tells("random", Tale(_random)): 6,
    _tells("sometimes", Tale(sometimes(0.02, 1.02))): 6,
    _tells("scaled", Tale(lambda base, now: 1000.0)): 6,
    _tells("frozen", Tale(frozen=True)): 10,
    _late: 6,
    _drifting: 3,
    _stops: 3,
    _swapped: 6,
    _other_money: 8,
    _copy: 4,
    _private: 12,
    _mixed: 4,
    _rebinding: 6,
    _literal: 8,
    _odd_port: 4,
    _to_private: 10,
    _link_private: 4,
    _says("endless", Said(trap="endless")): 3,
    _says("drip", Said(trap="drip")): 2,
    _says("hang", Said(trap="hang")): 2,
    _says("headers", Said(trap="headers")): 2,
    _says("bomb", bomb()): 3,
    _says("deep", _DEEP): 2,
    _says("wide", _WIDE): 2,
    _says("loop", moved("/api/tickers")): 2,
    _off_topic: 6,
    _old_feed: 5,
}


def fill(corpus: Corpus, share: float = 1.0) -> None:
    """Add every kind of place; a share makes a smaller corpus of the same kinds, with one of each at least."""
    for kinds in (GOOD, BAD):
        for make, count in kinds.items():
            for n in range(max(1, round(count * share))):
                make(corpus, n + len(corpus.spots))


def directories(corpus: Corpus) -> dict[str, bytes]:
    """Three documents that name the corpus's places between them: `github`, `public_apis`, `linkset`."""
    spots = sorted(corpus.spots.values(), key=lambda spot: key_of("listed", spot.host))
    parts = [spots[n::3] for n in range(3)]
    rows = "\n".join(f"| [{s.host}]({s.url}) | An API | No | Yes | Yes |" for s in parts[1])
    text = f"# Public APIs\n\n### Animals\n| [Cats](https://cats.example.org/) | Cats | No |\n\n### Cryptocurrency\nAPI | x\n{rows}\n\n### Weather\n"
    items = [{"full_name": f"someone/{s.host}", "homepage": s.url} for s in parts[0]]
    linkset = [{"anchor": "https://list.example.org/", "item": [{"href": s.url} for s in parts[2]]}]
    return {
        "github": msgspec.json.encode({"total_count": len(items), "items": items}),
        "public_apis": text.encode(),
        "linkset": msgspec.json.encode({"linkset": linkset}),
    }
