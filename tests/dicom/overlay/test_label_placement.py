"""Where the tag of a refused hand is put."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.dicom.overlay.elements import GROUND, WHITE, ElementGroup, Rectangle
from ra_node.dicom.overlay.label_placement import NEAR_REACH, CanvasHand, Places, Tag, framed_words
from ra_node.domain.geometry import Box, Point
from tests.dicom.overlay_cases import ENGLISH

WORDS = [ENGLISH.line("NOT ANALYSED", 56, bold=True), ENGLISH.line("hand cut off", 46)]
BLOCK = framed_words(WORDS, WHITE, dashed=True)
PICTURE = Box(100, 50, 1700, 1250)


def at(box: Box) -> CanvasHand:
    return CanvasHand(box, box.corners())


def put(hands: list[Box], which: int = 0, display: np.ndarray | None = None) -> Box:
    """Where the tag of one of the hands is put."""
    places = Places.around([at(box) for box in hands], PICTURE, display)
    box = places.put(tag_of(hands, which))
    assert box is not None
    return box


def tag_of(hands: list[Box], which: int = 0) -> Tag:
    rivals = tuple(box.centre for n, box in enumerate(hands) if n != which)
    return Tag(BLOCK, hands[which].centre, hands[which], rivals)


def overlap(a: Box, b: Box) -> int:
    return max(min(a.x1, b.x1) - max(a.x0, b.x0), 0) * max(min(a.y1, b.y1) - max(a.y0, b.y0), 0)


def test_the_words_of_a_tag_stand_on_a_dark_ground_in_its_frame():
    """Legible on bone; dashed where the hand is not judged."""
    frame = BLOCK.parts[0]
    assert isinstance(frame, Rectangle)
    assert (frame.fill, frame.line, frame.dashed) == (GROUND, WHITE, True)
    assert [words.text for words in BLOCK.words] == ["NOT ANALYSED", "hand cut off"]


@settings(max_examples=40, deadline=None)
@given(st.integers(100, 1100), st.integers(50, 650))
def test_the_tag_hides_no_hand_where_there_is_room(x, y):
    """A hand that leaves room for the tag anywhere is not covered."""
    hand = Box(x, y, x + 500, y + 500)
    tag = put([hand])
    assert overlap(tag, hand) == 0
    assert overlap(tag, PICTURE) == tag.area_px


def test_the_tag_stands_at_its_own_hand():
    """It is nearer to the refused hand than to the judged one."""
    judged, refused = Box(150, 100, 750, 1200), Box(1000, 100, 1500, 900)
    tag = put([judged, refused], 1)
    assert overlap(tag, refused) == 0
    near, far = (abs(tag.centre.x - box.centre.x) for box in (refused, judged))
    assert near < far


def test_a_tag_never_stands_at_another_hand():
    """Without room of its own, the tag covers its refused hand before it could be read as another's."""
    judged, refused = Box(150, 100, 500, 1200), Box(900, 50, 1700, 1250)
    tag = put([judged, refused], 1)
    far_judged, far_refused = (
        math.dist((tag.centre.x, tag.centre.y), (box.centre.x, box.centre.y)) for box in (judged, refused)
    )
    assert far_refused <= far_judged
    assert overlap(tag, judged) == 0


def test_the_tag_hides_no_lead_marker():
    """Where the tag would stand without one, a bright marker moves it away."""
    hand = Box(600, 300, 1200, 1200)
    first = put([hand])
    display = np.zeros((PICTURE.height_px // 2, PICTURE.width_px // 2), np.uint8)
    marker = Box(first.x0 - 30, first.y0 - 30, first.x1 + 30, first.y1 + 30).clipped(1250, 1700)
    rows = slice(max(marker.y0 - 50, 0) // 2, (marker.y1 - 50) // 2)
    display[rows, max(marker.x0 - 100, 0) // 2 : (marker.x1 - 100) // 2] = 255
    second = put([hand], 0, display)
    assert overlap(first, marker) == first.area_px
    assert overlap(second, marker) == 0


def test_two_tags_stand_apart():
    """Two hands refused at one place have two tags that can both be read."""
    hand = Box(600, 300, 1200, 1200)
    places = Places.around([at(hand)], PICTURE, None)
    first, second = (places.put(tag_of([hand])) for _ in range(2))
    assert first is not None
    assert second is not None
    assert overlap(first, second) == 0


def test_a_tag_stands_with_its_own_hand():
    """Between two hands it would be read as either's: it prefers the free places over its own one."""
    left = CanvasHand(
        Box(150, 100, 800, 1200), (Point(150, 500), Point(800, 500), Point(800, 1200), Point(150, 1200))
    )
    right = at(Box(1000, 100, 1650, 1200))
    places = Places.around([left, right], PICTURE, None)
    box = places.put(Tag(BLOCK, left.box.centre, left.box, (right.box.centre,)))
    assert box is not None
    assert left.box.x0 <= box.centre.x <= left.box.x1
    assert box.y1 <= 520


def test_a_label_stays_closer_than_a_tag():
    """A joint's name belongs to a point, and the line to it shall be short."""
    hand = Box(300, 100, 1500, 1250)
    far = put([hand])
    near = Places.around([at(hand)], PICTURE, None).put(Tag(BLOCK, hand.centre, hand, reach=NEAR_REACH * 100))
    assert near is not None
    distances = [
        math.dist((box.centre.x, box.centre.y), (hand.centre.x, hand.centre.y)) for box in (near, far)
    ]
    assert distances[0] < distances[1]


def test_a_picture_too_small_for_a_tag_has_none():
    """The panel says the same; the radiograph is not covered whole."""
    tiny, hand = Box(0, 0, 200, 100), Box(10, 10, 90, 90)
    assert (
        Places.around([at(hand)], tiny, None).put(Tag(ElementGroup(190, 90), hand.centre, hand)) is not None
    )
    assert Places.around([at(hand)], tiny, None).put(tag_of([hand])) is None


def with_marker(hand: Box, size_px: int = 60) -> np.ndarray:
    """A dark plate with a thin bright letter wherever a tag would stand: a grid, the hand left out."""
    display = np.full((PICTURE.height_px, PICTURE.width_px), 20, np.uint8)
    for y in range(0, PICTURE.height_px, size_px):
        display[y : y + 4] = 255
    display[hand.y0 - PICTURE.y0 : hand.y1 - PICTURE.y0, hand.x0 - PICTURE.x0 : hand.x1 - PICTURE.x0] = 120
    return display


def test_a_tag_that_could_only_hide_a_marker_is_left_out():
    """Its panel names the hand; a lead marker is never covered."""
    hand = Box(800, 500, 900, 600)
    assert Places.around([at(hand)], PICTURE, with_marker(hand)).put(tag_of([hand])) is None


def test_a_marker_of_thin_strokes_is_seen():
    """Letters of three pixels in a large picture are not lost where it is looked at coarsely."""
    hand = Box(600, 300, 1200, 1200)
    first = put([hand])
    display = np.full((4 * PICTURE.height_px, 4 * PICTURE.width_px), 15, np.uint8)
    y, x = 4 * (round(first.centre.y) - PICTURE.y0), 4 * (round(first.centre.x) - PICTURE.x0)
    display[y : y + 80, x : x + 6] = 255
    second = put([hand], 0, display)
    letter = Box(
        round(first.centre.x), round(first.centre.y), round(first.centre.x) + 2, round(first.centre.y) + 20
    )
    assert overlap(second, letter) == 0


def test_an_even_ground_of_any_grey_is_no_marker():
    """Scatter brightens a whole plate; its tags stay."""
    hand = Box(600, 300, 1200, 1200)
    for grey in (0, 90, 200):
        display = np.full((PICTURE.height_px, PICTURE.width_px), grey, np.uint8)
        assert Places.around([at(hand)], PICTURE, display).put(tag_of([hand])) is not None
