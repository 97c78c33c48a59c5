"""Runs periodic tasks, each on its own interval and never twice at once.

APScheduler computes the next run from the wall clock: after a step back of one hour it would pause for an
hour. Each second the wall clock is compared with the monotonic one; after a step every task is due at once.
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
"""Larger differences between wall and monotonic time within a second mean that the wall clock was set."""
OFTEN_S = 60.0


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """A task that runs every `interval_s` seconds, for the first time after one interval or at once."""

    name: str
    run: Callable[[], None]
    interval_s: float
    at_once: bool = False


def run_tasks(
    tasks: Sequence[ScheduledTask],
    stop: threading.Event,
    beat: Callable[[str], None] = lambda _thread: None,
    wall: Callable[[], float] = time.time,
) -> None:
    """Run all tasks until `stop` is set; a failed run is logged and repeated at the next interval.

    A thread each, so that a slow peer never delays another task. Each run of a task with an interval of a
    minute or less is a heartbeat, and so is each second of the loop. `wall` gives UTC seconds since 1970.
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


def run_repeatedly(
    name: str,
    run: Callable[[], float],
    wait: Callable[[float], object],
    most_s: float,
    stop: threading.Event,
    beat: Callable[[str], None] = lambda _thread: None,
) -> None:
    """Run repeatedly until `stop` is set; `run` returns the seconds to wait, at most `most_s`.

    A failed run is logged and repeated; each run is a heartbeat.
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
