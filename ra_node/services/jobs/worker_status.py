"""Status of each worker: its bundle, and why it could not load a promoted one, in a file beside its lock."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.services.jobs.liveness import STATE_SUFFIX, SUFFIX

AGAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """One worker with its bundle; `since` is UTC seconds since 1970.

    `refused` is the reason why the worker keeps this bundle although another is promoted, else "".
    `gpu_bytes` is its GPU memory at the last update, None on a CPU.
    """

    owner: str
    host: str
    name: str
    version: str
    sha256: str
    since: float
    refused: str = ""
    gpu_bytes: int | None = None


_RUNNING = TypeAdapter(RunningWorker)


@dataclass
class Announcer:
    """Publishes the status of a worker: at each change, and periodically its GPU memory."""

    folder: Path
    gpu_bytes: Callable[[], int | None]
    clock: Callable[[], float] = time.monotonic
    _told: RunningWorker | None = None
    _told_at: float = 0.0

    def say(self, owner: str, bundle: BundleIdentity, refused: str) -> None:
        """Publish a change."""
        words = (bundle.name, bundle.version, bundle.sha256)
        self._tell(RunningWorker(owner, socket.gethostname(), *words, time.time(), refused))

    def say_again(self) -> None:
        """Repeat the last status after a while on a GPU."""
        due = self.clock() - self._told_at >= AGAIN_S
        if self._told is not None and due and self.gpu_bytes() is not None:
            self._tell(self._told)

    def _tell(self, running: RunningWorker) -> None:
        self._told, self._told_at = replace(running, gpu_bytes=self.gpu_bytes()), self.clock()
        tell(self.folder, self._told)


def tell(folder: Path, running: RunningWorker) -> None:
    """Write the status file of a worker of this machine atomically.

    A full disk must not stop a worker: the failure is logged only.
    """
    unfinished = folder / f".{running.owner}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_bytes(_RUNNING.dump_json(running))
        unfinished.replace(folder / f"{running.owner}{STATE_SUFFIX}")
    except OSError as error:
        structlog.get_logger().warning("worker_status_not_saved", owner=running.owner, error=error.strerror)


def workers(root: Path) -> list[RunningWorker]:
    """Status of all workers in the folders below `root`, without those that have ended."""
    return list(_told(root))


def _told(root: Path) -> Iterator[RunningWorker]:
    for path in sorted(root.glob(f"*/*{STATE_SUFFIX}")):
        if not path.with_suffix(SUFFIX).exists():
            continue
        try:
            yield _RUNNING.validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            continue  # removed meanwhile, or written by another version of the node
