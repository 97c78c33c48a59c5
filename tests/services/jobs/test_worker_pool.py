"""Jobs run side by side, and what may have killed a process works alone."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ra_node.bootstrap.node_context import open_state
from ra_node.domain.job import Job, JobKind, JobState
from ra_node.errors import Retryable
from ra_node.ledger.jobs.queue import abandon, claim, finish
from ra_node.runtime.roles.job_loop import serve_jobs
from ra_node.services.jobs.worker_pool import JobPool
from ra_node.settings.node import settings_from
from tests.conftest import wait_until
from tests.ledger.builders import keep

JOB = Job(
    "", JobKind.EXAMINE, "", "1.2", None, None, None, JobState.LEASED, 0, 1, 0, 3, 1, "", 0, None, 0, None
)
PATIENCE_S = 120


def job(name, attempt=1, excused=0):
    return replace(JOB, id=name, attempt=attempt, excused=excused)


class Line:
    """Jobs in their order; those given back stand at the front again."""

    def __init__(self, *jobs):
        self.jobs, self.given_back = list(jobs), []

    def claim(self, most):
        suspect = next((one for one in self.jobs[:1] if one.tried_before), None)
        taken = [suspect] if suspect else [one for one in self.jobs[:most] if not one.tried_before]
        del self.jobs[: len(taken)]
        return taken

    def give_back(self, one):
        self.given_back.append(one.id)
        self.jobs.insert(0, one)


class Hands:
    """Begins whatever it is given and ends it when the test says so; knows what was under way together."""

    def __init__(self):
        self.begun, self.together, self.ended = [], [], []
        self.may_end = {}
        self._lock = threading.Lock()

    def do(self, jobs):
        names = tuple(one.id for one in jobs)
        with self._lock:
            self.begun.append(names)
            under_way = [name for group in self.begun for name in group if name not in self.ended]
            self.together.append(frozenset(under_way))
            gate = self.may_end.setdefault(names[0], threading.Event())
        assert gate.wait(PATIENCE_S)
        with self._lock:
            self.ended.extend(names)

    def end(self, *names):
        for name in names:
            with self._lock:
                gate = self.may_end.setdefault(name, threading.Event())
            gate.set()


def test_as_many_jobs_are_under_way_as_there_are_threads():
    hands, line = Hands(), Line(job("a"), job("b"), job("c"))
    with JobPool(hands.do, threads=2) as pool:
        assert pool.work(line.claim, line.give_back)
        wait_until(lambda: len(hands.begun) == 2, "both threads to begin")
        assert [one.id for one in line.jobs] == ["c"]
        hands.end("a")
        wait_until(lambda: pool.work(line.claim, line.give_back) and not line.jobs, "the third job's turn")
        hands.end("b", "c")
    assert sorted(hands.ended) == ["a", "b", "c"]


def test_the_images_of_a_study_are_dealt_out_to_the_threads():
    hands, line = Hands(), Line(job("a"), job("b"), job("c"), job("d"), job("e"))
    hands.end("a", "b")
    with JobPool(hands.do, threads=2, most=4) as pool:
        pool.work(line.claim, line.give_back)
    assert sorted(hands.begun) == [("a", "c"), ("b", "d")]
    assert [one.id for one in line.jobs] == ["e"]


def test_a_job_that_was_tried_before_shares_the_process_with_no_other():
    """Otherwise one that kills its worker would use up the attempts of whatever is beside it."""
    hands, line = Hands(), Line(job("a"), job("suspect", attempt=2), job("b"))
    hands.end("suspect", "b")
    with JobPool(hands.do, threads=2, most=2) as pool:
        pool.work(line.claim, line.give_back)
        pool.work(line.claim, line.give_back)
        assert line.given_back == ["suspect"]
        hands.end("a")
        wait_until(lambda: pool.work(line.claim, line.give_back) and not line.jobs, "everything to begin")
    assert all(len(names) == 1 for names in hands.together if "suspect" in names)
    assert sorted(hands.ended) == ["a", "b", "suspect"]


def test_an_attempt_that_was_excused_makes_nobody_suspect():
    assert not job("a", attempt=3, excused=2).tried_before
    assert job("a", attempt=3, excused=1).tried_before


def test_two_suspects_are_never_under_way_together():
    hands, line = Hands(), Line(job("a", attempt=2), job("b", attempt=3), job("c"))
    hands.end("a", "b", "c")
    with JobPool(hands.do, threads=3) as pool:
        wait_until(lambda: pool.work(line.claim, line.give_back) and not line.jobs, "everything to begin")
    assert all(len(names) == 1 for names in hands.together)


def test_one_thread_works_in_the_thread_of_its_caller():
    threads = []
    with JobPool(lambda _jobs: threads.append(threading.current_thread())) as pool:
        assert pool.work(Line(job("a")).claim, None)
        assert not pool.work(Line().claim, None)
    assert threads == [threading.current_thread()]


def test_what_a_thread_raises_reaches_its_owner_and_an_absent_ledger_does_not_break_the_end():
    def fail(jobs):
        raise Retryable("away") if jobs[0].id == "away" else ValueError("odd")

    line = Line(job("away"), job("odd"))
    with pytest.raises(ValueError, match="odd"), JobPool(fail, threads=2) as pool:
        pool.work(line.claim, line.give_back)
    with JobPool(fail, threads=2) as pool:
        pool.work(Line(job("away")).claim, None)


def test_the_end_waits_for_what_is_under_way():
    hands, line = Hands(), Line(job("a"))
    pool = JobPool(hands.do, threads=2)
    with pool:
        pool.work(line.claim, line.give_back)
        wait_until(lambda: hands.begun, "the job to begin")
        threading.Timer(0.05, hands.end, ["a"]).start()
    assert hands.ended == ["a"]


def test_a_worker_with_threads_does_everything_once_and_its_suspects_alone(tmp_path):
    """The whole loop over a real ledger: what a dead worker held comes back, each image by itself."""
    settings = settings_from({"node": {"data_dir": "state"}}, base=tmp_path)
    ledger = open_state(settings).ledger
    for number in range(6):
        keep(ledger, f"1.2.3.{number}")
    held = claim(ledger, (JobKind.EXAMINE,), "dead", 3, 60.0)
    assert abandon(ledger, "dead") == len(held) == 3
    suspects = {one.id for one in held}
    stop, under_way, done, crowded = threading.Event(), set(), [], []

    def do(jobs):
        for one in jobs:
            under_way.add(one.id)
            crowded.extend(suspects & under_way if len(under_way) > 1 else ())
        for one in jobs:
            under_way.discard(one.id)
            done.append(one.id)
            finish(ledger, one)
        if len(done) == 6:
            stop.set()

    serve_jobs(settings, ledger, "work", (JobKind.EXAMINE,), 4, do, stop, threads=2)
    assert len(done) == len(set(done)) == 6
    assert crowded == []
    assert claim(ledger, (JobKind.EXAMINE,), "late", 9, 60.0) == []
    ledger.close()
