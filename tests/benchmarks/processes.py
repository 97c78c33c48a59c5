"""What a process and those that it forked have spent and hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TIMES = slice(11, 15)
"""In /proc/PID/stat behind the name: user and system time of the process, then of its ended children."""


def cpu_s(pid: int) -> float:
    """User and system time so far, with that of the processes that it forked."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    spent = sum(map(int, fields[_TIMES])) / os.sysconf("SC_CLK_TCK")
    return spent + sum(map(cpu_s, forked(pid)))


def resident_mib(pid: int) -> float:
    """Resident memory, and what each process that it forked holds for itself alone."""
    return (_kib(pid, "Rss:") + sum(_kib(one, "Private_") for one in forked(pid))) / 1024


def forked(pid: int) -> Iterator[int]:
    """The processes that it forked and that go on."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            yield from map(int, (task / "children").read_text(encoding="ascii").split())


def _kib(pid: int, start: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(start))
