"""`cdts providers check`: each provider in use asked once, through the gateway. At the real upstreams, at a simulator of its
own (`--simulator`: the whole catalogue), or of recorded bodies (`--bodies FOLDER`)."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..clock import Clock, SystemClock
from ..model.ask import CAPABILITY_OF
from ..model.errors import InvalidParameter, NotFound, UpstreamUnreachable
from ..providers import catalog
from ..providers.kit import Reply, Request

if TYPE_CHECKING:
    from ..services.runtime import Runtime

SEED = 7
AT_ONCE = 24


class Recorded:
    """A Transport (see there) that answers from `FOLDER/PROVIDER/CAPABILITY.*`: what was recorded of the ask that shows
    whether a provider answers."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def body_of(self, provider: str) -> Path | None:
        """The file that holds the provider's answer, or None."""
        from ..services.providers import probe_ask

        entry = catalog.load()[provider]
        capability = CAPABILITY_OF[type(probe_ask(entry))].value
        found = sorted((self._folder / provider).glob(f"{capability}.*"))
        return found[0] if found else None

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """Raises UpstreamUnreachable where nothing was recorded."""
        path = await asyncio.to_thread(self.body_of, provider)
        if path is None:
            raise UpstreamUnreachable("nothing was recorded")
        return Reply(provider, 200, await asyncio.to_thread(path.read_bytes), self._clock.now_ms())

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def _opened(arguments: argparse.Namespace) -> AsyncIterator[Runtime]:
    """A runtime that collects nothing, pointed where the providers are to be asked."""
    from ..settings import base_urls, load
    from ..wiring import open_runtime
    from .simulate import pointed_at, simulator

    settings = load()
    async with AsyncExitStack() as stack:
        if not arguments.simulator and arguments.bodies is None:
            yield await stack.enter_async_context(
                open_runtime(settings, base_urls=base_urls(), background=False)
            )
            return
        # What is tried out is not the operator's data, and leaves nothing behind.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cdts-check-")))
        urls, keys = pointed_at("http://127.0.0.1")
        given: dict[str, Any] = {name.lower(): key for name, key in keys.items()}
        tried = settings.model_copy(
            update={**given, "data_dir": folder, "database_url": "", "redis_url": "", "news_feeds": ""}
        )
        if arguments.bodies is not None:
            transport = Recorded(Path(arguments.bodies), SystemClock())
            opened = open_runtime(tried, transport=transport, background=False)
        else:
            urls, _ = pointed_at(await stack.enter_async_context(simulator(SEED)))
            opened = open_runtime(tried, base_urls=urls, background=False)
        yield await stack.enter_async_context(opened)


async def check(arguments: argparse.Namespace) -> int:
    """Exit status: 1 when one of those asked does not answer."""
    from ..telemetry import configure

    configure("WARNING")
    _refuse(arguments)
    async with _opened(arguments) as rt:
        chosen = list(dict.fromkeys(arguments.id)) or _all(rt, arguments)
        for name in chosen:
            if name not in rt.gateway.sources:
                raise NotFound(not_in_use(name))
        results = await _ask(rt, chosen, told=not arguments.json and sys.stderr.isatty())
    _print(results, arguments)
    return 0 if all(row["ok"] for row in results) else 1


def _refuse(arguments: argparse.Namespace) -> None:
    """Raises InvalidParameter for arguments that do not fit each other."""
    if arguments.simulator and arguments.bodies is not None:
        raise InvalidParameter("--bodies and --simulator: give one of them.")
    if arguments.bodies is not None and not Path(arguments.bodies).is_dir():
        raise InvalidParameter(f"--bodies: there is no folder {arguments.bodies!r}.")


def _all(rt: Runtime, arguments: argparse.Namespace) -> list[str]:
    if arguments.bodies is None:
        return sorted(rt.gateway.sources)
    recorded = Recorded(Path(arguments.bodies), SystemClock())
    return [name for name in sorted(rt.gateway.sources) if recorded.body_of(name) is not None]


async def _ask(rt: Runtime, chosen: list[str], *, told: bool) -> list[dict[str, Any]]:
    from ..services.providers import probe_ask

    results: list[dict[str, Any]] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            source = rt.gateway.source(name)
            failure = await rt.gateway.probe(name, probe_ask(source.entry))
        median = source.health.overall_percentile(0.5)
        category = source.entry.category
        results.append(
            {"id": name, "category": category, "ok": failure is None, "failure": failure, "ms": median}
        )
        if told:
            print(f"\rasked {len(results)} of {len(chosen)}", end="", file=sys.stderr, flush=True)

    await asyncio.gather(*map(one, chosen))
    return sorted(results, key=lambda row: str(row["id"]))


def _print(results: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(msgspec.json.encode(results).decode())
        return
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    table(("id", "category", "answer", "ms"), [_row(row) for row in results])
    asked = Counter(row["category"] for row in results)
    answered = Counter(row["category"] for row in results if row["ok"])
    lines = [(name, str(answered[name]), str(asked[name])) for name in sorted(asked)]
    print()
    table(("category", "answered", "asked"), [*lines, ("all", str(answered.total()), str(asked.total()))])


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    took = f"{row['ms']:.0f}" if row["ms"] else "–"
    return row["id"], row["category"], "ok" if row["ok"] else row["failure"], took


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as their longest cell, the last one open: one line a row, in a pipe too."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def not_in_use(name: str) -> str:
    """Why a provider cannot be asked."""
    entry = catalog.load().get(name)
    if entry is None:
        return f"There is no provider {name!r}; `cdts providers list` names them."
    if entry.status == "keyed" and entry.auth is not None:
        return f"{name} is in use once {entry.auth.env} is set."
    if not catalog.installed(entry):
        return f"{name} {catalog.NEEDS_EXTRA}."
    return f"{name} is {entry.status}: {entry.reason}"
