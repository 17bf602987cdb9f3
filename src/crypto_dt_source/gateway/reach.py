"""What can be called from where the service runs: which ports are open to it, and which upstreams refuse its country."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ..providers.catalog import Entry

_USUAL = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Reach:
    """`ports` that calls may go to, None for any; `region` is the ISO 3166 code of the country they come from, empty where
    that is not known."""

    ports: frozenset[int] | None = None
    region: str = ""

    def closed(self, url: str) -> str | None:
        """Why an address cannot be called; None where it can."""
        if self.ports is None:
            return None
        parts = urlsplit(url)
        port = parts.port or _USUAL.get(parts.scheme, 0)
        if port in self.ports:
            return None
        return f"port {port} is not among UPSTREAM_PORTS"

    def refusal(self, entry: Entry) -> str | None:
        """Why an entry is not used from here; None where it is."""
        if self.region and self.region in entry.refuses:
            return f"refuses requests from {self.region} (UPSTREAM_REGION)"
        return self.closed(entry.base_url)
