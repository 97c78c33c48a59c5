"""There is an answer whatever fails: what cannot be made is left out, and the answer says so."""

from __future__ import annotations

import errno
from io import BytesIO

import pytest
from pydicom import dcmread
from sqlalchemy import update

from ra_node.domain.job import MAX_ATTEMPTS, JobKind, JobState
from ra_node.domain.result_objects import OPTIONS, ObjectKind
from ra_node.ledger.database import schema
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.jobs.queue import abandon
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import latest_result
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.jobs.machine_faults import PATIENCE_ATTEMPTS, ProcessBroken
from ra_node.services.reporting.answer import Answerer, Destination
from tests.dicom.builders import PRODUCER, image_uid, report, source
from tests.finders import BLIND
from tests.services.builders import FakeJudge, looked

STUDY = str(source().StudyInstanceUID)
BOTH = (ObjectKind.SR, ObjectKind.OVERLAY)
HALF_AN_HOUR_S = 1800.0


def received(bench, images=1):
    """A settled study whose images are examined."""
    bench.keep(*(source(number=number) for number in range(1, images + 1)))
    bench.settle()
    while jobs := bench.claim(JobKind.EXAMINE):
        Examiner(
            bench.ledger,
            bench.files,
            FakeJudge(),
            report().bundle.sha256,
            BLIND,
            look=lambda path, _rules: looked(int(dcmread(path).InstanceNumber)),
        ).examine(jobs)


def answer(bench, *destinations, healthy=lambda: True, most_s=HALF_AN_HOUR_S):
    """Have the report made, again and again until it is or the time is over; gives it and its objects."""
    one_bundle = BundleConsistency(bench.ledger, bench.files, FakeJudge(), report().bundle, BLIND)
    to = destinations or (Destination("pacs", BOTH),)
    answerer = Answerer(bench.ledger, bench.files, one_bundle, PRODUCER, to, "Research", healthy=healthy)
    end = bench.clock.now + most_s
    while bench.clock.now < end and latest_result(bench.ledger, STUDY) is None:
        for job in bench.claim(JobKind.REPORT):
            answerer.answer(job)
        bench.clock.advance(5)
    result = latest_result(bench.ledger, STUDY)
    if result is None:
        return None, {}
    sent = deliveries_of(bench.ledger, STUDY)
    return report_from_json(result.report_json), {
        one.object.kind: dcmread(bench.files.path(one.object.path)) for one in sent
    }


def written(dataset):
    """The bytes of an object as they go to a destination."""
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue().decode("latin-1")


def raising(error):
    def fail(*_args, **_named):
        raise error

    return fail


ANSWER, RENDER = "ra_node.services.reporting.answer.", "ra_node.services.reporting.render_objects."
CONTENT = "ra_node.dicom.sr.measurement_groups."
SOURCES = "ra_node.services.reporting.sources."
DISPLAY = "ra_node.services.reporting.display_pixels."
PARTS = {
    "an optional object": ([ANSWER + "publish"], BOTH, 2),
    "drawing the overlay": ([ANSWER + "publish", RENDER + "render_overlay"], (ObjectKind.SR,), 2),
    "wrapping the overlay": ([ANSWER + "publish", RENDER + "build_overlay"], (ObjectKind.SR,), 2),
    "one model for all images": (
        ["ra_node.services.analysis.bundle_consistency.BundleConsistency.unite"],
        (ObjectKind.SR,),
        0,
    ),
    "reading previews": ([SOURCES + "read_preview", DISPLAY + "read_preview"], BOTH, 2),
    "reading headers": ([SOURCES + "read_attributes"], BOTH, 2),
    "the contents of the report": ([ANSWER + "publish", CONTENT + "hand_sentence"], (ObjectKind.SR,), 0),
}  # fmt: skip
"""What fails, what is delivered all the same, and how many hands have a result in it."""


@pytest.mark.parametrize("part", PARTS)
def test_whatever_part_fails_the_study_is_answered_without_it(bench, monkeypatch, part):
    broken, kinds, hands = PARTS[part]
    received(bench)
    for name in broken:
        monkeypatch.setattr(name, raising(ZeroDivisionError("Smith^John")))
    made, objects = answer(bench, Destination("pacs", (*BOTH, *OPTIONS)))
    assert set(objects) == set(kinds)
    assert len([hand for hand in made.hands if hand.recognition is not None]) == hands
    text = written(objects[ObjectKind.SR])
    assert "could not be" in text
    assert "Smith" not in text
    assert objects[ObjectKind.SR].StudyInstanceUID == STUDY
    (job,) = (job for job in jobs_of(bench.ledger, STUDY) if job.kind is JobKind.REPORT)
    assert job.state is JobState.DONE


def test_a_choice_of_results_that_fails_leaves_names_and_reason(bench, monkeypatch):
    """It runs over all images together, so that no single one can be left out."""
    from ra_node.services.analysis import study_analysis as analyse

    real = analyse.one_result_a_hand

    def choose(images):
        if images:
            raise ValueError("odd")
        return real(images)

    received(bench, images=2)
    monkeypatch.setattr(analyse, "one_result_a_hand", choose)
    made, objects = answer(bench)
    assert [image.refusal.reason for image in made.images] == ["analysis_failed"] * 2
    assert set(objects) == {ObjectKind.SR}


def test_patient_attributes_that_cannot_be_written_leave_the_study_answered(bench, monkeypatch):
    from ra_node.dicom.sr import tid_1500_document as sr

    real = sr.copy_subject

    def copy(made, source, **named):
        if "PatientID" in source:
            raise RecursionError
        real(made, source, **named)

    received(bench)
    monkeypatch.setattr(sr, "copy_subject", copy)
    _, objects = answer(bench)
    assert objects[ObjectKind.SR].StudyInstanceUID == STUDY


def test_who_takes_only_what_cannot_be_made_gets_the_report(bench, monkeypatch):
    received(bench)
    monkeypatch.setattr(RENDER + "render_overlay", raising(ValueError()))
    monkeypatch.setattr(ANSWER + "publish", raising(ValueError()))
    _, objects = answer(bench, Destination("viewer", (ObjectKind.OVERLAY,)))
    assert set(objects) == {ObjectKind.SR}


def test_an_image_that_cannot_be_written_does_not_take_the_others_answer(bench, monkeypatch):
    from ra_node.dicom.sr import measurement_groups as sr_content

    real = sr_content._image_groups

    def groups(made, image, number):
        if image.sop_instance_uid == image_uid(1) and image.hands:
            raise ValueError("odd outline")
        return real(made, image, number)

    received(bench, images=2)
    monkeypatch.setattr(sr_content, "_image_groups", groups)
    made, objects = answer(bench)
    images = {image.sop_instance_uid: image for image in made.images}
    assert images[image_uid(1)].refusal.reason == "analysis_failed"
    assert images[image_uid(2)].hands
    assert made.refusal is None
    assert ObjectKind.SR in objects


@pytest.mark.parametrize("lost", [1, 2])
def test_files_that_are_gone_leave_their_images_named_and_the_others_answered(bench, lost):
    received(bench, images=2)
    for one in instances_of(bench.ledger, STUDY)[:lost]:
        bench.files.path(one.path).unlink()
        bench.files.path(one.preview_path).unlink()
    made, objects = answer(bench)
    assert len(made.images) == 2
    assert set(objects) == set(BOTH)
    assert objects[ObjectKind.SR].PatientID == ("P-1" if lost == 1 else "")


def test_a_header_that_is_damaged_is_as_good_as_gone(bench):
    received(bench)
    (one,) = instances_of(bench.ledger, STUDY)
    bench.files.path(one.path).write_bytes(b"rubbish")
    _, objects = answer(bench, most_s=60)
    assert set(objects) == set(BOTH)


def test_a_recorded_finding_that_cannot_be_read_is_that_images_failure(bench):
    received(bench, images=2)
    first = instances_of(bench.ledger, STUDY)[0]
    with bench.ledger.write() as connection:
        change = update(schema.instance).where(schema.instance.c.id == first.id)
        connection.execute(change.values(finding_json='{"hands": [{"box'))
    made, objects = answer(bench, most_s=60)
    images = {image.sop_instance_uid: image for image in made.images}
    assert images.pop(first.sop_instance_uid).refusal.reason == "analysis_failed"
    assert all(image.hands for image in images.values())
    assert set(objects) == set(BOTH)


def test_a_report_that_kills_its_process_is_made_without_what_kills(bench, monkeypatch):
    """Drawing that crashes, hangs or takes all memory ends in a lost lease each time."""
    received(bench)

    def die(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(ANSWER + "publish", die)
    monkeypatch.setattr(RENDER + "render_overlay", die)
    made = None
    for _ in range(MAX_ATTEMPTS[JobKind.REPORT]):
        try:
            made, objects = answer(bench, most_s=6)
        except KeyboardInterrupt:
            abandon(bench.ledger, "worker")
        if made is not None:
            break
    assert set(objects) == {ObjectKind.SR}
    assert len(made.hands) == 2


def test_a_file_that_hangs_whoever_reads_it_does_not_take_the_other_hands_answer(bench, monkeypatch):
    """Its examination was killed three times; reading its header for the report kills a process too."""
    from ra_node.services.reporting import sources as module

    real_header, real_attributes = module.read_header, module.read_attributes
    bench.keep(source(number=1), source(number=2))
    bench.settle()
    bad = next(one for one in instances_of(bench.ledger, STUDY) if one.sop_instance_uid == image_uid(1))
    while jobs := bench.claim(JobKind.EXAMINE):
        for job in jobs:
            if job.instance_id == bad.id:
                continue
            Examiner(
                bench.ledger,
                bench.files,
                FakeJudge(),
                report().bundle.sha256,
                BLIND,
                look=lambda *_: looked(2),
            ).examine([job])
        abandon(bench.ledger, "worker")

    def hang(real):
        def read(path):
            if path == bench.files.path(bad.path):
                raise KeyboardInterrupt
            return real(path)

        return read

    monkeypatch.setattr(module, "read_header", hang(real_header))
    monkeypatch.setattr(module, "read_attributes", hang(real_attributes))
    with pytest.raises(KeyboardInterrupt):
        answer(bench, most_s=6)
    abandon(bench.ledger, "worker")
    made, objects = answer(bench, most_s=6)
    images = {image.sop_instance_uid: image for image in made.images}
    assert "ended or made no progress 3 times" in images[image_uid(1)].refusal.text
    assert len(images[image_uid(2)].hands) == 2
    assert set(objects) == set(BOTH)
    assert objects[ObjectKind.SR].PatientID == "P-1"


def test_a_study_whose_uid_is_no_uid_is_answered_in_its_own_bytes(bench, monkeypatch):
    """Newer nodes refuse it; a ledger of an older one may hold it."""
    monkeypatch.setattr("ra_node.services.reception.ingest.can_be_repeated", lambda _uid: True)
    odd = source(StudyInstanceUID="1.2.3\xe9", SeriesInstanceUID="1.2.4\xe9")
    path = bench.folder / "odd.dcm"
    odd.save_as(path, enforce_file_format=False)
    bench.keep(odd)
    bench.settle()
    for job in bench.claim(JobKind.EXAMINE):
        bench.clock.advance(0)
        Examiner(
            bench.ledger, bench.files, FakeJudge(), report().bundle.sha256, BLIND, look=lambda *_: looked()
        ).examine([job])
    uid = jobs_of_any(bench)
    one_bundle = BundleConsistency(bench.ledger, bench.files, FakeJudge(), report().bundle, BLIND)
    answerer = Answerer(
        bench.ledger, bench.files, one_bundle, PRODUCER, [Destination("pacs", BOTH)], "Research"
    )
    for _ in range(200):
        for job in bench.claim(JobKind.REPORT):
            answerer.answer(job)
        bench.clock.advance(5)
    (sent,) = deliveries_of(bench.ledger, uid)
    made = dcmread(bench.files.path(sent.object.path))
    assert made.StudyInstanceUID == "1.2.3\xe9"


def jobs_of_any(bench):
    with bench.ledger.read() as connection:
        return connection.execute(schema.study.select()).one().study_uid


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "I/O error"), MemoryError(), RuntimeError("CUDA error")]
)
def test_while_the_machine_is_ill_nothing_is_left_out_and_nothing_given_up(bench, monkeypatch, error):
    received(bench)
    with monkeypatch.context() as patch:
        patch.setattr(ANSWER + "publish", raising(error))
        for _ in range(PATIENCE_ATTEMPTS - 1):
            (job,) = bench.claim(JobKind.REPORT)
            try:
                answerer_of(bench).answer(job)
            except ProcessBroken:
                assert not isinstance(error, OSError)
            bench.clock.advance(60)
    made, objects = answer(bench)
    assert set(objects) == set(BOTH)
    assert len(made.hands) == 2


def answerer_of(bench, healthy=lambda: True):
    one_bundle = BundleConsistency(bench.ledger, bench.files, FakeJudge(), report().bundle, BLIND)
    to = [Destination("pacs", BOTH)]
    return Answerer(bench.ledger, bench.files, one_bundle, PRODUCER, to, "Research", healthy=healthy)


def test_an_error_of_any_type_is_the_machines_while_a_known_good_image_fails_too(bench, monkeypatch):
    received(bench)
    with monkeypatch.context() as patch:
        patch.setattr(ANSWER + "publish", raising(ValueError("odd")))
        for _ in range(12):
            (job,) = bench.claim(JobKind.REPORT)
            with pytest.raises(ProcessBroken):
                answerer_of(bench, healthy=lambda: False).answer(job)
            bench.clock.advance(60)
    made, _ = answer(bench)
    assert len(made.hands) == 2


def test_a_data_folder_that_is_not_mounted_is_waited_for(bench):
    """All files gone at once, the known-good one among them."""
    received(bench)
    folder = bench.folder / "inbox"
    away = folder.rename(bench.folder / "away")
    made, _ = answer(bench, healthy=lambda: False, most_s=3600)
    assert made is None
    away.rename(folder)
    _, objects = answer(bench)
    assert set(objects) == set(BOTH)


def test_one_file_that_gives_io_errors_for_ever_is_left_out_at_last(bench, monkeypatch):
    from ra_node.services.reporting import sources as module

    real = module.read_attributes
    received(bench, images=2)
    bad = bench.files.path(instances_of(bench.ledger, STUDY)[0].path)

    def read(path):
        if path == bad:
            raise OSError(errno.EIO, "I/O error")
        return real(path)

    monkeypatch.setattr(SOURCES + "read_attributes", read)
    made, objects = answer(bench, most_s=7200)
    assert len(made.hands) == 4
    assert set(objects) == set(BOTH)
