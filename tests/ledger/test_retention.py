"""Only files that nobody waits for may go."""

from __future__ import annotations

import pytest

from ra_node.domain.job import JobKind
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, record_delivery
from ra_node.ledger.findings import findings_of
from ra_node.ledger.inbox import settle_now
from ra_node.ledger.jobs.queue import bury
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.overview import find_study
from ra_node.ledger.retention import known_paths, mark_purged, purgeable
from tests.ledger.builders import answer, answered_study, claim_one, cut_at_every_statement, examine_all, keep


def deliver(ledger, state=DeliveryState.ACCEPTED):
    job = claim_one(ledger, JobKind.DELIVER)
    stem = f"{job.study_uid}.9.{job.version}"
    outcomes = [DeliveryOutcome(f"{stem}.{n}", state, 0) for n in (1, 2)]
    record_delivery(ledger, job, outcomes, retry_at=ledger.clock(), give_up_after_s=None)


def names(ledger, clock):
    return [listed.study_uid for listed in purgeable(ledger, clock.now)]


def test_a_delivered_study_may_be_purged_with_all_its_files(ledger, clock):
    """Received file, preview and result objects."""
    answered_study(ledger)
    deliver(ledger)
    (listed,) = purgeable(ledger, clock.now)
    assert len(listed.paths) == 4
    assert set(listed.paths) == known_paths(ledger)
    assert purgeable(ledger, clock.now - 1) == []


@pytest.mark.parametrize("lack", ["answer", "delivery", "acceptance", "late image"])
def test_a_study_that_waits_for_something_stays(ledger, clock, lack):
    """Whatever is missing, an operator or the node may still need the files."""
    if lack == "answer":
        keep(ledger, "1.2.3.1.1")
        examine_all(ledger)
        settle_now(ledger, "1.2.3")
    else:
        answered_study(ledger)
    if lack == "acceptance":
        deliver(ledger, DeliveryState.REFUSED)
    if lack == "late image":
        deliver(ledger)
        keep(ledger, "1.2.3.1.2")
    assert names(ledger, clock) == []


def test_a_study_whose_report_is_buried_stays_until_a_later_version_answers_its_images(ledger, clock):
    """The operator may requeue the report; after a later version there is nothing left to requeue."""
    keep(ledger, "1.2.3.1.1")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    bury(ledger, claim_one(ledger, JobKind.REPORT), "it broke")
    assert names(ledger, clock) == []
    keep(ledger, "1.2.3.1.2")
    examine_all(ledger)
    settle_now(ledger, "1.2.3")
    answer(ledger, "archive")
    deliver(ledger)
    assert requeue(ledger, "1.2.3") == 0
    assert names(ledger, clock) == ["1.2.3"]


def test_a_purged_study_names_no_file_and_keeps_its_rows(ledger, clock):
    """What was answered stays known; the files go after the rows."""
    answered_study(ledger)
    deliver(ledger)
    (listed,) = purgeable(ledger, clock.now)
    assert mark_purged(ledger, listed)
    assert known_paths(ledger) == set()
    assert find_study(ledger, "1.2.3").purged_at == clock.now
    assert [(one.path, one.finding_json) for one in findings_of(ledger, "1.2.3", 1)] == [
        (None, '{"hands": []}')
    ]
    assert names(ledger, clock) == []


def test_marking_a_study_purged_is_all_or_nothing(ledger, clock):
    """A crash before the commit leaves every file known."""
    answered_study(ledger)
    deliver(ledger)
    (listed,) = purgeable(ledger, clock.now)
    assert cut_at_every_statement(ledger, lambda: mark_purged(ledger, listed)) >= 5


def test_a_study_that_got_an_image_meanwhile_is_not_purged(ledger, clock):
    """Its report will need the earlier images."""
    answered_study(ledger)
    deliver(ledger)
    (listed,) = purgeable(ledger, clock.now)
    keep(ledger, "1.2.3.1.2")
    assert not mark_purged(ledger, listed)
    assert set(listed.paths) < known_paths(ledger)


def test_what_an_ai_made_may_go_without_an_answer(ledger, clock):
    """Nothing ever waits for it; only the listed file is forgotten."""
    keep(ledger, "1.2.3.9.1", counts=False)
    (listed,) = purgeable(ledger, clock.now)
    keep(ledger, "1.2.3.9.2", counts=False)
    assert mark_purged(ledger, listed)
    assert known_paths(ledger) == {"inbox/1.2.3.9.2.dcm"}


def test_a_buried_examination_does_not_keep_files_for_ever(ledger, clock):
    """Its report went out with the reason; once the file is gone it cannot be requeued."""
    keep(ledger, "1.2.3.1.1")
    settle_now(ledger, "1.2.3")
    bury(ledger, claim_one(ledger), "it broke")
    answer(ledger, "archive")
    deliver(ledger)
    (listed,) = purgeable(ledger, clock.now)
    assert mark_purged(ledger, listed)
    assert requeue(ledger, "1.2.3") == 0
