"""Starts a process that makes reader studies which were created on the page, beside the worker's own jobs.

The page holds no networks, so a worker's role makes what it asks for: at a low priority, in a process of its
own that ends with the worker and goes on where it was after a restart.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

import structlog

from ra_node.bootstrap.node_context import State
from ra_node.bootstrap.reader_studies import do_pending, pending_work
from ra_node.errors import NodeError, Retryable
from ra_node.runtime.log import configure_logging
from ra_node.runtime.supervisor import die_with_parent
from ra_node.settings.node import Settings

EVERY_S = 10.0


@dataclass
class ReaderStudyMaker:
    """Looks for pending reader studies every `EVERY_S` seconds; at most one process makes them."""

    settings: Settings
    state: State
    clock: Callable[[], float] = time.monotonic
    start: Callable[[Settings], BaseProcess] = field(default_factory=lambda: _started)
    _looked_at: float = float("-inf")
    _process: BaseProcess | None = None

    def look(self) -> None:
        """Start the process where there is something to make and none is at it."""
        now = self.clock()
        if now - self._looked_at < EVERY_S:
            return
        self._looked_at = now
        if self._process is not None:
            if self._process.is_alive():
                return
            structlog.get_logger().info("reader_study_process_ended", exit_code=self._process.exitcode)
            self._process = None
        try:
            found = pending_work(self.state)
        except Retryable:
            return  # the worker's own loop reports it
        if found.studies or found.hands:
            self._process = self.start(self.settings)

    def end(self) -> None:
        """End the process at once: what it has cut is kept, and the next start goes on."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _started(settings: Settings) -> BaseProcess:
    process = get_context("spawn").Process(target=_make, args=(settings, os.getpid()), name="reader-studies")
    process.start()
    return process


def _make(settings: Settings, parent: int) -> None:
    """Make everything that is pending, in a process of its own."""
    die_with_parent(parent)
    configure_logging("work", level=logging.WARNING)
    try:
        do_pending(settings)
    except NodeError:
        raise SystemExit(1) from None  # what failed for a reader study is in its row; the rest is tried again
