"""One tree of errors. The class is the wire code: `code` and `status` are what a client sees.

Two branches: errors a caller of the service gets (:class:`CdtsError` children with a 4xx/5xx status), and
:class:`UpstreamError`, what one upstream did. The second never reaches the wire by itself; it is listed, by its
code, inside `all_providers_failed` and in `/api/failures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class CdtsError(Exception):
    """Base of every error the service raises on purpose.

    `message` is one sentence for a person that says what to do; `details` holds machine-readable facts and never a
    secret; `retry_after` is whole seconds, present only where waiting helps.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(
        self, message: str, *, details: Mapping[str, Any] | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.retry_after = retry_after

    @property
    def public(self) -> str:
        """The sentence a client is shown: `message`, except where that is for the log alone."""
        return self.message


class BadRequest(CdtsError):
    """The request cannot be read at all (broken encoding, body that is not JSON)."""

    code = "bad_request"
    status = 400


class Unauthenticated(CdtsError):
    """No key or token where one is needed, or one that is not valid."""

    code = "unauthenticated"
    status = 401


class Forbidden(CdtsError):
    """The key is valid and does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(CdtsError):
    """No such route or resource."""

    code = "not_found"
    status = 404


class UnknownSymbol(NotFound):
    """Nothing is known under this symbol; `details.did_you_mean` lists near names."""

    code = "unknown_symbol"


class UnknownModel(NotFound):
    """No model of this id is in the registry; `details.known` lists those that are."""

    code = "unknown_model"


class MethodNotAllowed(CdtsError):
    """The route exists, the method does not."""

    code = "method_not_allowed"
    status = 405


class Conflict(CdtsError):
    """The resource's state forbids the change."""

    code = "conflict"
    status = 409


class TooLarge(CdtsError):
    """Body, header, URL or list beyond its bound."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(CdtsError):
    """A body of a type the route does not read."""

    code = "unsupported_media_type"
    status = 415


class InvalidParameter(CdtsError):
    """A parameter outside what is allowed: `details` has `parameter`, `got`, `allowed`."""

    code = "invalid_parameter"
    status = 422


class RateLimited(CdtsError):
    """The caller's limit is used up."""

    code = "rate_limited"
    status = 429


class NoDataYet(CdtsError):
    """The service does not have this from any upstream, or may not ask for it just now. It does not guess."""

    code = "no_data_yet"
    status = 503


class AllProvidersFailed(CdtsError):
    """Every source was tried; `details.tried` names each with the code of its failure."""

    code = "all_providers_failed"
    status = 503


class StoreUnavailable(CdtsError):
    """The database cannot be read or written now; what is in memory is still answered."""

    code = "store_unavailable"
    status = 503

    @property
    def public(self) -> str:
        return "The database cannot be used right now; the log has the reason."


class ModelUnavailable(CdtsError):
    """A model cannot answer now; `details` has `model` and, where it failed to load, `reason`."""

    code = "model_unavailable"
    status = 503


class ModelBusy(CdtsError):
    """More texts wait for a model than its queue takes, or than it can read while a request may wait."""

    code = "model_busy"
    status = 503


class Overloaded(CdtsError):
    """More connections are open than the service takes (`MAX_CONNECTIONS`), or more large bodies at once."""

    code = "overloaded"
    status = 503


class DeadlineExceeded(CdtsError):
    """The answer was not ready within the request's time."""

    code = "deadline_exceeded"
    status = 504


class UpstreamError(CdtsError):
    """What one upstream did. `provider` is its catalogue id, `retry_after_s` its own word on when to come back."""

    code = "upstream_error"
    status = 503

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UpstreamTimeout(UpstreamError):
    """No complete answer within the time allowed."""

    code = "upstream_timeout"


class UpstreamUnreachable(UpstreamError):
    """Name, connection, TLS or a connection cut in the middle."""

    code = "upstream_unreachable"


class UpstreamBroken(UpstreamError):
    """A 5xx, or the API's own word for 'internal error'."""

    code = "upstream_server_error"


class UpstreamRateLimited(UpstreamError):
    """429, or the API's own word for it inside a 200."""

    code = "upstream_rate_limited"


class UpstreamBanned(UpstreamError):
    """418 and the like: every call must stop until `retry_after_s` has passed."""

    code = "upstream_banned"


class RegionBlocked(UpstreamError):
    """451, or 403 from the upstream's edge: not available from this address, for hours."""

    code = "region_blocked"


class KeyRefused(UpstreamError):
    """The key is missing, wrong or of another plan."""

    code = "key_refused"


class PlanRequired(UpstreamError):
    """The upstream wants a paid plan for this range or endpoint (402, CoinGecko's 401 10012)."""

    code = "plan_required"


class UpstreamRejected(UpstreamError):
    """A 4xx that says our request is wrong. Not the upstream's fault: it stays in rotation."""

    code = "upstream_rejected"


class SymbolNotListed(UpstreamRejected):
    """The upstream does not know this symbol. Others may."""

    code = "symbol_not_listed"


class PayloadChanged(UpstreamError):
    """The body does not have the declared shape; `path` says where (`$[0].current_price`)."""

    code = "payload_changed"

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path
        self.details["path"] = path


class BodyTooLarge(UpstreamError):
    """More bytes than the cap, before or after decompression."""

    code = "body_too_large"


class AddressRefused(UpstreamError):
    """The outbound guard does not allow this address."""

    code = "address_refused"


class BudgetExhausted(UpstreamError):
    """Asking now would pass the upstream's published limit, so it was not asked."""

    code = "budget_exhausted"


class CircuitOpen(UpstreamError):
    """The host failed recently and its rest is not over, so it was not asked."""

    code = "circuit_open"


class NotOffered(UpstreamError):
    """The source does not offer this capability, interval or symbol; nothing was sent."""

    code = "not_offered"
