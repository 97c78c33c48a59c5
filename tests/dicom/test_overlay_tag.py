"""Where the tag of a refused hand is put."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.dicom.overlay_parts import Frame, Part, Words
from ra_node.dicom.overlay_tag import Hand, refusal_tags
from ra_node.domain.geometry import Box
from tests.dicom.builders import refused_hand

REFUSAL = refused_hand().refusal
PICTURE = Box(100, 50, 1700, 1250)


def at(box: Box) -> Hand:
    return Hand(box, box.corners())


def places(parts: tuple[Part, ...]) -> list[Box]:
    return [part.box for part in parts if isinstance(part, Frame)]


def overlap(a: Box, b: Box) -> int:
    return max(min(a.x1, b.x1) - max(a.x0, b.x0), 0) * max(min(a.y1, b.y1) - max(a.y0, b.y0), 0)


def test_the_tag_says_that_and_why():
    """The reason's own words, without its underscores."""
    parts = refusal_tags([at(Box(500, 300, 900, 1200))], [REFUSAL], PICTURE, None)
    assert [part.text for part in parts if isinstance(part, Words)] == ["NOT ANALYSED", "hand cut off"]


@settings(max_examples=40, deadline=None)
@given(st.integers(100, 1100), st.integers(50, 650))
def test_the_tag_hides_no_hand_where_there_is_room(x, y):
    """A hand that leaves room for the tag anywhere is not covered."""
    hand = Box(x, y, x + 500, y + 500)
    (tag,) = places(refusal_tags([at(hand)], [REFUSAL], PICTURE, None))
    assert overlap(tag, hand) == 0
    assert overlap(tag, PICTURE) == tag.area_px


def test_the_tag_stands_at_its_own_hand():
    """It is nearer to the refused hand than to the judged one."""
    judged, refused = Box(150, 100, 750, 1200), Box(1000, 100, 1500, 900)
    (tag,) = places(refusal_tags([at(judged), at(refused)], [None, REFUSAL], PICTURE, None))
    assert overlap(tag, refused) == 0
    near, far = (abs(tag.centre.x - box.centre.x) for box in (refused, judged))
    assert near < far


def test_a_tag_never_stands_at_another_hand():
    """Without room of its own, the tag covers its refused hand before it could be read as another's."""
    judged, refused = Box(150, 100, 500, 1200), Box(900, 50, 1700, 1250)
    (tag,) = places(refusal_tags([at(judged), at(refused)], [None, REFUSAL], PICTURE, None))
    far_judged, far_refused = (
        math.dist((tag.centre.x, tag.centre.y), (box.centre.x, box.centre.y)) for box in (judged, refused)
    )
    assert far_refused <= far_judged
    assert overlap(tag, judged) == 0


def test_the_tag_hides_no_lead_marker():
    """Where the tag would stand without one, a bright marker moves it away."""
    hand = Box(600, 300, 1200, 1200)
    (first,) = places(refusal_tags([at(hand)], [REFUSAL], PICTURE, None))
    display = np.zeros((PICTURE.height_px // 2, PICTURE.width_px // 2), np.uint8)
    marker = Box(first.x0 - 30, first.y0 - 30, first.x1 + 30, first.y1 + 30).clipped(1250, 1700)
    rows = slice(max(marker.y0 - 50, 0) // 2, (marker.y1 - 50) // 2)
    display[rows, max(marker.x0 - 100, 0) // 2 : (marker.x1 - 100) // 2] = 255
    (second,) = places(refusal_tags([at(hand)], [REFUSAL], PICTURE, display))
    assert overlap(first, marker) == first.area_px
    assert overlap(second, marker) == 0


def test_two_tags_stand_apart():
    """Two hands refused at one place have two tags that can both be read."""
    hand = at(Box(600, 300, 1200, 1200))
    first, second = places(refusal_tags([hand, hand], [REFUSAL, REFUSAL], PICTURE, None))
    assert overlap(first, second) == 0


def test_a_picture_too_small_for_a_tag_has_none():
    """The panel says the same; the radiograph is not covered whole."""
    tiny = Box(0, 0, 200, 100)
    assert refusal_tags([at(Box(10, 10, 90, 90))], [REFUSAL], tiny, None) == ()
