"""Every object's own status is looked at; what a peer did not take is kept and tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.jobs.peer_backoff import outages
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.overview import buried_jobs
from ra_node.network.scp.loopback_archive import Behaviour, LoopbackArchive
from ra_node.network.scu.c_store import PeerAddress
from ra_node.services.delivery.deliver import MOST_DOUBTFUL, Deliverer
from ra_node.services.reporting.answer import Destination
from tests.dicom.builders import source
from tests.services.builders import LEASE_S
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"
DAY_S = 86400.0


@pytest.fixture
def answered(bench):
    """A bench whose one study is answered and waits for its delivery."""
    bench.keep(source())
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))
    return bench


def deliver(bench, port: int) -> None:
    peer = PeerAddress("pacs", "ARCHIVE", "127.0.0.1", port, calling_ae="RA_NODE", connect_timeout_s=60)
    deliverer = Deliverer(bench.ledger, bench.files, {"pacs": peer}, 7 * DAY_S)
    jobs = claim(bench.ledger, [JobKind.DELIVER], "worker", 8, LEASE_S, peer="pacs")
    if jobs:
        deliverer.deliver(jobs)


def states(bench):
    return {d.object.kind: d.state for d in deliveries_of(bench.ledger, STUDY)}


def archive_in(folder: Path, **behaviour: object) -> LoopbackArchive:
    return LoopbackArchive(folder / "archive", behaviour=Behaviour(**behaviour))


def test_both_objects_arrive_and_the_job_is_done(answered, tmp_path):
    with archive_in(tmp_path) as archive:
        deliver(answered, archive.port)
    assert len(archive.objects) == 2
    assert set(states(answered).values()) == {DeliveryState.ACCEPTED}
    answered.clock.advance(4000)
    assert answered.claim(JobKind.DELIVER) == []


def test_only_what_was_not_accepted_is_sent_again(answered, tmp_path):
    """The first object is turned away for lack of resources, the second is accepted."""
    with archive_in(tmp_path, statuses=(0xA700,)) as archive:
        deliver(answered, archive.port)
        assert len(archive.objects) == 1
        answered.clock.advance(4000)
        deliver(answered, archive.port)
        assert len(archive.objects) == 2
    assert set(states(answered).values()) == {DeliveryState.ACCEPTED}


def test_a_refusal_for_good_is_buried_with_its_reason_and_the_other_object_is_kept(answered, tmp_path):
    with archive_in(tmp_path, statuses=(0xC123,)) as archive:
        deliver(answered, archive.port)
    assert sorted(states(answered).values()) == [DeliveryState.ACCEPTED, DeliveryState.REFUSED]
    (job,) = buried_jobs(answered.ledger)
    assert job.kind is JobKind.DELIVER
    assert any("C123" in (d.detail or "") for d in deliveries_of(answered.ledger, STUDY))


def test_a_status_of_the_peers_own_is_tried_a_few_times_and_told_truly(answered, tmp_path):
    """0xA7F0 is of the class "out of resources", and which reason the archive has is not known."""
    tries = 0
    with archive_in(tmp_path, statuses=(0xA7F0,) * 100) as archive:
        while not buried_jobs(answered.ledger):
            deliver(answered, archive.port)
            answered.clock.advance(4000)
            tries += 1
    assert tries == MOST_DOUBTFUL
    assert set(states(answered).values()) == {DeliveryState.REFUSED}
    (job,) = buried_jobs(answered.ledger)
    assert "0xA7F0 refused with a status specific to the peer" in job.last_error


@pytest.mark.parametrize("status", [0xA777, 0xA778, 0xA779])
def test_a_patient_that_the_peer_does_not_accept_is_an_alarm_and_not_tried_again(answered, tmp_path, status):
    """dcm4chee's codes: until somebody corrects the patient each further try ends the same way."""
    with archive_in(tmp_path, statuses=(status,) * 100) as archive:
        deliver(answered, archive.port)
    assert set(states(answered).values()) == {DeliveryState.REFUSED}
    (alarm,) = alarms(answered.ledger)
    assert (alarm.kind, alarm.subject) == (AlarmKind.PATIENT_REFUSED, STUDY)
    requeue(answered.ledger, STUDY)
    with archive_in(tmp_path / "corrected") as archive:
        deliver(answered, archive.port)
    assert set(states(answered).values()) == {DeliveryState.ACCEPTED}
    assert alarms(answered.ledger) == []


def test_a_peer_that_refuses_comprehensive_3d_gets_comprehensive_sr(answered, tmp_path):
    with archive_in(tmp_path, refused_classes=frozenset({COMPREHENSIVE_3D})) as archive:
        deliver(answered, archive.port)
    kept = {one.sop_class_uid for one in archive.objects}
    assert "1.2.840.10008.5.1.4.1.1.88.33" in kept
    assert set(states(answered).values()) == {DeliveryState.ACCEPTED}


def test_a_peer_that_is_down_is_tried_for_days_and_then_an_operator_is_told(answered, tmp_path):
    deliver(answered, port=1)
    assert set(states(answered).values()) == {DeliveryState.WAITING}
    for _ in range(200):
        answered.clock.advance(3600)
        deliver(answered, port=1)
    (outage,) = outages(answered.ledger)
    assert outage.failures > 100
    (job,) = buried_jobs(answered.ledger)
    assert job.state is JobState.BURIED
    assert job.last_error.startswith("expired: unreachable")
