"""What was acknowledged is on the disk and in the ledger; what is refused leaves nothing."""

import struct

import pytest
from pydicom import DataElement, config

from ra_node.domain.job import JobKind
from ra_node.errors import Refused
from ra_node.ledger.database.engine import LedgerUnavailable
from ra_node.ledger.inbox import instances_of, keep_instance
from ra_node.ledger.report_json import finding_from_json
from ra_node.ledger.retention import known_paths
from ra_node.network.scp.server import StoreOutcome
from ra_node.services.reception import ingest as ingest_module
from ra_node.services.reception.ingest import COMMIT_ARRIVES_S
from tests.dicom.builders import source

STUDY = str(source().StudyInstanceUID)


def test_a_radiograph_is_kept_and_waits_for_its_examination(bench):
    assert bench.keep(source()) == [StoreOutcome.STORED]
    (kept,) = instances_of(bench.ledger, STUDY)
    assert bench.files.path(kept.path).stat().st_size == kept.size_bytes
    assert kept.counts
    assert [job.instance_id for job in bench.claim(JobKind.EXAMINE)] == [kept.id]


def test_a_repeat_is_a_success_and_kept_once(bench):
    assert bench.keep(source(), source()) == [StoreOutcome.STORED, StoreOutcome.REPEATED]
    assert len(instances_of(bench.ledger, STUDY)) == 1
    assert len(list((bench.folder / "inbox").rglob("*.dcm"))) == 1


@pytest.mark.parametrize("field", ["study", "series"])
def test_a_study_or_series_that_no_answer_could_name_is_refused(bench, field):
    """A UID with a byte beyond ASCII cannot be written into a report: its study could never be answered."""
    image = source()
    image[f"{field.title()}InstanceUID"] = DataElement(
        f"{field.title()}InstanceUID", "UI", "1.2.\u00e9", validation_mode=config.IGNORE
    )
    with pytest.raises(Refused, match="UID of digits and dots"):
        bench.keep(image)
    assert list((bench.folder / "inbox").rglob("*.dcm")) == []


def test_other_pixels_under_the_same_uid_are_refused_and_the_first_is_kept(bench):
    bench.keep(source())
    other = source()
    other.PixelData = bytes(byte ^ 1 for byte in other.PixelData)
    with pytest.raises(Refused, match="pixels differ"):
        bench.keep(other)
    (kept,) = instances_of(bench.ledger, STUDY)
    assert bench.files.path(kept.path).exists()
    assert len(list((bench.folder / "inbox").rglob("*.dcm"))) == 1


def test_a_request_that_contradicts_its_data_set_is_refused(bench):
    """PS3.4 B.2.2: the Affected SOP Instance UID is that of the data set."""
    with pytest.raises(Refused, match="SOP Instance UID"):
        bench.ingest().keep(bench.received(source(), sop_instance_uid="1.2.3"))
    with pytest.raises(Refused, match="SOP Class UID"):
        bench.ingest().keep(bench.received(source(), sop_class_uid="1.2.3"))


def test_what_is_no_dicom_is_refused_and_not_counted(bench):
    file = bench.received(source())
    file.path.write_bytes(b"no data set at all " * 20)
    with pytest.raises(Refused):
        bench.ingest().keep(file)
    assert instances_of(bench.ledger, STUDY) == []


def test_a_sequence_that_breaks_off_is_refused_by_name_and_leaves_nothing(bench):
    file = bench.received(source())
    sequence = struct.pack("<HH2sHL", 0x7FE1, 0x1010, b"SQ", 0, 0xFFFFFFFF)
    content = file.path.read_bytes()
    before_pixels = content.index(struct.pack("<HH", 0x7FE0, 0x0010))
    file.path.write_bytes(content[:before_pixels] + sequence)
    with pytest.raises(Refused, match="expected a DICOM data set, found a broken one"):
        bench.ingest().keep(file)
    assert instances_of(bench.ledger, STUDY) == []
    assert list((bench.folder / "inbox").rglob("*.dcm")) == []


def test_a_chest_gets_its_reason_without_an_examination(bench):
    bench.keep(source(BodyPartExamined="CHEST"))
    (kept,) = instances_of(bench.ledger, STUDY)
    assert finding_from_json(kept.finding_json).refusal.reason == "other_body_part"
    assert bench.claim(JobKind.EXAMINE) == []
    assert bench.settle() == [(STUDY, 1)]


def test_our_own_result_that_comes_back_calls_for_no_answer(bench):
    """A PACS will route the overlay back; answering it would never end."""
    own = source(Manufacturer="ra-node")
    bench.keep(own)
    assert bench.claim(JobKind.EXAMINE) == []
    assert bench.settle() == []


def test_an_open_association_holds_its_study_back_until_it_is_closed(bench):
    ingest = bench.ingest()
    ingest.opened("a", "MODALITY", "127.0.0.1")
    ingest.keep(bench.received(source()))
    assert bench.settle() == []
    ingest.closed("a")
    assert bench.settle() == [(STUDY, 1)]


def test_a_listener_that_starts_again_closes_what_it_left_open(bench):
    ingest = bench.ingest()
    ingest.opened("a", "MODALITY", "127.0.0.1")
    ingest.keep(bench.received(source()))
    bench.ingest().start()
    assert bench.settle() == [(STUDY, 1)]


def test_what_was_refused_while_the_ledger_was_away_is_no_orphan(bench, monkeypatch):
    """Its sender heard 0xA700: the file goes once the ledger says that no row has it."""
    inbox = bench.ingest()
    now = [0.0]
    inbox._monotonic = lambda: now[0]
    inbox.opened("a", "PACS", "127.0.0.1")

    def away(*_):
        raise LedgerUnavailable("expected a working ledger, found none")

    def cut_off(*asked):
        keep_instance(*asked)
        away()

    for number, broken in ((1, away), (2, cut_off)):
        with monkeypatch.context() as patched:
            patched.setattr(ingest_module, "keep_instance", broken)
            with pytest.raises(LedgerUnavailable):
                inbox.keep(bench.received(source(number=number)))
    inbox.mend()
    assert len(list((bench.folder / "inbox").rglob("*.dcm"))) == 2
    now[0] = COMMIT_ARRIVES_S
    inbox.mend()
    (path,) = (bench.folder / "inbox").rglob("*.dcm")
    assert bench.files.path(known_paths(bench.ledger).pop()) == path
