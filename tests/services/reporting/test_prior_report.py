"""A study names the patient's last earlier report of this node, and never another one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom import dcmread

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.results import objects_of
from ra_node.network.scu.association import PeerAddress, Reach
from ra_node.services.reporting.prior_report import FollowUps, PacsAsker
from tests.dicom.builders import BUNDLE, hand, image, source
from tests.services.answers import SECRET, answered, study
from tests.services.builders import looked


def sr_of(bench, report, kind=ObjectKind.SR):
    made = objects_of(bench.ledger, report.study_instance_uid, report.version)
    (one,) = (item for item in made if item.kind == kind)
    return dcmread(bench.files.path(one.path))


def one_hand(side):
    """A look at an image with one hand of that side."""

    def shown(number):
        where = replace(hand(which=side), recognition=None, staging=None)
        return replace(looked(number), finding=image(where, number=number), crops=looked(number).crops[:1])

    return shown


def comments(dataset):
    """Every comment of a tree, in order."""
    for item in dataset.get("ContentSequence", []):
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == "121106":
            yield item.TextValue
        yield from comments(item)


def test_the_second_study_names_the_first_and_says_both_days(bench):
    first = answered(bench, study(1, "20260105"))
    second = answered(bench, study(2))
    assert first.prior is None
    assert second.prior.study_instance_uid == first.study_instance_uid
    earlier, made = sr_of(bench, first), sr_of(bench, second)
    (evidence,) = made.PertinentOtherEvidenceSequence
    assert evidence.StudyInstanceUID == first.study_instance_uid
    (series,) = evidence.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == earlier.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == earlier.SOPInstanceUID
    said = list(comments(made))
    assert "Earlier report of this node: study of 2026-01-05." in said
    assert any(text.startswith("Right hand, from 2026-01-05 to 2026-11-23: probability") for text in said)


def test_a_peer_that_takes_only_comprehensive_sr_is_shown_the_twin(bench):
    first = answered(bench, study(1, "20260105"))
    second = answered(bench, study(2))
    twin, made = (sr_of(bench, report, ObjectKind.SR_FALLBACK) for report in (first, second))
    named = made.PertinentOtherEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == twin.SOPInstanceUID
    assert named.ReferencedSOPClassUID == twin.SOPClassUID


def test_the_last_of_several_earlier_studies_counts(bench):
    for number, day in ((1, "20250105"), (2, "20260105"), (3, "20240105")):
        answered(bench, study(number, day))
    assert answered(bench, study(4)).prior.study_instance_uid == "2.25.402"


def test_a_later_study_is_no_prior_of_an_older_one_that_comes_late(bench):
    answered(bench, study(1, "20261123"))
    assert answered(bench, study(2, "20260105")).prior is None


@pytest.mark.parametrize(
    "changed",
    [
        {"PatientID": "P-2"},
        {"IssuerOfPatientID": "Elsewhere"},
        {"PatientBirthDate": "19700101"},
        {"PatientID": ""},
        {"PatientName": "Else^Somebody"},
        {"PatientSex": "M"},
        {"PatientBirthDate": ""},
    ],
)
def test_another_patient_has_no_prior(bench, changed):
    answered(bench, study(1, "20260105"))
    assert answered(bench, study(2, **changed)).prior is None


@pytest.mark.parametrize(
    "nobody",
    [
        {"PatientID": "UNKNOWN"},
        {"PatientID": "000000"},
        {"PatientBirthDate": ""},
        {"PatientBirthDate": "19000101"},
        {"PatientID": "SPARE"},
    ],
)
def test_who_is_not_known_is_never_compared(bench, nobody):
    """The same placeholder, or an ID without a birth date, may be anybody's."""
    for number, day in ((1, "20260105"), (2, "20261123")):
        made = answered(bench, study(number, day, **nobody), placeholders=("spare",))
        assert made.prior is None
    with bench.ledger.read() as connection:
        keys = connection.exec_driver_sql("SELECT patient_key FROM result").scalars().all()
    assert keys == [None, None]


def test_a_name_that_is_only_written_differently_is_compared(bench):
    answered(bench, study(1, "20260105"))
    assert answered(bench, study(2, PatientName="PHANTOM^HAND^^", PatientSex="")).prior is not None


def test_an_earlier_study_of_which_nothing_is_known_any_more_is_not_compared(bench):
    answered(bench, study(1, "20260105"))
    with bench.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE instance SET patient = NULL, path = NULL")
    assert answered(bench, study(2)).prior is None


def test_a_revision_of_the_same_study_is_no_prior(bench):
    answered(bench, study(1, "20260105"))
    late = source(number=2, StudyInstanceUID="2.25.401", StudyDate="20260106")
    revised = answered(bench, late)
    assert revised.version == 2
    assert revised.prior is None
    assert revised.predecessor_sr_uid is not None


def test_the_revised_report_is_the_prior_of_the_next_study(bench):
    answered(bench, study(1, "20260105"))
    revised = answered(bench, source(number=2, StudyInstanceUID="2.25.401", StudyDate="20260105"))
    following = answered(bench, study(3))
    assert following.prior.sop_instance_uid == sr_of(bench, revised).SOPInstanceUID


def test_a_prior_of_the_other_hand_is_named_and_nothing_is_compared(bench):
    answered(bench, study(1, "20260105"), shown=one_hand(Side.LEFT))
    made = answered(bench, study(2), shown=one_hand(Side.RIGHT))
    said = list(comments(sr_of(bench, made)))
    assert "Earlier report of this node: study of 2026-01-05." in said
    assert any(text.startswith("No hand can be compared with it") for text in said)
    assert not any("from 2026-01-05" in text for text in said)


def test_another_bundle_is_said(bench):
    old = replace(BUNDLE, version="0.9", sha256="99" * 32)
    answered(bench, study(1, "20260105"), bundle=old)
    said = list(comments(sr_of(bench, answered(bench, study(2)))))
    assert any("made by another bundle (demo 0.9)" in text for text in said)


def test_it_is_found_when_retention_has_removed_the_files(bench):
    first = answered(bench, study(1, "20260105"))
    for made in objects_of(bench.ledger, first.study_instance_uid, 1):
        bench.files.path(made.path).unlink()
    assert answered(bench, study(2)).prior is not None


def test_the_ledger_holds_no_identity(bench):
    answered(bench, study(1, "20260105"))
    bench.ledger.close()
    kept = b"".join(path.read_bytes() for path in bench.folder.glob("ledger.sqlite3*"))
    assert b"2.25.401" in kept
    for secret in (b"P-1", b"Phantom", b"19600101"):
        assert secret not in kept


def asked(bench, **answers):
    """A PACS that gives the reports of a list, in its order, and who asks it."""
    calls = []

    def fetch(peer, wanted, take):
        calls.append(wanted)
        any(take(report) for report in answers.get("reports", ()))
        return answers.get("reach", Reach.ACCEPTED)

    peer = PeerAddress("pacs", "PACS", "127.0.0.1", 104, calling_ae="RA_NODE")
    return PacsAsker(peer, bench.clock, fetch), calls


def test_a_report_that_only_the_pacs_has_is_compared_with(bench):
    """Another installation's ledger, or one that was lost."""
    report = sr_of(bench, answered(bench, study(1, "20260105")))
    asker, _ = asked(bench, reports=[report])
    follow_ups = FollowUps(bench.ledger, b"o" * 32, [asker])
    prior = follow_ups.follow("2.25.402", [study(2)]).prior
    assert prior.sop_instance_uid == report.SOPInstanceUID
    assert [hand.side for hand in prior.hands] == [Side.RIGHT, Side.LEFT]
    assert prior.bundle_sha256 == BUNDLE.sha256


@pytest.mark.parametrize("changed", [{"PatientName": "Else^Somebody"}, {"PatientSex": "M"}])
def test_a_report_of_the_pacs_about_another_person_is_not_compared_with(bench, changed):
    report = sr_of(bench, answered(bench, study(1, "20260105")))
    asker, _ = asked(bench, reports=[report])
    follow_ups = FollowUps(bench.ledger, b"o" * 32, [asker], bench.files)
    assert follow_ups.follow("2.25.402", [study(2, **changed)]).prior is None


def test_a_pacs_is_not_asked_for_nobody(bench):
    asker, calls = asked(bench)
    follow_ups = FollowUps(bench.ledger, SECRET, [asker], bench.files)
    follow_ups.follow("2.25.402", [study(2, PatientID="UNKNOWN")])
    assert calls == []


def test_the_pacs_is_told_whose_and_until_when(bench):
    asker, calls = asked(bench)
    FollowUps(bench.ledger, SECRET, [asker], bench.files).follow(
        "2.25.402", [study(2, IssuerOfPatientID="Ward 3")]
    )
    (wanted,) = calls
    assert (wanted.patient_id, wanted.issuer, wanted.birth_date) == ("P-1", "Ward 3", "19600101")
    assert (wanted.before, wanted.not_study_uid) == ("20261123080000", "2.25.402")


def test_a_pacs_that_is_away_is_left_alone_for_a_while_and_the_ledger_still_answers(bench):
    answered(bench, study(1, "20260105"))
    asker, calls = asked(bench, reach=Reach.UNREACHABLE)
    follow_ups = FollowUps(bench.ledger, SECRET, [asker], bench.files)
    assert follow_ups.follow("2.25.402", [study(2)]).prior is not None
    follow_ups.follow("2.25.402", [study(2)])
    assert len(calls) == 1
    bench.clock.advance(100)
    follow_ups.follow("2.25.402", [study(2)])
    assert len(calls) == 2
