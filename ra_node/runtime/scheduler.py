"""Runs what must happen again and again, each task on its own interval and never twice at once.

APScheduler computes the next time of a task from the wall clock: set back by an hour, it would rest for an
hour. Each second the wall clock is compared with the monotonic one; after a jump every task is due at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers import base
from apscheduler.schedulers.background import BackgroundScheduler

from ra_node.errors import Retryable
from ra_node.runtime.systemd import EVERY_S

JUMP_S = 2.0
"""Wall and monotonic time that part by more within a second have not drifted: the wall clock was set."""
OFTEN_S = 60.0


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """Something to do every `interval_s` seconds, for the first time after one of them or at once."""

    name: str
    run: Callable[[], None]
    interval_s: float
    at_once: bool = False


def run_tasks(
    tasks: Sequence[ScheduledTask],
    stop: threading.Event,
    beat: Callable[[str], None] = lambda _line: None,
    wall: Callable[[], float] = time.time,
) -> None:
    """Run all tasks until `stop` is set; one that fails is logged and runs again at its next time.

    A thread each, so that a slow peer never holds up another task. Each round of a task that runs every
    minute or more often is a beat, and so is each second of the whole. `wall` gives UTC seconds since 1970.
    """
    threads = ThreadPoolExecutor(len(tasks))
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": threads})
    for task in tasks:
        scheduler.add_job(
            _guarded,
            "interval",
            args=[task, beat],
            seconds=task.interval_s,
            id=task.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
            **({"next_run_time": datetime.now(UTC)} if task.at_once else {}),
        )
    apart_s = wall() - time.monotonic()
    scheduler.start()
    try:
        while not stop.is_set():
            beat("clock")
            stop.wait(EVERY_S)
            jumped_s = wall() - time.monotonic() - apart_s
            if abs(jumped_s) > JUMP_S:
                apart_s += jumped_s
                _make_due(scheduler, tasks, jumped_s)
    finally:
        scheduler.shutdown(wait=True)


def _make_due(scheduler: BackgroundScheduler, tasks: Sequence[ScheduledTask], jumped_s: float) -> None:
    structlog.get_logger().warning("clock_jumped", seconds=round(jumped_s, 1))
    for task in tasks:
        scheduler.modify_job(task.name, next_run_time=base.datetime.now(UTC))


def run_line(
    name: str,
    run: Callable[[], float],
    wait: Callable[[float], object],
    most_s: float,
    stop: threading.Event,
    beat: Callable[[str], None] = lambda _line: None,
) -> None:
    """Run again and again until `stop` is set; `run` tells how long it can wait, at most `most_s`.

    A run that fails is logged and comes again; each one is a beat.
    """
    while not stop.is_set():
        pauses: list[float] = []
        _guarded(ScheduledTask(name, lambda: pauses.append(run()), most_s), beat)  # noqa: B023 - called before the next round
        wait(min([most_s, *pauses]))


def _guarded(task: ScheduledTask, beat: Callable[[str], None]) -> None:
    log = structlog.get_logger().bind(task=task.name)
    try:
        task.run()
    except Retryable as error:
        log.warning("task_postponed", error=str(error))
    except Exception:
        log.exception("task_failed")
    if task.interval_s <= OFTEN_S:
        beat(task.name)
