"""What the messages of a WebSocket client do. What is wrong with one is answered with an error, never raised."""

from __future__ import annotations

from ..model.errors import CdtsError, Forbidden, RateLimited, Unauthenticated
from ..security.tiers import Caller
from ..stream import CHANNELS
from ..stream.channels import DEFAULT
from ..stream.protocol import (
    ANY_SYMBOL,
    NO_ID,
    Auth,
    BadMessage,
    Close,
    GetStatus,
    Message,
    Ping,
    Subscribe,
    Unsubscribe,
    binary,
    error_frame,
    frame,
    read,
    subscribed,
)
from .runtime import Runtime
from .stream_session import Session, channel_names, of_symbols, starts, within_tier


async def handle(rt: Runtime, session: Session, text: str | None) -> None:
    """Do what a client said; `text` None where it was not text. A client that does not take its answers waits here."""
    await session.client.room()
    if session.closing is not None:
        return
    own = NO_ID
    try:
        session.count_message(rt.clock.monotonic())
        if text is None:
            raise binary()
        message = read(text)
        own = message.id
        await _do(rt, session, message)
    except BadMessage as bad:
        rt.sessions.error(session, bad.error, bad.id)
    except CdtsError as error:
        rt.sessions.error(session, error, own)


async def _do(rt: Runtime, session: Session, message: Message) -> None:
    now = rt.clock.now_ms()
    if isinstance(message, Auth):
        await _auth(rt, session, message)
    elif isinstance(message, Ping):
        session.client.put(frame("pong", now, message.id))
    elif isinstance(message, GetStatus):
        session.client.put(frame("status", now, message.id, data=rt.sessions.status(session)))
    elif session.pending_until is not None:
        raise rt.sessions.full(session.caller) or Unauthenticated("Send auth with a key first.")
    elif isinstance(message, Subscribe):
        await _subscribe(rt, session, message)
    else:
        _unsubscribe(rt, session, message)


async def _auth(rt: Runtime, session: Session, message: Auth) -> None:
    """A try counts as a request of whoever the connection was before: nobody tries keys faster than anybody asks."""
    access, before = rt.access, session.caller
    verdict = await access.limiter.take(before.bucket, before.tier)
    if not verdict.allowed:
        raise RateLimited(
            f"All {verdict.limit} requests are used; try again in {verdict.retry_after_s} s.",
            retry_after=verdict.retry_after_s,
        )
    key, ends_ms = access.keyring.of_bearer(message.token)
    if session.origin and key.origins and session.origin not in key.origins:
        raise Forbidden("The key is not for pages of this origin; its operator can add it.")
    caller = Caller(access.tiers[key.tier], key.scopes, key.id, f"key:{key.id}", before.address, ends_ms)
    now = rt.clock.now_ms()
    try:
        rt.sessions.become(session, caller)
    except RateLimited as full:
        session.end(Close.TOO_MANY, "too many connections of the key", error_frame(full, now, message.id))
        return
    about = {"tier": caller.tier.name, "subscriptions_allowed": caller.tier.subscriptions}
    session.client.put(frame("authenticated", now, message.id, data=about))


async def _subscribe(rt: Runtime, session: Session, message: Subscribe) -> None:
    sessions = rt.sessions
    name = message.channel or session.channel
    plan = sessions.plan([name] if name else [], message.symbols, session.caller)
    since = starts(message, plan, rt.hub.epoch)
    plan, refusal = within_tier(session, plan)
    if plan.errors:
        sessions.error(session, of_symbols(plan.errors), message.id)
    if refusal is not None:
        sessions.error(session, refusal, message.id)
    now = rt.clock.now_ms()
    for channel, symbols in plan.channels:
        if symbols:
            shown = [s for s in symbols if s is not None] if CHANNELS[channel].by_symbol else None
            session.client.put(subscribed("subscribed", now, channel, shown, message.id))
    await sessions.subscribe(session, plan, since)


def _unsubscribe(rt: Runtime, session: Session, message: Unsubscribe) -> None:
    name = message.channel or session.channel
    names = [name] if name else [DEFAULT, "prices"]
    now = rt.clock.now_ms()
    for channel in dict.fromkeys(c for n in names for c in channel_names(n, session.caller)):
        symbols: list[str] | None = None
        if CHANNELS[channel].by_symbol and message.symbols and ANY_SYMBOL not in message.symbols:
            symbols = [rt.sessions.symbol(text, True) for text in message.symbols]
        rt.hub.unsubscribe(session.client, channel, symbols)
        session.client.put(subscribed("unsubscribed", now, channel, symbols, message.id))
