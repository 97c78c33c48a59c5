"""The side follows from evidence; without it, or when it disagrees, there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box
from ra_node.domain.laterality.evidence import (
    EvidenceReach,
    Pairing,
    Side,
    SideHeader,
    SideStatement,
    defined_orientation,
    places_of,
    sides_of,
)

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


PAIR = [LEFT_BOX, RIGHT_BOX]
RIGHT_CODE = SideStatement("AnatomicRegionModifierSequence", "R")
RIGHT_SERIES = SideStatement("SeriesDescription", "R")
RIGHT_STUDY = SideStatement("StudyDescription", "R", EvidenceReach.STUDY)


@pytest.mark.parametrize(
    "values", [("L", "R"), ("L", "L"), ("R", "L"), ("LP", "RF"), ("H", "F"), ("A", "PL")]
)
def test_an_impossible_patient_orientation_gives_no_side_and_says_so(values):
    """Rows and columns along one axis (PS3.3 C.7.6.1.1.1)."""
    for found in sides_of(PAIR, SideHeader("B", "", values)):
        assert found.side is None
        assert found.conflict
        assert "\\".join(values) in found.evidence
        assert "impossible" in found.evidence


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("X", "Y"), "PatientOrientation is X\\Y: not defined terms"),
        (("LR", "F"), "found no defined terms"),
        (("LPFA", "F"), "found no defined terms"),
        (("RICHARD", "DOE"), "found no defined terms"),
        (("L",), "expected 2 values, found 1"),
        (("", "F"), "expected 2 values, found 1"),
        (("L", ""), "expected 2 values, found 1"),
        (("L", "F", "A"), "expected 2 values, found 3"),
        (("A", "F"), "PatientOrientation is A\\F: neither right nor left"),
        ((), "no patient orientation in the header"),
    ],
)
def test_a_patient_orientation_that_says_nothing_is_named(values, words):
    """A reason that names what was found; a value that may be anything is never repeated."""
    for found in sides_of(PAIR, SideHeader("B", "", defined_orientation(values))):
        assert found.side is None
        assert words in found.evidence
        assert "RICHARD" not in found.evidence
        assert "no patient orientation" not in found.evidence or not values


@pytest.mark.parametrize("values", [("L", "F"), ("LP", "F"), ("LA", "FP"), ("LPF", "FA")])
def test_oblique_directions_are_possible(values):
    assert [f.side for f in sides_of(PAIR, SideHeader("B", "", values))] == [Side.RIGHT, Side.LEFT]


def test_the_convention_serves_beside_an_impossible_orientation_which_is_still_named():
    found = sides_of(PAIR, SideHeader("B", "", ("L", "R")), "right-hand-on-image-left")
    assert [f.side for f in found] == [Side.RIGHT, Side.LEFT]
    assert "impossible" in found[0].evidence
    assert not found[0].by_header


@pytest.mark.parametrize("statement", [RIGHT_CODE, RIGHT_SERIES, RIGHT_STUDY])
@pytest.mark.parametrize("header", [SideHeader("L"), SideHeader("", "L")])
def test_any_statement_against_the_attribute_is_a_conflict(statement, header):
    """Codes, texts of the series and of the study; every source is named."""
    (found,) = sides_of([LEFT_BOX], SideHeader(header.image_laterality, header.laterality, (), (statement,)))
    assert found.side is None
    assert found.conflict
    assert statement.source in found.evidence
    assert "Laterality (L)" in found.evidence


@pytest.mark.parametrize(("values", "said"), [(("R\\L", ""), "R"), (("B", "L"), "B"), (("R", "B"), "B")])
def test_two_values_that_exclude_each_other_are_a_conflict(values, said):
    (found,) = sides_of([LEFT_BOX], SideHeader(*values))
    assert found.side is None
    assert found.conflict
    assert f"({said})" in found.evidence


@pytest.mark.parametrize("statement", [RIGHT_CODE, RIGHT_SERIES])
def test_codes_and_texts_of_the_image_give_the_side_where_attributes_are_silent(statement):
    (found,) = sides_of([LEFT_BOX], SideHeader(statements=(statement, RIGHT_STUDY)))
    assert found.side is Side.RIGHT
    assert found.evidence == f"right by {statement.source}"


def test_a_text_of_the_study_alone_gives_no_side():
    """It may have been written for another image, such as the hand taken for comparison."""
    (found,) = sides_of([LEFT_BOX], SideHeader(statements=(RIGHT_STUDY,)))
    assert found.side is None
    assert "StudyDescription alone names the right hand" in found.evidence


def test_an_undefined_laterality_gives_no_side_and_is_not_repeated():
    (found,) = sides_of([LEFT_BOX], SideHeader("?", "", (), (RIGHT_SERIES,)))
    assert found.side is None
    assert found.evidence == "ImageLaterality: expected R or L, found no defined term"


def test_two_hands_under_a_code_or_series_of_one_side_are_a_conflict():
    for statement in (RIGHT_CODE, RIGHT_SERIES):
        for found in sides_of(PAIR, SideHeader("", "", ("L", "F"), (statement,))):
            assert found.side is None
            assert found.conflict
            assert statement.source in found.evidence


def test_an_order_for_one_hand_does_not_deny_the_other_on_the_plate():
    found = sides_of(PAIR, SideHeader("B", "", ("L", "F"), (RIGHT_STUDY,)))
    assert [f.side for f in found] == [Side.RIGHT, Side.LEFT]


@pytest.mark.parametrize("convention", ["none", "right-hand-on-image-left"])
def test_one_hand_twice_never_becomes_right_and_left(convention):
    """Patient Orientation and the convention speak of two hands."""
    header = SideHeader("", "", ("L", "F"))
    found = sides_of(PAIR, header, convention, Pairing.SAME_HAND)
    assert [f.side for f in found] == [None, None]
    assert "one hand twice" in found[0].evidence


@pytest.mark.parametrize(
    "header",
    [SideHeader("L"), SideHeader("", "L"), SideHeader(statements=(SideStatement("ProtocolName", "L"),))],
)
def test_one_hand_twice_takes_the_side_of_one_hand(header):
    found = sides_of(PAIR, header, "none", Pairing.SAME_HAND)
    assert [f.side for f in found] == [Side.LEFT, Side.LEFT]
    assert not found[0].conflict


@pytest.mark.parametrize("pairing", [Pairing.THUMBS_UNSURE, Pairing.VIEWS_DIFFER])
def test_where_the_thumbs_do_not_tell_both_sides_stay_open_with_the_reason(pairing):
    for found in sides_of(PAIR, SideHeader("B", "", ("L", "F")), "right-hand-on-image-left", pairing):
        assert found.side is None
        assert "one hand twice" in found.evidence


@given(
    st.sampled_from(["", "R", "L", "B", "U", "?", "R\\L"]),
    st.lists(st.sampled_from(["", "R", "L", "A", "P", "H", "F", "X", "LP", "LR", "?"]), max_size=3),
    st.lists(
        st.builds(
            SideStatement,
            st.just("SeriesDescription"),
            st.sampled_from("RLB"),
            st.sampled_from(EvidenceReach),
        ),
        max_size=2,
    ),
    st.sampled_from([Pairing.SAME_HAND, Pairing.THUMBS_UNSURE, Pairing.VIEWS_DIFFER]),
    st.sampled_from(["none", "right-hand-on-image-left"]),
)
def test_no_header_makes_right_and_left_of_what_may_be_one_hand(
    laterality, values, statements, pairing, convention
):
    header = SideHeader(laterality, "", defined_orientation(values), tuple(statements))
    assert {f.side for f in sides_of(PAIR, header, convention, pairing)} != {Side.RIGHT, Side.LEFT}
