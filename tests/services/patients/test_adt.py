"""A merge lets earlier reports be found again; a message is taken once, and acknowledged after its commit."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from ra_node.domain.job import JobKind
from ra_node.errors import Refused
from ra_node.ledger.database.engine import LedgerUnavailable
from ra_node.ledger.event_query import trail
from ra_node.ledger.jobs.queue import finish
from ra_node.ledger.patients.patient_merges import PatientIdentifier, merge_patients
from ra_node.services.patients import adt
from ra_node.services.patients.adt import AdtReceiver
from tests.network.hl7.test_adt_message import HEAD, MRG, PID, message
from tests.services.answers import SECRET, answered, study

OLD, NEW = PatientIdentifier("MARKED-1", "HOSP"), PatientIdentifier("MARKED-2", "HOSP")
A40 = message(PID, MRG)


@pytest.fixture
def bench(bench):
    bench.secret = SECRET
    return bench


def under(number, day, patient, issuer="HOSP"):
    return study(number, day, PatientID=patient, IssuerOfPatientID=issuer)


def take(bench, content):
    ack = AdtReceiver(bench.ledger, SECRET).take(content)
    return ack.split(b"\r")[1].decode().split("|")[1:]


def test_the_old_report_is_the_prior_of_a_study_under_the_new_id(bench):
    first = answered(bench, under(1, "20260105", "MARKED-1"))
    assert answered(bench, under(2, "20260205", "MARKED-2")).prior is None
    merged = merge_patients(bench.ledger, SECRET, OLD, NEW, "alice")
    assert (merged.new, merged.results) == (True, 2)
    third = answered(bench, under(3, "20260305", "MARKED-2"))
    assert third.prior.study_instance_uid == "2.25.402"
    assert (
        answered(bench, under(4, "20260110", "MARKED-2")).prior.study_instance_uid == first.study_instance_uid
    )


def test_a_merge_before_any_study_of_the_new_id_is_remembered(bench):
    """And so is a study that comes later under the old one."""
    first = answered(bench, under(1, "20260105", "MARKED-1"))
    merge_patients(bench.ledger, SECRET, OLD, NEW, "alice")
    second = answered(bench, under(2, "20260205", "MARKED-2"))
    assert second.prior.study_instance_uid == first.study_instance_uid
    late = answered(bench, under(3, "20260305", "MARKED-1"))
    assert late.prior.study_instance_uid == second.study_instance_uid


def test_images_that_name_no_issuer_are_of_the_merged_patient_too(bench):
    first = answered(bench, under(1, "20260105", "MARKED-1", ""))
    merge_patients(bench.ledger, SECRET, OLD, NEW, "alice")
    second = answered(bench, under(2, "20260205", "MARKED-2", ""))
    assert second.prior.study_instance_uid == first.study_instance_uid


@pytest.mark.parametrize(
    "other", [{"PatientSex": "M"}, {"PatientName": "Someone^Else"}, {"PatientBirthDate": "19500101"}]
)
def test_a_merge_does_not_mix_people(bench, other):
    """Name, sex and birth date are compared as ever."""
    answered(bench, under(1, "20260105", "MARKED-1"))
    merge_patients(bench.ledger, SECRET, OLD, NEW, "alice")
    image = study(2, "20260205", PatientID="MARKED-2", IssuerOfPatientID="HOSP", **other)
    assert answered(bench, image).prior is None


def test_the_same_id_of_another_issuer_is_not_merged(bench):
    answered(bench, under(1, "20260105", "MARKED-1", "ELSEWHERE"))
    assert merge_patients(bench.ledger, SECRET, OLD, NEW, "alice").results == 0
    assert answered(bench, under(2, "20260205", "MARKED-2")).prior is None


def test_a_chain_of_merges_leads_to_one_patient_and_a_circle_is_refused(bench):
    first = answered(bench, under(1, "20260105", "MARKED-1"))
    third = PatientIdentifier("MARKED-3", "HOSP")
    merge_patients(bench.ledger, SECRET, OLD, NEW, "alice")
    merge_patients(bench.ledger, SECRET, NEW, third, "alice")
    with pytest.raises(Refused, match="merged into the old one before"):
        merge_patients(bench.ledger, SECRET, third, OLD, "alice")
    with pytest.raises(Refused, match="one identifier twice"):
        merge_patients(bench.ledger, SECRET, OLD, OLD, "alice")
    with pytest.raises(Refused, match="found none"):
        merge_patients(bench.ledger, SECRET, PatientIdentifier(" "), NEW, "alice")
    assert merge_patients(bench.ledger, SECRET, OLD, third, "alice").new is False
    later = answered(bench, under(2, "20260205", "MARKED-3"))
    assert later.prior.study_instance_uid == first.study_instance_uid


@pytest.mark.parametrize("event", ["A18", "A40", "A47"])
def test_a_message_merges_once_and_is_acknowledged_each_time(bench, event):
    answered(bench, under(1, "20260105", "MARKED-1"))
    content = message(PID, MRG, head=HEAD.replace("ADT^A40", f"ADT^{event}"))
    with capture_logs() as said:
        assert [take(bench, content) for _ in range(3)] == [["AA", "MSG-1"]] * 3
    events = [entry for entry in trail(bench.ledger) if entry.event.what == "patients_merged"]
    assert len(events) == 1
    assert "MARKED" not in f"{said}{[entry.event for entry in trail(bench.ledger)]}"
    assert answered(bench, under(2, "20260205", "MARKED-2")).prior is not None


A08 = message(PID, head=HEAD.replace("ADT^A40", "ADT^A08"))


def updated(bench):
    return [one.event.study_uid for one in trail(bench.ledger) if one.event.what == "patient_updated"]


def test_an_update_marks_studies_of_its_patient_with_work_to_do_once(bench):
    """Not those of another patient or issuer, nor one whose results are all sent; no value is kept."""
    answered(bench, under(1, "20260105", "MARKED-2"))
    for job in bench.claim(JobKind.DELIVER):
        finish(bench.ledger, job)
    for number, patient, issuer in ((2, "MARKED-2", "HOSP"), (3, "MARKED-2", ""), (4, "OTHER", "HOSP")):
        bench.keep(under(number, "20260205", patient, issuer))
    bench.keep(under(5, "20260205", "MARKED-2", "ELSEWHERE"))
    assert [take(bench, A08) for _ in range(2)] == [["AA", "MSG-1"]] * 2
    assert updated(bench) == ["2.25.402", "2.25.403"]
    (taken,) = [one.event for one in trail(bench.ledger) if one.event.what == "patient_message_taken"]
    assert taken.detail["studies"] == 2
    assert "MARKED" not in f"{[entry.event for entry in trail(bench.ledger)]}"


def test_an_update_without_an_identifier_is_refused(bench):
    assert take(bench, message("PID|1||", head=HEAD.replace("ADT^A40", "ADT^A08")))[0] == "AE"


def test_what_cannot_be_taken_is_answered_with_its_reason_and_changes_nothing(bench):
    assert take(bench, message(PID, MRG, head=HEAD.replace("A40", "A01")))[0] == "AR"
    assert take(bench, message(PID))[0] == "AE"
    assert take(bench, b"\xff\x00garbage")[0] == "AR"
    assert list(trail(bench.ledger)) == []


def test_a_message_is_not_acknowledged_before_its_commit(bench, monkeypatch):
    """The hospital's system sends it again, and then it is taken."""

    def away(*arguments, **named):
        raise LedgerUnavailable("away")

    monkeypatch.setattr(adt, "merge_patients", away)
    assert take(bench, A40)[0] == "AE"
    monkeypatch.undo()
    assert take(bench, A40) == ["AA", "MSG-1"]
