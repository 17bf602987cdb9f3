"""Log lines: upstream text in them is text and nothing else."""

from __future__ import annotations

import json

import pytest
import structlog

from crypto_dt_source import telemetry

HOSTILE = "a\x1b[2J\r\nb\x00\u202ec\ud800"
SHOWN = r"a\x1b[2J\r\nb\x00\u202ec\ud800"


def test_control_characters_are_spelt_out() -> None:
    event = {"event": HOSTILE, "reason": "plain \u00e9", "count": 3, "exception": "one\n  two\x1b"}
    assert telemetry.escape_control(None, "info", event) == {
        "event": SHOWN,
        "reason": "plain \u00e9",
        "count": 3,
        "exception": "one\n  two\\x1b",
    }


@pytest.mark.parametrize("fmt", ["console", "json"])
def test_a_line_stays_one_line(capsys: pytest.CaptureFixture[str], fmt: str) -> None:
    try:
        telemetry.configure("INFO", fmt)
        telemetry.logger("test").warning("source rests", reason=HOSTILE)
    finally:
        structlog.reset_defaults()
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b[2J" not in line
    assert SHOWN in (json.loads(line)["reason"] if fmt == "json" else line)
