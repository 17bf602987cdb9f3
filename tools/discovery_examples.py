"""Examples of discovery's routes for the OpenAPI document: a candidate that was proven, admitted and taken back."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from crypto_dt_source.services.discovery_rule import Point
from crypto_dt_source.services.discovery_state import (
    FOUND,
    PROBED,
    PROVEN,
    SHADOW,
    Candidate,
    Evidence,
    Proposal,
    Step,
    entry_id,
    fields_of_table,
    id_of,
)
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store.repos import discovery as repo
from crypto_dt_source.store.repos.discovery import CandidateRow

URL = "https://api.exchange.example/v1/tickers"
TABLE = {"rows": "data", "symbol": "pair", "symbol_form": "BASE_QUOTE", "price": "last"}
UNKNOWN = "0123456789abcdef"
READINGS = 73
"""Twelve hours of them."""
_KEY_ID = re.compile(r"key_[0-9A-Za-z]{12}")
Ask = Callable[..., Awaitable[Any]]


async def discovered(rt: Runtime, ask: Ask) -> dict[str, dict[str, Any]]:
    """Answers by route and status; what was added is gone again."""
    name = id_of(URL)
    await repo.put(rt.store, [_proven(rt).stored()])
    found = {
        "GET /api/discovery/candidates": {"200": await ask("/api/discovery/candidates", 200)},
        "GET /api/reports/discovery": {"200": await ask("/api/reports/discovery", 200)},
    }
    # Admitted it can be neither refused nor admitted again; taken back it can be refused.
    for act, statuses in (
        ("take-back", (409,)),
        ("approve", (200, 409)),
        ("reject", (409,)),
        ("take-back", (200,)),
        ("reject", (200,)),
    ):
        path = "/api/discovery/candidates/{id}/" + act
        told = found.setdefault(f"POST {path}", {"404": await ask(path.format(id=UNKNOWN), 404, "")})
        for status in statuses:
            told[str(status)] = await ask(path.format(id=name), status, "")
    for prefix in ("/api/discovery", "/api/resources/discovery"):
        done = await ask(f"{prefix}/run", 200, "")
        running = {**done, "data": {"status": "running", "run": None}}
        found[f"POST {prefix}/run"] = {"200": done, "202": running}
        found[f"GET {prefix}/status"] = {"200": await ask(f"{prefix}/status", 200)}
    # Another one in every run.
    stable: dict[str, dict[str, Any]] = json.loads(_KEY_ID.sub("key_0123456789Ab", json.dumps(found)))
    return stable


def _proven(rt: Runtime) -> Candidate:
    now = rt.clock.now_ms()
    row = CandidateRow(now, now, id_of(URL), URL, "api", "Exchange", FOUND, "public_apis", None, "")
    evidence = Evidence(steps=[Step(URL, "table", "12 of 12 prices agree with the consensus")])
    proposal = Proposal(
        entry_id(URL, row.id), "exchange", fields_of_table(URL, "api.exchange.example", "public_apis", TABLE)
    )
    candidate = Candidate(row, evidence, proposal)
    for state in (PROBED, SHADOW, PROVEN):
        candidate.move(state, now)
    for n in range(READINGS):
        price = 90_000.0 * (1.003 if n % 2 else 1.0)
        points = [Point(f"coin-{place}", price * 1.0001, price, price) for place in range(9)]
        evidence.proof.read(points, now - (READINGS - 1 - n) * 600_000)
    return candidate
