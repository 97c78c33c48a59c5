"""What a header says about sides is read from every place, in every character set, and no text is kept."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from pydicom import config, dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom.concept_codes import code_item
from ra_node.dicom.reading.file import read_header
from ra_node.domain.geometry import Box
from ra_node.domain.laterality.evidence import EvidenceReach, Side, SideHeader, sides_of
from tests.dicom.builders import source

RIGHT, LEFT, BOTH = (
    Code("24028007", "SCT", "Right"),
    Code("7771000", "SCT", "Left"),
    Code("51440002", "SCT", "Both"),
)
BOX = Box(0, 0, 100, 200)


def sides(dataset: Dataset) -> SideHeader:
    """What a received file says: its values are still bytes."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    again = dcmread(BytesIO(buffer.getvalue()))
    header = read_header(again).side
    assert header == read_header(dataset).side
    return header


HAND = Code("85562004", "SCT", "Hand")


def item(code: Code = HAND, **sequences: list[Dataset]) -> Dataset:
    made = code_item(code)
    for keyword, items in sequences.items():
        setattr(made, keyword, items)
    return made


def named(meaning: str) -> list[Dataset]:
    return [code_item(Code("X1", "99SITE", meaning))]


def frames() -> list[Dataset]:
    anatomy, group = Dataset(), Dataset()
    anatomy.FrameLaterality = "R"
    group.FrameAnatomySequence = [anatomy]
    return [group]


PLACES = {
    "AnatomicRegionModifierSequence": {
        "AnatomicRegionSequence": [item(AnatomicRegionModifierSequence=[code_item(RIGHT)])]
    },
    "AnatomicRegionSequence": {"AnatomicRegionSequence": [item(Code("78791008", "SCT", "Hand"))]},
    "PrimaryAnatomicStructureModifierSequence": {
        "PrimaryAnatomicStructureSequence": [
            item(PrimaryAnatomicStructureModifierSequence=[code_item(Code("G-A100", "SRT", "x"))])
        ]
    },
    "ViewModifierCodeSequence": {
        "ViewCodeSequence": [
            item(Code("399348003", "SCT", "PA"), ViewModifierCodeSequence=[code_item(RIGHT)])
        ]
    },
    "FrameLaterality": {"SharedFunctionalGroupsSequence": frames()},
    "SeriesDescription": {"SeriesDescription": "HAND RT PA"},
    "ProtocolName": {"ProtocolName": "Hand re. dp"},
    "AcquisitionDeviceProcessingDescription": {"AcquisitionDeviceProcessingDescription": "MAIN D"},
    "BodyPartExamined": {"BodyPartExamined": "RHAND"},
    "SeriesDescriptionCodeSequence": {"SeriesDescriptionCodeSequence": named("Right hand PA")},
}
STUDY_PLACES = {
    "StudyDescription": {"StudyDescription": "XR HAND RIGHT"},
    "RequestedProcedureDescription": {"RequestedProcedureDescription": "XR HAND RIGHT"},
    "PerformedProcedureStepDescription": {"PerformedProcedureStepDescription": "RX MANO DCHA"},
    "ProcedureCodeSequence": {"ProcedureCodeSequence": named("X-ray of right hand")},
    "RequestedProcedureCodeSequence": {"RequestedProcedureCodeSequence": named("X-ray of right hand")},
    "PerformedProtocolCodeSequence": {"PerformedProtocolCodeSequence": named("Right hand 2 views")},
}


@pytest.mark.parametrize(
    ("keyword", "reach"),
    [
        *((keyword, EvidenceReach.IMAGE) for keyword in PLACES),
        *((keyword, EvidenceReach.STUDY) for keyword in STUDY_PLACES),
    ],
)
def test_every_place_that_names_a_side_is_read_and_contradicts(keyword, reach):
    """Beside ImageLaterality L, as in x-rays labelled with the wrong side."""
    header = sides(source(side="L", **(PLACES | STUDY_PLACES)[keyword]))
    said = [each for each in header.statements if each.source == keyword]
    assert [(each.says, each.reach) for each in said] == [("R", reach)]
    (found,) = sides_of([BOX], header)
    assert found.side is None
    assert found.conflict
    assert keyword in found.evidence
    assert "ImageLaterality (L)" in found.evidence


@pytest.mark.parametrize("keyword", PLACES)
def test_every_place_of_the_image_gives_its_side_alone(keyword):
    (found,) = sides_of([BOX], sides(source(ImageLaterality=None, **PLACES[keyword])))
    assert found.side is Side.RIGHT
    assert keyword in found.evidence


def test_the_texts_of_a_request_are_read():
    request = Dataset()
    request.ScheduledProcedureStepDescription = "Hand links"
    assert sides(source(RequestAttributesSequence=[request])).statements[0].says == "L"


def test_a_code_and_its_meaning_that_differ_are_a_conflict():
    region = item(AnatomicRegionModifierSequence=[code_item(Code("24028007", "SCT", "Left"))])
    (found,) = sides_of([BOX], sides(source(ImageLaterality=None, AnatomicRegionSequence=[region])))
    assert found.side is None
    assert found.conflict


def test_a_coded_both_contradicts_one_side():
    region = item(AnatomicRegionModifierSequence=[code_item(BOTH)])
    (found,) = sides_of([BOX], sides(source(side="L", AnatomicRegionSequence=[region])))
    assert found.side is None
    assert found.conflict


def test_no_code_of_another_scheme_is_taken_for_a_side():
    region = item(AnatomicRegionModifierSequence=[code_item(Code("24028007", "99SITE", "x"))])
    assert sides(source(AnatomicRegionSequence=[region])).statements == ()


@pytest.mark.parametrize(
    ("charset", "text", "side"),
    [
        ("GB18030", "右手正位", "R"), ("ISO_IR 192", "左手", "L"), ("ISO_IR 100", "Mão esquerda", "L"),
        ("ISO_IR 144", "Левая кисть", "L"), ("ISO_IR 101", "prawa ręka", "R"),
    ],
)  # fmt: skip
def test_texts_are_read_in_their_character_set(charset, text, side):
    header = sides(source(SpecificCharacterSet=charset, SeriesDescription=text))
    assert [each.says for each in header.statements] == [side]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("r", "R"),
        ("RIGHT", "R"),
        ("LEFT", "L"),
        ("U", "U"),
        ("DOE^JANE", "?"),
        (["R", "L"], "R\\L"),
        ("", ""),
    ],
)
def test_a_laterality_is_a_defined_term_or_named_as_none(value, expected):
    made = source()
    made["ImageLaterality"] = DataElement("ImageLaterality", "CS", value, validation_mode=config.IGNORE)
    assert sides(made).image_laterality == expected


def test_no_text_of_a_header_is_kept():
    """Only keywords and sides: whatever else stands in a text may name a person."""
    header = sides(source(StudyDescription="Hand right Jane Doe", SeriesDescription="HAND RT Doe"))
    assert len(header.statements) == 2
    assert "doe" not in repr(replace(header)).lower()


def test_comments_are_no_evidence():
    assert sides(source(ImageComments="Right hand could not be moved")).statements == ()


def test_a_study_of_both_hands_contradicts_no_single_image():
    for text in ("XR HANDS RIGHT AND LEFT", "Both hands", "Hände bds.", "HANDS BILATERAL"):
        (found,) = sides_of([BOX], sides(source(side="L", StudyDescription=text)))
        assert found.side is Side.LEFT
