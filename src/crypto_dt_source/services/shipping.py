"""What health says of shipping."""

from __future__ import annotations

from typing import Any

from ..clock import rfc3339
from .runtime import Runtime

BEHIND_MS = 60_000
"""Market data may be lost for this long at most; more than that behind is not well."""


LOST = (
    "SHIP_URL is not set and the data folder is none that lasts: prices, keys and settings are lost when this container "
    "ends"
)


def unkept(rt: Runtime) -> str | None:
    """Why what the service keeps is lost with its container; None where it is not, and of a demo, which keeps nothing."""
    keeping = rt.keeping
    return LOST if rt.mode == "live" and keeping is not None and not keeping.lasting else None


def component(rt: Runtime) -> dict[str, Any]:
    """`status`, `reason`, and how far shipping is. A service that ships nothing is well as long
    as its disk lasts."""
    shipper = rt.keeping.shipper if rt.keeping is not None else None
    if shipper is None:
        lost = unkept(rt)
        return {"status": "ok" if lost is None else "degraded", "reason": lost, "shipped": None}
    state = shipper.state
    now = rt.clock.now_ms()
    behind_ms = 0 if state.behind_ms is None else max(0, now - state.behind_ms)
    shipped = {
        "target": state.target,
        "epoch": state.epoch,
        "confirmed": None if state.confirmed_ms is None else rfc3339(state.confirmed_ms),
        "behind_seconds": behind_ms // 1000,
        "segments": state.segments,
        "copies": state.copies,
    }
    reason = None
    if state.superseded is not None:
        reason = "a newer start has taken over shipping; nothing of this process is safe any more; stop it"
    elif state.awaited is not None:
        reason = "a newer start is taking over; nothing is shipped until it has, or has given up"
    elif state.error is not None:
        reason = f"the last shipment failed: {state.error}"
    elif behind_ms > max(BEHIND_MS, 2000 * shipper.every_s):
        reason = f"what was stored {behind_ms // 1000} s ago is not yet at the target"
    return {"status": "ok" if reason is None else "degraded", "reason": reason, "shipped": shipped}
