"""A correction of an image whose bytes are gone is a new analysis, whatever became of the image before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless

from ra_node.dicom.reading.file import read_attributes, read_dataset, read_header
from ra_node.dicom.reading.instance_equality import header_values
from ra_node.domain.job import JobKind
from ra_node.domain.refusal import Reason
from ra_node.domain.result_objects import ObjectKind
from ra_node.errors import Refused
from ra_node.imaging.pixels import PixelLimits, PixelsRefused, pixel_digest
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, pending_deliveries, record_delivery
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.overview import find_study
from ra_node.ledger.results import objects_of
from ra_node.network.scp.server import StoreOutcome
from ra_node.services.analysis.pixel_comparison import PixelComparison
from ra_node.services.analysis.study_analysis import Look, refused
from ra_node.services.reception.resend import Resends
from ra_node.services.reporting.answer import Destination
from ra_node.services.retention.purge import purge
from tests.dicom.builders import source
from tests.services.builders import looked
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
BOTH = (ObjectKind.SR, ObjectKind.OVERLAY)
DAY_S = 86400.0
NOT_RATED = [({"BodyPartExamined": "CHEST"}, None), ({"ViewPosition": "LL"}, JPEGLSLossless)]


def noise(seed=0, **changes):
    image = source(**changes)
    values = np.random.default_rng(seed).integers(0, 4096, (image.Rows, image.Columns), np.uint16)
    image.PixelData = values.tobytes()
    return image


def packed(image, syntax=JPEGLSLossless):
    image.compress(syntax, generate_instance_uid=False)
    return image


def seen(path, rules):
    """A look with the digests of the real one; that of `examine` has none, as that of an older node."""
    image = read_dataset(path)
    try:
        digest = pixel_digest(image, PixelLimits(1))
    except PixelsRefused as error:
        return Look(refused(read_header(image), error.refusal), header=header_values(image))
    return replace(looked(), pixel_sha256=digest, header=header_values(image))


def report(bench, look=None):
    """Settle, analyse and report what waits."""
    ((_, version),) = bench.settle()
    examine(bench, look) if look else examine(bench)
    return version, answer(bench, Destination("pacs", BOTH))


def accept(bench):
    for job in bench.claim(JobKind.DELIVER):
        sent = [
            DeliveryOutcome(one.object.sop_instance_uid, DeliveryState.ACCEPTED, 0)
            for one in pending_deliveries(bench.ledger, job)
        ]
        record_delivery(bench.ledger, job, sent, retry_at=0.0, give_up_after_s=None)


def purged(bench, *images, look=None):
    """Report the images, deliver the results, and let retention remove every file."""
    bench.keep(*images)
    _, made = report(bench, look)
    accept(bench)
    bench.clock.advance(3 * DAY_S)
    assert purge(bench.ledger, bench.files, DAY_S).studies == 1
    return made


def compare(bench):
    resends = Resends(bench.ledger, bench.files, bench.secret)
    PixelComparison(bench.ledger, bench.files, resends).compare(bench.claim(JobKind.COMPARE))


def corrections(bench):
    return [one.detail for one in timeline(bench.ledger, STUDY) if one.what == "instance_corrected"]


@pytest.mark.parametrize(("changes", "syntax"), NOT_RATED)
def test_an_image_that_its_header_refused_is_rated_after_the_correction(bench, changes, syntax):
    """Its pixels were never decoded, so no result rests on them; in whatever compression it comes."""
    first = purged(bench, noise(**changes))
    assert first.refusal is not None
    copy = packed(noise(), syntax) if syntax else noise()
    assert bench.keep(copy) == [StoreOutcome.STORED]
    version, second = report(bench)
    assert (version, second.refusal) == (2, None)
    assert second.predecessor_sr_uid
    assert corrections(bench)[0]["pixels"] == "not compared"


def test_a_repeat_of_such_an_image_is_a_repeat(bench):
    """The same bytes, or another institution: the digest of its header is kept from the first day."""
    chest = {"BodyPartExamined": "CHEST"}
    purged(bench, noise(**chest))
    for again in (noise(**chest), noise(**chest, InstitutionName="Clinic")):
        assert bench.keep(again) == [StoreOutcome.REPEATED]
    assert bench.settle() == []
    assert alarms(bench.ledger) == []


def test_two_routes_make_one_more_version_of_it(bench):
    """However often both send."""
    purged(bench, noise(BodyPartExamined="CHEST"))
    for _ in range(5):
        for one in (noise(BodyPartExamined="CHEST"), noise()):
            bench.keep(one)
    report(bench)
    assert bench.settle() == []
    assert len(corrections(bench)) == 1


def test_an_image_that_an_older_node_rated_is_analysed_again_with_an_alarm(bench):
    """Whether its pixels are the same is not known, and an operator sees that."""
    purged(bench, noise())
    assert bench.keep(noise(PatientID="P-2", PatientName="Other^Person")) == [StoreOutcome.STORED]
    version, _ = report(bench)
    for made in objects_of(bench.ledger, STUDY, version):
        assert read_attributes(bench.files.path(made.path)).PatientID == "P-2"
    (alarm,) = alarms(bench.ledger)
    assert (alarm.kind, alarm.subject) == (AlarmKind.PIXELS, str(source().SOPInstanceUID))
    assert "not compared" in alarm.detail
    assert "P-2" not in alarm.detail


def test_an_image_whose_pixels_were_not_readable_is_corrected_by_a_good_copy(bench):
    """As after a purge of what no decoder could read."""
    broken = noise()
    broken.PixelData = broken.PixelData[:100]
    first = purged(bench, broken, look=seen)
    assert first.refusal is not None
    bench.keep(noise(PatientID="P-2"))
    assert report(bench)[1].refusal is None


def test_what_was_taken_for_the_object_of_an_ai_is_answered_once_its_header_is_corrected(bench):
    """It was recorded without a result, as its manufacturer said."""
    bench.keep(noise(Manufacturer="ra-node"))
    assert bench.settle() == []
    bench.clock.advance(3 * DAY_S)
    assert purge(bench.ledger, bench.files, DAY_S).studies == 1
    assert bench.keep(noise(Manufacturer="ra-node", InstitutionName="Clinic")) == [StoreOutcome.REPEATED]
    assert bench.keep(noise()) == [StoreOutcome.STORED]
    assert report(bench)[1].refusal is None


@pytest.mark.parametrize(
    ("state", "syntax", "digests"),
    [("missing", None, True), ("damaged", RLELossless, True), ("damaged", None, False)],
)
def test_a_correction_takes_the_place_of_a_damaged_file(bench, state, syntax, digests):
    """Its patient was corrected: known pixels decide, else there is an alarm."""
    bench.keep(noise())
    report(bench, seen if digests else None)
    (path,) = (bench.folder / "inbox").rglob("*.dcm")
    path.unlink() if state == "missing" else path.write_bytes(b"x")
    copy = noise(PatientID="P-2", PatientName="Other^Person")
    bench.keep(packed(copy, syntax) if syntax else copy)
    compare(bench)
    assert {one.state for one in deliveries_of(bench.ledger, STUDY)} == {DeliveryState.DROPPED}
    version, _ = report(bench)
    assert version == 2
    assert read_attributes(bench.files.path(objects_of(bench.ledger, STUDY, 2)[0].path)).PatientID == "P-2"
    assert [one.kind for one in alarms(bench.ledger)] == ([] if digests else [AlarmKind.PIXELS])


@pytest.mark.parametrize("gone", [True, False])
def test_other_pixels_than_the_known_ones_are_refused_after_the_fact(bench, gone):
    """Purged or missing: another image under the same UID never becomes the corrected one."""
    if gone:
        purged(bench, noise(), look=seen)
    else:
        bench.keep(noise())
        report(bench, seen)
        (path,) = (bench.folder / "inbox").rglob("*.dcm")
        path.unlink()
    bench.keep(noise(1, PatientID="P-2"))
    compare(bench)
    assert corrections(bench) == []
    assert AlarmKind.PIXELS in {one.kind for one in alarms(bench.ledger)}
    assert find_study(bench.ledger, STUDY).version == 1


def test_a_first_copy_that_is_lost_while_another_compression_waits_is_no_reason_to_refuse(bench):
    """It had no digest yet: nothing is compared any more, and the copy is analysed."""
    bench.keep(noise())
    bench.keep(packed(noise(PatientID="P-2")))
    (first,) = instances_of(bench.ledger, STUDY)
    Path(bench.files.path(first.path)).unlink()
    compare(bench)
    assert corrections(bench)[0]["pixels"] == "not compared"
    examine(bench)
    assert report(bench)[1].refusal is None


def test_another_sop_class_is_no_correction_of_a_lost_image(bench):
    purged(bench, noise(BodyPartExamined="CHEST"))
    other = noise(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    other.file_meta.MediaStorageSOPClassUID = other.SOPClassUID
    with pytest.raises(Refused, match="SOPClassUID"):
        bench.keep(other)


def test_one_of_four_purged_images_of_another_patient_is_a_conflict_until_all_are_corrected(bench):
    """Nothing is rated and no picture shown while the study names two people."""
    images = [{"SOPInstanceUID": f"2.25.7{n}"} for n in range(4)]
    purged(bench, *(noise(n, **one) for n, one in enumerate(images)), look=seen)
    other = {"PatientID": "P-2", "PatientName": "Other^Person"}
    bench.keep(noise(0, **images[0], **other))
    compare(bench)
    assert report(bench, seen)[1].refusal.reason is Reason.PATIENT_CONFLICT
    for n in (1, 2, 3):
        bench.keep(noise(n, **images[n], **other))
    compare(bench)
    version, made = report(bench, seen)
    assert made.refusal is None or made.refusal.reason is not Reason.PATIENT_CONFLICT
    for one in objects_of(bench.ledger, STUDY, version):
        assert read_attributes(bench.files.path(one.path)).PatientID == "P-2"
