"""However often and by whomever a study is sent, it is answered once."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from pydicom.uid import ImplicitVRLittleEndian
from structlog.testing import capture_logs

from ra_node.dicom.reading.file import read_attributes
from ra_node.domain.job import JobKind
from ra_node.domain.refusal import Reason
from ra_node.domain.result_objects import ObjectKind
from ra_node.errors import Refused
from ra_node.ledger.alarms import AlarmKind, alarms, clear_old_alarms
from ra_node.ledger.corrections import MOST_CORRECTIONS
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, record_delivery
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.jobs.queue import LeaseLost
from ra_node.ledger.overview import find_study, jobs_of
from ra_node.ledger.results import Result, find_result, finish_report, objects_of
from ra_node.network.scp.loopback_archive import LoopbackArchive
from ra_node.network.scp.server import StoreOutcome
from ra_node.services.reporting.answer import Destination
from ra_node.services.retention.purge import purge
from tests.dicom.builders import source
from tests.services.delivery.test_deliver import deliver
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
DAY_S = 86400.0


def answered_once(bench, images=1):
    """One version with one report, and nothing that would make another."""
    bench.clock.advance(400)
    examine(bench)
    assert bench.settle() == []
    assert find_study(bench.ledger, STUDY).version == 1
    assert len(instances_of(bench.ledger, STUDY)) == images
    return len([job for job in jobs_of(bench.ledger, STUDY) if job.kind is JobKind.REPORT]) == 1


def go(bench):
    assert bench.settle() == [(STUDY, 1)]
    examine(bench)
    return answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))


def test_a_study_that_two_pacs_send_at_the_same_time_is_answered_once(bench):
    """Two associations of two AE titles in two threads; each of them hears Success."""
    start, outcomes = threading.Barrier(2), []

    def send(title):
        ingest = bench.ingest()
        ingest.opened(title, title, "127.0.0.1")
        file = bench.received(source(), title, calling_ae=title)
        start.wait(120)
        outcomes.append(ingest.keep(file))
        ingest.closed(title)

    threads = [threading.Thread(target=send, args=(title,)) for title in ("PACS1", "PACS2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(outcomes) == [StoreOutcome.REPEATED, StoreOutcome.STORED]
    go(bench)
    assert answered_once(bench)
    assert len(list((bench.folder / "inbox").rglob("*.dcm"))) == 1


def test_a_study_that_comes_again_days_later_is_not_answered_again(bench, tmp_path):
    """Neither while its files are here, nor after retention has removed them."""
    bench.keep(source())
    go(bench)
    with LoopbackArchive(tmp_path / "archive") as archive:
        deliver(bench, archive.port)
    assert len(archive.objects) == 2
    bench.clock.advance(3 * DAY_S)
    assert bench.keep(source()) == [StoreOutcome.REPEATED]
    assert answered_once(bench)
    assert purge(bench.ledger, bench.files, DAY_S).studies == 1
    bench.clock.advance(3 * DAY_S)
    assert bench.keep(source()) == [StoreOutcome.REPEATED]
    assert answered_once(bench)
    assert list((bench.folder / "inbox").rglob("*.dcm")) == []
    assert len(deliveries_of(bench.ledger, STUDY)) == 2


def test_other_pixels_under_the_same_uid_are_refused_even_days_later(bench):
    """The first is kept, the answer stands, and the log says so without the patient."""
    bench.keep(source())
    go(bench)
    bench.clock.advance(3 * DAY_S)
    other = source()
    other.PixelData = bytes(byte ^ 1 for byte in other.PixelData)
    with capture_logs() as said, pytest.raises(Refused, match="pixels differ"):
        bench.keep(other)
    assert answered_once(bench)
    assert "resend_refused" in [line["event"] for line in said]
    assert str(source().PatientName) not in str(said)


HARMLESS = {
    "institution": {"InstitutionName": "Clinic"},
    "character set": {"SpecificCharacterSet": "ISO_IR 100"},
    "letter case": {"PatientName": "PHANTOM^HAND"},
    "number of its own": {"InstanceNumber": 17},
    "referring physician": {"ReferringPhysicianName": "Somebody^Else"},
    "description": {"StudyDescription": "XR hands"},
    "decimal": {"WindowCenter": "2048.0"},
}
CORRECTED = {
    "patient": {"PatientID": "P-2"},
    "name": {"PatientName": "Other^Person"},
    "birth date": {"PatientBirthDate": "19600102"},
    "sex": {"PatientSex": "M"},
    "accession number": {"AccessionNumber": "A2"},
    "side": {"ImageLaterality": "L"},
    "side of the series": {"Laterality": "L"},
    "orientation": {"PatientOrientation": ["R", "F"]},
    "side in a description": {"SeriesDescription": "HAND LT PA"},
    "body part": {"BodyPartExamined": "FOOT"},
    "spacing": {"ImagerPixelSpacing": [0.1, 0.1]},
    "polarity": {"PhotometricInterpretation": "MONOCHROME1"},
    "window": {"WindowCenter": 100},
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS)
def test_what_a_pacs_rewrites_on_the_way_is_a_repeat(bench, changes):
    """Success, no new version: nothing that the answer depends on is another."""
    image = source(**changes)
    image.add_new(0x00091001, "LO", "private")
    assert bench.keep(source(), image) == [StoreOutcome.STORED, StoreOutcome.REPEATED]
    go(bench)
    assert answered_once(bench)


@pytest.mark.parametrize("changes", CORRECTED.values(), ids=CORRECTED)
def test_a_corrected_header_takes_the_place_of_the_first(bench, changes):
    """New analysis, new version with a predecessor; log and timeline name attributes, never values."""
    (keyword,) = changes
    bench.keep(source())
    first = go(bench)
    with capture_logs() as said:
        assert bench.keep(source(**changes)) == [StoreOutcome.STORED]
    (event,) = [one for one in timeline(bench.ledger, STUDY) if one.what == "instance_corrected"]
    assert keyword in event.detail["attributes"]
    for value in ("P-2", "Other", "19600102"):
        assert value not in f"{said} {event.detail}"
    (path,) = (bench.folder / "inbox").rglob("*.dcm")
    assert read_attributes(path).get(keyword) == source(**changes).get(keyword)
    assert bench.settle() == [(STUDY, 2)]
    examine(bench)
    second = answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))
    assert second.predecessor_sr_uid == sr_uid(bench, first.version)


def sr_uid(bench, version):
    return find_result(bench.ledger, STUDY, version).sr_uid


def test_a_corrected_patient_is_the_patient_of_the_new_report(bench):
    """The objects of the version before, which nobody has yet, are not sent any more."""
    bench.keep(source())
    go(bench)
    bench.keep(source(PatientID="P-2", PatientName="Other^Person"))
    assert {one.state for one in deliveries_of(bench.ledger, STUDY)} == {DeliveryState.DROPPED}
    assert bench.settle() == [(STUDY, 2)]
    examine(bench)
    answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))
    for made in objects_of(bench.ledger, STUDY, 2):
        dataset = read_attributes(bench.files.path(made.path))
        assert (dataset.PatientID, dataset.PatientName) == ("P-2", "Other^Person")


def test_a_correction_during_the_report_reaches_that_report(bench):
    """The worker that read the first header loses its job."""
    bench.keep(source())
    assert bench.settle() == [(STUDY, 1)]
    examine(bench)
    (job,) = bench.claim(JobKind.REPORT)
    bench.keep(source(PatientID="P-2"))
    with pytest.raises(LeaseLost):
        finish_report(bench.ledger, job, a_result(), [], [], {})
    examine(bench)
    answer(bench, Destination("pacs", (ObjectKind.SR,)))
    (made,) = [one for one in objects_of(bench.ledger, STUDY, 1) if one.kind == ObjectKind.SR]
    assert read_attributes(bench.files.path(made.path)).PatientID == "P-2"
    assert answered_once(bench)


def a_result():
    return Result(STUDY, 1, "{}", 0.0, "2.25.5")


def test_a_delivery_under_way_is_not_tried_again_after_a_correction(bench):
    """The peer was busy when the header was corrected: the old answer stays dropped."""
    bench.keep(source())
    go(bench)
    (job,) = bench.claim(JobKind.DELIVER)
    bench.keep(source(PatientID="P-2"))
    busy = [
        DeliveryOutcome(one.object.sop_instance_uid, DeliveryState.WAITING, 0xA700)
        for one in deliveries_of(bench.ledger, STUDY)
    ]
    record_delivery(bench.ledger, job, busy, retry_at=0.0, give_up_after_s=None)
    assert {one.state for one in deliveries_of(bench.ledger, STUDY)} == {DeliveryState.DROPPED}
    assert bench.claim(JobKind.DELIVER) == []


def test_two_routes_that_change_headers_make_two_versions_and_one_alarm(bench):
    """However often both send: a header that was current before does nothing."""
    one, other = source(), source(AccessionNumber="A2")
    ingest = bench.ingest()
    outcomes = [ingest.keep(bench.received(image)) for _ in range(100) for image in (one, other)]
    assert outcomes[:2] == [StoreOutcome.STORED] * 2
    assert set(outcomes[2:]) == {StoreOutcome.REPEATED}
    (alarm,) = alarms(bench.ledger)
    assert (alarm.kind, alarm.subject) == (AlarmKind.HEADER, "MODALITY")
    assert [event.what for event in timeline(bench.ledger, STUDY)].count("correction_ignored") == 1
    bench.clock.advance(2 * DAY_S)
    clear_old_alarms(bench.ledger, AlarmKind.HEADER, DAY_S)
    assert alarms(bench.ledger) == []


def test_an_image_is_corrected_so_many_times_and_then_refused(bench):
    """A source that writes another accession number into every copy."""
    bench.keep(source())
    ingest = bench.ingest()
    for number in range(MOST_CORRECTIONS):
        assert ingest.keep(bench.received(source(AccessionNumber=f"B{number}"))) is StoreOutcome.STORED
    with pytest.raises(Refused, match="corrected 20 times"):
        ingest.keep(bench.received(source(AccessionNumber="last")))


def test_one_of_two_corrected_images_leaves_a_conflict_and_both_an_answer(bench):
    """The study is of two people until its second image is corrected too: nothing is judged meanwhile."""
    second = {"SOPInstanceUID": "2.25.78"}
    bench.keep(source(), source(**second))
    go(bench)
    bench.keep(source(PatientID="P-2", PatientName="Other^Person"))
    assert bench.settle() == [(STUDY, 2)]
    examine(bench)
    mixed = answer(bench, Destination("pacs", (ObjectKind.SR,)))
    assert mixed.refusal.reason is Reason.PATIENT_CONFLICT
    bench.keep(source(**second, PatientID="P-2", PatientName="Other^Person"))
    assert bench.settle() == [(STUDY, 3)]
    examine(bench)
    assert answer(bench, Destination("pacs", (ObjectKind.SR,))).refusal is None


@pytest.mark.parametrize("changes", [{"Rows": 10}, {"BitsStored": 10}, {"SOPClassUID": "1.2.3"}])
def test_what_makes_other_pixels_of_the_same_bytes_is_no_correction(bench, changes):
    """Another instance under a known UID."""
    (keyword,) = changes
    bench.keep(source())
    with pytest.raises(Refused, match=f"differs from the kept copy in .*{keyword}"):
        bench.keep(source(**changes))
    assert len(list((bench.folder / "inbox").rglob("*.dcm"))) == 1


def test_corrected_header_with_other_pixels_is_refused(bench):
    """A correction must bring the same pixels."""
    bench.keep(source())
    other = source(PatientID="P-2")
    other.PixelData = bytes(byte ^ 1 for byte in other.PixelData)
    with pytest.raises(Refused, match="pixels differ"):
        bench.keep(other)


def test_a_sender_that_tries_again_and_again_is_noted_once(bench):
    """An hour; every time it hears the reason, and so does the log."""
    bench.keep(source())
    ingest = bench.ingest()
    with capture_logs() as said:
        for _ in range(5):
            with pytest.raises(Refused):
                ingest.keep(bench.received(source(Rows=10)))
    assert len([line for line in said if line["event"] == "resend_refused"]) == 5
    assert [one.what for one in timeline(bench.ledger, STUDY)].count("resend_refused") == 1


def test_a_name_in_another_character_set_is_the_same_name(bench):
    """ISO_IR 100 and ISO_IR 192 write it with other bytes."""
    umlaut = {"PatientName": "M\u00fcller^Eva"}
    latin = source(SpecificCharacterSet="ISO_IR 100", **umlaut)
    assert bench.keep(source(**umlaut), latin) == [StoreOutcome.STORED, StoreOutcome.REPEATED]


def test_the_same_instance_in_another_study_is_refused_in_both_timelines(bench):
    """Acknowledged, it would never be answered: a SOP Instance UID names one instance."""
    moved = source(StudyInstanceUID="2.25.99")
    bench.keep(source())
    with pytest.raises(Refused, match="received in another study"):
        bench.keep(moved)
    for study in (STUDY, "2.25.99"):
        assert [one.what for one in timeline(bench.ledger, study)][-1] == "resend_refused"


def noise():
    """Pixels that tell whether they were decoded."""
    image = source()
    values = np.random.default_rng(0).integers(0, 4096, (image.Rows, image.Columns), np.uint16)
    image.PixelData = values.tobytes()
    return image


def test_implicit_and_explicit_vr_of_one_image_are_a_repeat(bench):
    """Their pixels have the same bytes: nothing needs decoding."""
    plain = noise()
    plain.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert bench.keep(noise(), plain)[1] is StoreOutcome.REPEATED


def test_the_same_instance_in_another_series_is_the_same_instance(bench):
    """A SOP Instance UID names one instance, whatever series a broken export puts it in."""
    moved = source(SeriesInstanceUID="2.25.77")
    assert bench.keep(source(), moved) == [StoreOutcome.STORED, StoreOutcome.REPEATED]
    go(bench)
    assert answered_once(bench)


def test_the_same_picture_as_two_instances_in_two_series_is_one_answer_about_both(bench):
    """A copy with UIDs of its own is an image of its own; the study has one report for both."""
    copy = source(SeriesInstanceUID="2.25.77", SOPInstanceUID="2.25.78")
    copy.file_meta.MediaStorageSOPInstanceUID = "2.25.78"
    assert bench.keep(source(), copy) == [StoreOutcome.STORED] * 2
    made = go(bench)
    assert len(made.images) == 2
    assert answered_once(bench, images=2)
