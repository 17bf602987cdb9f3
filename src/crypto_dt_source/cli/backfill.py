"""`cdts backfill`: candles of the past, with progress, resuming where it stopped."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ..model.asset import Asset
from ..model.candle import INTERVAL_MS
from ..model.errors import CdtsError, InvalidParameter, UnknownSymbol
from ..services import backfill, collect
from ..services.backfill import Step
from ..services.runtime import Runtime
from ..settings import base_urls, load
from ..telemetry import configure
from ..wiring import open_runtime
from .running import Stop, run_until_stopped

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LONGEST_DAYS = 3650
STOPPED = 130


def run(arguments: argparse.Namespace) -> int:
    """Fetch and store; 0 when every series is complete, 1 when one was left, 130 when stopped before the end."""
    for interval in arguments.interval or ():
        if interval not in INTERVAL_MS:
            raise InvalidParameter(f"--interval: got {interval!r}; allowed: {', '.join(INTERVAL_MS)}.")
    if arguments.days is not None and not 1 <= arguments.days <= LONGEST_DAYS:
        raise InvalidParameter(f"--days: got {arguments.days}; allowed: 1 to {LONGEST_DAYS}.")
    configure("WARNING")
    status = run_until_stopped(partial(_run, arguments), stopped=STOPPED)
    if status == STOPPED:
        print("cdts: stopped; what was fetched is stored, the next run goes on from there", file=sys.stderr)
    return status


async def _run(arguments: argparse.Namespace, _: Stop) -> int:
    stored = failed = 0
    async with open_runtime(load(), base_urls=base_urls(), background=False) as rt:
        with _Shown(as_json=arguments.json) as shown:
            assets = [rt.resolver.resolve(text).asset for text in arguments.symbol]
            await collect.one_round(rt)
            assets = assets or backfill.top_assets(rt, rt.limits.backfill_top)
            for asset in assets:
                for interval in arguments.interval or rt.limits.backfill_intervals:
                    count = await _series(rt, asset, interval, arguments.days, shown)
                    stored += count or 0
                    failed += count is None
            shown.total(stored, failed)
    return 1 if failed else 0


async def _series(rt: Runtime, asset: Asset, interval: str, days: int | None, shown: _Shown) -> int | None:
    """Candles stored of one series; None when it was left."""
    try:
        return await backfill.series(rt, asset, interval, days or rt.limits.backfill_days, shown.step)
    except UnknownSymbol as error:
        shown.left(asset, interval, error)
        return 0
    except CdtsError as error:
        shown.left(asset, interval, error)
        return None


class _Shown:
    """Progress as bars on a terminal, as JSON lines for a script, and as nothing but the total otherwise."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Shown:
        if not self._json and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def step(self, step: Step) -> None:
        name = f"{step.asset.ticker}/{step.series.quote} {step.series.interval} @ {step.series.provider}"
        if self._json:
            _line({"series": name, "done": step.done, "total": step.total})
        elif self._bars is not None:
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=step.total)
            self._bars.update(self._tasks[name], completed=step.done)

    def left(self, asset: Asset, interval: str, error: CdtsError) -> None:
        name = f"{asset.ticker} {interval}"
        if self._json:
            _line({"series": name, "left": error.code})
        else:
            print(f"cdts: {name} left out: {error.message}", file=sys.stderr)

    def total(self, stored: int, failed: int) -> None:
        if self._json:
            _line({"stored": stored, "failed": failed})
        else:
            print(f"{stored} candles stored" + (f", {failed} series left for the next run" if failed else ""))


def _line(fields: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")
    sys.stdout.flush()
