"""Faults: what can go wrong at a provider, for whom, when and how often. Every draw comes from the seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..clock import Clock
from ..model.ask import Capability
from .noise import key_of, unit
from .venue import HONEST, Sight

TRANSPORT: dict[str, dict[str, Any]] = {
    "delay": {"ms": 1000},
    "hang": {},
    "reset": {},
    "slow_body": {"ms": 5000},
    "429": {"retry_after": 30},
    "429_bare": {},
    "418": {"retry_after": 120},
    "451": {},
    "403_challenge": {},
    "5xx": {"status": 503},
    "error_200": {"error": "rate_limited_in_200"},
    "html": {},
    "truncated": {},
    "wrong_schema": {},
}
"""Faults of the answer as a whole, and their parameters with defaults. `delay`: ms before the answer. `hang`: no answer
until the client goes. `reset`: the connection is cut inside the body. `slow_body`: ms from first to last byte."""

PRICE: dict[str, dict[str, Any]] = {
    "frozen": {},
    "power_of_ten": {"k": 3},
    "inverted": {},
    "swapped": {"asset": "BTC", "with": "ETH"},
    "missing_symbols": {"symbols": None, "share": 0.5},
    "clock_skew": {"ms": 3_600_000},
}
"""Faults of what the provider sees; they reach every capability through its view. `missing_symbols`: `symbols` are not
listed, without them a seeded `share` of all."""

STREAM: dict[str, dict[str, Any]] = {
    "ws_refuse": {"status": 503},
    "ws_silent": {},
    "ws_half_open": {},
    "ws_stuck": {},
    "ws_gap": {},
    "ws_duplicate": {},
    "ws_reorder": {},
    "ws_garbage": {},
    "ws_slow": {"ms": 3000},
    "ws_close": {"code": 1006},
}
"""Faults of sockets; `p` is drawn for each frame. `ws_refuse`: handshakes are answered with this status. `ws_silent`: an
open socket says nothing. `ws_half_open`: connections that are open when it begins bring and take nothing any more, also when
it is over, and new ones work. `ws_stuck`: it sends heartbeats alone. `ws_gap`: a record is left out. `ws_slow`: ms before a frame. `ws_close`:
closed with this code (1006: cut without one)."""

HOST = ("hang", "reset", "5xx")
"""Faults that, set for every capability and every request, are a host that is down."""

RANDOM: dict[str, dict[str, Any]] = {"random": {"rate": 0.1, "slot_s": 30}}
"""In every slot of `slot_s` seconds a provider has, with probability `rate`, one fault drawn from all others."""

KINDS: dict[str, dict[str, Any]] = {**TRANSPORT, **PRICE, **STREAM, **RANDOM}
_DRAWN = (*TRANSPORT, *PRICE)


class FaultError(ValueError):
    """A fault that cannot be: the message is one sentence naming the field."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at `provider` (`*`: all) for one capability (None: all), from `since_ms` until `until_ms` (None: until
    removed), on a share `probability` of requests."""

    id: int
    provider: str
    capability: Capability | None
    kind: str
    since_ms: int
    until_ms: int | None = None
    probability: float = 1.0
    params: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, provider: str, capabilities: Collection[Capability], now_ms: int) -> bool:
        """Whether a request of this kind at this time is concerned."""
        return (
            self.provider in ("*", provider)
            and (self.capability is None or self.capability in capabilities)
            and self.since_ms <= now_ms
            and (self.until_ms is None or now_ms < self.until_ms)
        )


@dataclass(frozen=True, slots=True)
class Ailment:
    """What one request suffers: a transport fault or None, the sight of the market, the names of both."""

    transport: Fault | None
    sight: Sight
    kinds: tuple[str, ...]


HEALTHY = Ailment(None, HONEST, ())


def _number(params: Mapping[str, Any], name: str, low: float, high: float, *, whole: bool = True) -> None:
    value = params.get(name)
    wanted = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
        kind = "an integer" if whole else "a number"
        raise FaultError(f"{name} must be {kind} from {low:g} to {high:g}, not {value!r}.")


def _check_symbols(params: Mapping[str, Any]) -> None:
    symbols = params["symbols"]
    if symbols is not None and not (
        isinstance(symbols, list) and symbols and all(isinstance(s, str) for s in symbols)
    ):
        raise FaultError("symbols must be a list of tickers, for example ['BTC'].")
    _number(params, "share", 0, 1, whole=False)


def _check_power(params: Mapping[str, Any]) -> None:
    _number(params, "k", -12, 12)
    if params["k"] == 0:
        raise FaultError("k must not be 0: ten to the power of 0 changes nothing.")


def _check_random(params: Mapping[str, Any]) -> None:
    _number(params, "rate", 0, 1, whole=False)
    _number(params, "slot_s", 1, 86_400)


def _check_error(params: Mapping[str, Any]) -> None:
    if params["error"] not in ("rate_limited_in_200", "unknown_symbol"):
        raise FaultError(f"error must be rate_limited_in_200 or unknown_symbol, not {params['error']!r}.")


_CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "delay": lambda p: _number(p, "ms", 0, 3_600_000),
    "slow_body": lambda p: _number(p, "ms", 0, 3_600_000),
    "429": lambda p: _number(p, "retry_after", 0, 86_400),
    "418": lambda p: _number(p, "retry_after", 0, 86_400),
    "5xx": lambda p: _number(p, "status", 500, 599),
    "clock_skew": lambda p: _number(p, "ms", -10 * 86_400_000, 10 * 86_400_000),
    "power_of_ten": _check_power,
    "missing_symbols": _check_symbols,
    "ws_refuse": lambda p: _number(p, "status", 400, 599),
    "ws_slow": lambda p: _number(p, "ms", 0, 3_600_000),
    "ws_close": lambda p: _number(p, "code", 1000, 4999),
    "random": _check_random,
    "error_200": _check_error,
}


class Faults:
    """The faults now set. `tickers` are the market's, for the faults that name or draw some."""

    MOST = 1000

    def __init__(self, seed: int, clock: Clock, providers: Collection[str], tickers: Collection[str]) -> None:
        self._seed = seed
        self._clock = clock
        self._providers = frozenset(providers)
        self._tickers = tuple(tickers)
        self._faults: dict[int, Fault] = {}
        self._draws: dict[int, int] = {}
        self._next_id = 1

    def add(
        self,
        provider: str,
        kind: str,
        *,
        capability: str | Capability | None = None,
        p: float = 1.0,
        after_s: float = 0.0,
        for_s: float | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Fault:
        """Set a fault that begins `after_s` seconds from now and lasts `for_s` (None: until removed). Raises FaultError
        for an unknown provider, kind, capability or parameter, and for values out of range."""
        if provider != "*" and provider not in self._providers:
            raise FaultError(f"provider must be * or the id of a simulated provider, not {provider!r}.")
        if kind not in KINDS:
            raise FaultError(f"fault must be one of {', '.join(KINDS)}, not {kind!r}.")
        try:
            wanted = None if capability is None else Capability(capability)
        except ValueError:
            names = ", ".join(c.value for c in Capability)
            raise FaultError(f"capability must be one of {names}, not {capability!r}.") from None
        _number({"p": p}, "p", 0, 1, whole=False)
        _number({"after_s": after_s}, "after_s", 0, 1e7, whole=False)
        if for_s is not None:
            _number({"for_s": for_s}, "for_s", 0, 1e7, whole=False)
        given = dict(params or {})
        if unknown := sorted(set(given) - set(KINDS[kind])):
            raise FaultError(
                f"{kind} has no parameter {unknown[0]!r}; it has {', '.join(KINDS[kind]) or 'none'}."
            )
        full = {**KINDS[kind], **given}
        self._check(kind, full)
        if len(self._faults) >= self.MOST:
            raise FaultError(f"there are already {self.MOST} faults; remove some first.")
        since = self._clock.now_ms() + round(after_s * 1000)
        until = None if for_s is None else since + round(for_s * 1000)
        fault = Fault(self._next_id, provider, wanted, kind, since, until, float(p), full)
        self._faults[fault.id] = fault
        self._next_id += 1
        return fault

    def _check(self, kind: str, params: Mapping[str, Any]) -> None:
        if kind in _CHECKS:
            _CHECKS[kind](params)
        if kind == "swapped":
            for name in ("asset", "with"):
                if params[name] not in self._tickers:
                    raise FaultError(
                        f"{name} must be a ticker of the simulated market, not {params[name]!r}."
                    )

    def all(self) -> list[Fault]:
        """Every fault that is set, oldest first; one whose time is over stays listed until it is removed."""
        return list(self._faults.values())

    def remove(self, fault_id: int) -> bool:
        """Take one fault away; whether it was there."""
        self._draws.pop(fault_id, None)
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> int:
        """Take all faults away; how many there were."""
        count = len(self._faults)
        self._faults.clear()
        self._draws.clear()
        return count

    def strike(self, provider: str, capabilities: Collection[Capability], now_ms: int) -> Ailment:
        """What a request suffers now. The newest matching transport fault wins; price faults add up."""
        if not self._faults:
            return HEALTHY
        transport: Fault | None = None
        sight = HONEST
        kinds: list[str] = []
        for fault in self._faults.values():
            if fault.kind in STREAM or not fault.matches(provider, capabilities, now_ms):
                continue
            if not self._draw(fault):
                continue
            concrete = self._concrete(fault, provider, now_ms)
            if concrete is None:
                continue
            if concrete.kind in TRANSPORT:
                transport = concrete
            else:
                sight = self._see(sight, concrete)
                kinds.append(concrete.kind)
        if transport is not None:
            kinds.append(transport.kind)
        return Ailment(transport, sight, tuple(kinds))

    def host_down(self, provider: str, now_ms: int) -> str | None:
        """The fault by which nothing at all of a provider answers, its sockets included; None while something does."""
        for fault in self._faults.values():
            whole = fault.capability is None and fault.probability >= 1
            if whole and fault.kind in HOST and fault.matches(provider, (), now_ms):
                return fault.kind
        return None

    def strike_stream(self, provider: str, now_ms: int) -> dict[str, Fault]:
        """What a frame of a socket, or its handshake, suffers now, by kind."""
        return {
            fault.kind: fault
            for fault in self._faults.values()
            if fault.kind in STREAM and fault.matches(provider, (), now_ms) and self._draw(fault)
        }

    def _draw(self, fault: Fault) -> bool:
        if fault.probability >= 1:
            return True
        count = self._draws[fault.id] = self._draws.get(fault.id, 0) + 1
        return unit(key_of(self._seed, "fault", fault.id), count) < fault.probability

    def _concrete(self, fault: Fault, provider: str, now_ms: int) -> Fault | None:
        if fault.kind != "random":
            return fault
        slot_ms = fault.params["slot_s"] * 1000
        slot = now_ms // slot_ms
        key = key_of(self._seed, "random", fault.id, provider)
        if unit(key, slot) >= fault.params["rate"]:
            return None
        kind = _DRAWN[int(unit(key_of(key, "kind"), slot) * len(_DRAWN))]
        return replace(fault, kind=kind, since_ms=slot * slot_ms, params=KINDS[kind])

    def _see(self, sight: Sight, fault: Fault) -> Sight:
        params = fault.params
        if fault.kind == "frozen":
            return replace(sight, frozen_ms=min(fault.since_ms, sight.frozen_ms or fault.since_ms))
        if fault.kind == "power_of_ten":
            return replace(sight, exponent=sight.exponent + params["k"])
        if fault.kind == "inverted":
            return replace(sight, inverted=True)
        if fault.kind == "swapped":
            return replace(sight, swaps=(*sight.swaps, (params["asset"], params["with"])))
        if fault.kind == "clock_skew":
            return replace(sight, skew_ms=sight.skew_ms + params["ms"])
        hidden = params["symbols"]
        if hidden is None:
            key = key_of(self._seed, "missing", fault.id)
            hidden = [t for i, t in enumerate(self._tickers) if unit(key, i) < params["share"]]
        return replace(sight, hidden=sight.hidden | frozenset(hidden))
