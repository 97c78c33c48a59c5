"""The operator sees what waits, what failed and why."""

from __future__ import annotations

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database.schema import DeliveryState, StudyState
from ra_node.ledger.deliveries import DeliveryOutcome, record_delivery
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.jobs.queue import bury
from ra_node.ledger.overview import (
    PeerState,
    buried_jobs,
    delivery_counts,
    find_study,
    job_counts,
    jobs_of,
    oldest_unanswered,
    studies,
    study_counts,
)
from tests.ledger.builders import answer, answered_study, claim_one, examine_all, keep


def test_an_empty_ledger_counts_nothing(ledger):
    """A fresh node shows a page, not an error."""
    assert job_counts(ledger) == {}
    assert study_counts(ledger) == {}
    assert delivery_counts(ledger) == {}
    assert studies(ledger) == []
    assert find_study(ledger, "1.2.3") is None
    assert oldest_unanswered(ledger) is None


def test_counts_follow_the_work(ledger):
    """By kind and state, by study state, by peer."""
    answered_study(ledger, "1.2.3", ("archive", "viewer"))
    keep(ledger, "4.5.6.1.1", "4.5.6")
    assert job_counts(ledger) == {
        (JobKind.EXAMINE, JobState.DONE): 1,
        (JobKind.EXAMINE, JobState.READY): 1,
        (JobKind.REPORT, JobState.DONE): 1,
        (JobKind.DELIVER, JobState.READY): 2,
    }
    assert study_counts(ledger) == {StudyState.ANSWERED: 1, StudyState.OPEN: 1}
    waiting = DeliveryState.WAITING
    assert delivery_counts(ledger) == {("archive", waiting): 2, ("viewer", waiting): 2}


def test_studies_come_newest_first_and_by_pages(ledger, clock):
    """The page shows what just arrived on top."""
    for study in ("1.1", "1.2", "1.3"):
        keep(ledger, f"{study}.1.1", study)
        clock.advance(1)
    assert [line.study_uid for line in studies(ledger)] == ["1.3", "1.2", "1.1"]
    assert [line.study_uid for line in studies(ledger, limit=1, offset=1)] == ["1.2"]


def test_a_study_shows_its_ages_its_images_and_its_versions(ledger, clock):
    """Everything for one line of the list."""
    start = clock.now
    keep(ledger, "1.2.3.1.1")
    clock.advance(5)
    keep(ledger, "1.2.3.1.2")
    settle_now(ledger, "1.2.3")
    line = find_study(ledger, "1.2.3")
    assert (line.first_received_at, line.last_received_at) == (start, start + 5)
    assert (line.state, line.version, line.answered_version) == (StudyState.SETTLED, 1, 0)
    assert (line.instances, line.deliveries, line.last_error) == (2, (), None)


def test_a_study_shows_the_worst_state_at_each_peer(ledger, clock):
    """One refused object must not hide behind an accepted one."""
    answered_study(ledger, "1.2.3", ("archive", "viewer"))
    jobs = {job.peer: job for job in (claim_one(ledger, JobKind.DELIVER) for _ in range(2))}
    first, second = "1.2.3.9.1.1", "1.2.3.9.1.2"
    outcomes = [
        DeliveryOutcome(first, DeliveryState.ACCEPTED, 0),
        DeliveryOutcome(second, DeliveryState.REFUSED, 0xA900, "no such class"),
    ]
    record_delivery(ledger, jobs["archive"], outcomes, retry_at=clock.now, give_up_after_s=None)
    line = find_study(ledger, "1.2.3")
    assert line.deliveries == (
        PeerState("archive", 1, DeliveryState.REFUSED, "no such class"),
        PeerState("viewer", 1, DeliveryState.WAITING, None),
    )
    assert line.last_error == "the peer refused 1 objects, overlay with status 0xA900: no such class"


def test_buried_jobs_come_last_buried_first_with_their_reasons(ledger, clock):
    """The list that an operator works through."""
    for n in (1, 2):
        keep(ledger, f"1.2.3.1.{n}")
        bury(ledger, claim_one(ledger), f"reason {n}")
        clock.advance(1)
    assert [job.last_error for job in buried_jobs(ledger)] == ["reason 2", "reason 1"]
    assert len(buried_jobs(ledger, limit=1)) == 1
    assert {job.state for job in jobs_of(ledger, "1.2.3")} == {JobState.BURIED}


def test_the_oldest_unanswered_image_is_known_from_its_arrival_to_its_answer(ledger, clock):
    """The one number that tells whether the node keeps up."""
    answered_study(ledger, "1.1")
    keep(ledger, "1.2.1.1", "1.2", counts=False)
    assert oldest_unanswered(ledger) is None
    arrived = clock.now
    keep(ledger, "1.1.1.2", "1.1")
    clock.advance(60)
    keep(ledger, "1.3.1.1", "1.3")
    examine_all(ledger)
    settle_now(ledger, "1.1")
    assert oldest_unanswered(ledger) == arrived
    answer(ledger)
    assert oldest_unanswered(ledger) == clock.now
