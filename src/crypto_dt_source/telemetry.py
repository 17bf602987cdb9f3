"""Logs and metrics: one structured logger and one registry of counters for the process."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

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


def configure(level: str = "INFO", fmt: str = "console") -> None:
    """Set up structured logging once, at start. `fmt` is `console` or `json`. Output goes to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        escape_control,
    ]
    tail = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, tail],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,  # lines are rare, and a later `configure` must reach every logger
    )


def logger(name: str) -> Any:
    """A logger whose lines carry `component=name`. It takes its configuration at its first line, not here: modules ask
    for theirs before `configure` has run."""
    return structlog.get_logger(component=name)
