"""However often and by whomever a study is sent, it is answered once."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from ra_node.domain.job import JobKind
from ra_node.domain.result import ObjectKind
from ra_node.errors import Refused
from ra_node.ledger.deliveries import deliveries_of
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.overview import find_study, jobs_of
from ra_node.network.archive import Archive
from ra_node.network.receive import StoreOutcome
from ra_node.services.answer import Destination
from ra_node.services.purge import purge
from tests.dicom.builders import source
from tests.services.test_answer import answer, examine
from tests.services.test_deliver import deliver

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
    with Archive(tmp_path / "archive") as archive:
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
    with capture_logs() as said, pytest.raises(Refused, match="found others"):
        bench.keep(other)
    assert answered_once(bench)
    assert "instance_contradicted" in [line["event"] for line in said]
    assert str(source().PatientName) not in str(said)


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
