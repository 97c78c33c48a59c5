"""What the process of every role has: log, signals, heartbeat, a thread for each of its loops."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from ra_node.bootstrap.node_context import presence_folder
from ra_node.errors import Retryable
from ra_node.runtime.log import configure_logging, set_level
from ra_node.runtime.output import take_over_stdout
from ra_node.runtime.supervisor import die_with_parent
from ra_node.runtime.systemd import EVERY_S, STALLED, STOPPING, Heartbeat, tell
from ra_node.services.jobs.lease import describe
from ra_node.services.jobs.liveness import beat
from ra_node.settings.node import Settings

LEDGER_PAUSE_S = 1.0
SUPERVISED = "RA_NODE_SUPERVISED"
"""The environment variable with the process id of the supervisor."""


def begin(role: str, settings: Settings) -> threading.Event:
    """Set up logging and signals of a role; under a supervisor, end with it (PR_SET_PDEATHSIG)."""
    configure_logging(role)
    set_level(settings.log.level)
    take_over_stdout()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, partial(_stop, stop, os.getpid()))
    if SUPERVISED in os.environ:
        die_with_parent(int(os.environ[SUPERVISED]))
    return stop


def heartbeat_of(settings: Settings, role: str) -> Heartbeat:
    """Heartbeat to systemd or the supervisor, and to the lock file of the process."""
    folder = presence_folder(settings)

    def say(state: str) -> None:
        tell(state)
        if state != STALLED:
            beat(folder, role)

    return Heartbeat(settings.limits.stall_s, say=say)


def serve_all(
    loops: Mapping[str, Callable[[], None]],
    stop: threading.Event,
    beat: Callable[[], None] = lambda: None,
) -> None:
    """Run each function in a thread of its own until stopped, with a heartbeat every second.

    A failed thread ends all with SystemExit(1) and the supervisor restarts the role: a role without
    one of its threads would look alive and never do that work.
    """
    broken: list[str] = []

    def run(name: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as error:  # noqa: BLE001 - whatever it was, the role must not go on without this loop
            structlog.get_logger().error("role_thread_failed", thread=name, error=describe(error))
            broken.append(name)
            stop.set()

    threads = [threading.Thread(target=run, args=item, name=item[0]) for item in loops.items()]
    for thread in threads:
        thread.start()
    while not stop.is_set():
        beat()
        stop.wait(EVERY_S)
    for thread in threads:
        thread.join()
    if broken:
        raise SystemExit(1)


def check_until_stopped(look: Callable[[], None], stop: threading.Event) -> None:
    """Check every second until stopped; an exception ends the role, so that it restarts."""
    while not stop.wait(LEDGER_PAUSE_S):
        look()


def try_each(*steps: Callable[[], None]) -> None:
    """Run each step; one that fails because the ledger is unreachable runs again in the next second."""
    for step in steps:
        try:
            step()
        except Retryable as error:
            structlog.get_logger().warning("ledger_access_failed", error=str(error))


def _stop(stop: threading.Event, role_pid: int, *_signal: object) -> None:
    """End in good order; a process forked from the role does not tell systemd that the role stops."""
    stop.set()
    if os.getpid() == role_pid:
        tell(STOPPING)
