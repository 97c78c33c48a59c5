"""Tasks run on their interval, and one that fails does not take the others with it."""

import threading
import time
from datetime import datetime, timedelta

import pytest
from apscheduler.schedulers import base

from ra_node.errors import Retryable
from ra_node.runtime.scheduler import ScheduledTask, run_tasks
from tests.conftest import wait_until


def test_a_failing_task_runs_again_and_the_others_go_on():
    runs = {"good": 0, "bad": 0, "waiting": 0}

    def counted(name, error=None):
        def run():
            runs[name] += 1
            if error:
                raise error

        return run

    stop = threading.Event()
    tasks = [
        ScheduledTask("good", counted("good"), 0.02),
        ScheduledTask("bad", counted("bad", ValueError("broken")), 0.02),
        ScheduledTask("waiting", counted("waiting", Retryable("later")), 0.02),
    ]
    thread = threading.Thread(target=run_tasks, args=(tasks, stop))
    thread.start()
    try:
        wait_until(lambda: min(runs.values()) >= 3, "three runs of each task")
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0], ids=["back an hour", "ahead an hour"])
def test_tasks_go_on_when_the_wall_clock_is_set(monkeypatch, jump_s):
    """APScheduler alone would rest until the old time comes again.

    It counts every missed run of a clock set ahead: 180,000 in an hour at this interval, 0.2 s of CPU.
    """
    shift = [0.0]

    class Shifted(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(seconds=shift[0])

    monkeypatch.setattr(base, "datetime", Shifted)
    monkeypatch.setattr("ra_node.runtime.scheduler.EVERY_S", 0.02)
    runs = []
    stop = threading.Event()
    work = [ScheduledTask("often", lambda: runs.append(1), 0.02)]
    arguments = (work, stop, lambda _line: None, lambda: time.time() + shift[0])
    thread = threading.Thread(target=run_tasks, args=arguments)
    thread.start()
    try:
        wait_until(lambda: len(runs) >= 3, "three runs before the clock is set")
        shift[0] = jump_s
        before = len(runs)
        wait_until(lambda: len(runs) >= before + 5, "five runs after the clock was set")
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()
