"""The loop of a role that does jobs: claim, do, and wait to be notified of more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog

from ra_node.bootstrap.node_context import new_owner, presence_folder
from ra_node.domain.job import Job, JobKind
from ra_node.errors import Retryable
from ra_node.ledger.database.engine import Ledger, LedgerLost
from ra_node.ledger.jobs.queue import claim, release
from ra_node.runtime.roles.role_process import LEDGER_PAUSE_S
from ra_node.runtime.systemd import Heartbeat
from ra_node.services.jobs.job_notifier import listening
from ra_node.services.jobs.lease import held
from ra_node.services.jobs.liveness import present
from ra_node.services.jobs.progress import Progress
from ra_node.services.jobs.worker_pool import JobPool
from ra_node.settings.node import Settings

POLL_S = 0.1
IDLE_S = 1.0
"""Poll interval of a role that is notified of new work."""


def serve_jobs(
    settings: Settings,
    ledger: Ledger,
    role: str,
    kinds: Collection[JobKind],
    limit: int,
    do: Callable[[Sequence[Job]], None],
    stop: threading.Event,
    peer: str | None = None,
    between: Callable[[str], None] = lambda _owner: None,
    ready: Callable[[], bool] = lambda: True,
    heartbeat: Heartbeat | None = None,
    threads: int = 1,
) -> None:
    """Claim and run jobs until stopped; wait while the ledger is unreachable or `ready` is false.

    `between` is called with the owner's name before each claim. With several `threads` that many jobs or
    batches run in parallel.
    """
    owner, thread, limits = new_owner(role), threading.current_thread().name, settings.limits
    under_way: set[Progress] = set()
    log = structlog.get_logger().bind(owner=owner)
    log.info("role_startup_completed", peer=peer)
    folder = presence_folder(settings)

    def further() -> None:
        """Send a heartbeat unless a running job has made no progress for too long."""
        if heartbeat is not None and all(one.idle_s() < limits.stall_s for one in tuple(under_way)):
            heartbeat.beat(thread)

    def hold(jobs: Sequence[Job]) -> None:
        progress = Progress(moved=further)
        under_way.add(progress)
        try:
            with held(ledger, jobs, limits.job_lease_s, limits.stall_s, progress):
                do(jobs)
        finally:
            under_way.discard(progress)

    def more(most: int) -> list[Job]:
        return claim(ledger, kinds, owner, most, limits.job_lease_s, peer=peer) if ready() else []

    pool = JobPool(hold, threads, limit)
    with present(folder, owner), listening(folder, owner, kinds, stop) as ear, pool:
        while not stop.is_set():
            try:
                between(owner)
                further()
                if not pool.work(more, partial(release, ledger)):
                    ear.wait(poll_s(settings))
            except LedgerLost:
                raise
            except Retryable as error:
                log.warning("ledger_access_failed", error=str(error))
                stop.wait(LEDGER_PAUSE_S)
    log.info("role_stopped")


def poll_s(settings: Settings) -> float:
    """Poll interval for work without notification: other hosts may use a server's ledger."""
    return IDLE_S if settings.ledger_url.startswith("sqlite") else POLL_S
