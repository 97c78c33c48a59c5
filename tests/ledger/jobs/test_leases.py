"""Neither a clock that jumps nor hosts that differ take work from the living, or leave it with the dead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from ra_node.domain.job import JobKind, longest_wait_s
from ra_node.ledger.database import schema
from ra_node.ledger.jobs.leases import LeaseWatch, mend_due_times
from ra_node.ledger.jobs.peer_backoff import begin_outage, outages
from ra_node.ledger.jobs.queue import Expired, claim, heartbeat, retry
from tests.ledger.builders import LEASE_S, FakeClock, answered_study, claim_one, keep

HOUR_S, DAY_S = 3600.0, 86400.0


@pytest.mark.parametrize("jump_s", [-HOUR_S, -DAY_S, HOUR_S, DAY_S])
def test_a_dead_worker_is_noticed_whatever_the_clock_does(ledger, clock, jump_s: float):
    """With the clock an hour back its job stayed leased for 3,555 s."""
    keep(ledger, "1.2.3.1.1")
    claim_one(ledger)
    monotonic = FakeClock(5.0)
    watch = LeaseWatch(LEASE_S, monotonic)
    watch.expire(ledger)
    clock.advance(jump_s)
    monotonic.advance(LEASE_S)
    assert watch.expire(ledger) == Expired(returned=1, buried=0)
    assert claim_one(ledger).attempt == 2


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S, DAY_S])
def test_a_living_worker_keeps_its_job_whatever_the_clock_does(ledger, clock, jump_s: float):
    """Three jumps ahead would have buried the image with "lease lost 3 times"."""
    keep(ledger, "1.2.3.1.1")
    job = claim_one(ledger)
    monotonic = FakeClock(5.0)
    watch = LeaseWatch(LEASE_S, monotonic)
    for _ in range(4):
        watch.expire(ledger)
        clock.advance(jump_s)
        monotonic.advance(LEASE_S - 1)
        assert claim(ledger, [JobKind.EXAMINE], "other", 1, LEASE_S) == []
        assert watch.expire(ledger) == Expired(0, 0)
        assert heartbeat(ledger, job, LEASE_S)


def test_a_host_whose_clock_is_ahead_takes_no_job_of_another(ledger, clock):
    keep(ledger, "1.2.3.1.1")
    job = claim_one(ledger)
    ahead = replace(ledger, clock=FakeClock(clock.now + 3 * LEASE_S))
    watch = LeaseWatch(LEASE_S, FakeClock(77.0))
    assert watch.expire(ahead) == watch.expire(ahead) == Expired(0, 0)
    assert claim(ahead, [JobKind.EXAMINE], "other", 1, LEASE_S) == []
    assert heartbeat(ledger, job, LEASE_S)


def run_at(ledger) -> float:
    with ledger.read() as connection:
        return float(connection.execute(select(schema.job.c.run_at)).scalar_one())


@pytest.mark.parametrize("ahead_s", [HOUR_S / 4, HOUR_S, DAY_S, 10 * DAY_S])
def test_an_image_that_came_while_the_clock_was_ahead_is_examined_now(ledger, clock, ahead_s: float):
    """It stayed unanswered for 86,355 s after a day ahead."""
    clock.advance(ahead_s)
    keep(ledger, "1.2.3.1.1")
    clock.advance(-ahead_s)
    assert claim(ledger, [JobKind.EXAMINE], "worker", 1, LEASE_S) == []
    assert mend_due_times(ledger) == 1
    claim_one(ledger)


def test_a_pause_that_was_meant_is_kept(ledger, clock):
    """Nothing that waits by the rules is made due."""
    keep(ledger, "1.2.3.1.1")
    for attempt in (1, 2):
        job = claim_one(ledger)
        retry(ledger, job, "it broke", clock.now + longest_wait_s(JobKind.EXAMINE, attempt))
        assert mend_due_times(ledger) == 0
        clock.advance(longest_wait_s(JobKind.EXAMINE, attempt))


@pytest.mark.parametrize("kind", list(JobKind))
def test_each_kind_of_job_has_its_own_longest_wait(ledger, clock, kind: JobKind):
    keep(ledger, "1.2.3.1.1")
    for attempt in (1, 5, 40):
        most_s = longest_wait_s(kind, attempt)
        for ahead_s, mended in ((most_s, 0), (most_s + 60, 1)):
            change = update(schema.job).values(kind=kind, attempt=attempt, run_at=clock.now + ahead_s)
            with ledger.write() as connection:
                connection.execute(change)
            assert mend_due_times(ledger) == mended
    assert run_at(ledger) == clock.now


def test_a_destination_is_called_again_after_the_clock_was_ahead(ledger, clock):
    """Ten days ahead for 20 s with the PACS away: it was not called for ten days."""
    answered_study(ledger, "1.2.3", ("pacs",))
    clock.advance(10 * DAY_S)
    job = claim_one(ledger, JobKind.DELIVER)
    begin_outage(ledger, [job], "away", lambda _failures: 5.0, give_up_after_s=float("inf"))
    clock.advance(-10 * DAY_S)
    assert mend_due_times(ledger) == 1
    (outage,) = outages(ledger)
    assert outage.retry_at == clock.now
    assert claim(ledger, [JobKind.DELIVER], "deliver", 1, LEASE_S, peer="pacs")
