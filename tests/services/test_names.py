"""A SOP Instance UID of a result names its content: what differs in anything that counts has another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from ra_node.dicom.overlay.secondary_capture import overlay_uid
from ra_node.dicom.sr.tid_1500_document import sr_uid
from ra_node.domain.job import JobKind
from ra_node.domain.result_objects import ObjectKind
from ra_node.domain.texts.translations import load_language
from ra_node.ledger.database import schema
from ra_node.ledger.results import objects_of
from ra_node.services.reporting.answer import Destination
from ra_node.services.reporting.render_objects import name_content
from tests.dicom.builders import PRODUCER, both_hands, image, image_uid, report, source
from tests.services.reporting.test_answer import answer, examine

STUDY = str(source().StudyInstanceUID)
DIGESTS = {image_uid(1): "ab" * 32}
REPORT = report(image(*both_hands()))


def named(made=REPORT, digests=DIGESTS, producer=PRODUCER):
    return name_content(made, digests, producer)


OTHERS = {
    "one more image": named(report(image(*both_hands()), image(*both_hands(), number=2))),
    "other pixels or header of an image": named(digests={image_uid(1): "cd" * 32}),
    "one more source": named(digests={**DIGESTS, image_uid(2): "ab" * 32}),
    "label": named(replace(REPORT, research_label="Other")),
    "version": named(replace(REPORT, version=2)),
    "predecessor": named(replace(REPORT, predecessor_sr_uid="2.25.9")),
    "language": named(producer=replace(PRODUCER, language=load_language("zh"))),
    "station": named(producer=replace(PRODUCER, station_name="OTHER")),
    "bundle": named(replace(REPORT, bundle=replace(REPORT.bundle, notice="Other."))),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_a_result_is_made_of_is_in_its_uids(other):
    for uid_of in (sr_uid, overlay_uid):
        assert uid_of(other) != uid_of(named())


def test_the_moment_of_making_is_not():
    """The same answer, made once more after a crash or on a restored ledger, is the same instance."""
    later = replace(REPORT, created_at=REPORT.created_at + timedelta(days=3))
    assert named(later).made_of == named().made_of
    assert named(named()).made_of == named().made_of


def made_uids(bench, *images):
    bench.keep(*images)
    bench.settle()
    examine(bench)
    answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))
    return {one.kind: one.sop_instance_uid for one in objects_of(bench.ledger, STUDY, 1)}


def forget(bench) -> None:
    """The ledger as it was before the study came."""
    with bench.ledger.write() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table.name not in ("event", "property"):
                connection.execute(delete(table))


def second():
    other = source(SOPInstanceUID=image_uid(2))
    other.file_meta.MediaStorageSOPInstanceUID = image_uid(2)
    return other


def test_a_study_that_comes_again_after_a_restore_gets_the_same_uids(bench):
    """Nothing new in the archive: what it has is this answer."""
    first = made_uids(bench, source())
    forget(bench)
    bench.clock.advance(86400)
    assert made_uids(bench, source()) == first


def test_a_study_that_comes_again_with_one_more_image_gets_other_uids(bench):
    """An archive that overwrites nothing would keep the old report under the old UID."""
    first = made_uids(bench, source())
    forget(bench)
    again = made_uids(bench, source(), second())
    assert not set(first.values()) & set(again.values())


def test_a_study_that_comes_again_with_a_corrected_header_gets_other_uids(bench):
    first = made_uids(bench, source())
    forget(bench)
    again = made_uids(bench, source(PatientComments="corrected"))
    assert not set(first.values()) & set(again.values())


def test_a_report_made_again_after_its_worker_was_killed_has_the_same_uids(bench):
    """The first attempt left files and no row: nothing of it was delivered."""
    bench.keep(source())
    bench.settle()
    examine(bench)
    first = made_uids(bench)
    with bench.ledger.write() as connection:
        for table in (schema.delivery, schema.result_object, schema.result):
            connection.execute(delete(table))
        report_job = schema.job.c.kind == JobKind.REPORT
        connection.execute(update(schema.job).where(report_job).values(state="ready", attempt=1))
    bench.clock.advance(100)
    answer(bench, Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY)))
    assert {one.kind: one.sop_instance_uid for one in objects_of(bench.ledger, STUDY, 1)} == first
