"""The connections to the stream: who may have how many, what they begin with, heartbeats, and how they end. What their
messages do is in `stream_actions`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice

from msgspec import Raw

from ..clock import rfc3339
from ..model.errors import CdtsError, RateLimited, Unauthenticated
from ..security.tiers import Caller
from ..stream import CHANNELS, Event
from ..stream.channels import DEFAULT
from ..stream.client import Key
from ..stream.protocol import ANY_SYMBOL, MOST_SYMBOLS, NO_ID, Close, error_frame, frame
from .live import symbol_of
from .runtime import Runtime
from .stream_session import GONE, NOTICES, Session, Wanted, closed_by, of_symbols, wanted, within_tier
from .stream_state import StreamState, top_symbols

LOOK_S = 1.0
"""How often connections are looked at for what is due."""
AUTH_S = 10.0
"""How long a connection beyond its address's number may take to show a key."""
MOST_PENDING = 5
"""Such connections of one address at a time."""
PHASES = 16
"""Heartbeats of connections made at the same time are spread over so many parts of the interval."""
AT_ONCE = 20
"""Symbols subscribed to before others get a turn."""
STOP_S = 1.5
"""How long connections may take to end when the service stops."""
RECONNECT_MS = (1000, 5000)
"""When clients should come back after a stop: at random in between."""
WEBSOCKET, SSE = "websocket", "sse"
NOWHERE = -1
"""The place of a client that has nothing yet."""
BEAT = b""
"""What an event stream sends as a comment."""


class Sessions:
    """Every connection of this process. `interval_s`: between heartbeats; `timeout_s`: after which a connection that
    takes nothing is broken off."""

    def __init__(self, rt: Runtime, *, interval_s: float = 10.0, timeout_s: float = 30.0) -> None:
        self._rt = rt
        self._hub = rt.hub
        self._now = rt.clock.monotonic
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self.state = StreamState(rt)
        rt.hub.state = self.state.state
        self.sessions: dict[Session, None] = {}
        self.stopping = False
        self.accepted = 0
        self.refused = 0
        self.closed: dict[int, int] = {}
        """Connections that ended since the start, by close code."""
        self._by_bucket: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._heart: asyncio.Task[None] | None = None
        rt.access.keyring.ended.append(self._key_ended)

    # -- coming and going

    def open(
        self,
        caller: Caller,
        kind: str,
        abort: Callable[[], object],
        *,
        channel: str | None = None,
        origin: str = "",
        may_auth: bool = False,
    ) -> Session:
        """A new connection, not yet subscribed to anything. `may_auth`: one more than the caller's tier allows is let in
        to show a key. Raises RateLimited."""
        full = self.full(caller)
        if full is not None and not (
            may_auth and caller.key is None and self._pending.get(caller.bucket, 0) < MOST_PENDING
        ):
            self.refused += 1
            raise full
        session = Session(
            id=secrets.token_hex(8),
            kind=kind,
            caller=caller,
            client=self._hub.join(),
            connected_ms=self._rt.clock.now_ms(),
            channel=channel,
            origin=origin,
            abort=abort,
        )
        now = self._now()
        self.accepted += 1
        session.beat_at = now + self.interval_s * (1 + self.accepted % PHASES) / PHASES
        if full is None:
            self._count(self._by_bucket, caller.bucket, 1)
        else:
            session.pending_until = now + AUTH_S
            self._count(self._pending, caller.bucket, 1)
        self.sessions[session] = None
        self._hub.subscribe_all(session.client, NOTICES)
        if self._heart is None or self._heart.done():
            self._heart = asyncio.create_task(self._beat(), name="stream heartbeats")
        return session

    def leave(self, session: Session) -> None:
        """Forget a connection that has ended."""
        if session not in self.sessions:
            return
        del self.sessions[session]
        counted = self._by_bucket if session.pending_until is None else self._pending
        self._count(counted, session.caller.bucket, -1)
        self._hub.leave(session.client)

    def full(self, caller: Caller) -> RateLimited | None:
        """Why the caller may have no further connection; None where he may."""
        tier = caller.tier
        if tier.sockets is None or self._by_bucket.get(caller.bucket, 0) < tier.sockets:
            return None
        more = "" if caller.key else " A key of a higher tier has more."
        return RateLimited(
            f"All {tier.sockets} stream connections of the {tier.name} tier are open.{more}",
            details={
                "limit": tier.sockets,
                "policy": "connections",
                "tier": tier.name,
                "counted_by": "key" if caller.key else "address",
            },
            retry_after=5,
        )

    @staticmethod
    def _count(counts: dict[str, int], name: str, by: int) -> None:
        count = counts.get(name, 0) + by
        if count > 0:
            counts[name] = count
        else:
            counts.pop(name, None)

    # -- what is said at the beginning

    def welcome(self, session: Session) -> bytes:
        """The first frame of a connection."""
        fields: dict[str, object] = {
            "session": session.id,
            "epoch": self._hub.epoch,
            "mode": self._rt.mode,
            "tier": session.caller.tier.name,
            "channels": [c.name for c in CHANNELS.values() if not c.admin or session.caller.admin],
            "heartbeat_seconds": self.interval_s,
            "subscriptions_allowed": session.caller.tier.subscriptions,
        }
        if session.pending_until is not None:
            fields["auth_within_seconds"] = AUTH_S
        return frame("welcome", self._rt.clock.now_ms(), data=fields)

    def plan(self, names: Sequence[str], texts: Sequence[str] | None, caller: Caller) -> Wanted:
        """What channels and symbols mean; without channels, what a client gets that only listens. Raises
        InvalidParameter, Forbidden."""
        chosen = list(names) or ([DEFAULT, "prices"] if texts is None else ["prices"])
        return wanted(chosen, texts, caller, self.symbol, lambda: top_symbols(self._rt.resolver))

    def symbol(self, text: str, suggest: bool) -> str:
        return symbol_of(self._rt.resolver, self._rt.resolver.resolve(text, suggest=suggest).asset)

    async def begin(self, session: Session, plan: Wanted, after: int | None = None) -> None:
        """What the address asks for, as far as the tier has room: with snapshots, or gone on after a serial of this
        epoch; a negative one is of another and gives snapshots with `gap`."""
        plan, refusal = within_tier(session, plan)
        if refusal is not None:
            self.error(session, refusal)
        if plan.errors:
            self.error(session, of_symbols(plan.errors))
        if after is None:
            await self.subscribe(session, plan, {}, place=NOWHERE)
            return
        client, hub = session.client, self._hub
        keys: list[Key] = []
        for name, symbols in plan.channels:
            await self.state.prepare(name)
            every = ANY_SYMBOL in symbols
            keys += hub.keys_of(name) if every else [(name, symbol) for symbol in symbols]
        lost = dict.fromkeys(hub.lost(client, keys, after), GONE)
        await self._each(session, list(lost), lost, after)
        # Nothing may wait from here on: what is published meanwhile would come before what was missed.
        hub.resume(client, [key for key in keys if key not in lost], after)
        for name, symbols in plan.channels:
            if ANY_SYMBOL in symbols:
                hub.subscribe_all(client, name)

    async def subscribe(
        self, session: Session, plan: Wanted, since: Mapping[Key, int], place: int | None = None
    ) -> None:
        """Begin to send what a plan names, a few symbols at a time. `place` as `Hub.subscribe` has it."""
        for name, symbols in plan.channels:
            await self.state.prepare(name)
            if ANY_SYMBOL not in symbols:
                await self._each(session, [(name, symbol) for symbol in symbols], since, place)
                continue
            known = self._named(since)
            others = [(name, s) for s in self.state.symbols() if (name, s) not in known]
            await self._each(session, list(known), known, place)
            await self._each(session, others, {}, place, empty=False)
            self._hub.subscribe_all(session.client, name)

    def _named(self, since: Mapping[Key, int]) -> dict[Key, int]:
        """Where sequences go on that nobody named in `symbols`, as far as there are such; not more texts are looked up than
        `symbols` may have."""
        numbered = {key: number for key, number in since.items() if self._hub.numbers(key)}
        others = (item for item in since.items() if item[0] not in numbered)
        for (name, text), number in islice(others, MOST_SYMBOLS):
            with suppress(CdtsError):
                numbered[(name, self.symbol(text or "", False))] = number
        return numbered

    async def _each(
        self,
        session: Session,
        keys: Sequence[Key],
        since: Mapping[Key, int],
        place: int | None,
        *,
        empty: bool = True,
    ) -> None:
        """`empty`: also those of which nothing is known."""
        client = session.client
        for number, (name, symbol) in enumerate(keys, 1):
            # Before each: a snapshot of trades alone may be a sixteenth of what may wait.
            await client.room()
            if client.closed:
                return
            if empty or self.state.state(name, symbol):
                self._hub.subscribe(client, name, [symbol], since, place)
            if number % AT_ONCE == 0:
                await self._rt.clock.sleep(0)

    def error(self, session: Session, error: CdtsError, id: Raw = NO_ID) -> None:
        """Tell a client what was wrong; too many times ends the connection."""
        made = error_frame(error, self._rt.clock.now_ms(), id)
        if session.count_error():
            session.end(Close.POLICY, "too many errors", made)
        else:
            session.client.put(made)

    def become(self, session: Session, caller: Caller) -> None:
        """Count a connection for somebody else from now on. Raises RateLimited where he may have no further one."""
        before = session.caller
        if caller.bucket != before.bucket:
            full = self.full(caller)
            if full is not None:
                raise full
            counted = self._by_bucket if session.pending_until is None else self._pending
            self._count(counted, before.bucket, -1)
            self._count(self._by_bucket, caller.bucket, 1)
        session.caller, session.pending_until = caller, None

    # -- time, and the end

    async def _beat(self) -> None:
        """Heartbeats, and the ends that time brings, as long as there are connections."""
        while self.sessions:
            await self._rt.clock.sleep(LOOK_S)
            now, now_ms = self._now(), self._rt.clock.now_ms()
            beat = frame("heartbeat", now_ms)
            for session in list(self.sessions):
                if session.beat_at <= now:
                    session.beat_at = now + self.interval_s
                    # Whoever is behind hears enough.
                    if not session.client.waiting_frames:
                        session.client.put(beat if session.kind == WEBSOCKET else BEAT)
                if session.pending_until is not None and session.pending_until <= now:
                    session.end(Close.AUTH_TIMEOUT, "no key came in time")
                stuck = session.sending_since
                if stuck is not None and now - stuck > self.timeout_s:
                    session.end(Close.TOO_SLOW, "nothing was taken")
                    session.abort()
                self._check_key(session, now_ms)

    def _check_key(self, session: Session, now_ms: int) -> None:
        key = session.caller.key
        held = None if key is None else self._rt.access.keyring.by_id(key)
        if held is not None and held.expires_ms is not None and held.expires_ms <= now_ms:
            self._end_of_key(session, "The key has expired; ask the operator for another.")
        ends_ms = session.caller.token_ends_ms
        if ends_ms is not None and ends_ms <= now_ms:
            self._end_of_key(session, "The token has expired; get a new one from POST /api/auth/token.")

    def _key_ended(self, key: str) -> None:
        for session in list(self.sessions):
            if session.caller.key == key:
                self._end_of_key(session, "The key has been revoked; ask the operator for another.")

    def _end_of_key(self, session: Session, sentence: str) -> None:
        last = error_frame(Unauthenticated(sentence), self._rt.clock.now_ms())
        session.end(Close.KEY_ENDED, "the key has ended", last)

    def ended(self, session: Session) -> tuple[int, str]:
        """With what code and words a connection is closed; counted."""
        code, reason = closed_by(session)
        self.closed[code] = self.closed.get(code, 0) + 1
        return code, reason

    async def stop(self) -> None:
        """Tell every connection to come back a little later, and end them; waits for that, within bounds."""
        self.stopping = True
        data = {
            "event": "stopping",
            "message": "The server stops; reconnect after a random time in the bounds given.",
            "reconnect_after_ms": RECONNECT_MS[0],
            "reconnect_within_ms": RECONNECT_MS[1],
        }
        self._rt.bus.publish(Event(NOTICES, None, data, self._rt.clock.now_ms()))
        for session in list(self.sessions):
            session.end(Close.RESTART, "the server stops", drain=True)
        until = self._now() + STOP_S
        while self.sessions and self._now() < until:
            await self._rt.clock.sleep(STOP_S / 30)
        for session in list(self.sessions):
            session.abort()

    def close(self) -> None:
        """End the heartbeats."""
        if self._heart is not None:
            self._heart.cancel()

    # -- what an operator sees

    @property
    def beating(self) -> bool:
        """Whether every connection is looked after."""
        return not self.sessions or (self._heart is not None and not self._heart.done())

    def broadcast(self, message: str, level: str) -> int:
        """Send a notice to every connection; gives how many there are."""
        data = {"event": "notice", "level": level, "message": message}
        self._rt.bus.publish(Event(NOTICES, None, data, self._rt.clock.now_ms()))
        return len(self.sessions)

    def stats(self) -> dict[str, object]:
        """Of all connections together; nothing in it is of a single one."""
        by_kind: dict[str, int] = {}
        by_tier: dict[str, int] = {}
        by_channel: dict[str, int] = {}
        for session in self.sessions:
            self._count(by_kind, session.kind, 1)
            self._count(by_tier, session.caller.tier.name, 1)
            for channel in {name for name, _ in session.client.subscriptions} | session.client.wildcards:
                self._count(by_channel, channel, 1)
        clients = [session.client for session in self.sessions]
        return {
            "connections": len(clients),
            "by_kind": by_kind,
            "by_tier": by_tier,
            "by_channel": by_channel,
            "subscriptions": sum(session.subscriptions for session in self.sessions),
            "accepted": self.accepted,
            "refused": self.refused,
            "closed_by_code": {str(code): count for code, count in sorted(self.closed.items())},
            "published": self._hub.serial,
            "delivered": self._hub.delivered,
            "waiting_bytes": sum(client.waiting_bytes for client in clients),
            "conflated": sum(client.conflated for client in clients),
            "epoch": self._hub.epoch,
        }

    def status(self, session: Session) -> dict[str, object]:
        """What a connection is told of itself."""
        client = session.client
        named: dict[str, list[str] | None] = {}
        for channel, symbol in client.subscriptions:
            held = named.setdefault(channel, None if symbol is None else [])
            if symbol is not None and held is not None:
                held.append(symbol)
        for channel in client.wildcards:
            named[channel] = [ANY_SYMBOL] if CHANNELS[channel].by_symbol else None
        return {
            "session": session.id,
            "kind": session.kind,
            "tier": session.caller.tier.name,
            "connected_at": rfc3339(session.connected_ms),
            "subscriptions": [{"channel": c, "symbols": s} for c, s in sorted(named.items())],
            "subscriptions_used": session.subscriptions,
            "subscriptions_allowed": session.caller.tier.subscriptions,
            "lag": {"frames": client.waiting_frames, "bytes": client.waiting_bytes},
            "conflated": client.conflated,
            "sent": client.sent,
            "received": session.received,
            "errors": session.errors,
        }
