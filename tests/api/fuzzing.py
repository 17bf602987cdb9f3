"""Generated requests against the whole application: what is sent, and what an answer must be."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2
import schemathesis
from hypothesis import strategies as st
from in_process import ADDRESS, Service
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case

CHECKED = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""Which checks of schemathesis an answer must pass. Whether a 5xx is one of the documented is checked here."""
MAY_FAIL = frozenset({503, 504})


KNOWN: dict[str, tuple[str, ...]] = {
    "symbol": ("BTC", "btc-eur", "ETH/USDT", "SOLUSDT", "bitcoin", "USDT", "MATIC", "eur", "FDUSD"),
    "symbols": ("BTC,ETH,SOL", "BTC,btc,bitcoin,BTC-EUR", "BTC,NOPE,,", "eur,usd,USDT"),
    "provider": ("binance", "kraken", "coingecko", "nowhere"),
    "provider_id": ("binance", "kraken", "bequant"),
    "pool_id": ("exchanges", "rpc", "nowhere"),
    "exchange_id": ("binance", "okx"),
    "vs": ("usd", "EUR", "btc", "usdt", "jpy"),
    "q": ("bit", "eth"),
}
"""Values that mean something: generated text alone seldom gets past the resolver."""


def cases(document: dict[str, Any]) -> st.SearchStrategy[Case]:
    """Requests for any route of the document: those it allows, and as many that it does not; half of them about
    something that exists."""
    schema = schemathesis.openapi.from_dict(document)
    generated = st.one_of(
        schema.as_strategy(GenerationMode.POSITIVE), schema.as_strategy(GenerationMode.NEGATIVE)
    )
    return st.builds(_meaningful, generated, st.none() | st.integers(0, 11))


def _meaningful(case: Case, pick: int | None) -> Case:
    """The same request with known values instead of the generated ones that name something."""
    for values in (case.path_parameters, case.query):
        for name in values if pick is not None else ():
            if name in KNOWN:
                values[name] = KNOWN[name][pick % len(KNOWN[name])]
    return case


@dataclass
class Fuzzer:
    """Sends cases and counts answers by status."""

    api: Service
    runner: asyncio.Runner
    statuses: Counter[int] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)

    def check(self, case: Case) -> None:
        """Raises schemathesis' Failure, or AssertionError for a 5xx that is not documented."""
        answer = self.send(case)
        self.statuses[answer.status_code] += 1
        self.routes[case.operation.path] += 1
        assert answer.status_code < 500 or answer.status_code in MAY_FAIL, answer.text
        load_all_checks()
        case.validate_response(answer, checks=CHECKS.get_by_names(list(CHECKED)))

    def send(self, case: Case) -> httpx2.Response:
        sent = case.as_transport_kwargs(base_url=ADDRESS)
        request = httpx2.Request(
            sent["method"],
            sent["url"],
            params=sent["params"] or None,
            headers={k: v for k, v in sent["headers"].items() if k.lower() != "cookie"},
            content=sent.get("data"),
            json=sent.get("json"),
        )
        return self.runner.run(self.api.client.send(request))
