"""Images are judged in one pass; a poisonous one takes nobody with it."""

import errno
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from ra_node.dicom.reading.file import DatasetRefused
from ra_node.domain.job import JobKind, JobState
from ra_node.domain.refusal import Reason, Refusal
from ra_node.errors import MachineFault
from ra_node.imaging.preview import read_preview
from ra_node.ledger.alarms import alarms
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.report_json import finding_from_json
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.jobs.machine_faults import PATIENCE_ATTEMPTS, ProcessBroken
from tests.dicom.builders import source
from tests.finders import BLIND
from tests.services.builders import FakeJudge, looked

STUDY = str(source().StudyInstanceUID)


@pytest.fixture
def judge():
    return FakeJudge()


def examiner(bench, judge, look=lambda path, rules: looked(), stopping=lambda: False):
    return Examiner(bench.ledger, bench.files, judge, "bundle", BLIND, stopping, look)


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
    Examiner(bench.ledger, bench.files, judge, "bundle", BLIND).examine(bench.claim(JobKind.EXAMINE))
    (job,) = jobs_of(bench.ledger, STUDY)
    assert job.state is JobState.DONE
    (kept,) = instances_of(bench.ledger, STUDY)
    assert finding_from_json(kept.finding_json).refusal.reason == "file_damaged"


def sick(error, times):
    """A look that fails so often, whatever it looks at, and then works."""
    left = [times]

    def look(_path, _rules):
        if left[0]:
            left[0] -= 1
            raise error
        return looked()

    return look


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "I/O error"), OSError(errno.EMFILE, "too many"), MachineFault("no decoder")]
)
def test_an_ill_machine_buries_no_image_and_all_are_examined_afterwards(bench, judge, error):
    bench.keep(*(source(number=n) for n in range(1, 15)))
    look = sick(error, 100)
    for _ in range(19):
        examiner(bench, judge, look).examine(bench.claim(JobKind.EXAMINE, 14))
        bench.clock.advance(60)
    assert {one.subject for one in alarms(bench.ledger)} == {"examine"}
    assert len(findings(bench)) == 14
    assert all(image.hands for image in findings(bench))


def test_a_broken_gpu_ends_the_process_and_costs_no_job_an_attempt(bench, judge):
    """Job after job would be buried in the same broken process."""
    bench.keep(*(source(number=n) for n in (1, 2)))
    judge.error = RuntimeError("CUDA error: device-side assert triggered")
    for _ in range(10):
        with pytest.raises(ProcessBroken):
            examiner(bench, judge).examine(bench.claim(JobKind.EXAMINE))
        bench.clock.advance(60)
    assert not any(job.tried_before for job in bench.claim(JobKind.EXAMINE))


def test_what_a_known_good_image_suffers_too_is_no_images_fault(bench, judge):
    """Whatever the error is called: a library that raises ValueError for everything."""
    bench.keep(source())
    judge.error = ValueError("odd")
    ill = Examiner(bench.ledger, bench.files, judge, "bundle", BLIND, look=lambda *_: looked(), healthy=no)
    for _ in range(10):
        with pytest.raises(ProcessBroken):
            ill.examine(bench.claim(JobKind.EXAMINE))
        bench.clock.advance(60)
    assert [job.state for job in jobs_of(bench.ledger, STUDY)] == [JobState.READY]


def no():
    return False


def unreadable(_path, _rules):
    refusal = Refusal(Reason.UNREADABLE_PIXELS, "Expected pixels encoded as JPEG, found RuntimeError.")
    return replace(looked(), finding=replace(looked().finding, hands=(), refusal=refusal))


def headless(_path, _rules):
    raise DatasetRefused("not readable")


@pytest.mark.parametrize("look", [unreadable, headless])
def test_no_image_is_called_unreadable_while_a_known_good_one_is_too(bench, judge, look):
    bench.keep(source())
    with suppress(ProcessBroken):
        ill = Examiner(bench.ledger, bench.files, judge, "bundle", BLIND, look=look, healthy=no)
        ill.examine(bench.claim(JobKind.EXAMINE))
    (job,) = jobs_of(bench.ledger, STUDY)
    assert (job.state, job.attempt - job.excused) == (JobState.READY, 0)
    assert findings(bench) == []


def test_a_file_that_alone_gives_io_errors_is_given_up_in_the_end(bench, judge):
    bench.keep(source())
    tries = 0
    while jobs := bench.claim(JobKind.EXAMINE):
        examiner(bench, judge, sick(OSError(errno.EIO, "I/O error"), 1)).examine(jobs)
        bench.clock.advance(60)
        tries += 1
    (job,) = jobs_of(bench.ledger, STUDY)
    assert (job.state, tries) == (JobState.BURIED, PATIENCE_ATTEMPTS)
    assert "EIO" in job.last_error


def test_a_full_disk_is_waited_out_though_images_can_be_read(bench, judge, monkeypatch):
    bench.keep(source())
    with monkeypatch.context() as patch:
        patch.setattr(Files, "write", lambda *_: full())
        for _ in range(3 * PATIENCE_ATTEMPTS):
            examiner(bench, judge).examine(bench.claim(JobKind.EXAMINE))
            bench.clock.advance(60)
    examiner(bench, judge).examine(bench.claim(JobKind.EXAMINE))
    assert len(findings(bench)) == 1


def full():
    raise OSError(errno.ENOSPC, "No space left on device")
