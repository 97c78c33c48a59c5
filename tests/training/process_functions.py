"""Functions that tests run in other processes; each of these imports this module, so it imports little."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from ra_node.errors import Fatal


def told(number: int) -> tuple[int, int]:
    """The number, and the process that was asked."""
    if number == 5:
        raise Fatal("expected another number, found 5")
    return number, os.getpid()


def killed(number: int) -> int:
    """The number; one of them ends the process."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def at_work(note: str) -> None:
    """Tell which process this is, and take an hour."""
    Path(note).write_text(f"{os.getpid()}\n")
    time.sleep(3600)
