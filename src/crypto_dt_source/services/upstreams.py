"""What the upstreams refused, with what to do about it, and what is left of their limits."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..clock import rfc3339
from ..store.cache import Cached, Loaded
from ..store.repos import calls as call_repo
from .runtime import Runtime

HELD_S = 15.0


class Advice(NamedTuple):
    """What a class of failure means, and what an operator can do."""

    meaning: str
    what_to_do: str


WAIT = "Nothing: the service asks others meanwhile and comes back by itself."
ADVICE = {
    "upstream_timeout": Advice(
        "No complete answer came in time.",
        "Look at the network where every provider has it; else nothing, the breaker rests the host. UPSTREAM_TIMEOUT sets "
        "the time.",
    ),
    "upstream_unreachable": Advice(
        "Its name, connection or TLS failed, or the connection was cut.",
        "Check DNS, the proxy and the firewall where every provider has it; else nothing.",
    ),
    "upstream_server_error": Advice("The upstream itself failed (5xx).", WAIT),
    "upstream_rate_limited": Advice(
        "It said that it was asked too often (429).",
        "Nothing at first: the limits in use are halved. Where it goes on, another program asks from the same address or "
        "with the same key.",
    ),
    "upstream_banned": Advice(
        "It refuses this address for a while.",
        "Wait for its time to pass; find the other program that asks from this address.",
    ),
    "region_blocked": Advice(
        "It does not serve this address or region.",
        "Run the service elsewhere, or switch the provider off with PATCH /api/providers/{id}.",
    ),
    "key_refused": Advice(
        "The key is missing, wrong or of another plan.",
        "Set the provider's key anew and restart.",
    ),
    "plan_required": Advice(
        "It wants a paid plan for this range or endpoint.", "Get such a plan, or leave it: others are asked."
    ),
    "upstream_rejected": Advice(
        "It says that the request is wrong.",
        "Report it with the log's line where it is often: the adapter may be out of date.",
    ),
    "symbol_not_listed": Advice("It does not list the symbol.", "Nothing: others are asked."),
    "payload_changed": Advice(
        "The body does not have the shape it is documented to have.",
        "Look at GET /api/logs?provider=…; where it lasts the upstream has changed its format: update the service.",
    ),
    "body_too_large": Advice("The body was larger than is read.", WAIT),
    "address_refused": Advice(
        "The outbound guard does not allow the address.",
        "Look where the feed redirects to; correct NEWS_FEEDS or CDTS_BASE_URL__….",
    ),
    "budget_exhausted": Advice(
        "Its published limit is used up for now, so that it was not asked.",
        "Nothing, or a key with a higher limit.",
    ),
    "circuit_open": Advice("The host failed lately and rests.", WAIT),
    "not_offered": Advice("It does not offer this; nothing was sent.", "Nothing."),
    "stream_silent": Advice("The stream was open and brought nothing.", WAIT),
    "upstream_error": Advice("It failed in another way.", "Look at GET /api/logs?provider=…."),
}
"""By the error's code; a test compares it with the classes."""


async def failures(rt: Runtime, hours: int) -> tuple[int, list[dict[str, Any]]]:
    """Upstream calls of the last `hours` that failed: since when (ms UTC), and a row a class, the most frequent first.
    What was not yet written into the store (some seconds) is counted too. Raises StoreError."""
    since_ms = rt.clock.now_ms() - hours * 3_600_000
    counts = dict(await call_repo.failure_classes(rt.store, since_ms))
    for call in rt.accounts.calls:
        if call.status != "ok" and call.timestamp >= since_ms:
            counts[call.provider, call.status] = counts.get((call.provider, call.status), 0) + 1
    by_code: dict[str, dict[str, int]] = {}
    for (provider, code), count in counts.items():
        by_code.setdefault(code, {})[provider] = count
    rows = [_class(code, found) for code, found in by_code.items()]
    return since_ms, sorted(rows, key=lambda row: (-int(row["count"]), str(row["code"])))


def _class(code: str, found: dict[str, int]) -> dict[str, Any]:
    advice = ADVICE.get(code, ADVICE["upstream_error"])
    most_first = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return {
        "code": code,
        "meaning": advice.meaning,
        "what_to_do": advice.what_to_do,
        "count": sum(found.values()),
        "providers": [{"provider": provider, "count": count} for provider, count in most_first],
    }


def budgets(rt: Runtime) -> list[dict[str, Any]]:
    """Every published limit of an upstream in use, and what is used of it, by scope and window."""
    users: dict[str, list[str]] = {}
    for source in rt.gateway.sources.values():
        users.setdefault(source.meter.scope, []).append(source.entry.id)
    return [
        {
            "scope": line.scope.partition(":")[0],
            "keyed": ":" in line.scope,
            "providers": sorted(users.get(line.scope, ())),
            "amount": line.amount,
            "per_seconds": line.per_s,
            "used": line.used,
            "left": max(0, line.amount - line.used),
            "used_pct": round(100 * line.used / line.amount, 2),
            "oldest_expires": rfc3339(line.reset_ms) if line.used else None,
        }
        for line in sorted(rt.gateway.budgets(), key=lambda line: (line.scope, line.per_s))
    ]


async def held_failures(rt: Runtime, hours: int) -> Cached[tuple[int, list[dict[str, Any]]]]:
    """`failures` for whoever asks, made at most every HELD_S. Raises StoreError."""

    async def load() -> Loaded[tuple[int, list[dict[str, Any]]]]:
        return Loaded(await failures(rt, hours), rt.clock.now_ms(), ())

    return await rt.cache.get(("failures", hours), HELD_S, HELD_S, load)
