"""A lead marker on the plate is evidence of the side, beside the header and against it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ra_node.domain.report import ImageFinding
from ra_node.imaging.hand_extraction import LeadMarkers
from ra_node.inference.bundles.bundle import read_bundle
from ra_node.inference.marker_reader.reader import load_marker_reader
from ra_node.services.analysis.study_analysis import Rules, look_at
from tests.dicom.builders import source
from tests.finders import DEMO, demo_finder
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def rules() -> Rules:
    reader = load_marker_reader(read_bundle(DEMO))
    assert reader is not None
    return Rules(demo_finder(), markers=LeadMarkers(reader))


@pytest.fixture(scope="module")
def right_hand() -> Grey:
    """A drawn right hand in a PA view, without its own marker."""
    film = draw_hands(PhantomRecipe((HandRecipe(),), rows=900, columns=700, markers=False, seed=5)).pixels
    return cv2.convertScaleAbs(film, alpha=255 / float(film.max()))


def marked(hand: Grey, letter: str, *, mirrored: bool = False) -> Grey:
    """A letter of lead on a strip beside the hand."""
    strip = np.full((hand.shape[0], 160), int(np.percentile(hand, 2)), np.uint8)
    cv2.putText(strip, letter, (50, 200), cv2.FONT_HERSHEY_SIMPLEX, 1.8, 250, 6, cv2.LINE_AA)
    return np.ascontiguousarray(np.hstack([strip[:, ::-1] if mirrored else strip, hand]))


def found(picture: Grey, rules: Rules, laterality: str = "") -> ImageFinding:
    made: Dataset = source(PatientOrientation=[], ImageLaterality=laterality)
    made.Rows, made.Columns = picture.shape
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.WindowCenter, made.WindowWidth = 128, 256
    made.PixelData = picture.tobytes() + b"\0" * (picture.size % 2)
    made["PixelData"].VR = "OB"
    return look_at(made, rules).finding


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_without_a_header_the_marker_gives_the_side(right_hand, rules, turns):
    picture = np.ascontiguousarray(np.rot90(marked(right_hand, "R"), turns))
    (hand,) = found(picture, rules).hands
    assert hand.side.side == "R"
    assert hand.side.evidence == "right by lead marker (R)"


def test_a_mirrored_plate_keeps_the_side_of_the_patient(right_hand, rules):
    """Mirrored letter and mirrored thumb agree; the shape alone would say left."""
    picture = np.ascontiguousarray(marked(right_hand, "R")[:, ::-1])
    (hand,) = found(picture, rules).hands
    assert hand.side.side == "R"


@pytest.mark.parametrize(
    ("letter", "laterality", "side"), [("R", "R", "R"), ("L", "L", "L"), ("L", "R", None), ("R", "L", None)]
)
def test_header_and_marker_that_disagree_leave_the_side_open_and_both_are_named(
    right_hand, rules, letter, laterality, side
):
    """The letter counts against a header even where the thumb does not confirm it."""
    finding = found(marked(right_hand, letter), rules, laterality)
    (hand,) = finding.hands
    assert hand.side.side == side
    assert f"lead marker ({letter})" in hand.side.evidence
    if side is None:
        assert f"ImageLaterality ({laterality})" in hand.side.evidence
        assert any("disagree" in remark for remark in finding.remarks)


@pytest.mark.parametrize("letter", ["L", "A", "J", "7"])
def test_a_letter_that_the_thumb_does_not_confirm_gives_no_side(right_hand, rules, letter):
    """A drawn right hand beside an L is palm up or wrongly marked: nobody knows."""
    (hand,) = found(marked(right_hand, letter), rules).hands
    assert hand.side.side is None


def test_a_site_may_read_no_markers(right_hand, rules):
    (hand,) = found(marked(right_hand, "R"), replace(rules, markers=None)).hands
    assert hand.side.side is None
    assert hand.side.evidence == "no laterality in the header"
