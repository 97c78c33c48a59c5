"""Runs what must happen again and again, each task on its own interval and never twice at once.

Intervals are monotonic: a library that computes its next time from the wall clock (APScheduler) stops for an
hour when the clock is set back by one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from ra_node.errors import Retryable
from ra_node.notify import EVERY_S

OFTEN_S = 60.0


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every `interval_s` seconds, for the first time after one of them or at once."""

    name: str
    run: Callable[[], None]
    interval_s: float
    at_once: bool = False


def run_tasks(
    tasks: Sequence[Task], stop: threading.Event, beat: Callable[[str], None] = lambda _line: None
) -> None:
    """Run all tasks until `stop` is set; one that fails is logged and runs again at its next time.

    A thread each, so that a slow peer never holds up another task. Each round of a task that runs every
    minute or more often is a beat, and so is each second of the whole.
    """
    threads = [threading.Thread(target=_repeat, args=(task, stop, beat), name=task.name) for task in tasks]
    for thread in threads:
        thread.start()
    while not stop.is_set():
        beat("clock")
        stop.wait(EVERY_S)
    for thread in threads:
        thread.join()


def _repeat(task: Task, stop: threading.Event, beat: Callable[[str], None]) -> None:
    """Run a task on its interval by a monotonic clock; what it has missed it does not make up for."""
    due = time.monotonic() + (0.0 if task.at_once else task.interval_s)
    while not stop.wait(max(0.0, due - time.monotonic())):
        _guarded(task, beat)
        due = max(due + task.interval_s, time.monotonic())


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
        _guarded(Task(name, lambda: pauses.append(run()), most_s), beat)  # noqa: B023 - called before the next round
        wait(min([most_s, *pauses]))


def _guarded(task: Task, beat: Callable[[str], None]) -> None:
    log = structlog.get_logger().bind(task=task.name)
    try:
        task.run()
    except Retryable as error:
        log.warning("task_postponed", error=str(error))
    except Exception:
        log.exception("task_failed")
    if task.interval_s <= OFTEN_S:
        beat(task.name)
