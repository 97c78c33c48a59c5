"""Tasks run on their interval, and one that fails does not take the others with it."""

import threading

from ra_node.errors import Retryable
from ra_node.schedule import Task, run_tasks
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
        Task("good", counted("good"), 0.02),
        Task("bad", counted("bad", ValueError("broken")), 0.02),
        Task("waiting", counted("waiting", Retryable("later")), 0.02),
    ]
    thread = threading.Thread(target=run_tasks, args=(tasks, stop))
    thread.start()
    try:
        wait_until(lambda: min(runs.values()) >= 3, "three runs of each task")
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()
