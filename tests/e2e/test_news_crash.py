"""The news pipeline killed: nothing is lost, doubled or scored anew."""

from __future__ import annotations

import pytest
from bench import news_crash


@pytest.mark.slow
def test_a_kill_loses_and_repeats_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    status = news_crash.main(["--trials", "1", "--kills", "1", "--seed", "5"])
    said = capsys.readouterr().out
    assert status == 0, said
    assert said.count("PASS") == 4
