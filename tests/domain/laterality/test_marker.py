"""A lead marker names a side only where its letter and the thumb agree; contradictions say both."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box
from ra_node.domain.laterality.evidence import MarkerSide, Pairing, Side, SideHeader, sides_of
from ra_node.domain.laterality.marker import MarkerLetter, marker_side
from tests.domain.laterality.test_chirality import PA, seen

LEFT_HAND, RIGHT_HAND = seen(PA), seen(PA, mirrored=True)
"""In a PA view with fingers up the thumb of a left hand lies to the right."""
BESIDE = Box(20, 20, 60, 70)


def letter(name: str, *, box: Box = BESIDE, mirrored: bool = False) -> MarkerLetter:
    return MarkerLetter(name, box, 0.99, mirrored=mirrored)


def at_left_and_right(left, right):
    return [
        replace(left, box=Box(100, 200, 900, 1800)),
        replace(right, box=Box(1100, 220, 1900, 1820)),
    ]


@given(st.floats(0, 360), st.booleans())
def test_a_letter_that_the_thumb_confirms_gives_the_side_however_the_plate_is_turned(turn, flipped):
    """A flipped picture mirrors letter and thumb alike, and the letter still names the patient's side."""
    for name, is_right in (("L", False), ("R", True)):
        hand = seen(PA, mirrored=is_right != flipped, turned_deg=turn)
        found = marker_side([letter(name, mirrored=flipped)], [hand], Pairing.TWO_HANDS)
        assert found == MarkerSide(Side(name), name)


@pytest.mark.parametrize(
    ("hand", "mirrored", "expected"),
    [
        (RIGHT_HAND, False, MarkerSide(Side.LEFT, "L", decides=False)),
        (LEFT_HAND, True, None),
        (seen(PA, score=0.5), False, MarkerSide(Side.LEFT, "L", decides=False)),
        (seen(PA, score=0.5), True, None),
    ],
)
def test_a_letter_that_the_thumb_does_not_confirm_never_decides(hand, mirrored, expected):
    """Palm up, an initial or a misread; a mirrored one, which may be a J, is no evidence at all."""
    assert marker_side([letter("L", mirrored=mirrored)], [hand], Pairing.TWO_HANDS) == expected


def test_initials_are_smaller_than_the_side_letter_and_do_not_count():
    initials = letter("R", box=Box(20, 80, 40, 105))
    assert marker_side([letter("L"), initials], [LEFT_HAND], Pairing.TWO_HANDS) == MarkerSide(Side.LEFT, "L")


def test_two_letters_of_one_size_that_disagree_are_no_evidence():
    other = letter("R", box=Box(20, 80, 60, 130))
    assert marker_side([letter("L"), other], [LEFT_HAND], Pairing.TWO_HANDS) is None


@pytest.mark.parametrize(
    ("used", "name", "side"),
    [
        ("DE", "D", "R"),
        ("DE", "E", "L"),
        ("DI", "D", "R"),
        ("DG", "G", "L"),
        ("RL", "D", None),
        ("DI", "E", None),
    ],
)
def test_other_letters_count_only_where_the_site_uses_them(used, name, side):
    hand = LEFT_HAND if side == "L" else RIGHT_HAND
    found = marker_side([letter(name)], [hand], Pairing.TWO_HANDS, [used])
    assert (found and found.side) == side


@pytest.mark.parametrize(
    ("box", "place"),
    [(Box(20, 900, 60, 950), "image left"), (Box(1940, 900, 1980, 950), "image right")],
)
def test_a_letter_beside_one_of_two_hands_gives_the_sides_of_both(box, place):
    hands = at_left_and_right(RIGHT_HAND, LEFT_HAND)
    name = "R" if place == "image left" else "L"
    found = marker_side([letter(name, box=box)], hands, Pairing.TWO_HANDS)
    assert found == MarkerSide(Side.RIGHT, name, place)


@pytest.mark.parametrize("box", [Box(980, 900, 1020, 950), Box(980, 10, 1020, 60), Box(700, 10, 1300, 60)])
def test_a_letter_between_two_hands_belongs_to_neither(box):
    hands = at_left_and_right(RIGHT_HAND, LEFT_HAND)
    assert marker_side([letter("R", box=box)], hands, Pairing.TWO_HANDS) is None


@pytest.mark.parametrize(("second", "decides"), [("L", True), (None, False)])
def test_hands_with_their_thumbs_outwards_need_both_letters(second, decides):
    """Palm up, or mirrored before a letter was burnt in: no thumb confirms its letter, but R and L agree."""
    hands = at_left_and_right(LEFT_HAND, RIGHT_HAND)
    letters = [letter("R", box=Box(20, 900, 60, 950))]
    letters += [letter(second, box=Box(1940, 900, 1980, 950))] if second else []
    found = marker_side(letters, hands, Pairing.TWO_HANDS)
    assert found == MarkerSide(Side.RIGHT, "R", "image left", decides=decides)


@pytest.mark.parametrize("of_both", [True, False])
def test_a_mirrored_letter_of_two_hands_says_nothing_of_the_other_hand(of_both):
    """Two exposures on one image: one was turned over before, the other not, and its letter was not read."""
    hands = at_left_and_right(LEFT_HAND, RIGHT_HAND)
    letters = [letter("L", box=Box(1940, 900, 1980, 950), mirrored=True)]
    letters += [letter("R", box=Box(20, 900, 60, 950), mirrored=True)] if of_both else []
    found = marker_side(letters, hands, Pairing.TWO_HANDS)
    assert (found.side if found else None) == (Side.RIGHT if of_both else None)


def test_markers_of_two_hands_that_name_one_side_are_no_evidence():
    hands = at_left_and_right(RIGHT_HAND, LEFT_HAND)
    both = [letter("R", box=Box(20, 900, 60, 950)), letter("R", box=Box(1940, 900, 1980, 950))]
    assert marker_side(both, hands, Pairing.TWO_HANDS) is None


def test_one_hand_twice_takes_the_letter_that_lies_anywhere():
    hands = at_left_and_right(LEFT_HAND, LEFT_HAND)
    found = marker_side([letter("L", box=Box(980, 10, 1020, 60))], hands, Pairing.SAME_HAND)
    assert found is not None
    assert found.side is Side.LEFT
    sides = sides_of([hand.box for hand in hands], SideHeader(), pairing=Pairing.SAME_HAND, marker=found)
    assert [one.side for one in sides] == [Side.LEFT, Side.LEFT]


ONE = [Box(100, 200, 900, 1800)]
TWO = [*ONE, Box(1100, 220, 1900, 1820)]
LEFT = MarkerSide(Side.LEFT, "L")
UNCONFIRMED = MarkerSide(Side.LEFT, "L", decides=False)


@pytest.mark.parametrize(
    ("header", "marker", "side", "evidence"),
    [
        (SideHeader("L"), LEFT, "L", "ImageLaterality is L; lead marker (L)"),
        (SideHeader("L"), UNCONFIRMED, "L", "ImageLaterality is L; lead marker (L)"),
        (SideHeader("R"), LEFT, None, "right by ImageLaterality (R); left by lead marker (L): they disagree"),
        (
            SideHeader("", "R"),
            UNCONFIRMED,
            None,
            "right by Laterality (R); left by lead marker (L): they disagree",
        ),
        (SideHeader(), LEFT, "L", "left by lead marker (L)"),
        (
            SideHeader(),
            UNCONFIRMED,
            None,
            "lead marker (L) does not fit the direction of the thumb in a PA view",
        ),
        (SideHeader("?"), LEFT, None, "ImageLaterality: expected R or L, found no defined term"),
    ],
)
def test_a_marker_of_a_single_hand_is_compared_with_the_header(header, marker, side, evidence):
    """Agreement says so, disagreement names both and leaves the side open."""
    (found,) = sides_of(ONE, header, marker=marker)
    assert (found.side, found.evidence) == (side, evidence)
    assert found.conflict == ("disagree" in evidence)
    assert found.marker == ("L" if side else "")
    assert found.side is None or found.by_header == bool(header.image_laterality)


@pytest.mark.parametrize(
    ("orientation", "convention", "side", "by_header"),
    [
        (("L", "F"), "none", "R", True),
        (("R", "F"), "none", None, True),
        ((), "none", "R", False),
        ((), "right-hand-on-image-left", "R", False),
        ((), "right-hand-on-image-right", None, True),
        (("L", "R"), "none", None, True),
    ],
)
def test_a_marker_beside_one_of_two_hands_is_compared_with_orientation_and_convention(
    orientation, convention, side, by_header
):
    marker = MarkerSide(Side.RIGHT, "L", "image right")
    found = sides_of(TWO, SideHeader("", "", orientation), convention, marker=marker)
    assert found[0].side == side
    assert found[0].by_header == by_header
    if side is None and orientation != ("L", "R"):
        assert found[0].conflict
        assert found[0].evidence.endswith("and lead marker (L) at image right: they disagree")
    if side is not None:
        assert found[1].side is Side.LEFT
        assert "lead marker (L) at image right" in found[0].evidence


@pytest.mark.parametrize("pairing", [Pairing.THUMBS_UNSURE, Pairing.VIEWS_DIFFER])
def test_where_two_hands_may_be_one_twice_a_marker_gives_no_side(pairing):
    found = sides_of(TWO, SideHeader(), pairing=pairing, marker=MarkerSide(Side.RIGHT, "R", "image left"))
    assert {one.side for one in found} == {None}
