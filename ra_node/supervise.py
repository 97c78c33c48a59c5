"""Keeps child processes running: one that dies comes back, with growing pauses, until all are to stop.

At the stop each gets SIGTERM, and SIGKILL when the grace is over.
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
from typing import Protocol

import structlog

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A child that ran this long has recovered; its next death starts at the first pause again."""
GRACE_S = 9.0
"""A stop takes less than 10 s in all."""


class Child(Protocol):
    """What is needed of a process, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int:
        """Raise subprocess.TimeoutExpired where it goes on for longer than `timeout`."""
        ...


Start = Callable[[], Child]


def program(argv: Sequence[str], output: int | None = None) -> Start:
    """A child that is a program of its own; it writes to `output`, or where we do."""
    return partial(subprocess.Popen, argv, stdout=output, stderr=output)


def stop_with_parent(parent: int, stop: threading.Event) -> None:
    """Ask Linux for SIGTERM when the parent of this process dies, also by SIGKILL; elsewhere do nothing."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
        if os.getppid() != parent:
            stop.set()


@dataclass
class _Seat:
    name: str
    start: Start
    process: Child | None = None
    started_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S / 2
    start_at: float = 0.0


@dataclass
class Supervisor:
    """Runs one child under each name until it is told to stop."""

    children: Mapping[str, Start]
    clock: Callable[[], float] = time.monotonic
    stop: threading.Event = field(default_factory=threading.Event)
    grace_s: float = GRACE_S
    _seats: dict[str, _Seat] = field(init=False)
    _leaving: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seats = {name: _Seat(name, start) for name, start in self.children.items()}

    def run(self) -> None:
        """Start every child and keep it running; return when all have ended after a stop."""
        try:
            while not self.stop.wait(0.1):
                self.tend()
        finally:
            self.end()

    def stop_on_signals(self) -> None:
        """Turn SIGTERM and SIGINT into a stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())

    def tend(self) -> None:
        """Start whoever is not there and may be."""
        self._leaving = [process for process in self._leaving if process.poll() is None]
        for seat in self._seats.values():
            self._tend(seat)

    def renew(self) -> None:
        """Have each child end what it does, in its own time, and start another in its place at once."""
        for seat in self._seats.values():
            if seat.process is not None and seat.process.poll() is None:
                seat.process.terminate()
                self._leaving.append(seat.process)
            self._seats[seat.name] = _Seat(seat.name, seat.start)

    def kill(self, name: str) -> None:
        """End a child that hangs; it comes back as one that has died."""
        process = self._seats[name].process
        if process is not None:
            process.kill()

    def end(self) -> None:
        """Stop all; return when they have ended."""
        running = [seat.process for seat in self._seats.values() if seat.process is not None]
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

    def _tend(self, seat: _Seat) -> None:
        log = structlog.get_logger().bind(child=seat.name)
        now = self.clock()
        if seat.process is None:
            if now >= seat.start_at:
                seat.process = seat.start()
                seat.started_at = now
                log.info("role_started", pid=seat.process.pid)
            return
        status = seat.process.poll()
        if status is None:
            return
        steady = now - seat.started_at >= STEADY_S
        seat.pause_s = FIRST_PAUSE_S if steady else min(seat.pause_s * 2, LONGEST_PAUSE_S)
        seat.start_at = now + seat.pause_s
        seat.process = None
        log.warning("role_died", status=status, restart_in_s=seat.pause_s)
