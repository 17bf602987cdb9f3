"""Claim 6 of the news: kill -9 in the pipeline loses no article, stores none twice, and scores none twice.

A simulator publishes its feeds; `cdts serve` reads, groups, stores and scores them. It is killed at random instants
between the first request to a feed and the last score, and started again on the same store. After each kill the store
is opened for reading: what was there before must still be there, with the score it had. The last start runs until
everything is scored; then each feed is read once more from the simulator, and every article that stood in it before the
last poll must be in the store exactly once. Feeds answer the service with a 304 where nothing is new, so an article that
was lost with its poll would never come back.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.report import claim
from bench.running import CDTS, Process, get, process, upstreams_at
from crypto_dt_source.clock import SystemClock
from crypto_dt_source.gateway.transport import HttpTransport
from crypto_dt_source.model.ask import Capability, NewsAsk
from crypto_dt_source.model.news import Article
from crypto_dt_source.providers import catalog
from crypto_dt_source.services.newsroom import article_id
from crypto_dt_source.store import open_store
from crypto_dt_source.store.repos import news as repo

KILLS = 3
"""A trial. A feed may be read four times in ten minutes, and budgets outlive a restart: the fourth read is the last."""
EARLIEST_S, LATEST_S = 1.9, 5.0
"""After the service began to serve; feeds are read from the second second on."""
DONE_S = 60.0
MOST = 5_000


@dataclass
class Seen:
    """What the store was found to hold: the score's time by article."""

    scored: dict[str, int | None] = field(default_factory=dict)
    lost: int = 0
    twice: int = 0
    rescored: int = 0

    def compare(self, rows: Sequence[tuple[str, str, int | None]]) -> None:
        """Rows are (id, url, scored_ms) of the whole table."""
        now = {key: scored for key, _, scored in rows}
        self.lost += len(self.scored.keys() - now.keys())
        self.twice += sum(count - 1 for count in Counter(url for _, url, _ in rows).values())
        self.rescored += sum(
            1 for key, before in self.scored.items() if before is not None and now.get(key, before) != before
        )
        self.scored |= now


async def stored(data: Path) -> list[tuple[str, str, int | None]]:
    """Every article of a store nobody has open."""
    store = await open_store(f"sqlite:///{data / 'crypto-dt-source.db'}", read_only=True)
    try:
        rows = await repo.recent(store, 0, MOST)
    finally:
        await store.close()
    return [(row.id, row.url, row.scored_ms) for row in rows]


async def published(simulator: str, until_ms: int) -> set[str]:
    """Ids of the articles that stand in the simulator's feeds and were published before `until_ms`."""
    clock = SystemClock()
    transport = HttpTransport(clock)
    found: set[str] = set()
    try:
        for entry in catalog.load().values():
            if Capability.NEWS not in entry.offers or entry.status != "live":
                continue
            endpoint = catalog.adapter_of(entry).endpoints[Capability.NEWS]
            request = endpoint.request(NewsAsk())
            reply = await transport.send(entry.id, f"{simulator}/{entry.id}", request, {}, 10.0)
            for record in endpoint.parse(reply, NewsAsk()):
                if isinstance(record, Article) and (record.published_ms or 0) < until_ms:
                    found.add(article_id(record.url))
    finally:
        await transport.close()
    return found


def wait_until_done(service: Process) -> bool:
    """Whether every feed was read since its start and every article scored, before DONE_S is over."""
    until = time.perf_counter() + DONE_S
    while time.perf_counter() < until:
        _, health = get(service.url, "/api/health")
        jobs = health["components"]["scheduler"]["jobs"]
        _, page = get(service.url, "/api/news?page_size=100")
        told = [story["sentiment"] for story in page.get("data", ())]
        if jobs.get("news") == "ok" and told and all(told):
            return True
        time.sleep(0.5)
    return False


def trial(simulator: str, chance: random.Random, kills: int) -> tuple[Seen, int, int]:
    """One store's life: so many kills and a last run. Gives what was seen, articles missing at the end, and unscored ones."""
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**upstreams_at(simulator), "DATA_DIR": folder, "LOG_LEVEL": "WARNING"}
        for _ in range(kills):
            with process([*CDTS, "serve", "--port", "0"], environment) as service:
                service.address()
                time.sleep(chance.uniform(EARLIEST_S, LATEST_S))
                service.kill()
            seen.compare(asyncio.run(stored(Path(folder))))
        with process([*CDTS, "serve", "--port", "0"], environment) as service:
            started_ms = SystemClock().now_ms()
            service.address()
            if not wait_until_done(service):
                raise SystemExit(f"the pipeline did not end: {service.errors()}")
            service.stop()
        rows = asyncio.run(stored(Path(folder)))
        seen.compare(rows)
        due = asyncio.run(published(simulator, started_ms))
        missing = due - seen.scored.keys()
        unscored = sum(1 for _, _, scored in rows if scored is None)
    return seen, len(missing), unscored


def main(argv: Sequence[str] | None = None) -> int:
    """0 when nothing was lost, doubled or left."""
    parser = argparse.ArgumentParser(prog="python -m bench.news_crash", description=__doc__)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--kills", type=int, default=KILLS, help="in each trial")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(argv)
    chance = random.Random(chosen.seed)
    lost = twice = rescored = left = articles = 0
    with process([*CDTS, "sim", "--port", "0"]) as simulator:
        address = simulator.address()
        for _ in range(chosen.trials):
            seen, missing, unscored = trial(address, chance, chosen.kills)
            articles += len(seen.scored)
            lost += seen.lost + missing
            twice += seen.twice
            rescored += seen.rescored
            left += unscored
    kills = chosen.kills * chosen.trials
    among = f"{articles} articles, {kills} kills"
    ok = claim(f"articles lost ({among})", lost, "", "", None, None, "0", lost == 0 and articles > 0)
    ok &= claim(f"articles stored twice ({among})", twice, "", "", None, None, "0", twice == 0)
    ok &= claim(f"scores made anew ({among})", rescored, "", "", None, None, "0", rescored == 0)
    ok &= claim(f"articles without a score ({among})", left, "", "", None, None, "0", left == 0)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
