"""Run by test_crash.py: takes replies of a feed without end, each several times, and prints each acknowledged one."""

from __future__ import annotations

import asyncio
import sys

from crash_layout import ROWS, START

from crypto_dt_source.model.sentiment import Score
from crypto_dt_source.store import FeedRow, NewsRow, Store, open_store
from crypto_dt_source.store.repos import news


def reply(n: int) -> list[NewsRow]:
    """ROWS new articles, and those of the reply before once more, as a feed repeats itself."""
    rows = []
    for k in range((n - 1) * ROWS, (n + 1) * ROWS):
        url = f"https://news.example/{k}"
        at = START + k
        story = f"a{k - k % 2}"
        rows.append(
            NewsRow(
                f"a{k}",
                "feed",
                url,
                url,
                None,
                f"alpha {k}",
                None,
                None,
                None,
                (),
                at,
                True,
                at,
                story,
                ("bitcoin",),
            )
        )
    return rows


async def poll(store: Store, n: int) -> None:
    while True:
        await news.take(store, FeedRow("feed", None, str(n), None, START + n, None), reply(n))
        print(n, flush=True)  # noqa: T201
        n += 1


async def score(store: Store) -> None:
    while True:
        found = await news.unscored(store, 7)
        made = Score("bullish", 0.8, 0.1, 0.1, 0.8, "x", "m", "r")
        await news.write_scores(store, [(row[0], made, START) for row in found])
        await asyncio.sleep(0)


async def main(path: str, first: int) -> None:
    store = await open_store(f"sqlite:///{path}", pool_size=1)
    await asyncio.gather(poll(store, first), score(store))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
