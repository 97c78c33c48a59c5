"""Every job has one holder at a time, until it is done or buried with its reason."""

from __future__ import annotations

import threading

import pytest

from ra_node.domain.job import MAX_ATTEMPTS, JobKind, JobState
from ra_node.errors import Retryable
from ra_node.ledger.database.events import timeline
from ra_node.ledger.findings import finish_examination
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.jobs.leases import LeaseWatch
from ra_node.ledger.jobs.queue import (
    Expired,
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
from ra_node.ledger.overview import buried_jobs, job_counts, jobs_of
from tests.ledger.builders import (
    EVERY_KIND,
    LEASE_S,
    answer,
    bury_one,
    claim_one,
    cut_at_every_statement,
    keep,
    keep_many,
    lose_leases,
)
from tests.ledger.processes import run_together

CLAIM_ALL = """
from ra_node.domain.job import JobKind
from ra_node.ledger.database.engine import open_ledger
from ra_node.ledger.jobs.queue import claim
ledger = open_ledger(sys.argv[1])
GO
while jobs := claim(ledger, [JobKind.EXAMINE], sys.argv[2], 3, 60.0):
    print(*(job.id for job in jobs))
"""
MOST = MAX_ATTEMPTS[JobKind.EXAMINE]


def claim_until_empty(ledger, owner):
    ids = []
    while jobs := claim(ledger, [JobKind.EXAMINE], owner, 3, LEASE_S):
        ids += [job.id for job in jobs]
    return ids


def test_a_claim_leases_the_oldest_jobs_up_to_its_limit(ledger, clock):
    """First come, first served; each with its owner, its lease and its first attempt."""
    keep_many(ledger, clock, 4)
    jobs = claim(ledger, [JobKind.EXAMINE], "worker", 3, LEASE_S)
    assert [job.key for job in jobs] == [f"examine:1.2.3.1.{n}" for n in range(3)]
    assert {(job.owner, job.attempt, job.fence, job.state) for job in jobs} == {
        ("worker", 1, 1, JobState.LEASED)
    }
    assert jobs[0].lease_until == clock.now + LEASE_S


def test_a_claim_takes_only_the_kinds_it_asks_for(ledger):
    """`deliver` never gets an image to examine."""
    keep(ledger, "1.2.3.1.1")
    assert claim(ledger, [JobKind.DELIVER, JobKind.REPORT], "worker", 5, LEASE_S) == []
    assert len(claim(ledger, EVERY_KIND, "worker", 5, LEASE_S)) == 1


def test_two_threads_never_get_the_same_job(ledger, clock):
    """Every job goes out exactly once."""
    keep_many(ledger, clock, 24)
    barrier = threading.Barrier(4)
    taken = []

    def work(owner: str) -> None:
        barrier.wait(120)
        taken.extend(claim_until_empty(ledger, owner))

    threads = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(taken) == len(set(taken)) == 24


def test_two_processes_never_get_the_same_job(ledger, clock, url):
    """The same between processes, which share nothing but the database."""
    clock.now = 1_700_000_000.0  # the processes read the real clock, and the jobs must be due there
    keep_many(ledger, clock, 24)
    printed = run_together(CLAIM_ALL, url)
    taken = [job_id for text in printed for job_id in text.split()]
    assert len(taken) == len(set(taken)) == 24


def test_a_lost_lease_is_claimed_again_and_cannot_be_finished(ledger, clock):
    """After a crash the study goes to another worker; the first one is fenced off."""
    keep(ledger, "1.2.3.1.1")
    first = claim_one(ledger, owner="first")
    assert claim(ledger, [JobKind.EXAMINE], "second", 1, LEASE_S) == []
    lose_leases(ledger, clock)
    second = claim_one(ledger, owner="second")
    assert (second.id, second.attempt) == (first.id, 2)
    for end in (
        lambda: finish(ledger, first),
        lambda: bury(ledger, first, "late"),
        lambda: retry(ledger, first, "late", clock.now),
        lambda: finish_examination(ledger, first, "{}", None, None),
    ):
        with pytest.raises(LeaseLost, match="lost"):
            end()
    assert not heartbeat(ledger, first, LEASE_S)
    assert not release(ledger, first)
    finish(ledger, second)


def test_one_worker_that_claims_its_own_lost_job_again_is_fenced_too(ledger, clock):
    """A thread that hung and its successor have the same owner; the fence tells them apart."""
    keep(ledger, "1.2.3.1.1")
    hung = claim_one(ledger)
    lose_leases(ledger, clock)
    claim_one(ledger)
    with pytest.raises(LeaseLost):
        finish(ledger, hung)


def test_requeueing_does_not_let_an_old_holder_in(ledger):
    """Attempts start anew, the fence never does."""
    keep(ledger, "1.2.3.1.1")
    old = bury_one(ledger, JobKind.EXAMINE)
    requeue(ledger, old.id)
    new = claim_one(ledger)
    assert (new.attempt, new.fence) == (1, 2)
    with pytest.raises(LeaseLost):
        finish(ledger, old)


def test_a_lost_lease_may_be_tried_again(ledger):
    """Callers that handle Retryable handle this."""
    assert issubclass(LeaseLost, Retryable)


def test_a_heartbeat_holds_the_lease(ledger, clock):
    """Slow work is not lost work."""
    keep(ledger, "1.2.3.1.1")
    job = claim_one(ledger)
    watch = LeaseWatch(LEASE_S, clock)
    for _ in range(3):
        clock.advance(LEASE_S - 1)
        assert heartbeat(ledger, job, LEASE_S)
        assert watch.expire(ledger) == Expired(0, 0)
    finish(ledger, job)


def test_a_late_worker_may_finish_what_nobody_else_took(ledger, clock):
    """A lease that ran out is lost only once somebody takes the job back."""
    keep(ledger, "1.2.3.1.1")
    job = claim_one(ledger)
    clock.advance(2 * LEASE_S)
    finish(ledger, job)
    assert job_counts(ledger) == {(JobKind.EXAMINE, JobState.DONE): 1}


def test_a_job_on_its_second_attempt_is_claimed_alone(ledger, clock):
    """One poisonous study cannot take its batch down twice."""
    keep_many(ledger, clock, 3)
    assert len(claim(ledger, [JobKind.EXAMINE], "dies", 2, LEASE_S)) == 2
    lose_leases(ledger, clock)
    batches = [claim(ledger, [JobKind.EXAMINE], "worker", 5, LEASE_S) for _ in range(4)]
    assert [[job.attempt for job in batch] for batch in batches] == [[1], [2], [2], []]


def test_a_fresh_batch_leaves_out_the_job_that_was_tried_before(ledger, clock):
    """The suspect waits for its own turn, and does not hold the line up."""
    keep_many(ledger, clock, 3)
    suspect = claim_one(ledger)
    retry(ledger, suspect, "it broke", clock.now)
    batches = [claim(ledger, [JobKind.EXAMINE], "worker", 5, LEASE_S) for _ in range(2)]
    assert [sorted(job.attempt for job in batch) for batch in batches] == [[1, 1], [2]]


def test_a_job_that_loses_every_lease_is_buried(ledger, clock):
    """What kills its worker each time must end, with a reason that tells so."""
    keep(ledger, "1.2.3.1.1")
    for attempt in range(1, MOST + 1):
        assert claim_one(ledger).attempt == attempt
        lose_leases(ledger, clock)
    assert claim(ledger, [JobKind.EXAMINE], "worker", 1, LEASE_S) == []
    assert [job.last_error for job in buried_jobs(ledger)] == [f"lease lost {MOST} times"]


def test_burying_one_job_does_not_cost_the_claimer_its_turn(ledger, clock):
    """The next job is given in the same claim."""
    keep_many(ledger, clock, 1)
    for _ in range(MOST):
        claim_one(ledger)
        lose_leases(ledger, clock)
    fresh = keep(ledger, "1.2.3.1.9")
    assert claim_one(ledger).instance_id == fresh.id


def test_expired_leases_go_back_or_are_buried(ledger, clock):
    """The schedule gives them back."""
    keep(ledger, "1.2.3.1.1")
    for _ in range(MOST - 1):
        claim_one(ledger)
        assert lose_leases(ledger, clock) == Expired(returned=1, buried=0)
    claim_one(ledger)
    assert lose_leases(ledger, clock) == Expired(returned=0, buried=1)
    assert [job.last_error for job in buried_jobs(ledger)] == [f"lease lost {MOST} times"]


def test_a_burial_remembers_what_went_wrong_before(ledger, clock):
    """A lost lease after an error must not hide the error."""
    keep(ledger, "1.2.3.1.1")
    for _ in range(MOST - 1):
        retry(ledger, claim_one(ledger), "out of memory", clock.now)
    claim_one(ledger)
    lose_leases(ledger, clock)
    assert [job.last_error for job in buried_jobs(ledger)] == [
        f"lease lost on attempt {MOST}; before: out of memory"
    ]


def test_the_jobs_of_a_dead_worker_go_back_at_once(ledger, clock):
    """Nobody waits for a lease of one who is known to be dead; others keep theirs."""
    keep_many(ledger, clock, 3)
    claim(ledger, [JobKind.EXAMINE], "dead", 2, LEASE_S)
    claim(ledger, [JobKind.EXAMINE], "alive", 1, LEASE_S)
    assert abandon(ledger, "dead") == 2
    assert abandon(ledger, "dead") == 0
    assert claim_one(ledger).attempt == 2


def test_a_failed_job_comes_back_at_its_time_until_its_last_attempt(ledger, clock):
    """Then it is buried with the last error."""
    keep(ledger, "1.2.3.1.1")
    for attempt in range(1, MOST + 1):
        job = claim_one(ledger)
        state = retry(ledger, job, f"error {attempt}", clock.now + 10)
        assert claim(ledger, [JobKind.EXAMINE], "worker", 1, LEASE_S) == []
        clock.advance(10)
    assert state is JobState.BURIED
    assert [job.last_error for job in buried_jobs(ledger)] == [f"error {MOST}"]


def test_a_peer_that_sleeps_does_not_use_up_attempts(ledger, clock):
    """A PACS may be down for a weekend; only its age buries such a job."""
    keep(ledger, "1.2.3.1.1")
    for attempt in range(1, 4 * MOST):
        job = claim_one(ledger)
        assert job.attempt == attempt
        assert retry(ledger, job, "no answer", clock.now, give_up_after_s=100) is JobState.READY
    clock.advance(100)
    assert retry(ledger, claim_one(ledger), "no answer", clock.now, give_up_after_s=100) is JobState.BURIED


def test_a_sleeping_peer_does_not_hide_a_poisonous_job(ledger, clock):
    """After any number of excused attempts, lost leases still bury."""
    keep(ledger, "1.2.3.1.1")
    for _ in range(2 * MOST):
        retry(ledger, claim_one(ledger), "no answer", clock.now, give_up_after_s=100)
    for _ in range(MOST):
        claim_one(ledger)
        expired = lose_leases(ledger, clock)
    assert expired == Expired(returned=0, buried=1)


def test_a_released_job_has_not_been_tried(ledger):
    """A clean shutdown makes nobody a suspect."""
    keep(ledger, "1.2.3.1.1")
    job = claim_one(ledger)
    assert release(ledger, job)
    assert not release(ledger, job)
    assert claim_one(ledger).attempt == 1
    with pytest.raises(LeaseLost):
        finish(ledger, job)


@pytest.mark.parametrize("use", ["claim", "retry", "bury", "expire_leases", "requeue"])
def test_each_use_of_the_queue_is_all_or_nothing(ledger, clock, use):
    """A crash in the middle leaves the queue as it was."""
    keep(ledger, "1.2.3.1.1")
    settle_now(ledger, "1.2.3")
    if use == "claim":
        cut_at_every_statement(ledger, lambda: claim(ledger, EVERY_KIND, "worker", 5, LEASE_S))
        return
    job = claim_one(ledger)
    if use == "requeue":
        bury(ledger, job, "it broke")
        answer(ledger)
    watch = LeaseWatch(LEASE_S, clock)
    watch.expire(ledger)
    clock.advance(LEASE_S)
    places = cut_at_every_statement(
        ledger,
        {
            "retry": lambda: retry(ledger, job, "it broke", clock.now),
            "bury": lambda: bury(ledger, job, "it broke"),
            "expire_leases": lambda: watch.expire(ledger),
            "requeue": lambda: requeue(ledger, "1.2.3"),
        }[use],
    )
    assert places >= 3


def test_the_timeline_tells_what_became_of_a_job(ledger, clock):
    """An operator can read why a study took so long."""
    keep(ledger, "1.2.3.1.1")
    retry(ledger, claim_one(ledger), "out of memory", clock.now)
    claim_one(ledger)
    lose_leases(ledger, clock)
    bury_one(ledger, JobKind.EXAMINE)
    requeue(ledger, "1.2.3")
    told = [event.what for event in timeline(ledger, "1.2.3")]
    assert told == ["instance_stored", "job_postponed", "lease_expired", "job_buried", "job_requeued"]
    assert timeline(ledger, "1.2.3")[1].detail["reason"] == "out of memory"
    assert [job.state for job in jobs_of(ledger, "1.2.3")] == [JobState.READY]
