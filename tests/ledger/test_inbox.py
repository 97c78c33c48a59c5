"""What was acknowledged is in the inbox once, and a study settles when it has been received."""

from __future__ import annotations

import threading

import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import StudyState
from ra_node.ledger.findings import findings_of
from ra_node.ledger.inbox import (
    Kept,
    Repeated,
    close_all_associations,
    close_association,
    find_instance,
    instances_of,
    keep_instance,
    next_due,
    open_association,
    settle_due,
    settle_now,
)
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.overview import find_study, job_counts, jobs_of
from tests.ledger.builders import (
    LEASE_S,
    answer,
    answered_study,
    cut_at_every_statement,
    examine_all,
    keep,
    new_instance,
    picture,
)

QUIET_S = 30.0
LONGEST_S = 600.0


def settle(ledger):
    return settle_due(ledger, QUIET_S, LONGEST_S)


def test_a_kept_instance_brings_its_study_its_event_and_its_job(ledger):
    """The enqueue commits with the fact that caused it."""
    instance = keep(ledger, "1.2.3.1.1")
    assert find_instance(ledger, instance.id) == instance
    assert find_study(ledger, "1.2.3").state is StudyState.OPEN
    assert [event.what for event in timeline(ledger, "1.2.3")] == ["instance_stored"]
    (job,) = jobs_of(ledger, "1.2.3")
    assert (job.kind, job.key, job.instance_id) == (JobKind.EXAMINE, "examine:1.2.3.1.1", instance.id)


def test_keeping_an_instance_is_all_or_nothing(ledger):
    """A crash before the commit leaves nothing; the peer was told nothing and sends again."""
    places = cut_at_every_statement(ledger, lambda: keep(ledger, "1.2.3.1.1"))
    assert places >= 5


def test_a_repeated_instance_changes_nothing(ledger, clock):
    """The peer hears Success again, and the first file stays the one."""
    first = keep(ledger, "1.2.3.1.1")
    before = picture(ledger)
    clock.advance(5)
    again = keep_instance(ledger, new_instance("1.2.3.1.1", path="inbox/other.dcm"))
    assert again == Repeated(first)
    assert picture(ledger) == before


def test_a_repeated_instance_under_another_study_makes_no_study(ledger):
    """A UID belongs to the study that it first came with."""
    keep(ledger, "1.2.3.1.1")
    assert isinstance(keep_instance(ledger, new_instance("1.2.3.1.1", "9.9.9")), Repeated)
    assert find_study(ledger, "9.9.9") is None


def test_of_concurrent_duplicates_exactly_one_is_kept(ledger):
    """A PACS that sends the same image on two associations gets one answer."""
    barrier = threading.Barrier(8)
    found = []

    def store() -> None:
        barrier.wait(120)
        found.append(keep_instance(ledger, new_instance("1.2.3.1.1")))

    threads = [threading.Thread(target=store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(type(one).__name__ for one in found) == ["Kept"] + ["Repeated"] * 7
    assert len({one.instance.id for one in found}) == 1
    assert job_counts(ledger) == {(JobKind.EXAMINE, JobState.READY): 1}


def test_what_an_ai_made_is_recorded_but_never_answered(ledger, clock):
    """Our own results that the PACS routes back must not start a circle."""
    keep(ledger, "1.2.3.9.1", counts=False)
    clock.advance(10 * LONGEST_S)
    assert settle(ledger) == []
    assert next_due(ledger, QUIET_S, LONGEST_S) is None
    assert job_counts(ledger) == {}
    assert find_study(ledger, "1.2.3").state is StudyState.IGNORED


def test_a_result_that_comes_back_reopens_nothing(ledger, clock):
    """An answered study stays answered when its SR is routed back."""
    answered_study(ledger)
    keep(ledger, "1.2.3.9.1", counts=False)
    clock.advance(10 * LONGEST_S)
    assert settle(ledger) == []
    assert find_study(ledger, "1.2.3").state is StudyState.ANSWERED


def test_an_instance_refused_by_its_header_calls_for_an_answer_without_a_job(ledger):
    """A CT slice needs no network to be refused, but the study is answered with the reason."""
    keep(ledger, "1.2.3.1.1", examine=False, finding_json='{"refusal": "x"}')
    assert job_counts(ledger) == {}
    assert settle_now(ledger, "1.2.3") == 1
    (finding,) = findings_of(ledger, "1.2.3", 1)
    assert (finding.finding_json, finding.failure) == ('{"refusal": "x"}', None)
    answer(ledger)


def test_a_study_settles_once_it_was_quiet_long_enough(ledger, clock):
    """Every image moves the moment on; at the moment itself the study is due."""
    keep(ledger, "1.2.3.1.1")
    clock.advance(QUIET_S - 1)
    keep(ledger, "1.2.3.1.2")
    assert next_due(ledger, QUIET_S, LONGEST_S) == clock.now + QUIET_S
    clock.advance(QUIET_S - 0.5)
    assert settle(ledger) == []
    clock.advance(0.5)
    assert settle(ledger) == [("1.2.3", 1)]
    assert [instance.version for instance in instances_of(ledger, "1.2.3")] == [1, 1]
    assert next_due(ledger, QUIET_S, LONGEST_S) is None


@pytest.mark.parametrize("back_s", [3600.0, 86400.0, 40 * 86400.0])
def test_a_clock_that_is_set_back_delays_no_study(ledger, clock, back_s):
    """An hour back made studies wait 3,610 s where max_wait_s is 300."""
    association = open_association(ledger, "listen", "PACS", "10.0.0.1")
    keep(ledger, "1.2.3.1.1")
    keep(ledger, "1.2.4.1.1", "1.2.4", association_id=association)
    clock.advance(-back_s)
    assert next_due(ledger, QUIET_S, LONGEST_S) == clock.now
    assert settle(ledger) == [("1.2.3", 1), ("1.2.4", 1)]


def test_clocks_of_hosts_that_differ_a_little_settle_nothing_early(ledger, clock):
    keep(ledger, "1.2.3.1.1")
    clock.advance(-3.0)
    assert settle(ledger) == []


def test_a_repeated_instance_does_not_make_the_study_wait_longer(ledger, clock):
    """A modality that sends everything again every minute would otherwise never get an answer."""
    keep(ledger, "1.2.3.1.1")
    clock.advance(QUIET_S)
    keep_instance(ledger, new_instance("1.2.3.1.1"))
    assert settle(ledger) == [("1.2.3", 1)]


def test_a_study_does_not_settle_while_its_association_is_open(ledger, clock):
    """A slow modality that holds its association is still sending."""
    row = open_association(ledger, "listener", "PACS", "192.0.2.1")
    keep(ledger, "1.2.3.1.1", association_id=row)
    clock.advance(LONGEST_S - 1)
    assert settle(ledger) == []
    assert next_due(ledger, QUIET_S, LONGEST_S) == clock.now + 1
    close_association(ledger, row)
    assert settle(ledger) == [("1.2.3", 1)]


def test_another_open_association_does_not_hold_a_study_up(ledger, clock):
    """Only the associations that brought its own new images count."""
    other = open_association(ledger, "listener", "PACS", "192.0.2.1")
    keep(ledger, "4.5.6.1.1", "4.5.6", association_id=other)
    row = open_association(ledger, "listener", "PACS", "192.0.2.1")
    keep(ledger, "1.2.3.1.1", association_id=row)
    close_association(ledger, row)
    clock.advance(QUIET_S)
    assert settle(ledger) == [("1.2.3", 1)]


def test_an_association_that_never_closes_holds_a_study_only_so_long(ledger, clock):
    """The first image waits at most `max_wait_s`."""
    row = open_association(ledger, "listener", "PACS", "192.0.2.1")
    keep(ledger, "1.2.3.1.1", association_id=row)
    clock.advance(LONGEST_S / 2)
    keep(ledger, "1.2.3.1.2", association_id=row)
    clock.advance(LONGEST_S / 2)
    assert settle(ledger) == [("1.2.3", 1)]


def test_a_listener_that_starts_again_closes_what_it_left_open(ledger, clock):
    """The associations of a dead process are over; those of another listener are not."""
    dead = open_association(ledger, "listener", "PACS", "192.0.2.1")
    alive = open_association(ledger, "other", "PACS", "192.0.2.1")
    keep(ledger, "1.2.3.1.1", association_id=dead)
    keep(ledger, "4.5.6.1.1", "4.5.6", association_id=alive)
    assert close_all_associations(ledger, "listener") == 1
    assert close_all_associations(ledger, "listener") == 0
    clock.advance(QUIET_S)
    assert settle(ledger) == [("1.2.3", 1)]


def test_a_late_image_makes_a_new_version(ledger, clock):
    """It is never lost: the next report covers all images and the first one stays as it was."""
    answered_study(ledger)
    late = keep(ledger, "1.2.3.1.2")
    assert find_study(ledger, "1.2.3").state is StudyState.OPEN
    clock.advance(QUIET_S)
    assert settle(ledger) == [("1.2.3", 2)]
    assert find_instance(ledger, late.id).version == 2
    examine_all(ledger)
    assert len(findings_of(ledger, "1.2.3", 1)) == 1
    assert len(findings_of(ledger, "1.2.3", 2)) == 2


def test_settling_is_all_or_nothing(ledger):
    """A version without its report job would never be answered."""
    keep(ledger, "1.2.3.1.1")
    assert cut_at_every_statement(ledger, lambda: settle_now(ledger, "1.2.3")) >= 5


def test_two_schedulers_settle_a_study_once(ledger, clock):
    """Several hosts may each run a schedule."""
    studies = [f"1.2.{n}" for n in range(6)]
    for study in studies:
        keep(ledger, f"{study}.1.1", study)
    clock.advance(QUIET_S)
    barrier = threading.Barrier(3)
    found = []

    def schedule() -> None:
        barrier.wait(120)
        found.extend(settle(ledger))

    threads = [threading.Thread(target=schedule) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(found) == [(study, 1) for study in studies]
    assert job_counts(ledger)[JobKind.REPORT, JobState.READY] == len(studies)


def test_an_image_that_comes_while_its_study_settles_is_in_one_version(ledger):
    """Whichever commits first, each image is covered and each version has its report."""
    keep(ledger, "1.2.3.1.0")
    barrier = threading.Barrier(2)
    versions = []

    def store() -> None:
        barrier.wait(120)
        for n in range(1, 20):
            keep(ledger, f"1.2.3.1.{n}")

    thread = threading.Thread(target=store)
    thread.start()
    barrier.wait(120)
    while thread.is_alive():
        versions.append(settle_now(ledger, "1.2.3"))
    thread.join(120)
    versions.append(settle_now(ledger, "1.2.3"))
    made = [version for version in versions if version is not None]
    assert made == list(range(1, len(made) + 1))
    assert sorted({one.version for one in instances_of(ledger, "1.2.3")}) == made
    assert job_counts(ledger)[JobKind.REPORT, JobState.READY] == len(made)


def test_settling_at_once_needs_something_new(ledger):
    """Asking twice, or for a study that never came, makes no empty version."""
    keep(ledger, "1.2.3.1.1")
    assert settle_now(ledger, "1.2.3") == 1
    assert settle_now(ledger, "1.2.3") is None
    assert settle_now(ledger, "9.9.9") is None


def test_a_report_waits_for_the_images_of_its_version(ledger):
    """Settling fixes what is answered, and the answer has it all."""
    keep(ledger, "1.2.3.1.1")
    settle_now(ledger, "1.2.3")
    keep(ledger, "1.2.3.1.2")
    (first, _) = claim(ledger, [JobKind.EXAMINE], "worker", 2, LEASE_S)
    assert claim(ledger, [JobKind.REPORT], "worker", 1, LEASE_S) == []
    examine_all(ledger)
    assert claim(ledger, [JobKind.REPORT], "worker", 1, LEASE_S) == []
    assert first.state is JobState.LEASED


def test_a_missing_instance_is_an_error(ledger):
    """An examine job always names an instance."""
    with pytest.raises(LookupError, match="found none"):
        find_instance(ledger, "nobody")


def test_instances_come_in_the_order_of_their_arrival(ledger, clock):
    """The report names the images as they came."""
    for n in (3, 1, 2):
        assert isinstance(keep_instance(ledger, new_instance(f"1.2.3.1.{n}")), Kept)
        clock.advance(1)
    assert [one.sop_instance_uid[-1] for one in instances_of(ledger, "1.2.3")] == ["3", "1", "2"]
