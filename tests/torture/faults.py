"""What a machine does wrong to a role, switched on and off from outside while the role runs.

The wall clock jumps, reads of received images give errors, files cannot be written. The switches lie in a
small file that controller and role both map: a role sees a change at its next call.
"""

from __future__ import annotations

import builtins
import io
import mmap
import os
import struct
import sys
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from ra_node.ledger.database import engine
from ra_node.ledger.storage.durable_files import INBOX, INCOMING, INNER_MARK
from ra_node.runtime import scheduler
from ra_node.runtime.roles import schedule

_SHIFT, _ERRORS = struct.Struct("<d"), struct.Struct("<ii")
_SIZE = _SHIFT.size + _ERRORS.size
ROUND_S = 1.0
"""Between two rounds of what a scheduler does by the minute or by the hour."""


class Faults:
    """The switches of one node; 0 everywhere is a healthy machine."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    @property
    def shift_s(self) -> float:
        """How far the wall clock of the roles is ahead."""
        return float(_SHIFT.unpack_from(self._map)[0])

    @shift_s.setter
    def shift_s(self, seconds: float) -> None:
        _SHIFT.pack_into(self._map, 0, seconds)

    @property
    def errors(self) -> tuple[int, int]:
        """The errno of each read of a received image, and of each write of a new file."""
        read, write = _ERRORS.unpack_from(self._map, _SHIFT.size)
        return int(read), int(write)

    def fail(self, *, reads: int = 0, writes: int = 0) -> None:
        """Let reads and writes end with these errors from now on; without any, work again."""
        _ERRORS.pack_into(self._map, _SHIFT.size, reads, writes)


class _Unreadable(io.FileIO):
    """A file that can be opened, and gives an error instead of its content."""

    error = 0

    def _fail(self, *_asked: object) -> Any:
        raise OSError(self.error, os.strerror(self.error))

    read = readinto = readall = _fail  # type: ignore[assignment]


class _Unwritable(_Unreadable):
    """A file that can be made, and takes nothing."""

    write = _Unreadable._fail  # type: ignore[assignment]


class _AnyDatetime(type):
    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, datetime)


class _Shifted(datetime, metaclass=_AnyDatetime):
    """What a module finds as `datetime`, which asks the system for the time by itself."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(time.time(), tz)


def inject(switches: Path, data_dir: Path) -> None:
    """From now on let this process feel the faults of a node."""
    faults = Faults(switches)
    _shift_the_clock(faults)
    _break_files(faults, data_dir)


def hurry() -> None:
    """Let a scheduler do all its tasks each second, the hourly sweep and the purge included."""
    task = schedule.ScheduledTask

    def hurried(name: str, run: Any, interval_s: float, *, at_once: bool = False) -> Any:
        return task(name, run, min(interval_s, ROUND_S), at_once=at_once)

    schedule.ScheduledTask = hurried  # type: ignore[assignment,misc]


def _shift_the_clock(faults: Faults) -> None:
    clock = time.time

    def shifted() -> float:
        return clock() + faults.shift_s

    time.time = shifted
    engine.open_ledger.__defaults__ = (shifted, engine.random_id)  # bound when the module was imported
    *others, _wall = scheduler.run_tasks.__defaults__ or ()
    scheduler.run_tasks.__defaults__ = (*others, shifted)
    for name, module in tuple(sys.modules.items()):
        if name.startswith(("apscheduler", "ra_node.runtime.scheduler")) and hasattr(module, "datetime"):
            module.datetime = _Shifted  # type: ignore[attr-defined]


def _break_files(faults: Faults, data_dir: Path) -> None:
    inbox, incoming = f"{data_dir / INBOX}/", f"{data_dir / INCOMING}/"
    open_file, open_handle = io.open, os.open

    def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        name = os.fspath(file) if isinstance(file, str | os.PathLike) else ""
        reads, writes = faults.errors
        if reads and mode == "rb" and str(name).startswith(inbox) and not str(name).endswith(INNER_MARK):
            unreadable = _Unreadable(name, "rb")
            unreadable.error = reads
            return io.BufferedReader(unreadable)
        if writes and mode in ("wb", "xb") and str(name).startswith(incoming):
            unwritable = _Unwritable(name, mode)
            unwritable.error = writes
            return io.BufferedWriter(unwritable)
        return open_file(file, mode, *rest, **named)

    def handle(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        writes = faults.errors[1]
        if writes and flags & os.O_CREAT and str(path).startswith(incoming):
            raise OSError(writes, os.strerror(writes), str(path))
        return open_handle(path, flags, *rest, **named)

    io.open = builtins.open = opened
    os.open = handle
