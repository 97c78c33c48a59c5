"""One hand twice on a plate is one hand with one result; two hands keep their sides."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ra_node.domain.refusal import Reason
from ra_node.domain.report import ImageFinding
from ra_node.services.analysis.study_analysis import Rules, look_at
from tests.dicom.builders import source
from tests.finders import demo_rules
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def rules() -> Rules:
    return demo_rules()


@pytest.fixture(scope="module")
def hand() -> Grey:
    """A drawn right hand."""
    film = draw_hands(PhantomRecipe((HandRecipe(),), rows=900, columns=700, seed=5)).pixels
    return cv2.convertScaleAbs(film, alpha=255 / float(film.max()))


def plate(*hands: Grey, upright: bool = True) -> Grey:
    """Hands of equal height side by side, or one above the other."""
    rows = max(each.shape[0] for each in hands)
    padded = [np.pad(each, ((0, rows - each.shape[0]), (0, 30))) for each in hands]
    joined = np.hstack(padded)
    return np.ascontiguousarray(joined if upright else np.rot90(joined))


def found(
    picture: Grey, rules: Rules, orientation: tuple[str, str] = ("L", "F"), **said: str
) -> ImageFinding:
    made: Dataset = source(PatientOrientation=list(orientation), **said)
    made.Rows, made.Columns = picture.shape
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.WindowCenter, made.WindowWidth = 128, 256
    made.PixelData = picture.tobytes() + b"\0" * (picture.size % 2)
    made["PixelData"].VR = "OB"
    return look_at(made, rules).finding


def reasons(finding: ImageFinding) -> list[Reason | None]:
    return [each.refusal.reason if each.refusal else None for each in finding.hands]


def sides(finding: ImageFinding) -> list[str | None]:
    return [None if each.side.side is None else each.side.side.value for each in finding.hands]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_same_hand_twice_gets_no_two_sides(hand, rules, turns):
    """However its second view is turned; without evidence for one hand both stay open."""
    finding = found(plate(hand, np.rot90(hand, turns)), rules)
    assert sides(finding) == [None, None]
    assert "one hand twice" in finding.hands[0].side.evidence
    assert reasons(finding).count(Reason.SECOND_VIEW) == 1


def test_the_same_hand_twice_takes_the_side_of_one_hand(hand, rules):
    finding = found(plate(hand, hand), rules, ImageLaterality="R")
    assert sides(finding) == ["R", "R"]
    assert not finding.hands[0].side.conflict


def test_two_hands_keep_their_sides(hand, rules):
    """Thumbs together, hands crossed, and the whole plate upside down."""
    other = cv2.flip(hand, 1)
    assert sides(found(plate(hand, other), rules)) == ["R", "L"]
    assert sides(found(plate(other, hand), rules)) == ["R", "L"]
    assert sides(found(plate(hand, np.rot90(other, 2)), rules)) == ["R", "L"]
    assert sides(found(np.ascontiguousarray(np.rot90(plate(hand, other), 2)), rules, ("R", "H"))) == [
        "L",
        "R",
    ]


def test_two_hands_exposed_twice_each_on_one_plate_have_two_results(hand, rules):
    """Exposures whose thumbs point the same way are of one hand, whichever way they are turned."""
    other = cv2.flip(hand, 1)
    four = np.vstack([plate(hand, other), plate(np.rot90(hand, 2), np.rot90(other, 2))])
    finding = found(np.ascontiguousarray(four), rules)
    assert finding.refusal is None
    assert len(finding.hands) == 4
    assert reasons(finding).count(Reason.SECOND_VIEW) == 2
    rated = [each for each in finding.hands if each.refusal is None]
    assert sorted(each.side.side.value for each in rated if each.side.side) == ["L", "R"]


def test_exposures_in_different_orders_give_no_side(hand, rules):
    """Right and left change places between the rows: the orientation holds for one of them at most."""
    other = cv2.flip(hand, 1)
    finding = found(np.vstack([plate(hand, other), plate(other, hand)]), rules)
    assert sides(finding) == [None] * 4
    assert "different orders" in finding.hands[0].side.evidence


def test_three_exposures_of_one_hand_have_one_result(hand, rules):
    finding = found(plate(hand, hand, np.rot90(hand, 2)), rules, ImageLaterality="R")
    assert sorted(map(str, reasons(finding))) == ["None", "second_view", "second_view"]
    assert sides(finding) == ["R", "R", "R"]


def test_one_above_the_other(hand, rules):
    assert sides(found(plate(hand, cv2.flip(hand, 1), upright=False), rules, ("F", "L"))) == ["R", "L"]
    assert sides(found(plate(hand, hand, upright=False), rules, ("F", "L"))) == [None, None]


def real(radiographs: Path, name: str) -> Grey:
    picture = cv2.imread(str(radiographs / name), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        pytest.skip(f"no {name} among the radiographs")
    return cv2.resize(picture, (round(900 * picture.shape[1] / picture.shape[0]), 900))


PAIRS = [("c0-82", "c0-84"), ("c2-5", "c2-10"), ("c2-80", "c2-79")]
"""PA and oblique of one hand each; two of these oblique views are mirrored."""


@pytest.mark.parametrize("pair", PAIRS)
def test_two_views_of_a_real_hand_get_no_two_sides(radiographs, rules, pair):
    first = real(radiographs, f"adults/adult_single/{pair[0]}.png")
    second = real(radiographs, f"adults/views_nonpa/{pair[1]}.png")
    for other in (second, cv2.flip(second, 1)):
        finding = found(plate(first, other), rules)
        assert sides(finding) == [None, None]
        assert "one hand twice" in finding.hands[0].side.evidence


@pytest.mark.parametrize("pair", PAIRS)
def test_the_pa_view_of_a_real_hand_counts(radiographs, rules, pair):
    """The oblique one is named as the second view, in whichever order they lie, mirrored or not."""
    first = real(radiographs, f"adults/adult_single/{pair[0]}.png")
    second = real(radiographs, f"adults/views_nonpa/{pair[1]}.png")
    for other in (second, cv2.flip(second, 1)):
        for at, picture in enumerate((plate(other, first), plate(first, other))):
            assert reasons(found(picture, rules, ImageLaterality="L")) == [
                Reason.SECOND_VIEW if n == at else None for n in range(2)
            ]


def test_real_two_hand_plates_keep_their_sides(radiographs, rules):
    files = sorted((radiographs / "rsna").glob("*.png"))[:12]
    for left, right in zip(files[::2], files[1::2], strict=True):
        first, second = (real(radiographs, f"rsna/{path.name}") for path in (left, right))
        assert sides(found(plate(first, cv2.flip(second, 1)), rules)) == ["R", "L"]
