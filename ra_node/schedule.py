"""Runs what must happen by the clock, each task on its own interval and never twice at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from ra_node.errors import Retryable


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every `interval_s` seconds, for the first time after one of them or at once."""

    name: str
    run: Callable[[], None]
    interval_s: float
    at_once: bool = False


def run_tasks(tasks: Sequence[Task], stop: threading.Event) -> None:
    """Run all tasks until `stop` is set; one that fails is logged and runs again at its next time."""
    threads = ThreadPoolExecutor(len(tasks))  # one each, so that a slow peer never holds up another task
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": threads})
    for task in tasks:
        scheduler.add_job(
            _guarded,
            "interval",
            args=[task],
            seconds=task.interval_s,
            id=task.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
            **({"next_run_time": datetime.now(UTC)} if task.at_once else {}),
        )
    scheduler.start()
    try:
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)


def _guarded(task: Task) -> None:
    log = structlog.get_logger().bind(task=task.name)
    try:
        task.run()
    except Retryable as error:
        log.warning("task_postponed", error=str(error))
    except Exception:
        log.exception("task_failed")
