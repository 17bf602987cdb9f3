"""Backups beside a writer and shipping through kills, with real processes: small rounds of the benchmarks."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import backup, shipping


def say(line: str) -> None:
    """What a benchmark tells on its way."""


@pytest.mark.slow
def test_a_backup_beside_a_writer_is_one_moment_of_the_database(tmp_path: Path) -> None:
    found = backup.rounds(tmp_path, 1, say)
    assert (found.wrong, found.problems) == ([], [])
    assert found.written > 0
    assert len(found.seconds) == 1


@pytest.mark.slow
def test_kills_and_redeploys_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    found = shipping.rounds(tmp_path, 2, shipping.Pace(0.2, 0.2), 6, say, patient=True)
    assert (found.lost, found.problems) == ([], [])
    assert sum(map(len, found.acked.values())) >= 2
    assert found.redeploys == 1
    assert max(found.losses) < shipping.TARGET_S
