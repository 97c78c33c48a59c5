"""Restarts child processes that end, hang or cannot be started, with growing delays.

At the stop each gets SIGTERM, and SIGKILL after the grace period.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""After this run time a child has recovered; its next restart uses the first delay again."""
EARLY_EXITS = 3
"""Number of consecutive failures without a stable run that raises an alarm."""
STOPPED_S = 10.0
"""How long a process may be stopped by a signal before it is killed."""
CHECK_EVERY_S = 1.0
GRACE_S = 9.0
"""Limit for a whole stop: 10 s."""


class Child(Protocol):
    """The part of `subprocess.Popen` that the supervisor uses."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired after `timeout`."""
        ...


Start = Callable[[], Child]


def program(
    argv: Sequence[str], output: int | None = None, environment: Mapping[str, str] | None = None
) -> Start:
    """Starts a child program; it writes to `output`, or to our standard error.

    Its environment is ours, updated with `environment`.
    """
    return partial(
        subprocess.Popen, argv, stdout=output, stderr=output, env={**os.environ, **(environment or {})}
    )


def die_with_parent(parent: int) -> None:
    """Have Linux kill this process when its parent ends (PR_SET_PDEATHSIG); elsewhere no effect.

    By SIGKILL, because it may hang and hold leases; its work can be interrupted anywhere.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before
            os._exit(1)


class StoppedTooLong:
    """Detects processes that are stopped (SIGSTOP, SIGTSTP) for too long; on Linux only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[int, float] = {}

    def __call__(self, pid: int) -> bool:
        if process_state(pid) != "T":
            self._since.pop(pid, None)
            return False
        return self._clock() - self._since.setdefault(pid, self._clock()) >= STOPPED_S


def process_state(pid: int) -> str:
    """State letter of a process in proc(5), "T" for stopped; "" where it is unknown."""
    try:
        return (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="ascii", errors="replace")
            .rpartition(")")[2]
            .split()[0]
        )
    except (OSError, IndexError):
        return ""


Fault = Callable[[str, int], str | None]
"""Reason to kill the child of that name and process id; None while it works."""
Alarm = Callable[[str, str], object]
"""Called with the name of a child and its fault. Must neither raise nor block."""


@dataclass
class _ChildSlot:
    name: str
    start: Start
    process: Child | None = None
    started_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S / 2
    start_at: float = 0.0
    exits: int = 0
    check_at: float = 0.0


@dataclass
class Supervisor:
    """Runs one child under each name until stopped."""

    children: Mapping[str, Start]
    clock: Callable[[], float] = time.monotonic
    stop: threading.Event = field(default_factory=threading.Event)
    grace_s: float = GRACE_S
    fault: Fault = lambda _name, _pid: None
    alarm: Alarm = lambda _name, _found: None
    _slots: dict[str, _ChildSlot] = field(init=False)
    _leaving: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._slots = {name: _ChildSlot(name, start) for name, start in self.children.items()}

    def run(self) -> None:
        """Start every child and keep it running; return when all have ended after a stop."""
        try:
            while not self.stop.wait(0.1):
                self.check_children()
        finally:
            self.end()

    def stop_on_signals(self) -> None:
        """Turn SIGTERM and SIGINT into a stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())

    def check_children(self) -> None:
        """Start missing children whose delay is over."""
        self._leaving = [process for process in self._leaving if process.poll() is None]
        for slot in self._slots.values():
            self._check_child(slot)

    def restart_all(self) -> None:
        """Replace each child: ask the old one to finish, and start a new one at once."""
        for slot in self._slots.values():
            if slot.process is not None and slot.process.poll() is None:
                slot.process.terminate()
                self._leaving.append(slot.process)
            self._slots[slot.name] = _ChildSlot(slot.name, slot.start)

    def end(self) -> None:
        """Stop all; return when they have ended."""
        running = [slot.process for slot in self._slots.values() if slot.process is not None]
        for process in running:
            process.terminate()
        deadline = self.clock() + self.grace_s
        for process in (*running, *self._leaving):
            try:
                process.wait(timeout=max(0.0, deadline - self.clock()))
            except subprocess.TimeoutExpired:
                structlog.get_logger().warning("role_killed", pid=process.pid, grace_s=self.grace_s)
                process.kill()
                process.wait()

    def _check_child(self, slot: _ChildSlot) -> None:
        log = structlog.get_logger().bind(child=slot.name)
        now = self.clock()
        if slot.process is None:
            if now >= slot.start_at:
                self._start(slot, now)
            return
        status = slot.process.poll()
        if status is None:
            if now >= slot.check_at:
                slot.check_at = now + CHECK_EVERY_S
                self._check_progress(slot.name, slot.process)
            return
        steady = now - slot.started_at >= STEADY_S
        slot.exits = 1 if steady else slot.exits + 1
        slot.process = None
        self._pause(slot, now, steady=steady)
        log.warning("role_process_ended", status=status, restart_in_s=slot.pause_s)
        if slot.exits == EARLY_EXITS:
            self.alarm(slot.name, f"ended {slot.exits} times in a row, the last time with status {status}")

    def _start(self, slot: _ChildSlot, now: float) -> None:
        """Start a child; if the system cannot create a process, retry after a delay."""
        log = structlog.get_logger().bind(child=slot.name)
        try:
            slot.process = slot.start()
        except (OSError, RuntimeError, MemoryError) as error:
            self._pause(slot, now, steady=False)
            log.error("role_start_failed", error=type(error).__name__, again_in_s=slot.pause_s)  # noqa: TRY400 - no trace
            return
        slot.started_at = now
        slot.check_at = now + CHECK_EVERY_S
        log.info("role_started", pid=slot.process.pid)

    def _check_progress(self, name: str, process: Child) -> None:
        """Kill a child that makes no progress; it is restarted like one that ended."""
        found = self.fault(name, process.pid)
        if found is None:
            return
        structlog.get_logger().error("role_stalled", child=name, pid=process.pid, found=found)
        process.kill()
        self.alarm(name, found)

    def _pause(self, slot: _ChildSlot, now: float, *, steady: bool) -> None:
        slot.pause_s = FIRST_PAUSE_S if steady else min(slot.pause_s * 2, LONGEST_PAUSE_S)
        slot.start_at = now + slot.pause_s
