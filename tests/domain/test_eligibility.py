"""A header refuses only what it denies clearly, and nothing that an AI made is answered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.eligibility import (
    calls_for_answer,
    header_refusal,
    is_ai_made,
    is_for_processing,
    is_image_class,
)
from ra_node.domain.refusal import Reason
from ra_node.domain.study import ImageHeader

CR = "1.2.840.10008.5.1.4.1.1.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
DX_RAW = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
NOT_IMAGES = {
    "structured report": COMPREHENSIVE_3D_SR,
    "key object": "1.2.840.10008.5.1.4.1.1.88.59",
    "presentation state": "1.2.840.10008.5.1.4.1.1.11.1",
    "encapsulated PDF": "1.2.840.10008.5.1.4.1.1.104.1",
    "waveform": "1.2.840.10008.5.1.4.1.1.9.1.1",
    "segmentation": "1.2.840.10008.5.1.4.1.1.66.4",
    "raw data": "1.2.840.10008.5.1.4.1.1.66",
    "radiotherapy plan": "1.2.840.10008.5.1.4.1.1.481.5",
}

RADIOGRAPH = ImageHeader(
    sop_instance_uid="2.25.1",
    sop_class_uid=DX,
    series_instance_uid="2.25.2",
    study_instance_uid="2.25.3",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    modality="DX",
    image_type=("ORIGINAL", "PRIMARY"),
    presentation_intent="FOR PRESENTATION",
    rows=2000,
    columns=1500,
    has_pixels=True,
)
SCREENSHOT = replace(
    RADIOGRAPH, sop_class_uid=SECONDARY_CAPTURE, image_type=("DERIVED", "SECONDARY"), modality="OT"
)


def reason(header: ImageHeader) -> Reason | None:
    refusal = header_refusal(header)
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize("sop_class", [CR, DX])
def test_a_radiograph_is_read(sop_class):
    header = replace(RADIOGRAPH, sop_class_uid=sop_class)
    assert header_refusal(header) is None
    assert calls_for_answer(header)


@pytest.mark.parametrize(
    "part",
    ["", "HAND", "Hand", "WRIST", "EXTREMITY", "FINGER", "THUMB", "UPPER LIMB", "?", "LEFT HAND"],
)
def test_where_the_body_part_is_silent_or_a_hand_the_pixels_decide(part):
    assert header_refusal(replace(RADIOGRAPH, body_part=part)) is None


@pytest.mark.parametrize("part", ["CHEST", "Foot", "PELVIS", "KNEE", "C-SPINE", "T SPINE", "SKULL", "hip"])
def test_another_body_part_is_refused_by_its_name(part):
    refusal = header_refusal(replace(RADIOGRAPH, body_part=part))
    assert refusal is not None
    assert refusal.reason is Reason.OTHER_BODY_PART
    assert "expected a hand" in refusal.text


def test_a_region_code_refuses_only_where_no_body_part_speaks():
    chest = ("51185008 SCT",)
    assert reason(replace(RADIOGRAPH, anatomic_region_codes=chest)) is Reason.OTHER_BODY_PART
    assert reason(replace(RADIOGRAPH, anatomic_region_codes=chest, body_part="HAND")) is None
    assert reason(replace(RADIOGRAPH, anatomic_region_codes=(*chest, "85562004 SCT"))) is None
    assert reason(replace(RADIOGRAPH, anatomic_region_codes=("12345 SCT",))) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, Reason.NOT_A_RADIOGRAPH),
        ({"image_texts": ("Fuß links dp",)}, Reason.OTHER_BODY_PART),
        ({"image_texts": ("Fuß links dp",), "body_part": "HAND"}, None),
        ({"image_texts": ("Hände und Füße",)}, None),
        ({"image_texts": ("Main gauche oblique",)}, Reason.OTHER_VIEW),
        ({"view_position": "LLO"}, Reason.OTHER_VIEW),
        ({"sop_class_uid": SECONDARY_CAPTURE}, Reason.NOT_A_RADIOGRAPH),
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.2"}, Reason.NOT_A_RADIOGRAPH),
        ({"sop_class_uid": "1.2.3.4"}, Reason.NOT_A_RADIOGRAPH),
        ({"image_type": ("DERIVED", "SECONDARY")}, Reason.NOT_A_RADIOGRAPH),
        ({"image_type": ("DERIVED", "PRIMARY")}, None),
        ({"image_type": ()}, None),
        ({"has_pixels": False}, Reason.NO_PIXELS),
        ({"rows": 0}, Reason.NO_PIXELS),
        ({"manufacturer": "ra-node"}, Reason.AI_MADE),
    ],
)
def test_a_header_that_denies_a_radiograph_gives_its_reason(changes, expected):
    assert reason(replace(RADIOGRAPH, **changes)) is expected


@pytest.mark.parametrize("changes", [{"sop_class_uid": DX_RAW}, {"presentation_intent": "FOR PROCESSING"}])
def test_a_raw_image_is_read_until_a_presented_one_is_known(changes):
    """Which of both counts is chosen for the whole study; the header alone refuses neither."""
    header = replace(RADIOGRAPH, **changes)
    assert header_refusal(header) is None
    assert is_for_processing(header)
    assert not is_for_processing(RADIOGRAPH)


@pytest.mark.parametrize("changes", [{"has_pixels": False, "rows": 0}, {"body_part": "CHEST"}])
def test_a_refused_radiograph_is_still_answered(changes):
    """Every image that was acknowledged is answered with a result or with the reason."""
    assert calls_for_answer(replace(RADIOGRAPH, **changes))


@pytest.mark.parametrize("sop_class", NOT_IMAGES.values(), ids=list(NOT_IMAGES))
@pytest.mark.parametrize("has_pixels", [True, False])
def test_what_is_no_image_is_recorded_but_not_answered(sop_class, has_pixels):
    header = replace(RADIOGRAPH, sop_class_uid=sop_class, has_pixels=has_pixels)
    assert not calls_for_answer(header)
    assert reason(header) is Reason.NOT_A_RADIOGRAPH
    assert not is_image_class(sop_class)


def test_an_ordinary_screenshot_gets_its_reason():
    assert calls_for_answer(SCREENSHOT)
    assert reason(SCREENSHOT) is Reason.NOT_A_RADIOGRAPH


OWN = {"manufacturer": "ra-node"}
OWN_EQUIPMENT = {"contributing_manufacturers": ("Detector works", "RA-Node ")}
OTHER_AI = {"contributing_purposes": ("109102 DCM",), "processing_device_uids": ("2.25.9",)}
ANNOTATED = {"burned_in_annotation": "YES", "series_description": "AI fracture overlay"}


@pytest.mark.parametrize("changes", [OWN, OWN_EQUIPMENT, OTHER_AI])
@pytest.mark.parametrize("header", [RADIOGRAPH, SCREENSHOT], ids=["radiograph", "capture"])
def test_what_an_ai_made_is_neither_read_nor_answered(header, changes):
    """Or the node would answer its own answers."""
    made = replace(header, **changes)
    assert is_ai_made(made)
    assert not calls_for_answer(made)
    assert reason(made) is Reason.AI_MADE


def test_a_capture_by_processing_equipment_or_in_the_name_of_an_ai_is_ai_made():
    assert is_ai_made(replace(SCREENSHOT, contributing_purposes=("109102 DCM",)))
    assert is_ai_made(replace(SCREENSHOT, **ANNOTATED))


def test_a_radiograph_that_a_workstation_processed_is_read():
    """Ordinary workstations name themselves as processing equipment too, without a Device UID."""
    header = replace(RADIOGRAPH, contributing_purposes=("109102 DCM", "109101 DCM"))
    assert not is_ai_made(header)
    assert header_refusal(header) is None


@pytest.mark.parametrize("description", ["Chair", "MAIN", "PA view", "Acad hospital"])
def test_letters_within_a_word_are_no_sign_of_an_ai(description):
    header = replace(SCREENSHOT, burned_in_annotation="YES", series_description=description)
    assert not is_ai_made(header)


@given(
    st.builds(
        ImageHeader,
        sop_instance_uid=st.text(max_size=5),
        sop_class_uid=st.sampled_from([CR, DX, DX_RAW, SECONDARY_CAPTURE, *NOT_IMAGES.values(), "", "9"]),
        series_instance_uid=st.text(max_size=5),
        study_instance_uid=st.text(max_size=5),
        transfer_syntax_uid=st.text(max_size=5),
        image_type=st.tuples(st.sampled_from(["", "DERIVED"]), st.sampled_from(["", "SECONDARY"])),
        body_part=st.sampled_from(["", "HAND", "CHEST", "\0", "手"]),
        has_pixels=st.booleans(),
        rows=st.integers(-1, 3),
        columns=st.integers(-1, 3),
    )
)
def test_what_is_read_calls_for_an_answer(header):
    """No header leads to an image that is analysed and then not answered."""
    if header_refusal(header) is None:
        assert calls_for_answer(header)
        assert header.has_pixels
