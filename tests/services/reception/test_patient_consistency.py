"""A study whose objects name two patients is answered with that, alarmed, and shows nobody's hand."""

from __future__ import annotations

import csv

import pytest
from pydicom import dcmread
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage

from ra_node.domain.job import JobKind
from ra_node.domain.refusal import Reason
from ra_node.domain.result_objects import OPTIONS, ObjectKind
from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.inbox import instances_of
from ra_node.ledger.report_json import report_from_json
from ra_node.ledger.results import latest_result, objects_of
from ra_node.services.analysis.bundle_consistency import BundleConsistency
from ra_node.services.analysis.image_examination import Examiner
from ra_node.services.reception.ingest import Ingest
from ra_node.services.reporting.answer import Answerer, Destination
from ra_node.services.reporting.prior_report import FollowUps
from ra_node.services.retention.purge import purge
from tests.dicom.builders import BUNDLE, PRODUCER, STUDY, image_uid, source
from tests.finders import BLIND
from tests.services.builders import FakeJudge, looked
from tests.services.runs import run_in

SECRET = b"k" * 32
OTHER = {"PatientID": "OTHER-2291", "PatientName": "Else^Somebody", "PatientBirthDate": "19510203"}
OTHER_WORDS = (b"OTHER-2291", b"Else", b"Somebody", b"19510203")


def object_of(number: int, sop_class=BasicTextSRStorage, **attributes):
    """A report of some other system in the same study, without pixels."""
    made = source(number=number, **attributes)
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(made, keyword)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = sop_class
    return made


def keep(bench, *datasets, secret=SECRET):
    ingest = Ingest(bench.ledger, bench.files, "test-listener", secret=secret)
    ingest.opened("a", "MODALITY", "127.0.0.1")
    for dataset in datasets:
        ingest.keep(bench.received(dataset))
        bench.clock.advance(0.1)
    ingest.closed("a")


def answer(bench, secret=SECRET):
    """Settle, examine and answer what has come; gives the report and its objects by kind."""
    bench.settle()
    judge = FakeJudge()

    def look(path, rules):
        return looked(int(dcmread(path, stop_before_pixels=True).InstanceNumber))

    while jobs := bench.claim(JobKind.EXAMINE):
        Examiner(bench.ledger, bench.files, judge, BUNDLE.sha256, BLIND, lambda: False, look).examine(jobs)
    one_bundle = BundleConsistency(bench.ledger, bench.files, judge, BUNDLE, BLIND)
    answerer = Answerer(
        bench.ledger,
        bench.files,
        one_bundle,
        PRODUCER,
        [Destination("pacs", (ObjectKind.SR, ObjectKind.OVERLAY, *OPTIONS))],
        "Research use only",
        follow_ups=FollowUps(bench.ledger, secret, files=bench.files),
    )
    (job,) = bench.claim(JobKind.REPORT)
    answerer.answer(job)
    report = report_from_json(latest_result(bench.ledger, STUDY).report_json)
    made = objects_of(bench.ledger, STUDY, report.version)
    return report, {one.kind: dcmread(bench.files.path(one.path)) for one in made}


def words(dataset):
    """Every value of a data set as text."""
    return "\n".join(str(element.value) for element in dataset.iterall() if element.VR != "SQ")


def expect_conflict(report, made):
    """Refused as a whole, with attribute names, no value and no picture of anybody."""
    assert report.refusal.reason is Reason.PATIENT_CONFLICT
    assert report.hands == ()
    assert {image.refusal.reason for image in report.images} == {Reason.PATIENT_CONFLICT}
    assert ObjectKind.PRESENTATION_STATE not in made
    sr = made[ObjectKind.SR]
    assert "CurrentRequestedProcedureEvidenceSequence" not in sr
    assert "SCOORD" not in words(sr)
    assert "IMAGE" not in {element.value for element in sr.iterall() if element.keyword == "ValueType"}
    assert "SourceImageSequence" not in made[ObjectKind.OVERLAY]
    for image in report.images:
        assert image.sop_instance_uid in words(sr)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (OTHER, "Patient ID, Patient's Name, Patient's Birth Date"),
        ({"PatientID": "OTHER-2291"}, "Patient ID"),
        ({"PatientSex": "M"}, "Patient's Sex"),
        (
            {"PatientBirthDate": "19510203", "PatientName": "Else^Somebody"},
            "Patient's Name, Patient's Birth Date",
        ),
    ],
)
def test_an_image_of_another_patient_refuses_the_study(bench, changes, named):
    keep(bench, source(), source(number=2, **changes))
    report, made = answer(bench)
    expect_conflict(report, made)
    assert f"({named})" in report.refusal.text
    assert made[ObjectKind.SR].PatientID == "P-1"
    assert [(one.kind, one.subject) for one in alarms(bench.ledger)] == [(AlarmKind.PATIENT_CONFLICT, STUDY)]
    written = b"".join(path.read_bytes() for path in (bench.folder / "results").rglob("*.dcm"))
    assert not [word for word in OTHER_WORDS if word in written]


def test_the_ledger_holds_no_attribute_of_either(bench):
    keep(bench, source(), source(number=2, **OTHER))
    answer(bench)
    bench.ledger.close()
    kept = b"".join(path.read_bytes() for path in bench.folder.glob("ledger.sqlite3*"))
    assert b"Patient's Birth Date" in kept
    assert not [word for word in (*OTHER_WORDS, b"P-1", b"Phantom", b"19600101") if word in kept]


def test_what_is_only_written_differently_is_answered(bench):
    keep(
        bench,
        source(),
        source(number=2, PatientName="PHANTOM^HAND^^^", PatientID=" P-1 ", PatientBirthDate=""),
    )
    report, _ = answer(bench)
    assert report.refusal is None
    assert len(report.hands) == 4
    assert alarms(bench.ledger) == []


@pytest.mark.parametrize(
    "foreign",
    [
        source(number=2, BodyPartExamined="CHEST", **OTHER),
        object_of(2, **OTHER),
        object_of(2, Comprehensive3DSRStorage, **OTHER),
    ],
    ids=["chest", "text SR", "3D SR"],
)
def test_an_object_that_is_not_analysed_counts_too(bench, foreign):
    keep(bench, source(), foreign)
    expect_conflict(*answer(bench))


@pytest.mark.parametrize("foreign", [source(number=2, **OTHER), object_of(2, **OTHER)], ids=["image", "SR"])
def test_what_comes_after_the_answer_withdraws_it(bench, foreign):
    keep(bench, source())
    assert answer(bench)[0].refusal is None
    keep(bench, foreign)
    report, made = answer(bench)
    expect_conflict(report, made)
    assert report.version == 2
    assert made[ObjectKind.SR].PatientID == "P-1"


def test_an_image_whose_file_retention_has_removed_still_counts(bench):
    keep(bench, source())
    answer(bench)
    for one in instances_of(bench.ledger, STUDY):
        bench.files.remove(one.path)
    with bench.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE instance SET path = NULL")
    keep(bench, source(number=2, **OTHER))
    expect_conflict(*answer(bench))


def test_an_instance_of_an_older_node_is_read_again(bench):
    keep(bench, source())
    with bench.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE instance SET patient = NULL")
    keep(bench, source(number=2, **OTHER))
    expect_conflict(*answer(bench))


def test_a_key_that_was_made_anew_makes_no_conflict_and_hides_none(bench):
    keep(bench, source(), secret=b"o" * 32)
    keep(bench, source(number=2))
    assert answer(bench)[0].refusal is None
    keep(bench, source(number=3, **OTHER))
    expect_conflict(*answer(bench))


def test_a_result_that_comes_back_is_no_witness_and_calls_for_nothing(bench):
    """Else a node whose results are routed back to it would answer its own conflict for ever."""
    keep(bench, source(), source(number=2, **OTHER))
    _, made = answer(bench)
    sr = made[ObjectKind.SR]
    sr.PatientID = "P-3"
    keep(bench, sr)
    assert bench.settle() == []


def test_two_orders_of_one_patient_are_answered_and_said(bench):
    keep(bench, source(), source(number=2, AccessionNumber="A2"))
    report, _ = answer(bench)
    assert report.refusal is None
    assert "more than one accession number" in report.images[0].remarks[-1]


def test_two_orders_of_nobody_in_particular_are_two_patients(bench):
    keep(bench, source(PatientID=""), source(number=2, AccessionNumber="A2", PatientID=""))
    report, made = answer(bench)
    expect_conflict(report, made)


def test_the_alarm_ends_when_the_study_is_purged(bench):
    keep(bench, source(), source(number=2, **OTHER))
    answer(bench)
    with bench.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE delivery SET state = 'dropped'")
    bench.clock.advance(10)
    assert purge(bench.ledger, bench.files, 0).studies == 1
    assert alarms(bench.ledger) == []


def files_in(folder, *datasets):
    folder.mkdir()
    for number, dataset in enumerate(datasets):
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


@pytest.mark.parametrize(
    "second",
    [source(number=2, **OTHER), source(number=1, **OTHER)],
    ids=["another image", "the same instance"],
)
def test_an_archive_run_refuses_it_and_names_nobody_in_its_table(tmp_path, second):
    folder = files_in(tmp_path / "in", source(), second)
    with run_in(tmp_path / "out", folder) as run:
        assert run.go().answered == 1
    sr = dcmread(next((tmp_path / "out").rglob("sr.dcm")))
    assert "different patients" in words(sr)
    (found,) = (tmp_path / "out").glob("hands.csv")
    with found.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["refusal"] for row in rows} <= {"patient_conflict", "repeated_instance"}
    assert rows[0]["refusal"] == "patient_conflict"
    assert image_uid(1) in {row["sop_uid"] for row in rows}
