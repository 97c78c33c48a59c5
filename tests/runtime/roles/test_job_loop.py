"""A role claims jobs only while it can do them."""

from __future__ import annotations

import threading

from ra_node.bootstrap.node_context import open_state
from ra_node.domain.job import JobKind
from ra_node.runtime.roles.job_loop import serve_jobs
from ra_node.settings.node import settings_from
from tests.ledger.builders import keep


def test_a_worker_without_room_on_the_disk_leaves_the_work_alone_until_there_is(tmp_path):
    """It waits rather than buries: no job is claimed, so none fails."""
    settings = settings_from({"node": {"data_dir": "state"}}, base=tmp_path)
    state = open_state(settings)
    keep(state.ledger, "1.2.3.1")
    stop, asked, done = threading.Event(), [], []

    def has_room():
        assert not done
        asked.append("room?")
        return len(asked) > 3

    def do(jobs):
        done.extend(job.attempt for job in jobs)
        stop.set()

    serve_jobs(settings, state.ledger, "work", (JobKind.EXAMINE,), 4, do, stop, ready=has_room)
    assert (len(asked), done) == (4, [1])
    state.ledger.close()
