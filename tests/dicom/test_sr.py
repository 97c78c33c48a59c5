"""What no validator sees: that the structured report says what the report says, and nothing else."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from ra_node.dicom.codes import joint_site
from ra_node.dicom.sr import build_sr, sr_uid
from ra_node.domain.attention import standing_out
from ra_node.domain.geometry import Box, Point
from ra_node.domain.laterality import Side
from ra_node.domain.report import HandFinding, HandRegion, percents
from ra_node.domain.wording import hand_sentence, joint_name, joint_share_words
from tests.dicom.builders import (
    COLUMNS,
    PRODUCER,
    ROWS,
    both_hands,
    explained,
    hand,
    image,
    image_uid,
    report,
    source,
)
from tests.dicom.cases import (
    CASES,
    Case,
    chinese_name,
    explained_hands,
    not_an_image,
    one_refused,
    two_hands,
    two_images,
)
from tests.dicom.tree import codes_of, comments, concept, groups, items, points, read_back, saved, tree_text

GOLDENS = Path(__file__).parent / "goldens"
SITE, LATERALITY, RA, STAGE, FINDING, PROBABILITY, REGION = (
    "363698007", "272741003", "69896004", "258214002", "121071", "122157", "111030",
)  # fmt: skip


def made(case: Case, **options: object) -> Dataset:
    return read_back(build_sr(case.report, case.sources, PRODUCER, **options))  # type: ignore[arg-type]


every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_the_tree_is_the_golden_one(name):
    """Set RA_NODE_UPDATE_GOLDENS=1 to write the goldens anew, then read the difference."""
    golden = GOLDENS / f"{name}.txt"
    found = tree_text(made(CASES[name]()))
    if os.environ.get("RA_NODE_UPDATE_GOLDENS") == "1":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


@every_case
def test_every_region_is_closed_and_inside_its_image(name):
    """No validator compares the coordinates with the size of the image."""
    document = made(CASES[name]())
    for region in items(document, REGION):
        found = points(region)
        assert region.GraphicType == "POLYLINE"
        assert found[0] == found[-1]
        assert len(found) >= 4
        assert all(0 <= x <= COLUMNS and 0 <= y <= ROWS for x, y in found)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-50, 450, width=32), st.floats(-50, 350, width=32)), max_size=30),
)
def test_any_outline_becomes_a_closed_region_inside_the_image(outline):
    """Outlines that leave the image, repeat their first point or are no polygon included."""
    finder = HandRegion(Box(-5, -5, 500, 500), tuple(Point(x, y) for x, y in outline), 0, 0.5)
    document = build_sr(report(image(hand(where=finder))), {image_uid(1): source()}, PRODUCER)
    found = points(next(items(document, REGION)))
    assert found[0] == found[-1]
    assert len(found) >= 4
    assert all(0 <= x < COLUMNS and 0 <= y < ROWS for x, y in found)


@every_case
def test_every_group_has_a_region_and_both_tracking_identifiers(name):
    """A group without region opens as a black image; one without Tracking UID passes every validator."""
    document = made(CASES[name]())
    for group in groups(document):
        assert len(list(items(group, REGION))) == 1
        assert len(list(items(group, "112039"))) == 1
        assert len(list(items(group, "112040"))) == 1
    uids = [item.UID for item in items(document, "112040")]
    assert len(uids) == len(set(uids))


@every_case
def test_the_evidence_is_exactly_what_the_tree_refers_to(name):
    """And what the tree refers to are exactly the instances that the report answers."""
    case = CASES[name]()
    document = made(case)
    referred = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in items(document)
        if "ReferencedSOPSequence" in item
    }
    evidence = [
        (series.SeriesInstanceUID, reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID)
        for study in document.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    ]
    answered = [(i.series_instance_uid, i.sop_class_uid, i.sop_instance_uid) for i in case.report.images]
    assert sorted(evidence) == sorted(answered)
    assert referred == {uid for _, _, uid in answered}


@every_case
def test_every_container_is_separate_and_the_procedure_is_named(name):
    """Continuous content loses the concept names in plain renderers."""
    document = made(CASES[name]())
    containers = [document, *(item for item in items(document) if item.ValueType == "CONTAINER")]
    assert {container.ContinuityOfContent for container in containers} == {"SEPARATE"}
    assert len(list(items(document, "121058"))) == 1


@every_case
def test_every_judged_hand_is_said_in_code_number_and_sentence(name):
    """One group a hand, in order, and each says the result of its own hand."""
    case = CASES[name]()
    found = [group for group in groups(made(case)) if list(items(group, SITE))]
    assert len(found) == len(case.report.hands)
    for group, hand_ in zip(found, case.report.hands, strict=True):
        assert hand_sentence(hand_) in comments(group)
        if hand_.recognition is None:
            assert_no_result(group)
        else:
            assert_result(group, hand_)


def assert_result(group: Dataset, hand_: HandFinding) -> None:
    assert hand_.recognition is not None
    assert hand_.staging is not None
    positive = hand_.recognition.positive
    assert codes_of(group, RA) == ["52101004" if positive else "272519000"]
    assert codes_of(group, FINDING) == (["69896004"] if positive else [])
    stages = ["261613009", "258215001", "258219007", "258224005", "258228008", "261617005"]
    assert codes_of(group, STAGE) == [stages[hand_.staging.stage]]
    numbers = [item for item in items(group) if item.ValueType == "NUM"]
    assert [str(item.MeasuredValueSequence[0].NumericValue) for item in numbers] == [
        percents(hand_.recognition)[0]
    ]


def assert_no_result(group: Dataset) -> None:
    for name in (RA, FINDING, STAGE, PROBABILITY):
        assert not list(items(group, name))


@every_case
def test_the_side_is_in_the_site_and_in_its_modifier_or_nowhere(name):
    """Viewers show only the site; a side that is not known is not invented."""
    case = CASES[name]()
    found = [group for group in groups(made(case)) if list(items(group, SITE))]
    expected = {
        Side.RIGHT: (["78791008"], ["24028007"]),
        Side.LEFT: (["85151006"], ["7771000"]),
        None: (["85562004"], []),
    }
    for group, hand_ in zip(found, case.report.hands, strict=True):
        [site] = [item for item in group.ContentSequence if concept(item) == SITE]
        told = ([site.ConceptCodeSequence[0].CodeValue], codes_of(site, LATERALITY))
        assert told == expected[hand_.side.side]
        assert set(codes_of(group, LATERALITY)) == set(told[1])


@every_case
def test_joints_are_sites_of_an_explanation_and_of_no_finding(name):
    """What moved a network is told joint by joint, and that it diagnoses no joint; nothing else names one."""
    case = CASES[name]()
    judged = [group for group in groups(made(case)) if list(items(group, SITE))]
    for group, hand_ in zip(judged, case.report.hands, strict=True):
        told = list(items(group, "130401"))
        if hand_.explanation is None:
            assert told == []
            continue
        named = standing_out(hand_.explanation)
        assert len(told) == max(1, len(named))
        assert {item.ConceptCodeSequence[0].CodeValue for item in told} == {"130403"}
        assert [comments(item) for item in told if "ContentSequence" in item] == [
            [f"{joint_share_words(joint)} of the heat map"] for joint in named
        ]
        assert [code for item in told for code in codes_of(item, SITE)] == [
            joint_site(joint.name).value for joint in named
        ]
        [sentence] = [text for text in comments(group) if "where the network looked" in text]
        assert "not a diagnosis" in sentence
        assert all(joint_name(joint.name) in sentence for joint in named)


def test_a_doubtful_result_says_what_the_doubt_is():
    right, left = groups(made(explained_hands()))
    assert "Doubtful: probability near the operating point." in comments(right)
    assert not [text for text in comments(left) if text.startswith("Doubtful")]


def test_a_hand_whose_joints_were_not_located_says_so():
    """A bundle without networks for finding hands names no joints; that is no statement about them."""
    unlocated = replace(explained(hand()), region=hand().region)
    document = build_sr(report(image(unlocated)), {image_uid(1): source()}, PRODUCER)
    assert any("joints of this hand were not located" in text for text in comments(document))


def test_a_name_in_chinese_characters_arrives_as_it_was_written():
    """In the character set of the source, in letters and in ideographs."""
    document = made(chinese_name())
    assert document.SpecificCharacterSet == "GB18030"
    assert document.PatientName.ideographic == "王^小东"
    assert document.PatientName.alphabetic == "Wang^XiaoDong"


@every_case
def test_every_refusal_is_told_in_plain_words(name):
    """Not analysed is an answer too: the reason of every hand, image and study is in the report."""
    case = CASES[name]()
    told = "\n".join(comments(made(case)))
    refusals = [case.report.refusal, *(image.refusal for image in case.report.images)]
    refusals += [hand_.refusal for hand_ in case.report.hands]
    assert all(refusal.text in told for refusal in refusals if refusal is not None)


@every_case
def test_patient_and_study_are_those_of_the_source(name):
    """And the document is complete, unverified, and carries the empty sequences that readers expect."""
    case = CASES[name]()
    document, subject = made(case), next(iter(case.sources.values()))
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyID",
                    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "AccessionNumber",
                    "ReferringPhysicianName", "SpecificCharacterSet"):  # fmt: skip
        assert document[keyword].value == subject[keyword].value, keyword
    assert (document.CompletionFlag, document.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert len(document.ReferencedPerformedProcedureStepSequence) == 0
    assert len(document.PerformedProcedureCodeSequence) == 0
    assert document.Modality == "SR"
    assert document.SeriesInstanceUID != subject.SeriesInstanceUID


def test_the_same_report_makes_the_same_bytes():
    """Doing it twice is harmless, today and tomorrow."""
    case = two_hands()
    assert saved(build_sr(case.report, case.sources, PRODUCER)) == saved(
        build_sr(case.report, case.sources, PRODUCER)
    )


def test_uids_follow_study_bundle_and_version():
    """Another version, bundle, study or SOP class is another instance in another series."""
    first = report(image(*both_hands()))
    others = [
        replace(first, version=2),
        replace(first, study_instance_uid="2.25.4"),
        replace(first, bundle=replace(first.bundle, sha256="00" * 32)),
    ]
    uids = [sr_uid(each) for each in (first, *others)] + [sr_uid(first, comprehensive3d=False)]
    assert len(set(uids)) == 5
    assert made(two_hands()).SOPInstanceUID == sr_uid(first)


def test_a_comprehensive_sr_has_the_same_content():
    """For a peer that refuses Comprehensive 3D SR."""
    case = two_hands()
    fallback = made(case, comprehensive3d=False)
    assert fallback.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33"
    assert fallback.file_meta.MediaStorageSOPInstanceUID == fallback.SOPInstanceUID
    assert fallback.SOPInstanceUID != made(case).SOPInstanceUID
    assert tree_text(fallback) == tree_text(made(case))


def predecessor_of(document: Dataset) -> tuple[str, str, str]:
    series = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    instance = series.ReferencedSOPSequence[0]
    return series.SeriesInstanceUID, instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID


@pytest.mark.parametrize("comprehensive3d", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_a_revision_names_the_report_that_it_replaces(comprehensive3d, kept):
    """In the SOP class that its receiver knows, whether or not the first report is still here."""
    case = two_hands()
    first = made(case, comprehensive3d=comprehensive3d)
    first_3d = made(case)
    second = replace(case.report, version=2, predecessor_sr_uid=first_3d.SOPInstanceUID)
    revision = made(
        Case(second, case.sources),
        comprehensive3d=comprehensive3d,
        predecessor=first_3d if kept else None,
    )
    assert predecessor_of(revision) == (first.SeriesInstanceUID, first.SOPClassUID, first.SOPInstanceUID)
    assert revision.InstanceNumber == 2
    assert any("Version 2" in comment for comment in comments(revision))


def test_a_predecessor_of_another_maker_is_named_as_it_is():
    """Only our own reports have a twin in the other SOP class."""
    other = Dataset()
    other.SOPClassUID, other.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.34", "2.25.3"
    other.SeriesInstanceUID = "2.25.4"
    revision = made(two_hands(), comprehensive3d=False, predecessor=other)
    assert predecessor_of(revision) == ("2.25.4", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.3")


def test_the_first_report_replaces_nothing():
    assert "PredecessorDocumentsSequence" not in made(two_hands())


def test_each_algorithm_is_named_alike_in_the_tree_and_as_equipment():
    """IHE AIR: one contribution an algorithm, its Device UID that of the weights."""
    case = two_hands()
    document = made(case)
    equipment = document.ContributingEquipmentSequence
    assert [item.DeviceUID for item in equipment] == [m.device_uid for m in case.report.bundle.models]
    told = {item.TextValue for item in items(document, "111001")}
    assert told == {item.ManufacturerModelName for item in equipment}
    versions = {item.TextValue for item in items(document, "111003")}
    assert versions == {item.SoftwareVersions for item in equipment}
    parameters = {item.TextValue for item in items(document, "111002")}
    assert {f"device UID {item.DeviceUID}" for item in equipment} <= parameters
    assert "operating point 50.0 %" in parameters
    bundle = case.report.bundle
    assert f"Bundle {bundle.name} {bundle.version}, SHA-256 {bundle.sha256}." in comments(document)


def test_the_notice_stands_wherever_the_model_speaks():
    """In the group of every judged hand, and in the conclusions of the study."""
    document = made(one_refused())
    judged, refused = groups(document)
    for place in (judged, document.ContentSequence[-1]):
        said = " ".join(comments(place)).lower()
        assert "not a medical device" in said
        assert "simulated lesions" in said
        assert "for research use only" in said
        assert "not verified" in said
    assert "simulated" not in " ".join(comments(refused))


def test_content_time_is_told_in_the_zone_of_the_source():
    """One object knows one zone (PS3.3 C.12.1.1.8)."""
    created = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    case = Case(
        report(image(*both_hands()), created_at=created),
        {image_uid(1): source(TimezoneOffsetFromUTC="+0800")},
    )
    document = made(case)
    assert (document.ContentDate, document.ContentTime) == ("20261124", "073000")
    assert document.TimezoneOffsetFromUTC == "+0800"


def test_content_time_without_a_zone_in_the_source_is_that_of_the_report():
    created = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    case = Case(report(image(*both_hands()), created_at=created), {image_uid(1): source()})
    document = made(case)
    assert (document.ContentDate, document.ContentTime) == ("20261123", "233000")
    assert document.TimezoneOffsetFromUTC == "+0000"


def test_an_instance_that_is_no_image_is_referred_to_and_explained():
    """It has no group: a group without region opens as a black image."""
    document = made(not_an_image())
    assert groups(document) == []
    assert not list(items(document, "111028"))
    [reference] = [item for item in items(document) if item.ValueType == "COMPOSITE"]
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image_uid(1)


def test_each_image_is_in_the_library_with_its_size():
    document = made(two_images())
    [library] = items(document, "111028")
    entries = [item for item in items(library) if item.ValueType == "IMAGE"]
    assert [e.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for e in entries] == [
        image_uid(1),
        image_uid(2),
    ]
    assert codes_of(library, "111027") == ["24028007", "7771000"]


def test_without_any_source_there_is_no_report():
    """Nobody knows whose report it would be."""
    with pytest.raises(ValueError, match="at least one source"):
        build_sr(two_hands().report, {}, PRODUCER)


def test_a_source_that_is_missing_costs_only_its_descriptors():
    case = two_images()
    document = made(Case(case.report, {image_uid(2): case.sources[image_uid(2)]}))
    assert len(groups(document)) == 2
