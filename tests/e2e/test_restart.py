"""Claim 6 in small: two kills under load, nothing acknowledged is lost and the next start answers at once."""

from __future__ import annotations

import pytest
from bench import restart


@pytest.mark.slow
def test_two_kills_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    # Two seconds hold on a machine of one's own (`python -m bench.restart`); here other tests run beside it.
    status = restart.main(["--rounds", "2", "--seed", "11", "--within-s", "8"])
    said = capsys.readouterr().out
    assert status == 0, said
    assert said.count("PASS") == 6
