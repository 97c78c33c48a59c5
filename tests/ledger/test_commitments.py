"""A promise counts only from the peer that was asked, and what is not kept is sent again."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.ledger import commitments
from ra_node.ledger.commitments import (
    Reported,
    begin_transaction,
    end_transaction,
    record_lacking,
    record_report,
    uncommitted,
    waive,
)
from ra_node.ledger.database import schema
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, pending_deliveries, record_delivery
from ra_node.ledger.jobs.queue import LeaseLost
from ra_node.ledger.overview import commitment_counts, find_study, jobs_of
from tests.ledger.builders import answered_study, claim_one, cut_at_every_statement, lose_leases

SR, OVERLAY = "1.2.3.9.1.1", "1.2.3.9.1.2"
DAY_S = 86400.0


def deliver(ledger, *, commit=True, sent_uid=None) -> None:
    """The peer accepts whatever waits."""
    job = claim_one(ledger, JobKind.DELIVER)
    waiting = [item.object.sop_instance_uid for item in pending_deliveries(ledger, job)]
    outcomes = [DeliveryOutcome(uid, DeliveryState.ACCEPTED, 0, "success", sent_uid) for uid in waiting]
    record_delivery(ledger, job, outcomes, retry_at=ledger.clock(), give_up_after_s=None, commit=commit)


def delivered(ledger) -> Job:
    """A study whose two objects are delivered; its commit job, claimed."""
    answered_study(ledger)
    deliver(ledger)
    return claim_one(ledger, JobKind.COMMIT)


def asked(ledger, transaction="1.9") -> Job:
    """The same, and the peer has taken the question."""
    job = delivered(ledger)
    begin_transaction(ledger, job, transaction, "ARCHIVE")
    end_transaction(ledger, job, ledger.clock() + 60, give_up_after_s=DAY_S)
    return job


def report(ledger, *kept, lost=None, transaction="1.9", ae_title="ARCHIVE", delay_s=30.0):
    return record_report(ledger, transaction, {ae_title}, set(kept), lost or {}, lambda _times: delay_s)


def states(ledger):
    return {
        item.object.sop_instance_uid: (item.state, item.commitment) for item in deliveries_of(ledger, "1.2.3")
    }


def job_state(ledger, kind) -> JobState:
    (job,) = [job for job in jobs_of(ledger, "1.2.3") if job.kind is kind]
    return job.state


def test_a_delivered_object_is_not_committed_before_its_peer_said_so(ledger):
    """Delivered and committed are two things, and both can be seen."""
    asked(ledger)
    assert set(states(ledger).values()) == {(DeliveryState.ACCEPTED, CommitmentState.WAITING)}
    (peer,) = find_study(ledger, "1.2.3").deliveries
    assert (peer.state, peer.commitment) == (DeliveryState.ACCEPTED, CommitmentState.WAITING)
    assert report(ledger, SR, OVERLAY) is Reported.TAKEN
    assert set(states(ledger).values()) == {(DeliveryState.ACCEPTED, CommitmentState.COMMITTED)}
    assert commitment_counts(ledger) == {("archive", CommitmentState.COMMITTED): 2}
    assert job_state(ledger, JobKind.COMMIT) is JobState.DONE
    what = [event.what for event in timeline(ledger, "1.2.3")]
    assert what.index("version_delivered") < what.index("commitment_asked") < what.index("object_committed")


def test_a_peer_that_is_not_to_be_asked_is_not_asked(ledger):
    answered_study(ledger)
    deliver(ledger, commit=False)
    assert set(states(ledger).values()) == {(DeliveryState.ACCEPTED, CommitmentState.NOT_ASKED)}
    assert [job.kind for job in jobs_of(ledger, "1.2.3") if job.kind is JobKind.COMMIT] == []


def test_the_peer_is_asked_about_what_was_sent(ledger):
    """Where it refused the class of the SR it got the fallback, which is also an object of ours."""
    answered_study(ledger)
    job = claim_one(ledger, JobKind.DELIVER)
    outcomes = [
        DeliveryOutcome(SR, DeliveryState.ACCEPTED, 0, sent_uid=OVERLAY),
        DeliveryOutcome(OVERLAY, DeliveryState.REFUSED, 0xC000),
    ]
    record_delivery(ledger, job, outcomes, retry_at=0, give_up_after_s=None, commit=True)
    references = uncommitted(ledger, claim_one(ledger, JobKind.COMMIT))
    assert [one.sop_instance_uid for one in references] == [OVERLAY]


def test_the_transaction_is_known_before_the_peer_hears_of_it(ledger):
    """Its report may come before the answer to the question."""
    job = delivered(ledger)
    begin_transaction(ledger, job, "1.9", "ARCHIVE")
    assert report(ledger, SR, OVERLAY) is Reported.TAKEN
    assert end_transaction(ledger, job, 0, give_up_after_s=DAY_S) is JobState.DONE


def test_a_report_of_nobody_and_of_somebody_else_changes_nothing(ledger):
    asked(ledger)
    assert report(ledger, SR, transaction="1.10") is Reported.UNKNOWN
    assert report(ledger, SR, lost={OVERLAY: "x"}, ae_title="OTHER") is Reported.STRANGER
    assert set(states(ledger).values()) == {(DeliveryState.ACCEPTED, CommitmentState.WAITING)}


def test_a_report_can_speak_of_the_objects_of_its_version_alone(ledger):
    """A peer that was asked about one study cannot commit another."""
    asked(ledger)
    answered_study(ledger, "1.2.4")
    deliver(ledger)
    report(ledger, "1.2.4.9.1.1", SR)
    assert {item.commitment for item in deliveries_of(ledger, "1.2.4")} == {CommitmentState.WAITING}


def test_what_a_peer_does_not_keep_is_sent_and_asked_again(ledger, clock):
    asked(ledger)
    report(ledger, SR, lost={OVERLAY: "0x0112 no such object instance"})
    assert states(ledger) == {
        SR: (DeliveryState.ACCEPTED, CommitmentState.COMMITTED),
        OVERLAY: (DeliveryState.WAITING, CommitmentState.WAITING),
    }
    with pytest.raises(AssertionError):
        claim_one(ledger, JobKind.DELIVER)  # a peer that loses at once is not sent at once
    clock.advance(30)
    job = claim_one(ledger, JobKind.DELIVER)
    assert [item.object.sop_instance_uid for item in pending_deliveries(ledger, job)] == [OVERLAY]
    sent = [DeliveryOutcome(OVERLAY, DeliveryState.ACCEPTED, 0)]
    record_delivery(ledger, job, sent, retry_at=0, give_up_after_s=None, commit=True)
    job = claim_one(ledger, JobKind.COMMIT)
    assert [one.sop_instance_uid for one in uncommitted(ledger, job)] == [OVERLAY]
    begin_transaction(ledger, job, "1.10", "ARCHIVE")
    assert report(ledger, OVERLAY, transaction="1.10") is Reported.TAKEN
    assert end_transaction(ledger, job, 0, give_up_after_s=DAY_S) is JobState.DONE
    assert {commitment for _, commitment in states(ledger).values()} == {CommitmentState.COMMITTED}


def test_a_report_that_comes_twice_sends_nothing_twice(ledger, clock):
    asked(ledger)
    report(ledger, lost={OVERLAY: "x"})
    clock.advance(30)
    deliver(ledger)
    report(ledger, lost={OVERLAY: "x"})
    assert states(ledger)[OVERLAY] == (DeliveryState.ACCEPTED, CommitmentState.WAITING)


def test_a_report_that_comes_after_the_next_question_can_only_promise(ledger, clock):
    """It tells how things were before the object was sent again."""
    asked(ledger)
    clock.advance(60)
    job = claim_one(ledger, JobKind.COMMIT)
    begin_transaction(ledger, job, "1.10", "ARCHIVE")
    report(ledger, SR, lost={OVERLAY: "x"})
    assert states(ledger) == {
        SR: (DeliveryState.ACCEPTED, CommitmentState.COMMITTED),
        OVERLAY: (DeliveryState.ACCEPTED, CommitmentState.WAITING),
    }


def test_a_silent_peer_is_asked_again_and_in_the_end_a_person_is_told(ledger, clock):
    asked(ledger)
    with pytest.raises(AssertionError):
        claim_one(ledger, JobKind.COMMIT)
    clock.advance(60)
    job = claim_one(ledger, JobKind.COMMIT)
    assert len(uncommitted(ledger, job)) == 2
    clock.advance(DAY_S)
    begin_transaction(ledger, job, "1.10", "ARCHIVE")
    assert end_transaction(ledger, job, 0, give_up_after_s=DAY_S) is JobState.BURIED


def test_what_a_report_leaves_out_is_asked_for_again(ledger, clock):
    """PS3.4 J.3.3 wants every reference in it; a peer that forgets one has promised nothing about it."""
    asked(ledger)
    report(ledger, SR)
    clock.advance(60)
    (reference,) = uncommitted(ledger, claim_one(ledger, JobKind.COMMIT))
    assert reference.sop_instance_uid == OVERLAY


def test_a_peer_that_never_keeps_it_is_not_sent_to_for_ever(ledger, clock, monkeypatch):
    monkeypatch.setattr(commitments, "RESENDS", 3)
    asked(ledger)
    for n in range(3):
        report(ledger, SR, lost={OVERLAY: "0x0110 processing failure"}, transaction=f"1.9{n or ''}")
        clock.advance(30)
        if job_state(ledger, JobKind.DELIVER) is JobState.DONE:
            break
        deliver(ledger)
        job = claim_one(ledger, JobKind.COMMIT)
        begin_transaction(ledger, job, f"1.9{n + 1}", "ARCHIVE")
        end_transaction(ledger, job, clock.now + 60, give_up_after_s=DAY_S)
    (job,) = [job for job in jobs_of(ledger, "1.2.3") if job.kind is JobKind.COMMIT]
    assert (job.state, n) == (JobState.BURIED, 2)
    assert job.last_error == "the peer failed 3 times to keep 1 objects: 0x0110 processing failure"


def test_a_peer_without_the_service_is_marked_and_asked_again_once_it_has_it(ledger):
    job = delivered(ledger)
    record_lacking(ledger, job, "no context")
    assert commitment_counts(ledger) == {("archive", CommitmentState.LACKING): 2}
    assert job_state(ledger, JobKind.COMMIT) is JobState.DONE
    answered_study(ledger, "1.2.4")
    deliver(ledger)
    other = claim_one(ledger, JobKind.COMMIT)
    begin_transaction(ledger, other, "1.11", "ARCHIVE")
    end_transaction(ledger, other, ledger.clock() + 60, give_up_after_s=DAY_S)
    revived = claim_one(ledger, JobKind.COMMIT)
    assert revived.study_uid == "1.2.3"
    assert len(uncommitted(ledger, revived)) == 2


def test_a_peer_that_is_asked_no_more_is_waited_for_no_more(ledger):
    asked(ledger)
    assert waive(ledger, "other") == 0
    assert waive(ledger, "archive") == 2
    assert set(states(ledger).values()) == {(DeliveryState.ACCEPTED, CommitmentState.WAIVED)}
    assert job_state(ledger, JobKind.COMMIT) is JobState.DONE
    assert waive(ledger, "archive") == 0


def test_a_crash_between_question_and_answer_asks_again(ledger, clock):
    job = delivered(ledger)
    begin_transaction(ledger, job, "1.9", "ARCHIVE")
    lose_leases(ledger, clock)
    again = claim_one(ledger, JobKind.COMMIT)
    assert len(uncommitted(ledger, again)) == 2
    with pytest.raises(LeaseLost):
        begin_transaction(ledger, job, "1.10", "ARCHIVE")
    with pytest.raises(LeaseLost):
        end_transaction(ledger, job, 0, give_up_after_s=DAY_S)
    assert report(ledger, SR, OVERLAY) is Reported.TAKEN


def test_every_use_is_all_or_nothing(ledger):
    job = delivered(ledger)
    assert cut_at_every_statement(ledger, lambda: begin_transaction(ledger, job, "1.9", "ARCHIVE")) >= 3
    lost = {OVERLAY: "0x0110 processing failure"}
    assert cut_at_every_statement(ledger, lambda: report(ledger, SR, lost=lost)) >= 8
    end = lambda: end_transaction(ledger, job, 0, give_up_after_s=DAY_S)  # noqa: E731 - a use to cut
    assert cut_at_every_statement(ledger, end) >= 3
    with ledger.read() as connection:
        assert len(connection.execute(select(schema.transaction)).all()) == 1
