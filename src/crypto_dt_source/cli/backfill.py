"""`cdts backfill`: candles of the past, with progress, resuming where it stopped."""

from __future__ import annotations

import argparse
import asyncio
import sys

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..model.candle import INTERVAL_MS
from ..model.errors import InvalidParameter
from ..services import backfill, collect
from ..services.backfill import Step
from ..settings import base_urls, load
from ..wiring import open_runtime


def run(arguments: argparse.Namespace) -> int:
    """Fetch and store; 0 when every series is complete."""
    for interval in arguments.interval or ():
        if interval not in INTERVAL_MS:
            raise InvalidParameter(f"--interval: {interval!r} is not one of {', '.join(INTERVAL_MS)}.")
    if arguments.days is not None and arguments.days < 1:
        raise InvalidParameter("--days: give at least 1.")
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    settings = load()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with open_runtime(settings, base_urls=base_urls(), background=False) as rt:
        await collect.one_round(rt)
        assets = [rt.resolver.resolve(text).asset for text in arguments.symbol]
        assets = assets or backfill.top_assets(rt, rt.limits.backfill_top)
        with Progress(*columns, console=console, disable=arguments.json or not console.is_terminal) as bars:
            shown: dict[str, TaskID] = {}

            def progress(step: Step) -> None:
                name = (
                    f"{step.asset.ticker}/{step.series.quote} {step.series.interval} @ {step.series.provider}"
                )
                if arguments.json:
                    line = {"series": name, "done": step.done, "total": step.total}
                    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
                    sys.stdout.flush()
                    return
                task = shown.get(name)
                if task is None:
                    task = shown[name] = bars.add_task(name, total=step.total)
                bars.update(task, completed=step.done)

            stored = await backfill.run(
                rt,
                assets,
                arguments.interval or rt.limits.backfill_intervals,
                arguments.days or rt.limits.backfill_days,
                progress,
            )
    if not arguments.json:
        print(f"{stored} candles stored")
    return 0
