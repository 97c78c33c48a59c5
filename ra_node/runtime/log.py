"""One log line an event: past tense, bound context, never a patient attribute.

A terminal gets readable lines, everything else JSON (one object a line) for the journal. Output of
libraries on standard error, up to the exit of the interpreter, becomes such a line too.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import MutableMapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from ra_node.domain.texts.printable import printable
from ra_node.runtime import output

LEVEL = "RA_NODE_LOG_LEVEL"
"""Log level: debug, info, warning or error; info where it is not set."""
SERVICES = ("run", "listen", "work", "deliver", "schedule", "web")
"""Commands whose only output is the log."""


def configure_logging(role: str, *, level: int | None = None, json: bool | None = None) -> None:
    """Configure structlog for this process, on standard error; `json` None: JSON unless it is a terminal."""
    asked = logging.getLevelNamesMapping().get(os.environ.get(LEVEL, "").upper(), logging.INFO)
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(pad_event_to=24)
    )
    _quieten_libraries()
    stream = sys.stderr
    if as_json and role in SERVICES:
        stream = output.take_over(role)
        _tell_of_errors()
    priorities: list[structlog.typing.Processor] = []
    if as_json and output.is_journal(stream):
        priorities.append(_with_priority)
    structlog.configure(
        processors=[
            partial(_with_role, role),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *([] if as_json else [_shown_as_text]),
            renderer,
            *priorities,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(asked if level is None else level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )


def set_level(level: str) -> None:
    """Apply `level` of [log]; the environment variable takes precedence."""
    if os.environ.get(LEVEL, "").upper() not in logging.getLevelNamesMapping():
        chosen = logging.getLevelNamesMapping()[level.upper()]
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(chosen))


def _with_role(
    role: str, _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the role; a context variable would be missing in the lines of other threads."""
    event.setdefault("role", role)
    return event


def _with_priority(_logger: object, method: str, line: Any) -> str:  # noqa: ANN401 - the renderer's text
    """Prefix a line with its priority for the journal, see sd-daemon(3)."""
    return f"<{output.PRIORITIES.get(method, output.PRIORITIES['info'])}>{line}"


def _shown_as_text(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Escape control characters of peers for a terminal; JSON escapes them anyway."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value, lines=True)
    return event


def _quieten_libraries() -> None:
    """Libraries quote values of data sets in logs and warnings, and a data set names its patient."""
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.ERROR, handlers=[_Events(logging.ERROR)])
    for name in ("pynetdicom", "pydicom", "highdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class _Events(logging.Handler):
    """Turns a log record of a library into an event."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            told = {"logger": record.name, "text": record.getMessage()}
            if record.exc_info and record.exc_info[1] is not None:
                told |= _of_error(record.exc_info[1])
            structlog.get_logger().error("library_message_logged", **told)
        except Exception:  # noqa: BLE001 - a log line must not end who wrote it
            self.handleError(record)


def _tell_of_errors() -> None:
    """Log an unhandled exception without its message, which may quote a data set."""

    def uncaught(
        kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        told = {"error": kind.__name__} if error is None else _of_error(error)
        structlog.get_logger().critical("process_crashed", **told)

    sys.excepthook = uncaught
    threading.excepthook = lambda args: (
        None if args.exc_type is SystemExit else uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    )
    sys.unraisablehook = lambda args: uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _of_error(error: BaseException) -> dict[str, str]:
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(frames))
    return {"error": type(error).__name__, "where": where}
