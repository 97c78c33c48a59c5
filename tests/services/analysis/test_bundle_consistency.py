"""Every report comes from one bundle: its findings' own, or, where they are mixed, the worker's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from ra_node.domain.job import JobKind
from ra_node.ledger.database import schema
from ra_node.ledger.findings import findings_of
from ra_node.ledger.jobs.queue import LeaseLost, abandon
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.report_json import finding_from_json, report_from_json
from ra_node.ledger.results import latest_result
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.analysis.study_analysis import Look
from ra_node.services.reporting.answer import Answerer
from tests.dicom import builders as dicom
from tests.dicom.builders import BUNDLE, PRODUCER, source
from tests.finders import BLIND
from tests.services.builders import JUDGEMENT, FakeJudge, FakeJudgement, looked

STUDY = str(source().StudyInstanceUID)
OLD = replace(BUNDLE, name="old", sha256="0a" * 32)
NEW = replace(BUNDLE, name="new", sha256="0b" * 32)


class Judge(FakeJudge):
    """Says the probability that names its bundle."""

    def __init__(self, probability):
        super().__init__()
        self.says = FakeJudgement(replace(JUDGEMENT.recognition, probability=probability), JUDGEMENT.staging)

    def judge(self, crops):
        super().judge(crops)
        return [self.says for _ in crops]


PROBABILITY = {OLD.sha256: 0.6, NEW.sha256: 0.9}


def examine(bench, bundle, number):
    """One image arrives and is examined with a bundle."""
    bench.keep(source(number=number))
    judge = Judge(PROBABILITY[bundle.sha256])
    look = lambda path, rules: looked(number)  # noqa: E731
    examiner = Examiner(bench.ledger, bench.files, judge, bundle.sha256, BLIND, lambda: False, look)
    examiner.examine(bench.claim(JobKind.EXAMINE))
    bench.clock.advance(1)


def numbers_of(bench):
    """The image number of each received file, for a look that tells them apart."""
    return {
        bench.files.path(f.path): n
        for n, f in enumerate(findings_of(bench.ledger, STUDY, 99), start=1)
        if f.path
    }


def answer(bench, bundle, known=(OLD, NEW), look=None):
    """A worker with this bundle answers the study."""
    numbers = numbers_of(bench)
    identities = {one.sha256: one for one in known}
    one_bundle = BundleConsistency(
        bench.ledger,
        bench.files,
        Judge(PROBABILITY[bundle.sha256]),
        bundle,
        BLIND,
        identities.get,
        look or (lambda path, rules: looked(numbers[path])),
    )
    (job,) = bench.claim(JobKind.REPORT)
    Answerer(bench.ledger, bench.files, one_bundle, PRODUCER, (), "Research use only").answer(job)
    result = latest_result(bench.ledger, STUDY)
    return report_from_json(result.report_json) if result and result.version == job.version else None


def probabilities(report):
    """Of the hands that count: two images of both hands give one result a hand."""
    return {hand.recognition.probability for hand in report.hands if hand.recognition}


def test_findings_of_the_old_bundle_are_reported_in_its_name_by_a_worker_that_has_the_new_one(bench):
    examine(bench, OLD, 1)
    bench.settle()
    report = answer(bench, NEW)
    assert report.bundle == OLD
    assert probabilities(report) == {0.6}


def test_mixed_findings_are_judged_again_by_the_bundle_of_the_worker(bench):
    examine(bench, OLD, 1)
    examine(bench, NEW, 2)
    bench.settle()
    report = answer(bench, NEW)
    assert report.bundle == NEW
    assert probabilities(report) == {0.9}
    assert len(report.hands) == 4
    assert {one.bundle_sha256 for one in findings_of(bench.ledger, STUDY, 1)} == {NEW.sha256}


def test_a_worker_that_kept_the_old_bundle_unites_too(bench):
    """Several workers swap at different times; whoever answers, no report is mixed."""
    examine(bench, OLD, 1)
    examine(bench, NEW, 2)
    bench.settle()
    report = answer(bench, OLD)
    assert report.bundle == OLD
    assert probabilities(report) == {0.6}


def test_findings_of_a_bundle_that_nobody_knows_any_more_are_judged_again(bench):
    examine(bench, OLD, 1)
    bench.settle()
    report = answer(bench, NEW, known=())
    assert report.bundle == NEW
    assert probabilities(report) == {0.9}


def test_a_late_image_makes_a_revision_by_one_bundle(bench):
    examine(bench, OLD, 1)
    bench.settle()
    first = answer(bench, OLD)
    examine(bench, NEW, 2)
    bench.settle()
    second = answer(bench, NEW)
    assert (first.bundle, second.bundle) == (OLD, NEW)
    assert probabilities(second) == {0.9}


def test_an_image_whose_file_is_gone_is_refused_in_the_revision_and_never_mixed(bench):
    examine(bench, OLD, 1)
    bench.settle()
    answer(bench, OLD)
    with bench.ledger.write() as connection:
        connection.execute(update(schema.instance).values(path=None))
    examine(bench, NEW, 2)
    bench.settle()
    report = answer(bench, NEW)
    gone, late = report.images
    assert "removed" in gone.refusal.text
    assert gone.hands == ()
    assert probabilities(report) == {0.9}
    assert late.refusal is None
    kept = findings_of(bench.ledger, STUDY, 2)[0]
    assert kept.bundle_sha256 == OLD.sha256
    assert finding_from_json(kept.finding_json).hands


def test_what_was_refused_by_its_header_keeps_its_answer(bench):
    """No network saw it, so no bundle has made it."""
    bench.keep(source(number=3, BodyPartExamined="CHEST"))
    examine(bench, OLD, 1)
    bench.settle()
    report = answer(bench, NEW)
    assert report.bundle == OLD
    assert [image.refusal.reason for image in report.images if image.refusal] == ["other_body_part"]


def test_an_image_that_cannot_be_judged_again_is_refused_in_the_last_attempts(bench):
    examine(bench, OLD, 1)
    examine(bench, NEW, 2)
    bench.settle()

    def broken(path, rules):
        raise ZeroDivisionError("Smith^John")

    for _ in range(4):
        report = answer(bench, NEW, look=broken)
        bench.clock.advance(4000)
    assert [image.refusal is None for image in report.images] == [False, True]
    assert report.bundle == NEW
    assert "Smith" not in report.images[0].refusal.text
    assert jobs_of(bench.ledger, STUDY)[-1].last_error is None


def test_a_worker_that_lost_its_lease_replaces_nothing(bench):
    examine(bench, OLD, 1)
    examine(bench, NEW, 2)
    bench.settle()
    (job,) = bench.claim(JobKind.REPORT)
    abandon(bench.ledger, "worker")
    one = BundleConsistency(
        bench.ledger, bench.files, Judge(0.9), NEW, BLIND, look=lambda path, rules: looked()
    )
    with pytest.raises(LeaseLost):
        one.unite(job, findings_of(bench.ledger, STUDY, 1))
    assert {f.bundle_sha256 for f in findings_of(bench.ledger, STUDY, 1)} == {OLD.sha256, NEW.sha256}


def test_no_image_without_hands_is_forgotten_when_bundles_are_mixed(bench):
    """An old finding without any hand is of the old bundle too."""
    bench.keep(source(number=1))
    empty = lambda path, rules: Look(dicom.image(number=1, refusal=dicom.NO_HAND))  # noqa: E731
    old = Examiner(bench.ledger, bench.files, Judge(0.6), OLD.sha256, BLIND, lambda: False, empty)
    old.examine(bench.claim(JobKind.EXAMINE))
    examine(bench, NEW, 2)
    bench.settle()
    report = answer(bench, NEW)
    assert len(report.hands) == 4
    assert report.bundle == NEW
