"""The role `work`: examines images and reports studies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog

from ra_node.bootstrap.analysis import build_worker, gpu_bytes, worker_count
from ra_node.bootstrap.node_context import build_binding, build_guard, new_owner, open_state, presence_folder
from ra_node.domain.job import JobKind
from ra_node.errors import Retryable
from ra_node.ledger.database.engine import LedgerLost
from ra_node.runtime.reader_study_maker import ReaderStudyMaker
from ra_node.runtime.roles.job_loop import serve_jobs
from ra_node.runtime.roles.role_process import begin, heartbeat_of, serve_all
from ra_node.runtime.systemd import STALLED, Heartbeat
from ra_node.services.jobs.liveness import present
from ra_node.services.jobs.worker_status import Announcer
from ra_node.settings.node import Settings


def work(settings: Settings) -> None:
    """Run `work` until stopped: examine images and report studies, in parallel on several cores.

    On a CPU each worker is a process of its own, forked from this one; a GPU is used by one process.
    """
    stop = begin("work", settings)
    state = open_state(settings)
    worker = build_worker(settings, state, stop.is_set)
    announcer = Announcer(presence_folder(settings), gpu_bytes)
    reader_studies = ReaderStudyMaker(settings, state)

    def refresh(owner: str) -> None:
        worker.refresh(partial(announcer.say, owner))
        announcer.say_again()
        reader_studies.look()

    workers, owner, stall_s = worker_count(), new_owner("work"), settings.limits.stall_s
    kinds = (JobKind.EXAMINE, JobKind.REPORT, JobKind.COMPARE)
    has_room = build_guard(settings).has_room
    bound = build_binding(settings, state).holds
    serve = partial(serve_jobs, settings, state.ledger, "work", kinds, do=worker.do, stop=stop)
    serve = partial(serve, ready=lambda: has_room() and bound())
    heartbeat = heartbeat_of(settings, "work")
    if workers == 1 or gpu_bytes() is not None:
        run_threads = partial(
            serve, limit=settings.models.images, between=refresh, heartbeat=heartbeat, threads=workers
        )
        try:
            serve_all({"work": run_threads}, stop, heartbeat.beat)
        finally:
            reader_studies.end()
        return

    def changed() -> bool:
        bench = worker.bench
        try:
            refresh(owner)
        except LedgerLost:
            raise
        except Retryable as error:
            structlog.get_logger().warning("ledger_access_failed", error=str(error))
        return worker.bench is not bench

    def run_worker(further: Callable[[], None]) -> None:
        def say(state: str) -> None:
            if state != STALLED:
                further()

        serve(limit=1, heartbeat=Heartbeat(stall_s, say=say))

    from ra_node.runtime.worker_processes import keep_worker_processes  # noqa: PLC0415 - only this role forks

    with present(presence_folder(settings), owner):
        try:
            keep_worker_processes(workers, run_worker, state.ledger.close, changed, stop, heartbeat, stall_s)
        finally:
            reader_studies.end()
