"""Keeps the roles of one machine running: a role that dies comes back, with growing pauses.

SIGTERM and SIGINT stop all of them: each gets SIGTERM, and SIGKILL when the grace is over.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A role that ran this long has recovered; its next death starts at the first pause again."""
GRACE_S = 9.0
"""A stop takes less than 10 s in all."""

Spawn = Callable[[Sequence[str]], "subprocess.Popen[bytes]"]


@dataclass
class _Role:
    name: str
    argv: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S / 2
    start_at: float = 0.0


@dataclass
class Supervisor:
    """Runs one child process a role until it is told to stop."""

    commands: Mapping[str, Sequence[str]]
    spawn: Spawn = subprocess.Popen
    clock: Callable[[], float] = time.monotonic
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Start every role and keep it running; return when all have ended after a stop."""
        roles = [_Role(name, argv) for name, argv in self.commands.items()]
        try:
            while not self.stop.wait(0.1):
                for role in roles:
                    self._tend(role)
        finally:
            self._end(roles)

    def stop_on_signals(self) -> None:
        """Turn SIGTERM and SIGINT into a stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())

    def _tend(self, role: _Role) -> None:
        log = structlog.get_logger().bind(child=role.name)
        now = self.clock()
        if role.process is None:
            if now >= role.start_at:
                role.process = self.spawn(role.argv)
                role.started_at = now
                log.info("role_started", pid=role.process.pid)
            return
        status = role.process.poll()
        if status is None:
            return
        steady = now - role.started_at >= STEADY_S
        role.pause_s = FIRST_PAUSE_S if steady else min(role.pause_s * 2, LONGEST_PAUSE_S)
        role.start_at = now + role.pause_s
        role.process = None
        log.warning("role_died", status=status, restart_in_s=role.pause_s)

    def _end(self, roles: Sequence[_Role]) -> None:
        running = [role.process for role in roles if role.process is not None]
        for process in running:
            process.terminate()
        deadline = self.clock() + GRACE_S
        for process in running:
            try:
                process.wait(timeout=max(0.0, deadline - self.clock()))
            except subprocess.TimeoutExpired:
                structlog.get_logger().warning("role_killed", pid=process.pid, grace_s=GRACE_S)
                process.kill()
                process.wait()
