"""Whatever workers, crashes and operators do in any order, a job has one holder and is never lost."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.jobs.queue import (
    LeaseLost,
    abandon,
    bury,
    claim,
    finish,
    heartbeat,
    release,
    retry,
)
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.overview import jobs_of
from tests.ledger.builders import LEASE_S, FakeClock, keep, lose_leases

STUDY = "1.2.3"
owners = st.sampled_from(["a", "b"])


@cache
def empty_ledger() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        open_ledger(f"sqlite:///{path}").close()
        return path.read_bytes()


class Queue(RuleBasedStateMachine):
    """The model knows, for each job, the one claim that is good and whether the job has ended."""

    claims = Bundle("claims")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ra-node-queue-"))
        (self.folder / "ledger.sqlite").write_bytes(empty_ledger())
        self.clock = FakeClock()
        self.ledger = open_ledger(f"sqlite:///{self.folder}/ledger.sqlite", self.clock)
        self.count = 0
        self.holder: dict[str, Job] = {}
        self.done: set[str] = set()
        self.buried: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)

    @rule()
    def enqueue(self) -> None:
        self.count += 1
        keep(self.ledger, f"{STUDY}.1.{self.count}", STUDY)

    @rule(target=claims, owner=owners, limit=st.integers(1, 3))
    def claim(self, owner: str, limit: int):
        jobs = claim(self.ledger, [JobKind.EXAMINE], owner, limit, LEASE_S)
        assert len(jobs) <= limit
        assert len(jobs) == 1 or all(job.attempt - job.excused == 1 for job in jobs), (
            "a suspect must come alone"
        )
        for job in jobs:
            assert job.id not in self.done | self.buried, "what has ended is never given out"
            assert job.attempt <= job.max_attempts + job.excused
            assert self._free(job.id), "nobody else holds it"
            self.holder[job.id] = job
        self._see_burials()
        return jobs[0] if jobs else None

    @rule(job=claims)
    def heartbeat(self, job: Job | None) -> None:
        if job is not None:
            assert heartbeat(self.ledger, job, LEASE_S) == self._good(job)

    @rule(job=consumes(claims))
    def finish(self, job: Job | None) -> None:
        self._end(job, lambda good: finish(self.ledger, good), self.done)

    @rule(job=claims)
    def finish_and_keep_the_claim(self, job: Job | None) -> None:
        self._end(job, lambda good: finish(self.ledger, good), self.done)

    @rule(job=claims)
    def bury(self, job: Job | None) -> None:
        self._end(job, lambda good: bury(self.ledger, good, "it broke"), self.buried)

    @rule(job=claims, delay=st.sampled_from([0.0, 30.0]), age=st.sampled_from([None, 200.0]))
    def retry(self, job: Job | None, delay: float, age: float | None) -> None:
        def again(good: Job) -> None:
            state = retry(self.ledger, good, "it broke", self.clock.now + delay, give_up_after_s=age)
            if age is None:
                assert (state is JobState.BURIED) == good.last_attempt
            if state is JobState.BURIED:
                self.buried.add(good.id)

        self._end(job, again, set())

    @rule(job=claims)
    def release(self, job: Job | None) -> None:
        if job is not None:
            assert release(self.ledger, job) == self._good(job)
            if self._good(job):
                del self.holder[job.id]

    @rule(seconds=st.sampled_from([1.0, LEASE_S / 2, LEASE_S]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def expire(self) -> None:
        late = set(self.holder)
        expired = lose_leases(self.ledger, self.clock)
        assert expired.returned + expired.buried == len(late)
        self._take_back(late)

    @rule(owner=owners)
    def worker_dies(self, owner: str) -> None:
        lost = {name for name, job in self.holder.items() if job.owner == owner}
        assert abandon(self.ledger, owner) == len(lost)
        self._take_back(lost)

    @rule()
    def operator_requeues(self) -> None:
        assert requeue(self.ledger, STUDY) == len(self.buried)
        self.buried.clear()

    @invariant()
    def every_job_is_where_the_model_has_it(self) -> None:
        if not hasattr(self, "ledger"):
            return
        jobs = jobs_of(self.ledger, STUDY)
        assert len(jobs) == self.count, "a job got lost"
        for state, names in (
            (JobState.LEASED, set(self.holder)),
            (JobState.DONE, self.done),
            (JobState.BURIED, self.buried),
        ):
            assert {job.id for job in jobs if job.state is state} == names

    def _good(self, job: Job) -> bool:
        return job.id in self.holder and self.holder[job.id].fence == job.fence

    def _free(self, name: str) -> bool:
        return name not in self.holder

    def _end(self, job: Job | None, end, ended: set[str]) -> None:
        if job is None:
            return
        good = self._good(job)
        try:
            end(job)
        except LeaseLost:
            assert not good, "the one good claim was refused"
        else:
            assert good, "a lost claim was taken"
            del self.holder[job.id]
            ended.add(job.id)

    def _take_back(self, names: set[str]) -> None:
        for name in names:
            del self.holder[name]
        self._see_burials()

    def _see_burials(self) -> None:
        """Jobs out of attempts are buried by claims and expiry; only such may be."""
        for job in jobs_of(self.ledger, STUDY):
            if job.state is JobState.BURIED and job.id not in self.buried:
                assert job.attempt - job.excused >= job.max_attempts
                assert self._free(job.id)
                self.buried.add(job.id)


TestQueue = Queue.TestCase
TestQueue.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
