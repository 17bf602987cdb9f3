"""Claim 6 in small: a kill under load, nothing acknowledged is lost and the next start answers at once."""

from __future__ import annotations

import pytest
from bench import restart


@pytest.mark.slow
def test_a_kill_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    # Two seconds hold on a machine of one's own (`python -m bench.restart`); here other tests run beside it.
    status = restart.main(["--rounds", "1", "--seed", "11", "--within-s", "8"])
    said = capsys.readouterr().out
    assert status == 0, said
    assert said.count("PASS") == 6
