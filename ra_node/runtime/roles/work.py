"""The role `work`: examines images and reports studies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog

from ra_node.bootstrap.analysis import build_worker, gpu_bytes, lanes_of
from ra_node.bootstrap.node_context import build_binding, build_guard, new_owner, open_state, presence_folder
from ra_node.domain.job import JobKind
from ra_node.errors import Retryable
from ra_node.ledger.database.engine import LedgerLost
from ra_node.runtime.roles.job_loop import serve_jobs
from ra_node.runtime.roles.role_process import begin, pulse_of, serve_all
from ra_node.runtime.systemd import STALLED, Pulse
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

    def refresh(owner: str) -> None:
        worker.refresh(partial(announcer.say, owner))
        announcer.say_again()

    lanes, owner, stall_s = lanes_of(), new_owner("work"), settings.limits.stall_s
    kinds, has_room = (JobKind.EXAMINE, JobKind.REPORT), build_guard(settings).has_room
    bound = build_binding(settings, state).holds
    serve = partial(serve_jobs, settings, state.ledger, "work", kinds, do=worker.do, stop=stop)
    serve = partial(serve, ready=lambda: has_room() and bound())
    pulse = pulse_of(settings, "work")
    if lanes == 1 or gpu_bytes() is not None:
        together = partial(serve, limit=settings.models.images, between=refresh, pulse=pulse, lanes=lanes)
        serve_all({"work": together}, stop, pulse.beat)
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

    def lane(further: Callable[[], None]) -> None:
        serve(limit=1, pulse=Pulse(stall_s, say=lambda state: None if state == STALLED else further()))

    from ra_node.runtime.worker_processes import keep_lanes  # noqa: PLC0415 - the other roles fork nothing

    with present(presence_folder(settings), owner):
        keep_lanes(lanes, lane, state.ledger.close, changed, stop, pulse, stall_s)
