"""Whoever waits for work hears of it at once, and nobody is harmed by a bell that nobody hears."""

from __future__ import annotations

import os
import select
import threading

import pytest

from ra_node.bootstrap.node_context import open_state, presence_folder
from ra_node.domain.job import JobKind
from ra_node.ledger.database.engine import SETTLING
from ra_node.ledger.inbox import Repeated, close_association, keep_instance, open_association, settle_now
from ra_node.ledger.jobs.queue import bury, claim, finish
from ra_node.runtime.roles import job_loop
from ra_node.services.jobs.job_notifier import JobListener, JobNotifier, listening
from ra_node.services.jobs.liveness import forget
from ra_node.settings.node import settings_from
from tests.ledger.builders import keep, new_instance


@pytest.fixture
def stop():
    return threading.Event()


def test_a_ring_wakes_those_who_wait_for_that_thing(tmp_path, stop):
    with (
        listening(tmp_path, "work-1", ["examine", "report"], stop) as worker,
        listening(tmp_path, "deliver-1", ["deliver"], stop) as sender,
    ):
        JobNotifier(tmp_path).ring({"report"})
        assert worker.wait(60)
        assert not worker.wait(0)
        assert not sender.wait(0)


def test_a_ring_before_the_wait_is_heard(tmp_path, stop):
    """Between the last look and the wait there is time for a commit."""
    with listening(tmp_path, "work-1", ["examine"], stop) as ear:
        for _ in range(3):
            JobNotifier(tmp_path).ring({"examine"})
        assert ear.wait(60)
        assert not ear.wait(0)


def test_nobody_waits_for_a_bell_that_nobody_hears(tmp_path, stop):
    """No folder, a dead owner's pipe, a pipe that is full: the commit goes on."""
    JobNotifier(tmp_path / "none").ring({"examine"})
    os.mkfifo(tmp_path / "examine+dead.wake")
    JobNotifier(tmp_path).ring({"examine"})
    forget(tmp_path, "dead")
    assert not list(tmp_path.iterdir())
    with listening(tmp_path, "deaf", ["examine"], stop):
        (pipe,) = (os.open(path, os.O_WRONLY | os.O_NONBLOCK) for path in tmp_path.iterdir())
        while select.select([], [pipe], [], 0)[1]:
            os.write(pipe, bytes(4096))
        os.close(pipe)
        JobNotifier(tmp_path).ring({"examine"})


def test_a_stop_ends_the_wait(tmp_path, stop):
    ear = JobListener(stop)
    waiting = threading.Thread(target=ear.wait, args=(600,))
    waiting.start()
    stop.set()
    waiting.join(120)
    assert not waiting.is_alive()


def test_a_commit_tells_what_it_gave_others_to_do_and_a_rollback_nothing(tmp_path):
    settings = settings_from({"node": {"data_dir": "state"}}, base=tmp_path)
    ledger = open_state(settings).ledger
    rung = []
    object.__setattr__(ledger, "ring", lambda things: rung.append(sorted(things)))
    association = open_association(ledger, "listen-1", "CT", "127.0.0.1")
    keep(ledger, "1.2.3.1")
    assert isinstance(keep_instance(ledger, new_instance("1.2.3.1")), Repeated)
    close_association(ledger, association)
    assert rung == [["examine"], [SETTLING]]
    ledger.close()


@pytest.mark.parametrize("end", [finish, lambda ledger, job: bury(ledger, job, "poison")])
def test_the_end_of_an_examination_wakes_whoever_makes_the_report_that_waited_for_it(tmp_path, end):
    """It may be examined in one worker process, or on another worker, while the study has settled already."""
    settings = settings_from({"node": {"data_dir": "state"}}, base=tmp_path)
    ledger = open_state(settings).ledger
    keep(ledger, "1.2.3.1")
    settle_now(ledger, "1.2.3")
    kinds = (JobKind.EXAMINE, JobKind.REPORT)
    (job,) = claim(ledger, kinds, "work-1", 4, 60.0)
    rung = []
    object.__setattr__(ledger, "ring", lambda things: rung.append(sorted(things)))
    end(ledger, job)
    assert rung == [["report"]]
    assert [one.kind for one in claim(ledger, kinds, "work-2", 4, 60.0)] == [JobKind.REPORT]
    ledger.close()


def test_a_role_does_what_is_committed_while_it_waits(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(job_loop, "IDLE_S", 3600.0)
    settings = settings_from({"node": {"data_dir": "state"}}, base=tmp_path)
    ours, theirs = open_state(settings).ledger, open_state(settings).ledger
    looks, done = threading.Semaphore(0), threading.Event()

    def do(_jobs):
        done.set()
        stop.set()

    def ready():
        looks.release()
        return True

    asked = (settings, ours, "work", (JobKind.EXAMINE,), 4, do, stop)
    role = threading.Thread(target=job_loop.serve_jobs, args=asked, kwargs={"ready": ready})
    role.start()
    try:
        assert looks.acquire(timeout=120)
        assert presence_folder(settings).is_dir()
        keep(theirs, "1.2.3.1")
        assert done.wait(120)
    finally:
        stop.set()
        role.join(120)
        ours.close()
        theirs.close()
