"""Images are judged in one pass; a poisonous one takes nobody with it."""

import numpy as np
import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.imaging.preview import read_preview
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.overview import jobs_of
from ra_node.services.analyse import Rules
from ra_node.services.examine import Examiner
from ra_node.services.record import finding_from_json
from tests.dicom.builders import source
from tests.services.builders import FakeJudge, looked

STUDY = str(source().StudyInstanceUID)


@pytest.fixture
def judge():
    return FakeJudge()


def examiner(bench, judge, look=lambda path, rules: looked(), stopping=lambda: False):
    return Examiner(bench.ledger, bench.files, judge, "bundle", Rules(), stopping, look)


def findings(bench):
    return [
        finding_from_json(one.finding_json)
        for one in instances_of(bench.ledger, STUDY)
        if one.finding_json is not None
    ]


def test_all_hands_of_a_batch_go_through_one_forward_pass(bench, judge):
    bench.keep(*(source(number=n) for n in (1, 2, 3)))
    examiner(bench, judge).examine(bench.claim(JobKind.EXAMINE))
    assert judge.batches == [6]
    assert len(findings(bench)) == 3
    assert all(hand.recognition.probability == 0.9 for image in findings(bench) for hand in image.hands)


def test_the_preview_of_a_finding_is_on_the_disk(bench, judge):
    bench.keep(source())
    examiner(bench, judge).examine(bench.claim(JobKind.EXAMINE))
    (kept,) = instances_of(bench.ledger, STUDY)
    assert np.array_equal(read_preview(bench.files.path(kept.preview_path)), looked().display)


def test_a_poisonous_image_is_buried_alone_and_its_mates_pass(bench, judge):
    bench.keep(*(source(number=n) for n in (1, 2)))
    poisoned = instances_of(bench.ledger, STUDY)[0].path

    def look(path, rules):
        if path == bench.files.path(poisoned):
            raise ZeroDivisionError("with a patient's name in it")
        return looked()

    batches = 0
    while jobs := bench.claim(JobKind.EXAMINE):
        examiner(bench, judge, look).examine(jobs)
        bench.clock.advance(4000)
        batches += 1
    states = sorted(job.state for job in jobs_of(bench.ledger, STUDY))
    assert states == [JobState.BURIED, JobState.DONE]
    assert batches == 3
    assert len(findings(bench)) == 1


def test_a_foreign_error_is_kept_by_type_and_place_only(bench, judge):
    """Its message could hold a value of the data set."""
    bench.keep(source())
    judge.error = RuntimeError("Smith^John")
    examiner(bench, judge).examine(bench.claim(JobKind.EXAMINE))
    (job,) = jobs_of(bench.ledger, STUDY)
    assert job.state is JobState.READY
    assert "RuntimeError" in job.last_error
    assert "Smith" not in job.last_error


def test_a_stop_gives_back_what_was_not_begun(bench, judge):
    bench.keep(*(source(number=n) for n in (1, 2, 3)))
    seen = []

    def look(path, rules):
        seen.append(path)
        return looked()

    examiner(bench, judge, look, stopping=lambda: bool(seen)).examine(bench.claim(JobKind.EXAMINE))
    assert len(seen) == 1
    again = bench.claim(JobKind.EXAMINE)
    assert len(again) == 2
    assert all(job.attempt == 1 for job in again)


def test_a_file_that_lost_its_header_is_refused_at_once(bench, judge):
    bench.keep(source())
    (kept,) = instances_of(bench.ledger, STUDY)
    bench.files.path(kept.path).write_bytes(b"rubbish")
    Examiner(bench.ledger, bench.files, judge, "bundle", Rules()).examine(bench.claim(JobKind.EXAMINE))
    (job,) = jobs_of(bench.ledger, STUDY)
    assert job.state is JobState.DONE
    (kept,) = instances_of(bench.ledger, STUDY)
    assert finding_from_json(kept.finding_json).refusal.reason == "file_damaged"
