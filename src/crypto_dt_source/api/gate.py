"""Who a request is from, and whether there is room for it: before anything else is done for it, WebSocket handshakes
included.

The key counts first, the client's address where there is none. A request with a key that is not valid is refused, never
answered as somebody without one, and counts for its address: nobody tries keys faster than anybody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from starlette.types import Scope

from ..model.access import ApiKey
from ..model.errors import CdtsError, Forbidden, RateLimited, Unauthenticated
from ..security.addresses import bucket_of, client_address
from ..security.keys import PREFIX
from ..security.tiers import ENTERPRISE, FREE, READ, SCOPES, Caller
from ..security.verdict import Verdict
from ..services import access as access_service
from ..services.access import Access
from ..store import AuditRow, StoreError
from ..telemetry import logger

log = logger("access")
CALLER = "cdts.caller"
"""Where in a request's scope its Caller is."""
IN_PROCESS = "cdts.in_process"
"""Set in the scope of requests that the owner of the data folder makes without a network (`cdts get`)."""
FREE_OF_LIMITS = frozenset({"/api/health", "/api/health/live", "/api/health/ready", "/api/hf/health"})
LIMITED = ("/api/", "/ws", "/metrics")
UNCOUNTED = "/metrics"
"""Not counted for who comes without a key: a scraper asks more often in a day than the free tier may."""
EVENTS = "/api/stream"
"""The server-sent events: like a handshake, asked for by what cannot send headers."""
_WORDS = {60: "a minute", 3600: "an hour", 1: "a second", 86_400: "a day"}
Fields = list[tuple[bytes, bytes]]


class Admission(NamedTuple):
    """`fields` are headers for the answer; `refusal` is why there is none."""

    caller: Caller
    fields: Fields
    refusal: CdtsError | None


class Gate:
    """`access` gives None until the service is open."""

    def __init__(self, access: Callable[[], Access | None]) -> None:
        self._access = access

    async def ended(self, row: AuditRow, status: int) -> None:
        """Note in the audit log how an admin's request ended; 0 is a request without an answer. What cannot be noted is
        logged."""
        access = self._access()
        if access is None or not status:
            return
        try:
            await access_service.noted(access, row, status)
        except StoreError as error:
            log.error(
                "the audit log cannot be written",
                request_id=row.request,
                status=status,
                reason=error.message,
            )

    async def admit(self, scope: Scope) -> Admission | None:
        """Whether the request may pass; None where nobody is counted or known yet."""
        access = self._access()
        if access is None:
            return None
        headers = scope["headers"]
        if IN_PROCESS in scope:
            return Admission(_owner(access), [], None)
        address = _address(scope, headers, access.hops)
        path: str = scope["path"]
        if not path.startswith(LIMITED) or path in FREE_OF_LIMITS:
            return Admission(_anonymous(access, address), [], None)
        refusal: CdtsError | None = None
        try:
            key, ends_ms = _key(access, scope, headers)
        except (Unauthenticated, Forbidden) as error:
            key, ends_ms, refusal = None, None, error
        caller = _anonymous(access, address) if key is None else _caller(access, key, address, ends_ms)
        if path == UNCOUNTED and key is None and refusal is None:
            return Admission(caller, [], None)
        verdict = await access.limiter.take(caller.bucket, caller.tier)
        fields = verdict.fields()
        if not verdict.allowed:
            refusal = _used_up(verdict, caller)
        if refusal is not None:
            access.refused[refusal.code] = access.refused.get(refusal.code, 0) + 1
        return Admission(caller, fields, refusal)


def _address(scope: Scope, headers: Sequence[tuple[bytes, bytes]], hops: int) -> str:
    client = scope.get("client")
    peer = client[0] if client else ""
    forwarded = (
        [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"] if hops else ()
    )
    return client_address(peer, forwarded, hops)


def _key(
    access: Access, scope: Scope, headers: Sequence[tuple[bytes, bytes]]
) -> tuple[ApiKey | None, int | None]:
    """The key the request came with, and when the token ends that it came by; None where it came with none. X-API-Key counts first: what a
    proxy in front is shown as a bearer is not always ours. Raises Unauthenticated, and Forbidden for a page of an
    origin the key is not for."""
    given = bearer = origin = ""
    for name, value in headers:
        if name == b"x-api-key":
            given = _one(given, value.decode("latin-1").strip())
        elif name == b"authorization":
            scheme, _, rest = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                bearer = _one(bearer, rest.strip())
            elif scheme.startswith(PREFIX):
                # Whoever forgot the scheme shows a key all the same, and is not answered as somebody without one.
                bearer = _one(bearer, scheme.strip())
        elif name == b"origin":
            origin = value.decode("latin-1")
    if not given and not bearer and (scope["type"] == "websocket" or scope["path"] == EVENTS):
        bearer = _query_token(scope["query_string"])
    if not given and not bearer:
        return None, None
    keyring = access.keyring
    key, ends_ms = (keyring.of_secret(given), None) if given else keyring.of_bearer(bearer)
    check_origin(key, origin)
    return key, ends_ms


def check_origin(key: ApiKey, origin: str) -> None:
    """Raises Forbidden for a page of an origin the key is not for; a request without an origin is not a page's."""
    if origin and key.origins and origin not in key.origins:
        raise Forbidden(
            "The key is not for pages of this origin; its operator can make one that is.",
            details={"origin": origin[:200]},
        )


def _one(before: str, text: str) -> str:
    """Which of two different keys was meant, a proxy in front may see in another way than we do. Raises Unauthenticated."""
    if before and text and before != text:
        raise Unauthenticated("Send one key or token; there is more than one in the headers.")
    return text or before


def _query_token(query: bytes) -> str:
    """A browser cannot send headers with a handshake, nor with an EventSource."""
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"token":
            return unquote(value.decode("latin-1"))
    return ""


def _anonymous(access: Access, address: str) -> Caller:
    return Caller(access.tiers[FREE], frozenset({READ}), None, bucket_of(address), address)


def _caller(access: Access, key: ApiKey, address: str, ends_ms: int | None) -> Caller:
    return Caller(access.tiers[key.tier], key.scopes, key.id, f"key:{key.id}", address, ends_ms)


def _owner(access: Access) -> Caller:
    return Caller(access.tiers[ENTERPRISE], frozenset(SCOPES), "cli", "cli", "")


def _used_up(verdict: Verdict, caller: Caller) -> RateLimited:
    rate = caller.tier.rate
    if verdict.closest == "day" or rate is None:
        span = "today (UTC)"
    else:
        span = _WORDS.get(rate.per_s, f"in {rate.per_s} seconds")
    more = "" if caller.key else " A key of a higher tier has more."
    return RateLimited(
        f"All {verdict.limit} requests {span} of the {caller.tier.name} tier are used; "
        f"ask again in {verdict.retry_after_s} s.{more}",
        details={
            "tier": caller.tier.name,
            "limit": verdict.limit,
            "policy": verdict.closest,
            "counted_by": "key" if caller.key else "address",
        },
        retry_after=verdict.retry_after_s,
    )
