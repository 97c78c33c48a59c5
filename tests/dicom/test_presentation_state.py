"""The presentation state draws what the report says, over the image that it is about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ra_node.dicom.presentation_state import build_presentations
from ra_node.domain.geometry import Box, Point
from ra_node.domain.texts.translations import load_language
from tests.dicom.builders import COLUMNS, PRODUCER, ROWS, hand, image, image_uid, region, report, source
from tests.dicom.cases import CASES


def states(name):
    case = CASES[name]()
    return case, build_presentations(case.report, case.sources, PRODUCER)


def graphics(state):
    """The lines of a state, as points (n, 2) in pixels."""
    return [
        np.array(drawn.GraphicData, dtype=float).reshape(-1, 2)
        for item in state.GraphicAnnotationSequence
        for drawn in item.get("GraphicObjectSequence", [])
    ]


def words(state):
    return [
        text.UnformattedTextValue
        for item in state.GraphicAnnotationSequence
        for text in item.TextObjectSequence
    ]


def test_each_hand_is_outlined_where_the_report_has_it():
    case, (state,) = states("two_hands")
    lines = graphics(state)
    assert len(lines) == 2
    for hand_, line in zip(case.report.hands, lines, strict=True):
        assert (line[0] == line[-1]).all()
        assert line[:-1].tolist() == [[point.x, point.y] for point in hand_.region.outline]


@pytest.mark.parametrize("name", CASES)
def test_everything_lies_inside_the_image(name):
    for state in states(name)[1]:
        for line in graphics(state):
            assert ((line >= 0) & (line <= (COLUMNS, ROWS))).all()
        for item in state.GraphicAnnotationSequence:
            for text in item.TextObjectSequence:
                left, top = text.BoundingBoxTopLeftHandCorner
                right, bottom = text.BoundingBoxBottomRightHandCorner
                assert 0 <= left < right <= COLUMNS
                assert 0 <= top < bottom <= ROWS


def test_an_outline_that_leaves_the_image_is_drawn_to_its_edge():
    wild = replace(
        region(), outline=(Point(-20, 10), Point(900, 10), Point(100, 900)), box=Box(0, 0, 400, 300)
    )
    made = report(image(hand(where=wild)))
    (state,) = build_presentations(made, {image_uid(1): source()}, PRODUCER)
    (line,) = graphics(state)
    assert line.min() >= 0
    assert line[:, 0].max() <= COLUMNS
    assert line[:, 1].max() <= ROWS


def test_the_words_are_those_of_the_report_with_the_caveat():
    _, (state,) = states("two_hands")
    right, left, banner = words(state)
    assert right.startswith("Right hand: RA suspected, probability of RA 87 %")
    assert left.startswith("Left hand: RA not seen, probability of RA 8 %")
    assert "not a medical device" in banner


def test_a_refused_hand_and_an_image_without_hands_say_why():
    assert any("fingertips lie outside" in text for text in words(states("one_refused")[1][0]))
    _, (empty,) = states("no_hands")
    assert graphics(empty) == []
    assert any("No hand was found" in text for text in words(empty))


def test_the_words_speak_the_language_of_the_site():
    case = CASES["two_hands"]()
    (state,) = build_presentations(case.report, case.sources, PRODUCER, load_language("zh"))
    assert words(state)[0].startswith("右手")
    assert state.SpecificCharacterSet == "ISO_IR 192"


def test_each_image_has_its_own_and_an_object_without_picture_has_none():
    _, two = states("two_images")
    assert len({state.SOPInstanceUID for state in two}) == 2
    assert [state.Laterality for state in two] == ["R", "L"]
    assert states("not_an_image")[1] == []


def test_an_inverted_image_is_shown_as_its_header_wants_it():
    """A presentation state does not look at MONOCHROME1, so it must turn the greys round itself."""
    made = report(image(hand()))
    plain, turned = (
        build_presentations(made, {image_uid(1): source(PhotometricInterpretation=kind)}, PRODUCER)[0]
        for kind in ("MONOCHROME2", "MONOCHROME1")
    )
    assert (plain.PresentationLUTShape, turned.PresentationLUTShape) == ("IDENTITY", "INVERSE")
    assert plain.SoftcopyVOILUTSequence[0].WindowCenter == 2048
    assert plain.RescaleSlope == 1


def test_a_colour_image_has_none():
    made = report(image(hand()))
    assert build_presentations(made, {image_uid(1): source(PhotometricInterpretation="RGB")}, PRODUCER) == []


def test_pixels_keep_their_shape():
    made = report(image(hand()))
    (spaced,) = build_presentations(made, {image_uid(1): source()}, PRODUCER)
    assert spaced.DisplayedAreaSelectionSequence[0].PresentationPixelSpacing == [0.15, 0.15]
    bare = source(ImagerPixelSpacing=None, PixelAspectRatio=[2, 1])
    (stretched,) = build_presentations(made, {image_uid(1): bare}, PRODUCER)
    assert stretched.DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio == [2, 1]


def test_the_same_report_makes_the_same_object():
    assert states("two_hands")[1] == states("two_hands")[1]
