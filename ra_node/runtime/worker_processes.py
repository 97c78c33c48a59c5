"""Worker processes forked from one that has loaded the networks, so that they share one copy.

Threads of one process would share the GIL, which a forward pass needs after every layer; and a crash of the
process would interrupt the studies of all threads.
"""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import os
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.context import ForkProcess

import structlog

from ra_node.runtime.supervisor import STOPPED_S, StoppedTooLong, Supervisor, die_with_parent
from ra_node.runtime.systemd import EVERY_S, LONGEST_S, Heartbeat
from ra_node.services.jobs.lease import describe

GRACE_S = 8.0
"""Shorter than the grace period of our parent, so that no worker process is left behind."""
_SECONDS = struct.Struct("d")


class HeartbeatTable:
    """Time of the last heartbeat of each worker process, in shared memory."""

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = mmap.mmap(-1, workers * _SECONDS.size)
        self._workers, self._clock = workers, clock

    def beat(self, worker: int) -> None:
        _SECONDS.pack_into(self._memory, worker * _SECONDS.size, self._clock())

    def late(self, most_s: float) -> list[int]:
        """Indices of workers without a heartbeat for longer than `most_s`."""
        now = self._clock()
        heard = (
            _SECONDS.unpack_from(self._memory, worker * _SECONDS.size)[0] for worker in range(self._workers)
        )
        return [worker for worker, at in enumerate(heard) if now - at > most_s]


class WorkerProcess:
    """A forked process with the interface of `supervisor.Child`."""

    def __init__(self, process: ForkProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired("worker", timeout or 0.0)
        return status


def keep_worker_processes(
    count: int,
    serve: Callable[[Callable[[], None]], None],
    close: Callable[[], None],
    changed: Callable[[], bool],
    stop: threading.Event,
    heartbeat: Heartbeat,
    longest_s: float = LONGEST_S,
) -> None:
    """Keep `count` worker processes running until stopped.

    Before each fork `close` closes resources that must not be shared, as database connections. In each worker
    `serve` is called with a function for heartbeats; a worker without a heartbeat for `longest_s`, or that is
    stopped, is killed. `changed` is called here every second and tells whether all workers must be replaced.
    The caller has one thread and sets `stop` on SIGTERM, which also ends a worker.
    """
    beats = HeartbeatTable(count)

    def start(number: int) -> WorkerProcess:
        beats.beat(number)
        close()
        return _fork(partial(serve, partial(beats.beat, number)))

    numbers, stopped_too_long = {f"worker {at}": at for at in range(count)}, StoppedTooLong()

    def fault(name: str, pid: int) -> str | None:
        if stopped_too_long(pid):
            return f"stopped for {STOPPED_S:.0f} s"
        return f"no progress for {longest_s:.0f} s" if numbers[name] in beats.late(longest_s) else None

    starts = {name: partial(start, at) for name, at in numbers.items()}
    workers = Supervisor(starts, grace_s=GRACE_S, fault=fault)
    while not stop.is_set():
        if changed():
            workers.restart_all()
        workers.check_children()
        heartbeat.beat()
        stop.wait(EVERY_S)
    workers.end()


def _fork(serve: Callable[[], None]) -> WorkerProcess:
    gc.collect()
    gc.freeze()  # otherwise each collection in a worker would copy the shared pages
    process = multiprocessing.get_context("fork").Process(target=_run, args=(serve, os.getpid()))
    process.start()
    return WorkerProcess(process)


def _run(serve: Callable[[], None], parent: int) -> None:
    die_with_parent(parent)
    os.environ.pop("NOTIFY_SOCKET", None)  # systemd hears the main process only, and would log each refusal
    try:
        serve()
    except Exception as error:  # noqa: BLE001 - a trace with its message could hold a patient's data
        structlog.get_logger().error("worker_process_failed", error=describe(error))
        raise SystemExit(1) from None
