"""Tells at once that a worker of this machine has died, so that its work need not wait for its lease.

Each worker holds a lock on a file of its own name. The kernel drops the lock with the process,
however it ends; a lock that can be taken belongs to nobody. Only for processes of one machine:
between machines the lease decides.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".lock"
STATE_SUFFIX = ".json"
"""Of the file in which a worker tells more of itself (`running`); it goes with the lock."""


@contextmanager
def present(folder: Path, owner: str) -> Iterator[None]:
    """Be present as `owner` until the block, or the process, ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{owner}{SUFFIX}"
    with path.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            forget(folder, owner)


def gone(folder: Path) -> list[str]:
    """Owners that have died without leaving; each is told once it is confirmed by `forget`."""
    return [path.stem for path in sorted(folder.glob(f"*{SUFFIX}")) if _free(path)]


def forget(folder: Path, owner: str) -> None:
    """Remove the trace of an owner whose work was given back."""
    for suffix in (STATE_SUFFIX, SUFFIX):
        (folder / f"{owner}{suffix}").unlink(missing_ok=True)


def _free(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
