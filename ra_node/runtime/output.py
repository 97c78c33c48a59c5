"""Standard output and error of a service: what is written past the log becomes a line of JSON each.

C libraries, the interpreter's own end and a crash write to the file descriptor. A child process reads that
until the last writer is gone, so that the last words of a process that was killed are kept too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

RELAY = "ra-node-log"
_LONGEST_BYTES = 64 * 1024
"""Of a line; a longer one becomes several."""
_streams: list[TextIO] = []


def take_over(role: str) -> TextIO:
    """Give the stream for the log; what else is written to standard error of this process, passes a child.

    Safe to repeat. Call it while the process has one thread.
    """
    if not _streams:
        sys.stderr.flush()
        log = os.dup(2)
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(writing)
            _pass_on(reading, log, role)
        os.close(reading)
        os.dup2(writing, 2)
        os.close(writing)
        _streams.append(os.fdopen(log, "w", encoding="utf-8", buffering=1))
    return _streams[0]


def take_over_stdout() -> None:
    """Let what is written to standard output pass the same child; a service prints nothing but its log."""
    if _streams:
        sys.stdout.flush()
        os.dup2(2, 1)


def leave(code: int) -> None:
    """End a service that has stopped in good order, without the end of the interpreter.

    There C++ modules complain of what nobody has given back (31 lines of nanobind's).
    """
    for stream in (sys.stdout, sys.stderr, *_streams):
        stream.flush()
    os._exit(code)


def original() -> int | None:
    """Give the file descriptor of the log, for children that take over their own output; None: inherit."""
    return _streams[0].fileno() if _streams else None


def _pass_on(reading: int, log: int, role: str) -> None:
    """Write each line as JSON to the end, also through a stop of the group."""
    try:
        with suppress(OSError):  # the name that `ps` and `top` show
            Path("/proc/self/comm").write_text(RELAY, encoding="ascii")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.dup2(log, 1)  # or this process itself would keep the pipe open
        os.dup2(log, 2)
        held = b""
        while piece := os.read(reading, 65536):
            *lines, held = (held + piece).split(b"\n")
            if len(held) > _LONGEST_BYTES:
                lines, held = [*lines, held], b""
            _write(lines, log, role)
        _write([held], log, role)
    finally:
        os._exit(0)


def _write(lines: list[bytes], log: int, role: str) -> None:
    for line in lines:
        text = line.decode("utf-8", "backslashreplace").strip()
        if text:
            when = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            told = {
                "text": text,
                "role": role,
                "event": "library_wrote",
                "level": "warning",
                "timestamp": when,
            }
            os.write(log, json.dumps(told).encode() + b"\n")
