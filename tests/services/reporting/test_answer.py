"""A settled study gets one report, its objects on the disk and its deliveries in the queue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread

from ra_node.domain.job import JobKind, JobState
from ra_node.domain.result_objects import BASIC_KINDS, OPTIONS, ObjectKind
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.jobs.queue import abandon
from ra_node.ledger.overview import jobs_of
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import latest_result, objects_of
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.reporting.answer import Answerer, Destination
from tests.dicom.builders import PRODUCER, report, source
from tests.finders import BLIND
from tests.services.builders import JUDGEMENT, FakeJudge, looked

STUDY = str(source().StudyInstanceUID)
BOTH = (ObjectKind.SR, ObjectKind.OVERLAY)


def examine(bench, look=lambda path, rules: looked(), judge=None):
    while jobs := bench.claim(JobKind.EXAMINE):
        bundle = report().bundle.sha256
        judge = judge or FakeJudge()
        Examiner(bench.ledger, bench.files, judge, bundle, BLIND, lambda: False, look).examine(jobs)
        bench.clock.advance(4000)


def answer(bench, *destinations):
    one_bundle = BundleConsistency(bench.ledger, bench.files, FakeJudge(), report().bundle, BLIND)
    answerer = Answerer(bench.ledger, bench.files, one_bundle, PRODUCER, destinations, "Research use only")
    (job,) = bench.claim(JobKind.REPORT)
    answerer.answer(job)
    return report_from_json(latest_result(bench.ledger, STUDY).report_json)


def test_an_answer_has_its_objects_on_the_disk_and_its_deliveries_queued(bench):
    bench.keep(source())
    bench.settle()
    examine(bench)
    made = answer(bench, Destination("pacs", BOTH))
    assert len(made.hands) == 2
    assert made.refusal is None
    objects = {one.kind: one for one in objects_of(bench.ledger, STUDY, 1)}
    assert set(objects) == set(BASIC_KINDS)
    for one in objects.values():
        assert dcmread(bench.files.path(one.path)).SOPInstanceUID == one.sop_instance_uid
    assert {d.object.kind for d in deliveries_of(bench.ledger, STUDY)} == set(BOTH)
    assert [job.peer for job in jobs_of(bench.ledger, STUDY) if job.kind is JobKind.DELIVER] == ["pacs"]


def test_where_a_network_looked_goes_from_the_examination_into_the_report_and_what_is_sent(bench):
    """Through the ledger: the worker that answers need not be the one that judged."""
    bench.keep(source())
    bench.settle()
    heat = np.zeros((224, 224), np.float32)
    heat[100:130, 100:130] = 1
    examine(bench, judge=FakeJudge(says=replace(JUDGEMENT, heat=heat)))
    made = answer(bench, Destination("pacs", BOTH))
    assert all(hand.explanation is not None and hand.explanation.contours for hand in made.hands)
    (sr,) = [one for one in objects_of(bench.ledger, STUDY, 1) if one.kind == ObjectKind.SR]
    said = str(dcmread(bench.files.path(sr.path)))
    assert said.count("Gradient-weighted class activation") == len(made.hands)


def test_each_destination_gets_the_kinds_that_it_wants(bench):
    bench.keep(source())
    bench.settle()
    examine(bench)
    answer(bench, Destination("old", (ObjectKind.SR_FALLBACK,)), Destination("new", (ObjectKind.SR,)))
    found = {d.peer: d.object.kind for d in deliveries_of(bench.ledger, STUDY)}
    assert found == {"old": ObjectKind.SR_FALLBACK, "new": ObjectKind.SR}


def test_optional_objects_are_made_for_those_who_ask_and_sent_to_nobody_else(bench):
    bench.keep(source())
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", BOTH), Destination("archive", (*BOTH, *OPTIONS)))
    sent = {
        peer: {d.object.kind for d in deliveries_of(bench.ledger, STUDY, peer=peer)}
        for peer in ("pacs", "archive")
    }
    assert sent == {"pacs": set(BOTH), "archive": {*BOTH, *OPTIONS}}
    for one in objects_of(bench.ledger, STUDY, 1):
        assert dcmread(bench.files.path(one.path)).SOPClassUID == one.sop_class_uid


def test_every_image_has_a_presentation_state_of_its_own(bench):
    bench.keep(source(number=1), source(number=2))
    bench.settle()
    examine(bench, lambda path, rules: looked(int(dcmread(path).InstanceNumber)))
    answer(bench, Destination("pacs", (ObjectKind.PRESENTATION_STATE,)))
    states = [dcmread(bench.files.path(one.object.path)) for one in deliveries_of(bench.ledger, STUDY)]
    drawn_on = {
        s.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID for s in states
    }
    assert drawn_on == {source(number=1).SOPInstanceUID, source(number=2).SOPInstanceUID}


def test_an_image_whose_examination_was_given_up_is_answered_with_that(bench):
    def broken(path, rules):
        raise ZeroDivisionError

    bench.keep(source())
    bench.settle()
    examine(bench, broken)
    made = answer(bench, Destination("pacs", BOTH))
    assert made.refusal.reason == "analysis_failed"
    assert "ZeroDivisionError" in made.images[0].refusal.text


def test_a_study_without_any_radiograph_gets_its_reason(bench):
    bench.keep(source(BodyPartExamined="CHEST"))
    bench.settle()
    made = answer(bench, Destination("pacs", BOTH))
    assert made.refusal.reason == "other_body_part"
    assert len(deliveries_of(bench.ledger, STUDY)) == 2


def test_a_late_image_makes_a_revision_of_all_images_that_names_its_predecessor(bench):
    bench.keep(source(number=1))
    bench.settle()
    examine(bench)
    first = answer(bench, Destination("pacs", BOTH))
    bench.keep(source(number=2))
    bench.settle()
    examine(bench, lambda path, rules: looked(2))
    second = answer(bench, Destination("pacs", BOTH))
    assert (first.version, second.version) == (1, 2)
    assert len(second.images) == 2
    (sr,) = (one for one in objects_of(bench.ledger, STUDY, 1) if one.kind == ObjectKind.SR)
    assert second.predecessor_sr_uid == sr.sop_instance_uid
    (revision,) = (one for one in objects_of(bench.ledger, STUDY, 2) if one.kind == ObjectKind.SR)
    assert "PredecessorDocumentsSequence" in dcmread(bench.files.path(revision.path))


def test_a_crash_before_the_commit_leaves_the_study_unanswered_and_its_repeat_answers_once(
    bench, monkeypatch
):
    bench.keep(source())
    bench.settle()
    examine(bench)

    def crash(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ra_node.services.reporting.answer.finish_report", crash)
        with pytest.raises(KeyboardInterrupt):
            answer(bench, Destination("pacs", BOTH))
    assert latest_result(bench.ledger, STUDY) is None
    abandon(bench.ledger, "worker")
    answer(bench, Destination("pacs", BOTH))
    assert len(objects_of(bench.ledger, STUDY, 1)) == 3
    (job,) = (job for job in jobs_of(bench.ledger, STUDY) if job.kind is JobKind.REPORT)
    assert job.state is JobState.DONE
