"""A peer that is down holds its own jobs back, all together and in their order, and nobody else's."""

from __future__ import annotations

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.jobs.peer_backoff import begin_outage, end_outage, outages
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.overview import buried_jobs
from tests.ledger.builders import LEASE_S, answered_study

DAY_S = 86400.0


def two_peers(ledger, clock, count=5):
    """Studies that wait for both, one second apart."""
    for n in range(count):
        answered_study(ledger, f"1.2.{n}", ("archive", "viewer"))
        clock.advance(1)


def taken(ledger, peer, limit=16):
    return claim(ledger, [JobKind.DELIVER], "a", limit, LEASE_S, peer=peer)


def down(ledger, jobs, delay_s=60.0):
    return begin_outage(
        ledger, jobs, "refused", lambda failures: delay_s * failures, give_up_after_s=7 * DAY_S
    )


def test_jobs_of_one_peer_come_together_in_the_order_of_their_age(ledger, clock):
    """One association can carry them all."""
    two_peers(ledger, clock)
    jobs = taken(ledger, "archive")
    assert [job.study_uid for job in jobs] == [f"1.2.{n}" for n in range(5)]


def test_a_peer_that_is_down_waits_as_a_whole_and_keeps_the_order(ledger, clock):
    """Also what was not claimed when it went down is not tried."""
    two_peers(ledger, clock)
    down(ledger, taken(ledger, "archive", limit=2))
    assert taken(ledger, "archive") == []
    clock.advance(60)
    jobs = taken(ledger, "archive")
    assert [job.study_uid for job in jobs] == [f"1.2.{n}" for n in range(5)]
    assert {job.attempt for job in jobs} == {1}, "being unreachable is no attempt"


def test_another_peer_is_not_delayed(ledger, clock):
    two_peers(ledger, clock)
    down(ledger, taken(ledger, "archive"))
    assert len(taken(ledger, "viewer")) == 5


def test_failures_in_a_row_are_counted_until_the_peer_is_back(ledger, clock):
    two_peers(ledger, clock, 1)
    started = clock.now
    for failures in (1, 2, 3):
        outage = down(ledger, taken(ledger, "archive"))
        assert (outage.failures, outage.since) == (failures, started)
        assert outage.retry_at == clock.now + 60.0 * failures
        clock.advance(60.0 * failures)
    assert outages(ledger) == [outage]
    assert end_outage(ledger, "archive", JobKind.DELIVER)
    assert not end_outage(ledger, "archive")
    assert outages(ledger) == []
    assert down(ledger, taken(ledger, "archive")).failures == 1


def test_one_kind_of_job_may_go_on_where_another_fails(ledger, clock):
    """Storage and commitment can be two services of one peer."""
    two_peers(ledger, clock, 1)
    down(ledger, taken(ledger, "archive"))
    assert not end_outage(ledger, "archive", JobKind.COMMIT)
    assert taken(ledger, "archive") == []


def test_what_waited_too_long_is_given_up_with_the_reason(ledger, clock):
    """Also what was never claimed."""
    two_peers(ledger, clock)
    clock.advance(7 * DAY_S)
    answered_study(ledger, "1.2.9", ("archive",))
    down(ledger, taken(ledger, "archive", limit=2))
    buried = buried_jobs(ledger)
    assert sorted(job.study_uid for job in buried) == [f"1.2.{n}" for n in range(5)]
    assert {job.last_error for job in buried} == {"expired: refused"}
    assert requeue(ledger, "archive") == 5
    clock.advance(60)
    assert {job.state for job in taken(ledger, "archive")} == {JobState.LEASED}
