"""Standard output and error of a service: output that bypasses the log becomes JSON lines.

C libraries, the interpreter's exit and a crash write to the file descriptor. A child process reads it until
the last writer has closed it, so that the last output of a killed process is kept too.
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
"""Longest line; a longer one is split."""
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
"""Priorities of syslog(3) by log level."""
_streams: list[TextIO] = []


def is_journal(stream: TextIO | int) -> bool:
    """Whether a stream is the connection to the journal that systemd has opened, see systemd.exec(5)."""
    try:
        found = os.fstat(stream if isinstance(stream, int) else stream.fileno())
    except OSError:  # a stream in memory, or a closed one
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def take_over(role: str) -> TextIO:
    """Return the stream for the log; everything else on standard error goes through a child process.

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
    """Redirect standard output to the same child; a service prints only its log."""
    if _streams:
        sys.stdout.flush()
        os.dup2(2, 1)


def leave(code: int) -> None:
    """Exit a service after an orderly stop, without interpreter finalisation.

    Finalisation makes nanobind print 31 lines about leaked objects.
    """
    for stream in (sys.stdout, sys.stderr, *_streams):
        stream.flush()
    os._exit(code)


def original() -> int | None:
    """File descriptor of the log for children that handle their own output; None: inherit."""
    return _streams[0].fileno() if _streams else None


def _pass_on(reading: int, log: int, role: str) -> None:
    """Write each line as JSON until end of file; ignores the signals that stop the group."""
    try:
        with suppress(OSError):  # name in `ps` and `top`
            Path("/proc/self/comm").write_text(RELAY, encoding="ascii")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.dup2(log, 1)  # otherwise this process would keep the pipe open
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
    journal = is_journal(log)
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
            prefix = f"<{PRIORITIES['warning']}>" if journal else ""
            os.write(log, f"{prefix}{json.dumps(told)}\n".encode())
