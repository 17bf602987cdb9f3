"""Logs: one structured logger for the process, its lines on standard error and with whoever keeps them."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TextIO, cast
from urllib.parse import quote

# structlog loads rich and pygments when they are there, for tracebacks in colour that no line of ours has: a twelfth of
# the start.
_rich = sys.modules.get("rich")
sys.modules["rich"] = cast(Any, None)
try:
    import structlog
finally:
    if _rich is None:
        del sys.modules["rich"]
    else:
        sys.modules["rich"] = _rich


class _StandardError:
    """Standard error as it is now: loggers live as long as the process, the stream they began with may not."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


# A terminal obeys the first two ranges, takes line breaks for lines, and rearranges text around the rest.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


# An API key with more of it than the part that may be shown, a token, what stands before the @ of an address. Bounded, so
# that a long text of beginnings costs its length.
_SHAPES = re.compile(
    r"(?P<key>cdts_live_)[0-9A-Za-z]{7,}|(?P<token>eyJ)[\w-]{8,400}\.[\w-]{1,4000}(?:\.[\w-]{0,4000})?"
    r"|(?P<address>://)[^\s/@\"'<>]{1,500}@",
    re.ASCII,
)
_MARKS = {"key": "cdts_live_…", "token": "eyJ…", "address": "://…@"}
HIDDEN_FROM = 6
"""Characters of the shortest value that `hide` strikes out: a shorter one is part of ordinary words."""


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def escape_control(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: control characters of text values as `\\x1b`, `\\n`, so that upstream text in a line can
    neither start another nor speak to the terminal. A traceback keeps its own lines."""
    for name, value in event.items():
        if isinstance(value, str) and _CONTROL.search(value):
            lines = value.split("\n") if name == "exception" else [value]
            event[name] = "\n".join(_CONTROL.sub(_escaped, line) for line in lines)
    return event


def mask(text: str) -> str:
    """The text without what has the shape of an API key, a token, or a name and password in an address, and without the
    keys that `hide` was told callers may send."""
    if "cdts_live_" in text or "eyJ" in text or "://" in text:
        text = _SHAPES.sub(lambda found: _MARKS[found.lastgroup or ""], text)
    return text if _lines.sent is None else _lines.sent.sub("…", text)


class _Lines:
    """The last processor: what leaves it is written as it is."""

    hidden: re.Pattern[str] | None = None
    sent: re.Pattern[str] | None = None

    def __call__(self, _logger: Any, _method: str, line: str) -> str:
        line = mask(line)
        return line if self.hidden is None else self.hidden.sub("…", line)


_lines = _Lines()


def hide(values: Iterable[str], sent: Iterable[str] = ()) -> None:
    """Strike these secrets out of every line from now on, as they are and as a renderer or an address writes them. They
    replace those hidden before. Code that logs a secret is wrong; this is for the texts of foreign errors.

    `sent` are keys of no known shape that callers send: `mask` takes them out of answers too. No other secret may be among
    them, for whoever sends guesses would see which was right.
    """
    _lines.hidden, _lines.sent = _any_of(values), _any_of(sent)


def _any_of(values: Iterable[str]) -> re.Pattern[str] | None:
    spelt = {
        form
        for value in values
        if len(value) >= HIDDEN_FROM
        for form in (value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, safe=""))
    }
    longest_first = sorted(spelt, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(re.escape, longest_first))) if spelt else None


KEPT_TEXT = 8000
"""Characters of one value of a line that is kept."""
Value = str | int | float | bool | None
Taker = Callable[[dict[str, Value]], None]
"""Takes a line to keep; called in whatever thread logs, so it must neither wait nor log."""
_takers: tuple[Taker, ...] = ()


def keep(taker: Taker) -> None:
    """Hand every line from now on to `taker` too, secrets struck out as on standard error, what is no plain value as a
    text."""
    global _takers  # noqa: PLW0603 - replaced whole, so that a line being logged elsewhere sees one state
    _takers = (*_takers, taker)


def keep_no_more(taker: Taker) -> None:
    """The opposite of `keep`."""
    global _takers  # noqa: PLW0603 - as above
    _takers = tuple(other for other in _takers if other != taker)


def _kept(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: a copy of the line for those who keep lines."""
    if _takers:
        line = {name: _plain(value) for name, value in event.items()}
        for taker in _takers:
            taker(line)
    return event


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = value if isinstance(value, str) else _spelt(value)
    # Struck out before it is cut: half a secret has no shape to be known by.
    return _lines(None, "", text)[:KEPT_TEXT]


def _spelt(value: Any) -> str:
    try:
        text = json.dumps(value, default=repr, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    # Half a surrogate pair inside a list of an upstream is no text that a file could take.
    return _CONTROL.sub(_escaped, text)


class _Foreign(logging.Handler):
    """Lines of libraries, through the same processors: their tracebacks hold what requests and upstreams said."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = str(record.msg)
        level = max(logging.WARNING, record.levelno)
        logger(record.name).log(min(level, logging.CRITICAL), text, exc_info=record.exc_info)


_foreign = _Foreign(logging.WARNING)


def configure(level: str = "INFO", fmt: str = "console") -> None:
    """Set up structured logging once, at start. `fmt` is `console` or `json`. Output goes to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        escape_control,
        _kept,
    ]
    tail: Any = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, tail, cast(Any, _lines)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,  # lines are rare, and a later `configure` must reach every logger
    )
    root = logging.getLogger()
    if _foreign not in root.handlers:
        root.addHandler(_foreign)


def logger(name: str) -> Any:
    """A logger whose lines carry `component=name`. It takes its configuration at its first line, not here: modules ask
    for theirs before `configure` has run."""
    return structlog.get_logger(component=name)
