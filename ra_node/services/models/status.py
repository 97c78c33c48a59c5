"""Which bundle the node uses, and what each worker runs: for the status and the preflight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ra_node.errors import NodeError
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.services.jobs.worker_status import RunningWorker, workers
from ra_node.services.models.registry import BundleLine, BundleRegistry
from ra_node.services.preflight.check import Check


@dataclass(frozen=True, slots=True)
class Models:
    """The bundle in use, or the reason why there is none, and the workers of every host."""

    in_use: BundleLine | None
    error: str
    workers: tuple[RunningWorker, ...]


def models(root: Path, in_use: Callable[[], BundleLine]) -> Models:
    """Read the bundle in use, and the status of the workers below `root`."""
    running = tuple(workers(root))
    try:
        return Models(in_use(), "", running)
    except NodeError as error:
        return Models(None, str(error), running)


def worker_checks(now: Models) -> list[Check]:
    """One row a worker; one that could not load the promoted bundle fails."""
    return [_worker_check(worker, now.in_use) for worker in now.workers]


def checked_words(shelf: BundleRegistry) -> str:
    """Check every file of the bundle in use; return its identity. Raises Fatal for a fault."""
    bundle = load_bundle(shelf.folder_of(shelf.wanted()))
    notice = bundle.identity.notice
    return f"{bundle_words(shelf.in_use())}{f'; {notice}' if notice else ''}"


def bundle_words(line: BundleLine) -> str:
    """Name, version, hash, and where it comes from, in one line."""
    origin = "[models] bundle; nothing is promoted" if line.source == "[models]" else "promoted"
    return f"{line.name} {line.version} ({line.sha256[:12]}), {origin}"


def refusals(running: Sequence[RunningWorker]) -> list[str]:
    """Text about workers that keep an old bundle."""
    return [f"{worker.owner} at {worker.host} {_refusal(worker)}" for worker in running if worker.refused]


def _worker_check(worker: RunningWorker, in_use: BundleLine | None) -> Check:
    name = f"worker at {worker.host}"
    if worker.refused:
        hint = "fix the cause: it tries again twice a minute; or `ra-node bundle rollback`"
        return Check(name, ok=False, found=f"{worker.owner} {_refusal(worker)}", hint=hint)
    found = f"{worker.owner} runs {worker.name} {worker.version} ({worker.sha256[:12]})"
    if in_use is not None and in_use.sha256 != worker.sha256:
        found += f"; loads {in_use.name} {in_use.version} after its present batch"
    return Check(name, ok=True, found=found)


def _refusal(worker: RunningWorker) -> str:
    return (
        f"keeps {worker.name} {worker.version} ({worker.sha256[:12]}), because it could not load"
        f" the promoted bundle: {worker.refused}"
    )
