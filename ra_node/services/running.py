"""What each living worker runs, and why it could not take a promoted bundle, in a file beside its lock."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from ra_node.domain.report import BundleIdentity
from ra_node.services.presence import STATE_SUFFIX, SUFFIX


@dataclass(frozen=True, slots=True)
class Running:
    """One worker with its bundle; `since` is UTC seconds since 1970.

    `refused` says why the worker goes on with this bundle though another is promoted, "" where it
    need not. `gpu_bytes` is the GPU memory that it held when it last told, None on a CPU.
    """

    owner: str
    host: str
    name: str
    version: str
    sha256: str
    since: float
    refused: str = ""
    gpu_bytes: int | None = None


_RUNNING = TypeAdapter(Running)


def tell_running(
    folder: Path, owner: str, bundle: BundleIdentity, refused: str, gpu_bytes: int | None = None
) -> None:
    """Tell which bundle a worker of this machine runs from now on."""
    words = (bundle.name, bundle.version, bundle.sha256)
    tell(folder, Running(owner, socket.gethostname(), *words, time.time(), refused, gpu_bytes))


def tell(folder: Path, running: Running) -> None:
    """Replace what a worker of this machine says of itself; whoever reads never sees half of it.

    A full disk must not stop a worker that only wants to say something: then it is said in the log.
    """
    unfinished = folder / f".{running.owner}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_bytes(_RUNNING.dump_json(running))
        unfinished.replace(folder / f"{running.owner}{STATE_SUFFIX}")
    except OSError as error:
        structlog.get_logger().warning("state_not_told", owner=running.owner, error=error.strerror)


def workers(root: Path) -> list[Running]:
    """Everything told in the folders of all machines below `root`, by workers not known to be dead."""
    return list(_told(root))


def _told(root: Path) -> Iterator[Running]:
    for path in sorted(root.glob(f"*/*{STATE_SUFFIX}")):
        if not path.with_suffix(SUFFIX).exists():
            continue
        try:
            yield _RUNNING.validate_json(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            continue  # it left meanwhile, or another version of the node wrote it
