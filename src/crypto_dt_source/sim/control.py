"""The control panel: faults, the market and the log over HTTP, under `/__sim__`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..clock import rfc3339
from .faults import Fault, FaultError
from .wire import SimReply, reply

if TYPE_CHECKING:
    from .app import SimApp

PREFIX = "/__sim__"
_OWN = ("provider", "capability", "fault", "p", "after_s", "for_s", "params")


def _refusal(status: int, code: str, message: str) -> SimReply:
    return reply({"error": {"code": code, "message": message}}, status)


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "id": fault.id,
        "provider": fault.provider,
        "capability": None if fault.capability is None else fault.capability.value,
        "fault": fault.kind,
        "p": fault.probability,
        "since": rfc3339(fault.since_ms),
        "until": None if fault.until_ms is None else rfc3339(fault.until_ms),
        "params": dict(fault.params),
    }


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FaultError("The body must be JSON.") from None
    if not isinstance(fields, dict):
        raise FaultError("The body must be a JSON object.")
    return fields


def _add_fault(app: SimApp, body: bytes) -> SimReply:
    fields = _fields(body)
    for name in ("provider", "fault"):
        if not isinstance(fields.get(name), str):
            raise FaultError(f"{name} is required and must be a text.")
    given = fields.get("params") or {}
    if not isinstance(given, dict):
        raise FaultError("params must be an object.")
    # A parameter may stand beside the fault's own fields: {"fault": "delay", "ms": 300}.
    params = {**given, **{name: value for name, value in fields.items() if name not in _OWN}}
    fault = app.faults.add(
        fields["provider"],
        fields["fault"],
        capability=fields.get("capability"),
        p=fields.get("p", 1.0),
        after_s=fields.get("after_s", 0.0),
        for_s=fields.get("for_s"),
        params=params,
    )
    return reply(_fault(fault), 201)


def _faults(app: SimApp, method: str, rest: str, body: bytes) -> SimReply:
    if rest:
        if not rest.isdecimal() or len(rest) > 9:
            raise FaultError(f"A fault's id is a number, not {rest[:40]!r}.")
        if method != "DELETE":
            return _refusal(405, "method_not_allowed", "A single fault can only be deleted.")
        if not app.faults.remove(int(rest)):
            return _refusal(404, "not_found", f"There is no fault {rest}.")
        return reply({"removed": 1})
    if method == "POST":
        return _add_fault(app, body)
    if method == "GET":
        return reply({"faults": [_fault(fault) for fault in app.faults.all()]})
    if method == "DELETE":
        return reply({"removed": app.faults.clear()})
    return _refusal(405, "method_not_allowed", "Faults take GET, POST and DELETE.")


def _log(app: SimApp, method: str, query: dict[str, str]) -> SimReply:
    if method == "DELETE":
        app.log.clear()
        return reply({"cleared": True})
    if method != "GET":
        return _refusal(405, "method_not_allowed", "The log takes GET and DELETE.")
    since = query.get("since", "0")
    if not since.isdecimal() or len(since) > 18:
        raise FaultError(
            f"since must be the `last` of an earlier answer, a whole number, not {since[:40]!r}."
        )
    rows = app.log.since(int(since))
    return reply({"last": app.log.total, "counters": app.log.counters(), "requests": rows})


def _number(fields: dict[str, Any], name: str) -> float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e15:
        raise FaultError(f"{name} must be a number above 0, not {value!r}.")
    return float(value)


def _market(app: SimApp, method: str, body: bytes) -> SimReply:
    now = app.clock.now_ms()
    if method == "GET":
        return reply({"prices": {ticker: app.market.true_price(ticker, now) for ticker in app.market.assets}})
    if method != "POST":
        return _refusal(405, "method_not_allowed", "The market takes GET and POST.")
    fields = _fields(body)
    asset = fields.get("asset")
    if not isinstance(asset, str) or asset.upper() not in app.market.assets:
        raise FaultError(f"asset must be a ticker of the simulated market, not {asset!r}.")
    ticker = asset.upper()
    if ("price" in fields) == ("factor" in fields):
        raise FaultError("Give either price (US dollars) or factor, not both and not none.")
    if "price" in fields:
        app.market.set_price(ticker, _number(fields, "price"))
    else:
        app.market.shock(ticker, _number(fields, "factor"))
    return reply({"asset": ticker, "price": app.market.true_price(ticker, now)})


def control(app: SimApp, method: str, path: str, query: dict[str, str], body: bytes) -> SimReply:
    """Answer a control request. Input that cannot be gets 422 with one sentence."""
    name, _, rest = path.removeprefix(PREFIX).strip("/").partition("/")
    try:
        if name == "faults":
            return _faults(app, method, rest, body)
        if name == "log" and not rest:
            return _log(app, method, query)
        if name == "market" and not rest:
            return _market(app, method, body)
    except FaultError as error:
        return _refusal(422, "invalid_parameter", str(error))
    return _refusal(404, "not_found", "The simulator has /__sim__/faults, /__sim__/log and /__sim__/market.")
