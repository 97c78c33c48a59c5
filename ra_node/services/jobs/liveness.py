"""Detects at once that a worker of this machine has ended, without waiting for its lease.

Each worker holds a lock on a file of its own name. The kernel drops the lock with the process, however it
ends; a lock that can be acquired has no owner. Only for processes of one machine: between machines the lease
decides.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ra_node.services.jobs.job_notifier import silence

SUFFIX = ".lock"
STATE_SUFFIX = ".json"
"""Suffix of the status file of a worker (`worker_status`), removed with the lock."""
BEAT_SUFFIX = ".beat"
"""Suffix of the file whose time is the last heartbeat of a process: a hanging process also holds its lock."""
STALE_S = 20.0
"""Heartbeats are sent every second."""


@contextmanager
def present(folder: Path, owner: str) -> Iterator[None]:
    """Hold the lock of `owner` until the block, or the process, ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{owner}{SUFFIX}"
    with path.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            forget(folder, owner)


def gone(folder: Path) -> list[str]:
    """Owners that have ended without cleaning up; reported until `forget`."""
    return [path.stem for path in sorted(folder.glob(f"*{SUFFIX}")) if _free(path)]


def alive(root: Path) -> list[str]:
    """Owners that hold their lock now, in the folders of all machines below `root`.

    Processes of another machine only where the file system shares locks (NFS 4 does); otherwise they are not
    included.
    """
    return [path.stem for path in sorted(root.glob(f"*/*{SUFFIX}")) if _held(path)]


def beat(folder: Path, role: str) -> None:
    """Record a heartbeat; on a full disk it is missing."""
    with suppress(OSError):
        (folder / f"{role}-{os.getpid()}{BEAT_SUFFIX}").touch(0o600)


def stalled(root: Path, now: float | None = None) -> list[str]:
    """Roles of living processes without a heartbeat for STALE_S, in all folders below `root`."""
    now = time.time() if now is None else now
    late = {path.stem for path in root.glob(f"*/*{BEAT_SUFFIX}") if _beaten_before(path, now - STALE_S)}
    return sorted({role_of(owner) for owner in alive(root) if _process_of(owner) in late})


def _beaten_before(path: Path, time_s: float) -> bool:
    try:
        return path.stat().st_mtime < time_s
    except FileNotFoundError:
        return False


def _process_of(owner: str) -> str:
    """Role and process of an owner."""
    return owner.rsplit("-", 1)[0]


def role_of(owner: str) -> str:
    """The role in an owner's name, which is role, process and a random word."""
    return owner.rsplit("-", 2)[0]


def forget(folder: Path, owner: str) -> None:
    """Remove the files of an owner whose jobs were released."""
    for name in (f"{owner}{STATE_SUFFIX}", f"{_process_of(owner)}{BEAT_SUFFIX}", f"{owner}{SUFFIX}"):
        (folder / name).unlink(missing_ok=True)
    silence(folder, owner)


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


def _held(path: Path) -> bool:
    """Whether the lock is held; tries a shared lock, so that concurrent checks do not see each other."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
