"""Lanes: processes forked from one that has loaded the networks, so that all of them hold these once.

Threads of one process would share Python's lock, for which a pass through a network asks after every
layer; and what kills a process would take every study down that another thread has under way.
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

from ra_node.notify import EVERY_S, LONGEST_S, Pulse
from ra_node.services.lease import describe
from ra_node.supervise import Supervisor, stop_with_parent

GRACE_S = 8.0
"""Less than that of whoever started us, so that no lane is left behind."""
_BEAT = struct.Struct("d")


class Beats:
    """When each lane was last through with something, in memory that parent and lanes share."""

    def __init__(self, lanes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = mmap.mmap(-1, lanes * _BEAT.size)
        self._lanes, self._clock = lanes, clock

    def beat(self, lane: int) -> None:
        _BEAT.pack_into(self._memory, lane * _BEAT.size, self._clock())

    def late(self, most_s: float) -> list[int]:
        """The lanes that have not been heard of for longer than `most_s`."""
        now = self._clock()
        heard = (_BEAT.unpack_from(self._memory, lane * _BEAT.size)[0] for lane in range(self._lanes))
        return [lane for lane, at in enumerate(heard) if now - at > most_s]


class Lane:
    """A forked process, as `supervise.Child` wants it."""

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
            raise subprocess.TimeoutExpired("lane", timeout or 0.0)
        return status


def keep_lanes(
    count: int,
    serve: Callable[[Callable[[], None]], None],
    close: Callable[[], None],
    changed: Callable[[], bool],
    stop: threading.Event,
    pulse: Pulse,
) -> None:
    """Keep that many lanes serving until told to stop.

    Before each fork `close` closes what does not outlive one, as connections to a database. In each lane
    `serve` is called with what it is to call whenever it is through with something; one that calls nothing
    for LONGEST_S is killed. `changed` is called here each second and tells whether all lanes are to be
    replaced by new ones. The caller has one thread, and sets `stop` on SIGTERM, which also ends a lane.
    """
    beats = Beats(count)

    def start(number: int) -> Lane:
        beats.beat(number)
        close()
        return _fork(partial(serve, partial(beats.beat, number)), stop)

    lanes = Supervisor({f"lane {at}": partial(start, at) for at in range(count)}, grace_s=GRACE_S)
    while not stop.is_set():
        if changed():
            lanes.renew()
        for late in beats.late(LONGEST_S):
            lanes.kill(f"lane {late}")
        lanes.tend()
        pulse.beat()
        stop.wait(EVERY_S)
    lanes.end()


def _fork(serve: Callable[[], None], stop: threading.Event) -> Lane:
    gc.collect()
    gc.freeze()  # or each collection of a lane would copy what it shares
    process = multiprocessing.get_context("fork").Process(target=_run, args=(serve, stop, os.getpid()))
    process.start()
    return Lane(process)


def _run(serve: Callable[[], None], stop: threading.Event, parent: int) -> None:
    stop_with_parent(parent, stop)
    try:
        serve()
    except Exception as error:  # noqa: BLE001 - a trace with its message could hold a patient's data
        structlog.get_logger().error("lane_broken", error=describe(error))
        raise SystemExit(1) from None
