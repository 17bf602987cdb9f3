"""What is called from here, and the venues' streams, from the settings. Part of `wiring`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

from .gateway import GatewayPolicy, Reach
from .gateway.sockets import Connector, WebSocketConnector
from .providers.catalog import Entry
from .services.live import LiveMarket
from .services.live_feeds import LiveFeeds
from .services.runtime import Runtime
from .settings import WS_URL_PREFIX, Settings, SettingsError


def policy_of(settings: Settings) -> GatewayPolicy:
    """How long a call may take, and what can be called from here."""
    return GatewayPolicy(settings.upstream_timeout, reach=Reach(settings.ports(), settings.upstream_region))


def live_of(
    settings: Settings, rt: Runtime, urls: Mapping[str, str], connector: Connector | None
) -> LiveFeeds:
    """Every stream of the catalogue, not started. Raises SettingsError for an address that cannot be used."""
    checked = checked_ws_urls(urls, rt.entries)
    live = LiveMarket(rt.board, rt.pricer, rt.resolver, rt.bus, rt.clock, rt.hub.listened)
    return LiveFeeds(
        rt,
        live,
        rt.hub,
        connector or WebSocketConnector(rt.clock),
        top=settings.stream_top,
        urls=checked,
    )


def checked_ws_urls(urls: Mapping[str, str], entries: Mapping[str, Entry]) -> dict[str, str]:
    """The overrides as they are used. Raises SettingsError for one that names no stream or is not a plain address."""
    streaming = {entry.id for entry in entries.values() if entry.stream}
    for provider, url in urls.items():
        name = f"{WS_URL_PREFIX}{provider.upper()}"
        if provider not in streaming:
            raise SettingsError(f"{name}: got a provider that has no stream; {nearest(provider, streaming)}.")
        if not _plain(url):
            # The address itself is not repeated: it may hold a password.
            raise SettingsError(
                f"{name}: got an address that cannot be used; allowed: ws:// or wss:// with a host, without a password or "
                f"fragment, for example ws://127.0.0.1:9000/{provider}."
            )
    return dict(urls)


def nearest(provider: str, ids: Iterable[str]) -> str:
    """What is allowed in place of an id that is none: there are too many to name more than the few it may have meant."""
    among = sorted(ids)
    near = get_close_matches(provider, among, n=3, cutoff=0.0)
    return f"allowed: one of the {len(among)} ids that can (`cdts providers list`), such as {', '.join(near)}"


def _plain(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("ws", "wss")
        and bool(parts.hostname)
        and not (parts.username or parts.password or parts.fragment)
    )
