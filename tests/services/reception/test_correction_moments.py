"""A correction that comes at an awkward moment is the one that counts, once."""

from __future__ import annotations

import pytest

from ra_node.dicom.reading.file import read_attributes
from ra_node.domain.job import JobKind
from ra_node.domain.refusal import Reason
from ra_node.domain.report import WithdrawalCause
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, record_delivery
from ra_node.ledger.findings import finish_examination
from ra_node.ledger.jobs.queue import LeaseLost
from ra_node.ledger.patients.patient_merges import PatientIdentifier, merge_patients
from ra_node.ledger.results import objects_of
from ra_node.ledger.withdrawals import waiting_withdrawals
from ra_node.network.scp.server import StoreOutcome
from ra_node.services.reporting.answer import Destination
from ra_node.services.withdrawal.begin import WithdrawalStarter
from ra_node.services.withdrawal.request import plan_for_study, request_plan
from tests.dicom.builders import source
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
BOTH = (ObjectKind.SR, ObjectKind.OVERLAY)
OTHER = {"PatientID": "P-2", "PatientName": "Other^Person"}


def report(bench):
    examine(bench)
    return answer(bench, Destination("pacs", BOTH))


def corrections(bench):
    return [one for one in timeline(bench.ledger, STUDY) if one.what == "instance_corrected"]


def patients(bench, version):
    made = objects_of(bench.ledger, STUDY, version)
    return {str(read_attributes(bench.files.path(one.path)).PatientID) for one in made}


def withdraw(bench):
    plan = plan_for_study(bench.ledger, STUDY)
    request_plan(bench.ledger, plan, WithdrawalCause.QUALITY, "why", "alice")


def test_while_the_image_is_analysed(bench):
    """The worker that read the earlier header loses its lease; one version follows."""
    bench.keep(source())
    (job,) = bench.claim(JobKind.EXAMINE)
    bench.keep(source(**OTHER))
    with pytest.raises(LeaseLost):
        finish_examination(bench.ledger, job, "{}", None, "")
    assert bench.settle() == [(STUDY, 1)]
    report(bench)
    assert patients(bench, 1) == {"P-2"}
    assert bench.settle() == []


def test_while_the_result_is_being_sent(bench):
    """What the archive accepted meanwhile is replaced by the next version, which names it."""
    bench.keep(source())
    bench.settle()
    first = report(bench)
    (job,) = bench.claim(JobKind.DELIVER)
    bench.keep(source(**OTHER))
    accepted = [
        DeliveryOutcome(one.object.sop_instance_uid, DeliveryState.ACCEPTED, 0)
        for one in deliveries_of(bench.ledger, STUDY)
    ]
    record_delivery(bench.ledger, job, accepted, retry_at=0.0, give_up_after_s=None)
    assert bench.settle() == [(STUDY, 2)]
    second = report(bench)
    assert second.predecessor_sr_uid not in (None, first.predecessor_sr_uid)
    assert patients(bench, 2) == {"P-2"}


def test_after_the_result_was_withdrawn(bench):
    """It is analysed again under the corrected patient; nobody has withdrawn that result."""
    bench.keep(source())
    bench.settle()
    report(bench)
    withdraw(bench)
    WithdrawalStarter(bench.ledger).step()
    bench.clock.advance(20)
    assert report(bench).refusal.reason is Reason.WITHDRAWN
    bench.keep(source(**OTHER))
    assert bench.settle() == [(STUDY, 3)]
    assert report(bench).refusal is None
    assert patients(bench, 3) == {"P-2"}


def test_while_a_withdrawal_waits(bench):
    """The correction is reported first, and that version is withdrawn, under the corrected patient."""
    bench.keep(source())
    bench.settle()
    report(bench)
    withdraw(bench)
    bench.keep(source(**OTHER))
    assert bench.settle() == [(STUDY, 2)]
    WithdrawalStarter(bench.ledger).step()
    report(bench)
    WithdrawalStarter(bench.ledger).step()
    bench.clock.advance(20)
    assert report(bench).refusal.reason is Reason.WITHDRAWN
    assert patients(bench, 3) == {"P-2"}
    assert waiting_withdrawals(bench.ledger) == 0


def test_after_the_patients_were_merged(bench):
    """From the old to the new identifier, as an archive does that sends everything again after a merge."""
    bench.keep(source())
    bench.settle()
    report(bench)
    old, new = PatientIdentifier(str(source().PatientID)), PatientIdentifier("P-2")
    assert merge_patients(bench.ledger, bench.secret, old, new, "alice").new
    bench.keep(source(**OTHER))
    assert bench.settle() == [(STUDY, 2)]
    report(bench)
    assert patients(bench, 2) == {"P-2"}


def test_only_the_issuer_of_the_patient_id(bench):
    """Another issuer is another patient; a missing one that is added is a correction, too."""
    bench.keep(source())
    bench.settle()
    report(bench)
    for number, issuer in enumerate(("A", "B")):
        assert bench.keep(source(IssuerOfPatientID=issuer)) == [StoreOutcome.STORED]
        assert bench.settle() == [(STUDY, number + 2)]
        report(bench)
        (sr,) = [one for one in objects_of(bench.ledger, STUDY, number + 2) if one.kind == ObjectKind.SR]
        assert read_attributes(bench.files.path(sr.path)).IssuerOfPatientID == issuer
    assert [one.detail["attributes"] for one in corrections(bench)] == ["IssuerOfPatientID"] * 2


def test_two_studies_exchange_their_patients(bench):
    """As after a mix-up at the modality: each report follows its image, and none names both patients."""
    uid, own = "2.25.99", {"PatientID": source().PatientID, "PatientName": source().PatientName}
    second = {"StudyInstanceUID": uid, "SOPInstanceUID": "2.25.98"}
    exchange = [source(), source(**second, **OTHER), source(**OTHER), source(**second, **own)]
    for image in exchange:
        assert bench.keep(image) == [StoreOutcome.STORED]
        ((study, version),) = bench.settle()
        report(bench)
        made = objects_of(bench.ledger, study, version)
        found = {str(read_attributes(bench.files.path(one.path)).PatientID) for one in made}
        assert found == {str(image.PatientID)}
    assert version == 2


def test_two_images_of_one_study_exchange_their_sides(bench):
    """Each image is analysed again, once, and one version follows."""
    second = {"SOPInstanceUID": "2.25.78"}
    bench.keep(source(ImageLaterality="R"), source(**second, ImageLaterality="L"))
    bench.settle()
    report(bench)
    bench.keep(source(ImageLaterality="L"), source(**second, ImageLaterality="R"))
    assert bench.settle() == [(STUDY, 2)]
    report(bench)
    assert len(corrections(bench)) == 2
    assert bench.settle() == []
