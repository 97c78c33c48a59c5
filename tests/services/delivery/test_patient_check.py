"""What a destination says of the patient today decides how and whether a late result is sent."""

from __future__ import annotations

import pytest
from pydicom import Dataset, dcmread

from ra_node.dicom.present_patient import changed_attributes, read_present, with_present
from ra_node.domain.job import JobKind, JobState
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.jobs.queue import claim
from ra_node.ledger.jobs.requeue import requeue
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.patients.patient_merges import PatientIdentifier, update_patient
from ra_node.ledger.results import objects_of
from ra_node.network.scp.loopback_archive import Behaviour, LoopbackArchive
from ra_node.network.scu.c_store import OutgoingObject, PeerAddress
from ra_node.services.delivery.deliver import Deliverer
from ra_node.services.delivery.patient_check import Checked, PatientCheck
from ra_node.services.reporting.answer import Destination
from ra_node.services.reporting.rebuild import Rebuilder
from ra_node.services.retention.purge import purge
from tests.dicom.builders import PRODUCER, source
from tests.services.builders import LEASE_S
from tests.services.reporting.test_answer import answer, examine

OWN = source()
STUDY = str(OWN.StudyInstanceUID)
BOTH = (ObjectKind.SR, ObjectKind.OVERLAY)
OTHER = {"PatientID": "P-2", "PatientName": "Other^Person", "PatientBirthDate": "19600102"}


@pytest.fixture
def bench(bench):
    bench.secret = b"s" * 32
    bench.keep(source())
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", BOTH))
    return bench


def match(**values):
    found = Dataset()
    found.StudyInstanceUID = STUDY
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def deliver(bench, port, says, *, late=True):
    """Deliver with a destination that is asked after a day and says this of the study."""
    asked = []

    def ask(peer, study_uid, keys):
        asked.append(study_uid)
        return says

    if late:
        bench.clock.advance(2 * 86400)
    peer = PeerAddress("pacs", "ARCHIVE", "127.0.0.1", port, calling_ae="RA_NODE", connect_timeout_s=60)
    check = PatientCheck(bench.ledger, bench.files, {"pacs": 86400.0}, bench.secret, ask)
    deliverer = Deliverer(bench.ledger, bench.files, {"pacs": peer}, 7 * 86400, patients=check)
    jobs = claim(bench.ledger, [JobKind.DELIVER], "worker", 8, LEASE_S, peer="pacs")
    deliverer.deliver(jobs)
    return asked


def made(bench, version):
    return {one.kind: dcmread(bench.files.path(one.path)) for one in objects_of(bench.ledger, STUDY, version)}


def states(bench, version):
    return {one.state for one in deliveries_of(bench.ledger, STUDY, version=version)}


def test_a_late_result_is_rebuilt_under_the_patient_of_today(bench, tmp_path):
    """Nothing of the old version is sent; the event names attributes, never values."""
    with LoopbackArchive(tmp_path / "archive") as archive:
        assert deliver(bench, archive.port, [match(**OTHER, AccessionNumber="A-9")]) == [STUDY]
        answer(bench, Destination("pacs", BOTH))
        deliver(bench, archive.port, [match(**OTHER, AccessionNumber="A-9")], late=False)
        assert {str(dcmread(one.path).PatientID) for one in archive.objects} == {"P-2"}
    for dataset in made(bench, 2).values():
        assert (dataset.PatientID, dataset.PatientName) == ("P-2", "Other^Person")
        assert (dataset.PatientBirthDate, dataset.AccessionNumber) == ("19600102", "A-9")
        assert "PatientAge" not in dataset
    assert made(bench, 2)["sr"].PredecessorDocumentsSequence
    assert (states(bench, 1), states(bench, 2)) == ({DeliveryState.DROPPED}, {DeliveryState.ACCEPTED})
    (event,) = [one for one in timeline(bench.ledger, STUDY) if one.what == "peer_patient_changed"]
    assert "PatientName" in event.detail["attributes"]
    assert not {"P-2", "Other"} & set(str(event.detail).replace("'", " ").split())


@pytest.mark.parametrize(
    "says",
    [
        None,
        [match()],
        [match(PatientName="PHANTOM^HAND")],
        [match(PatientID=OWN.PatientID, AccessionNumber=number) for number in ("A-8", "A-9")],
    ],
)
def test_a_result_is_sent_as_it_is_where_nothing_else_is_known(bench, tmp_path, says):
    """No answer, the same values in another spelling, or two orders of one patient."""
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port, says)
    assert states(bench, 1) == {DeliveryState.ACCEPTED}
    assert alarms(bench.ledger) == []


ONE_IS_OURS = [
    [match(PatientID=OWN.PatientID), match(**OTHER)],
    [match(**OTHER), match(PatientID=OWN.PatientID, IssuerOfPatientID="HOSPITAL")],
    [match(PatientID=OWN.PatientID), match(**OTHER), match(PatientID=OWN.PatientID, PatientSex="")],
]
NONE_IS_OURS = {
    "two others": [match(**OTHER), match(PatientID="P-3")],
    "one without an ID": [match(**OTHER), match()],
    "two issuers": [match(PatientID=OWN.PatientID, IssuerOfPatientID=one) for one in ("A", "B")],
    "another name": [match(PatientID=OWN.PatientID, PatientName=name) for name in ("A^B", "C^D")],
}


@pytest.mark.parametrize("says", ONE_IS_OURS)
def test_a_study_under_two_patients_in_the_archive_gets_the_result_of_its_images_patient(
    bench, tmp_path, says
):
    """An operator sees it; nothing is moved to the other patient."""
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port, says)
        assert {str(dcmread(one.path).PatientID) for one in archive.objects} == {str(OWN.PatientID)}
    assert [one.kind for one in alarms(bench.ledger)] == [AlarmKind.PEER_CONFLICT]
    (event,) = [one for one in timeline(bench.ledger, STUDY) if one.what == "peer_patient_ambiguous"]
    assert "PatientID" in event.detail["attributes"]
    assert "P-2" not in str(event.detail)
    assert event.detail["sent"] is True


@pytest.mark.parametrize("says", NONE_IS_OURS.values(), ids=NONE_IS_OURS)
def test_nothing_is_sent_where_it_is_not_known_which_of_two_patients_is_ours(bench, tmp_path, says):
    """Held with its reason, until the archive is corrected and an operator requeues it."""
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port, says)
        assert not archive.objects
        assert states(bench, 1) == {DeliveryState.REFUSED}
        assert [one.kind for one in alarms(bench.ledger)] == [AlarmKind.PATIENT_REFUSED]
        assert requeue(bench.ledger, STUDY)
        deliver(bench, archive.port, [match(PatientID=OWN.PatientID)])
    assert states(bench, 1) == {DeliveryState.ACCEPTED}
    assert alarms(bench.ledger) == []


def test_a_study_that_the_destination_no_longer_has_is_named_as_such(bench, tmp_path):
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port, [])
        assert not archive.objects
    assert states(bench, 1) == {DeliveryState.REFUSED}
    (alarm,) = alarms(bench.ledger)
    assert alarm.kind is AlarmKind.PATIENT_REFUSED
    assert "no study with this UID any more" in alarm.detail


def test_a_result_that_is_not_late_is_sent_without_a_question(bench, tmp_path):
    with LoopbackArchive(tmp_path / "archive") as archive:
        assert deliver(bench, archive.port, [match(**OTHER)], late=False) == []
    assert states(bench, 1) == {DeliveryState.ACCEPTED}


def test_after_an_update_of_the_patient_the_destination_is_asked_at_once(bench, tmp_path):
    """ADT^A08 between report and delivery: nothing of the earlier patient's name is sent."""
    who = PatientIdentifier(str(source().PatientID))
    assert update_patient(bench.ledger, bench.secret, [who], "digest", "hl7") == 1
    says = [match(PatientID="P-1", PatientName="Corrected^Name")]
    with LoopbackArchive(tmp_path / "archive") as archive:
        assert deliver(bench, archive.port, says, late=False) == [STUDY]
        answer(bench, Destination("pacs", BOTH))
        deliver(bench, archive.port, says, late=False)
        assert {str(dcmread(one.path).PatientName) for one in archive.objects} == {"Corrected^Name"}
    assert states(bench, 2) == {DeliveryState.ACCEPTED}
    assert update_patient(bench.ledger, bench.secret, [who], "later", "hl7") == 0


def test_two_destinations_that_are_asked_at_the_same_time_get_nothing_of_the_earlier_version(bench):
    """The second one gives the same while the first answer is recorded; it was sent the earlier patient."""
    bench.keep(source(SOPInstanceUID="2.25.78"))
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", BOTH), Destination("second", BOTH))
    says = [match(**OTHER)]
    after = dict.fromkeys(("pacs", "second"), 0.0)
    check = PatientCheck(bench.ledger, bench.files, after, bench.secret, lambda *_: says)
    jobs = [
        job
        for name in after
        for job in claim(bench.ledger, [JobKind.DELIVER], "worker", 8, LEASE_S, peer=name)
        if job.version == 2
    ]
    (sr,) = [one for one in objects_of(bench.ledger, STUDY, 2) if one.kind == ObjectKind.SR]
    one = OutgoingObject(bench.files.path(sr.path), sr.sop_class_uid, sr.sop_instance_uid, "1.2")
    peers = [PeerAddress(name, "A", "127.0.0.1", 1, calling_ae="RA_NODE") for name in after]
    found = [check.check(job, peer, [one]) for job, peer in zip(jobs, peers, strict=True)]
    assert found == [Checked.REISSUED] * 2
    assert [job.state for job in jobs_of(bench.ledger, STUDY) if job.version == 2 and job.peer] == [
        JobState.DONE
    ] * 2
    assert len(list((bench.folder / "results").rglob("*.json"))) == 1


def test_a_refusal_for_the_patient_is_followed_by_the_question(bench, tmp_path):
    """dcm4chee's 0xA778: at the end the archive holds one current result, of its own patient."""
    refusing = LoopbackArchive(tmp_path / "one", behaviour=Behaviour(statuses=(0xA778,) * 9))
    with refusing as archive:
        assert deliver(bench, archive.port, [match(**OTHER)], late=False) == [STUDY]
    assert alarms(bench.ledger) == []
    with LoopbackArchive(tmp_path / "two") as archive:
        answer(bench, Destination("pacs", BOTH))
        deliver(bench, archive.port, [match(**OTHER)], late=False)
        assert {str(dcmread(one.path).PatientID) for one in archive.objects} == {"P-2"}


def test_an_archive_that_refuses_its_own_patient_again_makes_no_more_versions(bench, tmp_path):
    refusing = LoopbackArchive(tmp_path / "one", behaviour=Behaviour(statuses=(0xA778,) * 9))
    with refusing as archive:
        for _ in range(3):
            deliver(bench, archive.port, [match(**OTHER)], late=False)
            if bench.claim(JobKind.REPORT, 0) == [] and not objects_of(bench.ledger, STUDY, 2):
                answer(bench, Destination("pacs", BOTH))
    assert [one.kind for one in alarms(bench.ledger)] == [AlarmKind.PATIENT_REFUSED]
    assert objects_of(bench.ledger, STUDY, 3) == []


def test_an_image_that_is_corrected_later_overtakes_what_the_destination_said(bench, tmp_path):
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port, [match(**OTHER)])
    answer(bench, Destination("pacs", BOTH))
    bench.clock.advance(60)
    bench.keep(source(PatientID="P-3"))
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", BOTH))
    assert made(bench, 3)["sr"].PatientID == "P-3"


def test_a_rebuilt_object_has_the_same_bytes_and_a_purge_takes_the_file(bench, tmp_path):
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port, [match(**OTHER)])
        answer(bench, Destination("pacs", BOTH))
        (sr,) = [one for one in objects_of(bench.ledger, STUDY, 2) if one.kind == ObjectKind.SR]
        bench.files.path(sr.path).unlink()
        rebuilt = Rebuilder(bench.ledger, bench.files, PRODUCER).rebuild(STUDY, 2, {sr.sop_instance_uid})
        assert rebuilt == {sr.sop_instance_uid}
        deliver(bench, archive.port, [match(**OTHER)], late=False)
    assert len(list((bench.folder / "results").rglob("*.json"))) == 1
    bench.clock.advance(90 * 86400)
    assert purge(bench.ledger, bench.files, 86400.0).studies == 1
    assert list((bench.folder / "results").rglob("*.json")) == []


def test_a_name_in_characters_is_kept_and_compared_by_its_groups():
    """A PACS that gives the alphabetic group alone has not changed the name."""
    ours = source(SpecificCharacterSet="GB18030", PatientName="Wang^XiaoDong=\u738b^\u5c0f\u4e1c")
    assert changed_attributes(ours, read_present(match(PatientName="WANG^XIAODONG"))) == []
    theirs = match(SpecificCharacterSet="ISO_IR 192", PatientName="Li^Lei=\u674e^\u96f7", PatientID="P-2")
    given = read_present(theirs)
    assert changed_attributes(ours, given) == ["PatientID", "PatientName"]
    assert with_present(ours, given).PatientName == "Li^Lei=\u674e^\u96f7"


def test_another_id_takes_the_earlier_issuer_and_other_ids_away():
    ours = source(IssuerOfPatientID="OLD", PatientAge="015Y")
    made_of = with_present(ours, {"PatientID": "P-2"})
    assert "IssuerOfPatientID" not in made_of
    assert made_of.PatientAge == "015Y"
    assert ours.IssuerOfPatientID == "OLD"
