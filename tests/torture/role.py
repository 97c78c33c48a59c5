"""One role of the node in a process of its own, which dies where the test wants it to.

`python -m tests.torture.role ROLE --config FILE [--break NAME]` starts it as a program;
`spawn` forks it from a server that has everything imported, so that hundreds of deaths take minutes.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from ra_node.bootstrap import analysis
from ra_node.ledger.database.engine import Ledger
from ra_node.runtime.roles import deliver, job_loop, listen, schedule, work
from ra_node.settings.node import load_settings
from tests.node.forked import fork_server, write_to
from tests.torture import faults
from tests.torture.broken import BROKEN
from tests.torture.points import POINTS, Point, wrapped

SPARED_FROM_ATTEMPT = 2
"""What was killed before is spared: a job that dies again and again is poison, which is another test."""
ROLES = {
    "listen": listen.listen,
    "work": work.work,
    "deliver": deliver.deliver,
    "schedule": schedule.schedule,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a process is to end: at a point, on its nth passing; or stopped there, or not at all."""

    point: Point | None = None
    nth: int = 1
    signal: int = signal.SIGKILL
    broken: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    faults: Path | None = None
    """The switches of what the machine does wrong, see `faults`; the data folder is `state` beside them."""
    hurried: bool = False
    """A scheduler does each second what it does by the hour."""


def spawn(role: str, config: Path, log: Path, plan: Plan | None = None) -> ForkServerProcess:
    """Start a role; its output is appended to `log`."""
    told = (role, config, log, plan or Plan())
    process = fork_server().Process(target=_run, args=told, daemon=True, name=role)
    process.start()
    return process


def _run(role: str, config: Path, log: Path, plan: Plan) -> None:
    write_to(log, log)
    os.environ.update(plan.environment)
    work.worker_count = lambda: 1  # whoever is told to die is the role itself, with all that it has under way
    _follow(plan)
    if role == "work":
        _reuse_the_networks()
    run(role, config)


def run(role: str, config: Path) -> None:
    """Be that role until told to stop."""
    ROLES[role](load_settings(config))


def _reuse_the_networks() -> None:
    """Take the networks that were loaded before the fork: reading them again is not what dies here."""
    from tests.torture.preloaded import networks

    build = analysis.build_predictor

    def loaded(settings: Any) -> Any:
        ready = networks(settings.models.bundle, settings.models.device)
        return ready if ready is not None else build(settings)

    analysis.build_predictor = loaded


def _follow(plan: Plan) -> None:
    if plan.broken:
        BROKEN[plan.broken]()
    if plan.faults is not None:
        faults.inject(plan.faults, plan.faults.parent / "state")
    if plan.hurried:
        faults.hurry()
    if plan.point is None:
        return
    spared = _watch_attempts()
    alone = one_writer() if plan.signal == signal.SIGSTOP else nullcontext()

    def act() -> None:
        if not any(spared.values()):
            # Sent to this thread: another may take a signal to the process while this one writes on.
            with alone:
                signal.pthread_kill(threading.get_ident(), plan.signal)

    wrapped(plan.point, act, plan.nth)


def one_writer() -> AbstractContextManager[Any]:
    """The right to write to the ledger in this process: whoever holds it knows that no other thread writes.

    A process that is stopped in a transaction of another thread, such as renewing a lease, keeps the only
    writing lock of SQLite, and all others wait for it until it is woken.
    """
    right, original = threading.RLock(), Ledger.write

    @contextmanager
    def write(ledger: Ledger) -> Iterator[Any]:
        with right, original(ledger) as connection:
            yield connection

    Ledger.write = write  # type: ignore[method-assign, assignment]
    return right


def _watch_attempts() -> dict[int, bool]:
    """Keep, by the thread that claimed, whether one of its jobs must be spared."""
    spared: dict[int, bool] = {}
    claim = job_loop.claim

    def claimed(*arguments: Any, **named: Any) -> Any:
        jobs = claim(*arguments, **named)
        spared[threading.get_ident()] = any(job.attempt - job.excused >= SPARED_FROM_ATTEMPT for job in jobs)
        return jobs

    job_loop.claim = claimed
    return spared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--break", dest="broken", default="", choices=["", *BROKEN])
    parser.add_argument("--point", default="", help="words of a point of this role, to be killed at")
    parser.add_argument("--nth", type=int, default=1)
    asked = parser.parse_args()
    point = next((p for p in POINTS if (p.role, p.words) == (asked.role, asked.point)), None)
    work.worker_count = lambda: 1
    _follow(Plan(point, asked.nth, broken=asked.broken))
    run(asked.role, asked.config)


if __name__ == "__main__":
    main()
