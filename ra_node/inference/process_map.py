"""Ordered map over processes on all cores."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

import cv2

from ra_node.errors import Fatal

FEWEST = 20
"""Items per process: a process takes about a second to start, a hand or an image a third of one."""

Asked = TypeVar("Asked")
Made = TypeVar("Made")


def side_by_side(
    act: Callable[[Asked], Made], asked: Sequence[Asked], processes: int | None = None
) -> Iterator[Made]:
    """Results of `act` for each item, in order; both must be picklable.

    By default as many processes as cores and items; one means this process. Exceptions of `act` are raised in
    order. Raises Fatal where a process was killed.
    """
    count = processes or min(_cores(), len(asked) // FEWEST)
    if count < 2:
        yield from map(act, asked)
        return
    with ProcessPoolExecutor(count, get_context("spawn"), _begin) as pool:
        try:
            yield from pool.map(act, asked)
        except BrokenProcessPool as error:
            raise Fatal(
                f"expected {count} processes beside this one, found one killed; short of memory?"
            ) from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _begin() -> None:
    """Initialise a worker: one thread, and end with the parent, which handles Ctrl-C."""
    import torch  # noqa: PLC0415  # loads slowly, and the first process has it already

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
