"""A kept file that is missing or changed is never used: the answer says so, and a good copy mends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import update

from ra_node.domain.job import JobKind, JobState
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.database import schema
from ra_node.ledger.database.events import timeline
from ra_node.ledger.database.schema import StudyState
from ra_node.ledger.findings import finish_examination
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.jobs.queue import LeaseLost, bury
from ra_node.ledger.overview import find_study, jobs_of
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import earlier_result, latest_result
from ra_node.network.scp.server import StoreOutcome
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.reporting.answer import Answerer, Destination
from tests.dicom.builders import PRODUCER, image_uid, source
from tests.dicom.builders import report as some_report
from tests.finders import BLIND
from tests.services.builders import FakeJudge, looked
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
PACS = Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY))


def second():
    """The other image of the study."""
    other = source(SOPInstanceUID=image_uid(2))
    other.file_meta.MediaStorageSOPInstanceUID = image_uid(2)
    return other


def kept(bench, number: int = 1):
    return next(one for one in instances_of(bench.ledger, STUDY) if one.sop_instance_uid == image_uid(number))


def kept_file(bench) -> Path:
    return bench.files.path(kept(bench).path)


def invert_pixels(path: Path) -> None:
    """Every pixel another one, the header as it was."""
    dataset = dcmread(path)
    dataset.PixelData = bytes(byte ^ 0xFF for byte in dataset.PixelData)
    dataset.save_as(path)


def other_patient(path: Path) -> None:
    dataset = dcmread(path)
    dataset.PatientID = "P-9"
    dataset.save_as(path)


DAMAGES = pytest.mark.parametrize(
    "damage", [invert_pixels, other_patient, Path.unlink, lambda path: path.write_bytes(b"")]
)


def look(path, rules):
    """Finds both hands in whichever image it is given."""
    dataset = dcmread(path)
    return looked(1 if str(dataset.SOPInstanceUID) == image_uid(1) else 2)


def go(bench):
    bench.settle()
    examine(bench, look)
    while True:
        made = answer_once(bench)
        if made is not None:
            return made
        bench.clock.advance(4000)


def answer_once(bench):
    """One attempt; None where it is to be tried again."""
    before = latest_result(bench.ledger, STUDY)
    try:
        answer(bench, PACS)
    except AttributeError:  # no answer yet
        return None
    after = latest_result(bench.ledger, STUDY)
    return None if before == after else report_from_json(after.report_json)


def reasons(report):
    """Why each image has no result, in the order of their UIDs."""
    images = sorted(report.images, key=lambda image: image.sop_instance_uid)
    return [image.refusal.reason if image.refusal else None for image in images]


def content_alarms(bench):
    return [one.subject for one in alarms(bench.ledger) if one.kind is AlarmKind.CONTENT]


@DAMAGES
def test_an_image_damaged_before_its_examination_is_refused_and_the_other_one_is_answered(bench, damage):
    bench.keep(source(), second())
    damage(kept_file(bench))
    report = go(bench)
    assert reasons(report) == ["file_damaged", None]
    assert "send it to the node again" in next(one.refusal.text for one in report.images if one.refusal)
    assert find_study(bench.ledger, STUDY).state is StudyState.ANSWERED
    assert content_alarms(bench) == [image_uid(1)]


@DAMAGES
def test_an_image_damaged_after_its_examination_is_no_part_of_the_report(bench, damage):
    """Its header says whose study it is: one that was changed would put another patient on the report."""
    bench.keep(source(), second())
    bench.settle()
    examine(bench, look)
    damage(kept_file(bench))
    report = go(bench)
    assert reasons(report) == ["file_damaged", None]
    assert content_alarms(bench) == [image_uid(1)]
    (sr,) = [p for p in (bench.folder / "results").iterdir() if "SR" in str(dcmread(p).Modality)][:1]
    assert dcmread(sr).PatientID == "P-1"


@DAMAGES
def test_a_study_whose_only_image_is_damaged_is_answered_with_the_reason(bench, damage):
    bench.keep(source())
    damage(kept_file(bench))
    report = go(bench)
    assert report.refusal.reason == "file_damaged"
    assert find_study(bench.ledger, STUDY).state is StudyState.ANSWERED


@DAMAGES
def test_a_good_copy_after_the_answer_gives_a_new_version_that_names_the_first(bench, damage):
    bench.keep(source(), second())
    damage(kept_file(bench))
    go(bench)
    assert bench.keep(source()) == [StoreOutcome.STORED]
    assert content_alarms(bench) == []
    report = go(bench)
    assert (report.version, reasons(report)) == (2, [None, None])
    assert report.predecessor_sr_uid == earlier_result(bench.ledger, STUDY, 2).sr_uid
    assert find_study(bench.ledger, STUDY).state is StudyState.ANSWERED
    assert len(list((bench.folder / "inbox").rglob("*.dcm"))) == 2
    assert "instance_replaced" in [event.what for event in timeline(bench.ledger, STUDY)]


@DAMAGES
def test_a_good_copy_before_the_answer_is_all_that_it_takes(bench, damage):
    """No word of the damage in the first and only version."""
    bench.keep(source())
    damage(kept_file(bench))
    assert bench.keep(source()) == [StoreOutcome.STORED]
    report = go(bench)
    assert (report.version, reasons(report)) == (1, [None])


def test_a_good_copy_of_an_image_that_was_judged_whole_restores_it_and_nothing_more(bench):
    """The answer was right: no new version."""
    bench.keep(source())
    go(bench)
    kept_file(bench).unlink()
    assert bench.keep(source()) == [StoreOutcome.STORED]
    assert bench.settle() == []
    assert bench.claim(JobKind.EXAMINE) == []
    assert kept_file(bench).exists()


def test_a_worker_that_holds_the_damaged_image_loses_it_to_the_good_copy(bench):
    """What it found in the damaged file is not recorded over the good copy."""
    bench.keep(source())
    (job,) = bench.claim(JobKind.EXAMINE)
    kept_file(bench).unlink()
    bench.keep(source())
    with pytest.raises(LeaseLost):
        finish_examination(bench.ledger, job, "{}", None, None)
    assert reasons(go(bench)) == [None]


def test_an_image_buried_by_an_older_version_comes_to_life_with_its_good_copy(bench):
    """Examination and report were buried, the study failed: the first version is answered after all."""
    bench.keep(source())
    bench.settle()
    for kind in (JobKind.EXAMINE, JobKind.REPORT):
        (job,) = bench.claim(kind)
        bury(bench.ledger, job, "FileNotFoundError")
    assert find_study(bench.ledger, STUDY).state is StudyState.FAILED
    kept_file(bench).unlink()
    assert bench.keep(source()) == [StoreOutcome.STORED]
    report = go(bench)
    assert (report.version, reasons(report)) == (1, [None])
    assert {job.state for job in jobs_of(bench.ledger, STUDY) if job.kind is not JobKind.DELIVER} == {
        JobState.DONE
    }


def test_a_missing_file_is_waited_for_and_used_when_it_is_back(bench):
    """A folder that is not mounted for a moment costs nobody his answer."""
    bench.keep(source())
    path = kept_file(bench)
    path.rename(path.with_suffix(".away"))
    bench.settle()
    (job,) = bench.claim(JobKind.EXAMINE)
    assert job.attempt == 1
    examiner = Examiner(
        bench.ledger, bench.files, FakeJudge(), some_report().bundle.sha256, BLIND, lambda: False, look
    )
    examiner.examine([job])
    assert content_alarms(bench) == []
    path.with_suffix(".away").rename(path)
    bench.clock.advance(4000)
    assert reasons(go(bench)) == [None]


def test_a_damaged_preview_is_made_again(bench):
    """The picture of the overlay is the image's, whatever lay in previews/."""
    bench.keep(source())
    bench.settle()
    examine(bench, look)
    (preview,) = (bench.folder / "previews").iterdir()
    preview.write_bytes(preview.read_bytes()[:-100] + bytes(100 * [255]))
    one = BundleConsistency(bench.ledger, bench.files, FakeJudge(), some_report().bundle, BLIND, look=look)
    (job,) = bench.claim(JobKind.REPORT)
    Answerer(bench.ledger, bench.files, one, PRODUCER, [PACS], "Research use only").answer(job)
    image = kept(bench)
    assert image.preview_path != f"previews/{preview.name}"
    assert bench.files.damage(image.preview_path, image.preview_sha256) is None
    assert latest_result(bench.ledger, STUDY) is not None


def test_a_file_of_an_older_version_is_used_without_a_digest(bench):
    """Unknown is no mismatch."""
    bench.keep(source())
    with bench.ledger.write() as connection:
        connection.execute(update(schema.instance).values(sha256=None))
    assert reasons(go(bench)) == [None]
    assert bench.keep(source()) == [StoreOutcome.REPEATED]


def test_a_file_of_an_older_version_that_breaks_off_gives_way_to_a_whole_one(bench):
    """Nothing but the file itself says that it is damaged."""
    bench.keep(source())
    with bench.ledger.write() as connection:
        connection.execute(update(schema.instance).values(sha256=None))
    path = kept_file(bench)
    path.write_bytes(path.read_bytes()[:-1000])
    assert bench.keep(source()) == [StoreOutcome.STORED]
    assert dcmread(kept_file(bench)).PixelData == source().PixelData
