"""Whether the name of an upstream's host can be looked up: what tells a dead name server from a dead host."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

LOOKUP_S = 3.0


async def resolves(base_url: str) -> bool:
    """Whether the system's resolver knows an address of the host, within LOOKUP_S. Nothing is connected to."""
    parts = urlsplit(base_url)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_S):
            return bool(await loop.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM))
    except (OSError, TimeoutError):
        return False
