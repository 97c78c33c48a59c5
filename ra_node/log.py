"""One log line an event: past tense, bound context, never a patient attribute.

A terminal gets readable lines, everything else JSON (one object a line) for the journal.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings

import structlog

LEVEL = "RA_NODE_LOG_LEVEL"
"""debug, info, warning or error: what the roles say, info where it is not set."""


def configure_logging(role: str, *, level: int | None = None, json: bool | None = None) -> None:
    """Send the events of this process to standard error; `json` None asks the terminal."""
    asked = logging.getLevelNamesMapping().get(os.environ.get(LEVEL, "").upper(), logging.INFO)
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(pad_event_to=24)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(asked if level is None else level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    _quieten_libraries()


def _quieten_libraries() -> None:
    """Libraries quote values of data sets in logs and warnings, and a data set names its patient."""
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s", stream=sys.stderr)
    for name in ("pynetdicom", "pydicom", "highdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
