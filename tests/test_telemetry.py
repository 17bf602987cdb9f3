"""Log lines: upstream text in them is text and nothing else."""

from __future__ import annotations

import json
import logging
import re

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


def test_lines_of_libraries_go_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("INFO", "json")
    telemetry.hide(["a-password-of-theirs"])
    try:
        raise ValueError("refused a-password-of-theirs\x1b")
    except ValueError:
        logging.getLogger("some.library").exception("cannot use %s", "cdts_live_" + "a" * 49)
    wrong = logging.LogRecord("some.library", logging.WARNING, "", 1, "half a %s and %s", ("line",), None)
    telemetry._foreign.handle(wrong)
    logging.getLogger("some.library").info("of no importance")
    telemetry.hide([])
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["component"], first["level"]) == ("some.library", "error")
    assert first["event"] == "cannot use cdts_live_…"
    assert first["exception"].endswith("ValueError: refused …\\x1b")
    assert second["event"] == "half a %s and %s"


def test_setting_up_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("INFO")
    telemetry.configure("INFO")
    logging.getLogger("some.library").warning("once")
    assert capsys.readouterr().err.count("once") == 1


@pytest.mark.parametrize("fmt", ["console", "json"])
def test_hidden_values_are_struck_out_however_they_are_written(
    capsys: pytest.CaptureFixture[str], fmt: str
) -> None:
    awkward = 'p"a\\s/s wörd'
    telemetry.configure("INFO", fmt)
    telemetry.hide([awkward, "short"])
    telemetry.logger("test").warning(
        f"at {awkward}", parts=[awkward], url="x?k=p%22a%5Cs%2Fs%20w%C3%B6rd", word="short"
    )
    telemetry.hide([])
    [line] = capsys.readouterr().err.splitlines()
    assert not re.search("w(ö|%C3%B6|\\\\u00f6)rd", line)
    assert "short" in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cdts_live_abcdef…", "cdts_live_abcdef…"),
        ("cdts_live_" + "a" * 49, "cdts_live_…"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJ…"),
        ("redis://:pass@host/0", "redis://…@host/0"),
        ("https://example.org/a@b", "https://example.org/a@b"),
        ("nothing at all", "nothing at all"),
    ],
)
def test_what_looks_like_a_secret_is_struck_out(text: str, shown: str) -> None:
    assert telemetry.mask(text) == shown
    assert telemetry.mask("eyJ" * 200_000 + "cdts_live_" * 100_000 + "://" * 200_000)
