"""The side follows from evidence; without it, or when it disagrees, there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box
from ra_node.domain.laterality import Side, SideHeader, places_of, sides_of

LEFT_BOX = Box(100, 200, 900, 1800)
RIGHT_BOX = Box(1100, 220, 1900, 1820)
TOP_BOX = Box(200, 100, 1800, 900)
BOTTOM_BOX = Box(210, 1100, 1810, 1900)


@pytest.mark.parametrize("value", ["R", "L"])
def test_a_single_hand_takes_the_laterality_of_its_header(value):
    (finding,) = sides_of([LEFT_BOX], SideHeader(image_laterality=value))
    assert finding.side == Side(value)
    assert f"ImageLaterality is {value}" in finding.evidence


def test_a_single_hand_without_laterality_has_no_side():
    (finding,) = sides_of([LEFT_BOX], SideHeader(patient_orientation=("L", "F")))
    assert finding.side is None
    assert not finding.conflict


def test_image_and_series_laterality_that_disagree_give_no_side_and_say_so():
    (finding,) = sides_of([LEFT_BOX], SideHeader(image_laterality="R", laterality="L"))
    assert finding.side is None
    assert finding.conflict
    assert "disagree" in finding.evidence


def test_one_hand_of_an_image_that_claims_both_has_no_side():
    (finding,) = sides_of([LEFT_BOX], SideHeader(image_laterality="B"))
    assert finding.side is None


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(("L", "F"), ("R", "L")), (("R", "F"), ("L", "R")), (("LH", "F"), ("R", "L"))],
)
def test_two_hands_side_by_side_follow_the_first_value_of_patient_orientation(orientation, expected):
    """It names the patient side that lies to the right of the image (PS3.3 C.7.6.1.1.1)."""
    found = sides_of([LEFT_BOX, RIGHT_BOX], SideHeader("B", "", orientation))
    assert tuple(f.side for f in found) == expected


def test_two_hands_one_above_the_other_follow_the_second_value():
    found = sides_of([TOP_BOX, BOTTOM_BOX], SideHeader("B", "", ("F", "R")))
    assert [f.side for f in found] == [Side.LEFT, Side.RIGHT]


def test_orientation_along_the_other_axis_says_nothing_about_sides():
    found = sides_of([TOP_BOX, BOTTOM_BOX], SideHeader("B", "", ("L", "F")))
    assert [f.side for f in found] == [None, None]


def test_two_hands_under_a_single_laterality_are_a_conflict():
    found = sides_of([LEFT_BOX, RIGHT_BOX], SideHeader("R", "", ("L", "F")))
    assert all(f.side is None and f.conflict for f in found)


def test_the_sites_convention_serves_where_the_header_is_silent():
    found = sides_of([LEFT_BOX, RIGHT_BOX], SideHeader(), "right-hand-on-image-left")
    assert [f.side for f in found] == [Side.RIGHT, Side.LEFT]
    assert "convention" in found[0].evidence


def test_convention_and_header_that_disagree_are_reported_not_resolved():
    found = sides_of([LEFT_BOX, RIGHT_BOX], SideHeader("B", "", ("L", "F")), "right-hand-on-image-right")
    assert all(f.side is None and f.conflict for f in found)


@given(st.tuples(st.sampled_from(["", "R", "L", "A", "F", "H", "P"]), st.sampled_from(["", "R", "L", "F"])))
def test_two_hands_never_get_the_same_side_and_order_does_not_matter(orientation):
    header = SideHeader("B", "", orientation)
    forth = sides_of([LEFT_BOX, RIGHT_BOX], header)
    back = sides_of([RIGHT_BOX, LEFT_BOX], header)
    assert [f.side for f in forth] == [f.side for f in reversed(back)]
    assert (forth[0].side is None) == (forth[1].side is None)
    assert forth[0].side is None or forth[0].side != forth[1].side


def test_places_are_named_by_the_image():
    assert places_of([RIGHT_BOX, LEFT_BOX]) == ("image right", "image left")
    assert places_of([TOP_BOX, BOTTOM_BOX]) == ("image top", "image bottom")
    assert places_of([TOP_BOX]) == ("",)
