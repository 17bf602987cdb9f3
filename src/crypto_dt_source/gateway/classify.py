"""Outcome → policy. The class of the error decides whether to retry, whom to blame and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from ..model.errors import (
    AddressRefused,
    BodyTooLarge,
    KeyRefused,
    PayloadChanged,
    PlanRequired,
    RegionBlocked,
    UpstreamBanned,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from ..providers.kit import Adapter, Reply, number

MAX_RETRY_AFTER_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What an error means for the source.

    `retry`: once more at the same source, at once. `breaker`: counts towards the host's breaker. `cool_s`: the whole
    metering scope may not be asked for this long, unless the upstream named a time. `shrink`: the scope's amounts are
    halved. `rest_s`: this entry rests (another host of the same upstream may answer). `eject_s`: only the capability
    rests.
    """

    retry: bool = False
    breaker: bool = False
    cool_s: float = 0.0
    shrink: bool = False
    rest_s: float = 0.0
    eject_s: float = 0.0

    @property
    def blames(self) -> bool:
        """Whether the error is the source's fault rather than the ask's."""
        return self.breaker or max(self.cool_s, self.rest_s, self.eject_s) > 0


POLICIES: dict[type[UpstreamError], Policy] = {
    UpstreamTimeout: Policy(breaker=True),
    UpstreamUnreachable: Policy(retry=True, breaker=True),
    UpstreamBroken: Policy(breaker=True),
    UpstreamRateLimited: Policy(cool_s=10.0, shrink=True),
    UpstreamBanned: Policy(cool_s=300.0, shrink=True),
    RegionBlocked: Policy(rest_s=6 * 3600.0),
    KeyRefused: Policy(rest_s=3600.0),
    PlanRequired: Policy(),
    UpstreamRejected: Policy(),
    PayloadChanged: Policy(eject_s=60.0),
    BodyTooLarge: Policy(eject_s=600.0),
    AddressRefused: Policy(eject_s=60.0),
}
"""A PayloadChanged rest is a minute because a truncated body looks the same; the next one doubles it (health.py).
AddressRefused: a feed that redirects to where the guard does not go."""


def policy(error: UpstreamError) -> Policy:
    """The policy of the error's class or of its nearest listed base; none of it for anything else."""
    for cls in type(error).__mro__:
        if cls in POLICIES:
            return POLICIES[cls]
    return Policy()


def retry_after_s(reply: Reply) -> float | None:
    """Seconds of a `Retry-After` header, as a number or a date; None when absent, unreadable or not above 0."""
    text = reply.headers.get("retry-after", "").strip()
    seconds = number(text)
    if seconds is None:
        moment = _moment(text)
        if moment is None:
            return None
        # Against the upstream's own clock where it tells it: ours may be off by more than the wait.
        sent = _moment(reply.headers.get("date", ""))
        seconds = moment - (reply.received_ms / 1000 if sent is None else sent)
    return min(seconds, MAX_RETRY_AFTER_S) if seconds > 0 else None


def _moment(text: str) -> float | None:
    """Unix seconds of an HTTP date."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def refusal(reply: Reply, adapter: Adapter | None = None) -> UpstreamError | None:
    """The error of a non-2xx reply, None for a 2xx one. The adapter, where there is one, may know more than the status
    tells."""
    status = reply.status
    if 200 <= status < 300:
        return None
    wait = retry_after_s(reply)
    if status == 429:
        return UpstreamRateLimited("too many requests", retry_after_s=wait)
    if status == 418:
        return UpstreamBanned("banned for ignoring the rate limit", retry_after_s=wait)
    if status == 451:
        return RegionBlocked("not available in this region")
    if 300 <= status < 400:
        return PayloadChanged(f"redirected (status {status}); redirects are not followed")
    explained = adapter.explain(reply) if adapter is not None else None
    if explained is not None:
        if explained.retry_after_s is None:
            explained.retry_after_s = wait
        return explained
    if status == 401:
        return KeyRefused("the key is missing or not valid")
    if status == 402:
        return PlanRequired("a paid plan is needed")
    if status == 403:
        return RegionBlocked("refused at the upstream's edge")
    if status == 408:
        return UpstreamTimeout("the upstream gave up waiting")
    if status == 410:
        return PayloadChanged("the endpoint was withdrawn (status 410)")
    if status >= 500:
        return UpstreamBroken(f"status {status}", retry_after_s=wait)
    return UpstreamRejected(f"status {status}")
