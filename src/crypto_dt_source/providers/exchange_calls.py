"""One exchange of the exchange library (ccxt) without I/O: a method of it runs on replies that are there already.

A method of ccxt asks for addresses in its middle. Here the first address without a reply ends the run: it is the request to
send, and with its reply the method is run again from the start. Nothing of ccxt ever opens a connection.

https://docs.ccxt.com/#/README?id=unified-api
"""

from __future__ import annotations

import copy
import importlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeVar

from ..model.errors import (
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ..model.quote import Pair
from .exchange_driver import MOST_DIGITS, STUMBLES, Asked, Driven
from .kit import Reply, Request

T = TypeVar("T")
LIBRARY = "ccxt"
EXTRA = "exchanges"
MARKETS_AGE_MS = 3_600_000
"""Age of an exchange's list of pairs after which it is asked for again."""
MARKETS_KEPT = 30_000
"""Pairs kept of all exchanges together; the exchange asked least recently is forgotten first."""
STEPS_KEPT = 4
"""Replies kept of a list of pairs that takes several."""
ENDED_KEPT = 256
_TICKER = re.compile(r"[A-Z0-9$][^\sa-z]{0,39}")
"""A ticker in normal form. ccxt names a coin whose ticker is usually another coin's in words, and such a pair is left out."""
_SCALES = ("priceScale", "valueScale", "ratioScale")
_HEAVY = ("info", "limits", "fees", "marginModes", "created")
"""What a market holds that no public call reads; most of its memory."""
_ERRORS: tuple[tuple[str, type[UpstreamError]], ...] = (
    ("BadSymbol", SymbolNotListed),
    ("RateLimitExceeded", UpstreamRateLimited),
    ("DDoSProtection", UpstreamRateLimited),
    ("ExchangeNotAvailable", UpstreamBroken),
    ("BadResponse", PayloadChanged),
    ("NotSupported", NotOffered),
    ("ArgumentsRequired", NotOffered),
)
"""Classes of ccxt and what they are here; any other is a refusal."""


LONGEST_ERROR = 256
"""Bytes of the longest body that is taken for an error ccxt knows no name of; a longer one is an answer of another shape."""


class Markets(NamedTuple):
    """An exchange's spot pairs as ccxt has them, by its unified symbol and by the exchange's own id."""

    by_symbol: Mapping[str, dict[str, Any]]
    by_id: Mapping[str, list[dict[str, Any]]]
    made_ms: int


@cache
def installed() -> bool:
    """Whether the extra is there; does not import it."""
    return find_spec(LIBRARY) is not None


def pair_of(market: Mapping[str, Any]) -> Pair | None:
    """The pair of a market in the field's tickers; None where it has none."""
    base, quote = market.get("base"), market.get("quote")
    if not (isinstance(base, str) and isinstance(quote, str)):
        return None
    return Pair(base, quote) if _TICKER.fullmatch(base) and _TICKER.fullmatch(quote) else None


def spot_markets(rows: Any, made_ms: int) -> Markets:
    """The spot pairs of what ccxt's `fetch_markets` gave, without what no public call reads."""
    by_symbol: dict[str, dict[str, Any]] = {}
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in rows.values() if isinstance(rows, dict) else rows:
        scales = (row.get(name) or 0 for name in _SCALES)
        if not row.get("spot") or row["symbol"] in by_symbol or pair_of(row) is None:
            continue
        if any(abs(scale) > MOST_DIGITS for scale in scales):
            continue
        market = {key: value for key, value in row.items() if key not in _HEAVY}
        by_symbol[market["symbol"]] = market
        by_id.setdefault(market["id"], []).append(market)
    return Markets(by_symbol, by_id, made_ms)


class Shelf:
    """The lists of pairs of all exchanges, bounded together. Used from threads."""

    def __init__(self, most: int = MARKETS_KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, Markets] = OrderedDict()

    def get(self, owner: object) -> Markets | None:
        """The owner's list, None when it was never there or has been forgotten."""
        with self._lock:
            if owner in self._kept:
                self._kept.move_to_end(owner)
            return self._kept.get(owner)

    def put(self, owner: object, markets: Markets | None) -> None:
        """Keep it, or forget it (None)."""
        with self._lock:
            self._kept.pop(owner, None)
            if markets is not None:
                self._kept[owner] = markets
            while len(self._kept) > 1 and sum(len(m.by_symbol) for m in self._kept.values()) > self._most:
                self._kept.popitem(last=False)


SHELF = Shelf()


@cache
def _class_of(library_id: str) -> type:
    """Raises NotOffered without the extra, and for an exchange this version of it does not have."""
    try:
        library = importlib.import_module(LIBRARY)
    except ModuleNotFoundError:
        raise NotOffered(f"needs the extra [{EXTRA}]") from None
    found = getattr(library, library_id, None)
    if not isinstance(found, type):
        raise NotOffered(f"the installed {LIBRARY} has no {library_id}")
    return type(library_id, (Driven, found), {})


class Library:
    """One exchange. Every run works on a copy of its own, so runs may go on in several threads at once."""

    def __init__(
        self,
        library_id: str,
        base_url: str,
        *,
        markets_call: str = "",
        options: Mapping[str, Any] | None = None,
        plain_numbers: bool = False,
    ) -> None:
        """`markets_call` names the method that lists the spot pairs alone, where ccxt has one; `options` are its own;
        `plain_numbers`: its parser tells numbers from texts."""
        self._library_id = library_id
        self._base_url = base_url
        self._markets_call = markets_call or "fetch_markets"
        self._options = dict(options or {})
        self._plain_numbers = plain_numbers
        self._made: Any = None
        self._lock = threading.Lock()
        self._steps: dict[Request, Reply] = {}
        self._ended: OrderedDict[int, Request] = OrderedDict()
        self.seen_ms = 0

    def _exchange(self) -> Any:
        with self._lock:
            if self._made is None:
                made = _class_of(self._library_id)({"enableRateLimit": False})
                made.options.update({"adjustForTimeDifference": False, **self._options})
                made.has["fetchCurrencies"] = False
                made.driven_plain = self._plain_numbers
                self._made = made
            return self._made

    def run(
        self,
        work: Callable[[Any], T],
        *,
        reply: Reply | None = None,
        now_ms: int | None = None,
        lists: bool = False,
        assumed: Markets | None = None,
    ) -> T | Request:
        """`work` on the exchange, or what has to be asked first. `lists`: the work is of the list of pairs itself;
        `assumed` stands for it under a body from elsewhere. Raises an UpstreamError for what the exchange or ccxt refuses."""
        exchange = copy.copy(self._exchange())
        exchange.driven_base, exchange.driven_reply, exchange.driven_now = self._base_url, reply, now_ms
        exchange.driven_bad = []
        if reply is not None:
            self.seen_ms = max(self.seen_ms, reply.received_ms)
        try:
            markets = self._markets(exchange, reply, lists) if assumed is None else assumed
            exchange.markets, exchange.markets_by_id = markets.by_symbol, markets.by_id
            exchange.symbols, exchange.ids = list(markets.by_symbol), list(markets.by_id)
            return work(exchange)
        except Asked as asked:
            return asked.request
        except UpstreamError:
            raise
        except self.errors() as error:
            if (
                reply is not None
                and type(error).__name__ == "ExchangeError"
                and len(reply.body) > LONGEST_ERROR
            ):
                raise PayloadChanged("neither an answer nor an error that is known", path="$") from None
            raise error_of(error) from None
        except STUMBLES as error:
            if reply is None:
                raise
            raise PayloadChanged(f"{LIBRARY} cannot read the body: {type(error).__name__}") from None

    def _markets(self, exchange: Any, reply: Reply | None, fresh: bool) -> Markets:
        """The list of pairs, made from the replies where there is none. Raises Asked."""
        markets = None if fresh else SHELF.get(self)
        if markets is not None:
            if reply is not None and reply.received_ms - markets.made_ms > MARKETS_AGE_MS:
                SHELF.put(self, None)
            return markets
        exchange.driven_steps = dict(self._steps)
        exchange.driven_now = exchange.driven_now or self.seen_ms
        try:
            rows = getattr(exchange, self._markets_call)({})
        except Asked:
            if reply is not None and reply.asked is not None:
                self._keep_step(reply.asked, reply)
            raise
        self._steps = {}
        exchange.driven_steps = {}
        markets = spot_markets(rows, self.seen_ms)
        if not markets.by_symbol:
            raise PayloadChanged("the list of pairs is empty", path="$")
        SHELF.put(self, markets)
        return markets

    def _keep_step(self, asked: Request, reply: Reply) -> None:
        steps = {k: v for k, v in self._steps.items() if reply.received_ms - v.received_ms < 60_000}
        if len(steps) < STEPS_KEPT:
            self._steps = {**steps, asked: reply}

    def plain_market(self) -> dict[str, Any]:
        """A market of ccxt with every field and no value."""
        found: dict[str, Any] = self._exchange().safe_market_structure()
        return found

    def errors(self) -> tuple[type[Exception], ...]:
        """The base of what ccxt raises."""
        base: type[Exception] = importlib.import_module(f"{LIBRARY}.base.errors").BaseError
        return (base,)

    def end(self, asked: Request | None) -> None:
        """This request has brought the answer."""
        if asked is not None:
            with self._lock:
                self._ended[id(asked)] = asked
                while len(self._ended) > ENDED_KEPT:
                    self._ended.popitem(last=False)

    def has_ended(self, asked: Request) -> bool:
        """Whether this very request brought the answer; told once."""
        with self._lock:
            return self._ended.pop(id(asked), None) is asked

    def explain(self, reply: Reply) -> UpstreamError | None:
        """What the exchange says in a reply that is no 2xx, where it says more than the status."""
        exchange = copy.copy(self._exchange())
        exchange.driven_now = reply.received_ms
        text = reply.body.decode("utf-8", "replace").strip()
        decoded = exchange.decoded(text)
        if decoded is None:
            return None
        try:
            exchange.handle_errors(reply.status, "", "", "GET", dict(reply.headers), text, decoded, {}, None)
        except self.errors() as error:
            found = error_of(error)
            plain = type(found) is UpstreamRejected and (
                reply.status >= 500 or reply.status in (401, 402, 403, 404)
            )
            return None if plain else found
        except STUMBLES:
            return None  # an error of a shape ccxt does not know: the status has to do
        return None


def error_of(error: Exception) -> UpstreamError:
    """Ours for one of ccxt."""
    names = {cls.__name__ for cls in type(error).__mro__}
    text = " ".join(str(error).split())[:200]
    return next((ours(text) for name, ours in _ERRORS if name in names), UpstreamRejected(text))
