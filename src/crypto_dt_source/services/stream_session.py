"""One connection to the stream: who it is, what it has subscribed to, and what its messages do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

from ..model.errors import CdtsError, Forbidden, InvalidParameter, RateLimited, UnknownSymbol
from ..security.tiers import Caller
from ..stream import CHANNELS, Client
from ..stream.channels import ALL
from ..stream.protocol import ANY_SYMBOL, LARGEST, BadMessage, Close, Subscribe

WINDOW_S = 10.0
MOST_ERRORS = 50
MOST_MESSAGES = 500
"""In a window."""
ANY_COSTS = 100
"""Subscriptions that every symbol of a channel counts for."""
ABORT_S = 0.4
"""How long a connection that is to be closed may take to take in why."""
SUGGESTED = 5
"""Unknown symbols of one message that get suggestions: those cost a millisecond each."""
GONE = LARGEST + 1
"""Stands for a number of another run: no sequence gets there."""
NOTICES = "system"
"""The channel that every connection gets."""


class Closing(NamedTuple):
    """How a connection ends."""

    code: int
    reason: str


@dataclass(slots=True, eq=False)
class Session:
    """A connection. `kind` is `websocket` or `sse`, `channel` what its address names. `pending_until`: when it is closed
    unless a key has come by then, on the monotonic clock; None where none has to. `abort` breaks it off."""

    id: str
    kind: str
    caller: Caller
    client: Client
    connected_ms: int
    channel: str | None
    origin: str
    abort: Callable[[], object]
    beat_at: float = 0.0
    pending_until: float | None = None
    closing: Closing | None = None
    sending_since: float | None = None
    """Since when the network takes nothing, on the monotonic clock."""
    received: int = 0
    errors: int = 0
    _window_at: float = field(default=-WINDOW_S)
    _window_messages: int = 0
    _window_errors: int = 0

    @property
    def subscriptions(self) -> int:
        """As they are counted for the tier."""
        client = self.client
        return len(client.subscriptions) + ANY_COSTS * len(client.wildcards - {NOTICES})

    def count_message(self, now: float) -> None:
        """Raises BadMessage beyond the number a window allows."""
        self.received += 1
        if now - self._window_at >= WINDOW_S:
            self._window_at, self._window_messages, self._window_errors = now, 0, 0
        self._window_messages += 1
        if self._window_messages > MOST_MESSAGES:
            raise BadMessage(
                RateLimited(
                    f"More than {MOST_MESSAGES} messages in {WINDOW_S:g} s; send fewer.",
                    details={"allowed": MOST_MESSAGES, "seconds": WINDOW_S},
                    retry_after=int(WINDOW_S),
                )
            )

    def count_error(self) -> bool:
        """Whether there were too many."""
        self.errors += 1
        self._window_errors += 1
        return self._window_errors > MOST_ERRORS

    def end(self, code: int, reason: str, last: bytes | None = None, *, drain: bool = False) -> None:
        """Close it: at once after `last`, or with `drain` after what waits. Only the first end counts."""
        if self.closing is not None:
            return
        self.closing = Closing(code, reason)
        if drain:
            self.client.finish()
        else:
            self.client.close(last)
        asyncio.get_running_loop().call_later(ABORT_S, self._stuck)

    def _stuck(self) -> None:
        """Break off a connection whose other side does not take in that it ends."""
        if self.sending_since is not None:
            self.abort()


class Wanted(NamedTuple):
    """What a subscription names: each channel with its symbols, (None,) where it has none, (`*`,) for all of them.
    `errors` are those of single symbols, `by_text` what each text means."""

    channels: list[tuple[str, tuple[str | None, ...]]]
    errors: list[tuple[str, CdtsError]]
    by_text: dict[str, str]


def channel_names(name: str, caller: Caller) -> list[str]:
    """The channels a name stands for. Raises InvalidParameter, and Forbidden for one that needs the admin scope."""
    if name == ALL:
        return [c.name for c in CHANNELS.values() if not c.admin or caller.admin]
    channel = CHANNELS.get(name)
    if channel is None:
        allowed = [*CHANNELS, ALL]
        near = get_close_matches(name, allowed, n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise InvalidParameter(
            f"channel: there is none of this name.{hint}",
            details={"parameter": "channel", "got": name[:64], "allowed": allowed, "did_you_mean": near},
        )
    if channel.admin and not caller.admin:
        raise Forbidden(f"The {name} channel needs a key with the admin scope.", details={"channel": name})
    return [name]


def wanted(
    names: Sequence[str],
    texts: Sequence[str] | None,
    caller: Caller,
    symbol: Callable[[str, bool], str],
    top: Callable[[], list[str]],
) -> Wanted:
    """What channels and symbols mean. `symbol(text, suggest)` gives what an asset is called here and raises for an unknown
    one; `top` gives the largest. Raises InvalidParameter, Forbidden."""
    channels = [c for name in dict.fromkeys(names) for c in channel_names(name, caller)]
    several = ALL in names
    symbols: list[str] = []
    errors: list[tuple[str, CdtsError]] = []
    by_text: dict[str, str] = {}
    for text in dict.fromkeys(texts or ()):
        if text == ANY_SYMBOL:
            continue
        try:
            by_text[text] = symbol(text, len(errors) < SUGGESTED)
        except CdtsError as error:
            errors.append((text, error))
    symbols = list(dict.fromkeys(by_text.values()))
    anything = texts is not None and ANY_SYMBOL in texts
    if texts and not any(CHANNELS[name].by_symbol for name in channels):
        raise InvalidParameter(
            f"symbols: {', '.join(channels)} has none; leave them out.", details={"parameter": "symbols"}
        )
    found: list[tuple[str, tuple[str | None, ...]]] = []
    for name in dict.fromkeys(channels):
        if not CHANNELS[name].by_symbol:
            found.append((name, (None,)))
        elif anything:
            found.append((name, (ANY_SYMBOL,)))
        elif texts:
            found.append((name, tuple(symbols)))
        elif not several or name == "prices":
            # Of every channel at once the prices are enough: three times ten symbols are more than most want.
            found.append((name, tuple(top())))
    return Wanted(found, errors, by_text)


def within_tier(session: Session, plan: Wanted) -> tuple[Wanted, Forbidden | None]:
    """As much of it as the tier has room for, and what is said of the rest."""
    tier = session.caller.tier
    if tier.subscriptions is None:
        return plan, None
    left = tier.subscriptions - session.subscriptions
    kept: list[tuple[str, tuple[str | None, ...]]] = []
    beyond: list[str] = []
    held = session.client.subscriptions
    for name, symbols in plan.channels:
        given: list[str | None] = []
        for symbol in symbols:
            every = symbol == ANY_SYMBOL
            had = name in session.client.wildcards if every else (name, symbol) in held
            cost = 0 if had else ANY_COSTS if every else 1
            if cost > left:
                beyond.append(name if symbol is None else f"{name} {symbol}")
                continue
            left -= cost
            given.append(symbol)
        kept.append((name, tuple(given)))
    if not beyond:
        return plan, None
    refusal = Forbidden(
        f"The {tier.name} tier has {tier.subscriptions} subscriptions a connection; unsubscribe from some, or use a key "
        "of a higher tier.",
        details={"limit": tier.subscriptions, "tier": tier.name, "left_out": beyond[:50]},
    )
    return plan._replace(channels=kept), refusal


def starts(message: Subscribe, plan: Wanted, epoch: str) -> Mapping[tuple[str, str | None], int]:
    """Where each sequence goes on. Raises InvalidParameter for a number that fits several."""
    if message.since is None:
        return {}
    other = message.epoch is not None and message.epoch != epoch
    keys = [(name, symbol) for name, symbols in plan.channels for symbol in symbols if symbol != ANY_SYMBOL]
    if isinstance(message.since, int):
        if len(keys) != 1:
            raise InvalidParameter(
                'since: one number is for one symbol; give {"BTC": 5, …} for several.',
                details={"parameter": "since", "allowed": "a number for one symbol, or an object by symbol"},
            )
        return {keys[0]: GONE if other else message.since}
    if len({name for name, _ in plan.channels}) != 1:
        raise InvalidParameter(
            "since: by symbol it is for one channel; subscribe to the channels one by one.",
            details={"parameter": "since"},
        )
    found: dict[tuple[str, str | None], int] = {}
    name = plan.channels[0][0]
    for text, number in message.since.items():
        found[(name, plan.by_text.get(text, text))] = GONE if other else number
    return found


def of_symbols(errors: Sequence[tuple[str, CdtsError]]) -> CdtsError:
    """One error for all symbols that are wrong."""
    if len(errors) == 1:
        return errors[0][1]
    rows = [
        {
            "symbol": text,
            "code": error.code,
            "error": error.message,
            "did_you_mean": error.details.get("did_you_mean", []),
        }
        for text, error in errors
    ]
    return UnknownSymbol(f"{len(errors)} of the symbols are not known.", details={"symbols": rows})


def closed_by(session: Session) -> Closing:
    """Why the connection ends."""
    if session.client.too_slow and session.closing is None:
        return Closing(Close.TOO_SLOW, "too slow")
    return session.closing or Closing(Close.NORMAL, "")
