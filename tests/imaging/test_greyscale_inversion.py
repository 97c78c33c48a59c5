"""A negative is turned round for reading and said to be one; everything else stays as it came."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ra_node.domain.geometry import Box, Point
from ra_node.domain.patient.age import Age
from ra_node.domain.report import HandRegion
from ra_node.domain.study import ImageHeader
from ra_node.imaging.greyscale_inversion import find_in_tones
from ra_node.imaging.pixels import Radiograph
from ra_node.imaging.polarity import INVERTED, turned_round
from ra_node.services.analysis.image_facts import facts_of

BOX = Box(30, 30, 70, 70)


@dataclass(frozen=True)
class Sees:
    """A finder that sees a hand at one place where it is bright, and where it is dark if told so."""

    dark_too: bool = False
    score: float = 0.9

    def find(self, values):
        bright = values[50, 50] > values[5, 5]
        return [HandRegion(BOX, circle(), 0, self.score)] if bright or self.dark_too else []


def circle() -> tuple[Point, ...]:
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return tuple(Point(50 + 20 * np.cos(t), 50 + 20 * np.sin(t)) for t in turns)


def picture() -> Radiograph:
    display = cv2.circle(np.full((100, 100), 30, np.uint8), (50, 50), 20, 200, -1)
    return Radiograph(display.astype(np.float32), display)


def test_a_picture_with_bright_bone_stays_as_it_is():
    came = picture()
    radiograph, found, remarks = find_in_tones(came, Sees())
    assert radiograph is came
    assert len(found.hands) == 1
    assert remarks == ()


def test_a_negative_is_turned_round_with_a_remark():
    """Whether or not the finder saw a hand in the negative: what is judged has bright bone."""
    for finder in (Sees(), Sees(dark_too=True)):
        radiograph, found, remarks = find_in_tones(turned_round(picture()), finder)
        assert np.array_equal(radiograph.values, picture().values)
        assert len(found.hands) == 1
        assert remarks == (INVERTED,)


def test_a_doubtful_hand_in_the_negative_is_not_believed():
    """What shows no hand as it came needs a plain one in its negative."""
    _, found, remarks = find_in_tones(turned_round(picture()), Sees(score=0.6))
    assert found.hands == ()
    assert found.refusal is not None
    assert remarks == ()


def test_facts_tell_exposures_apart_and_copies_together():
    header = ImageHeader(
        "2.25.1", "2.25.9", "2.25.2", "2.25.3", "1.2", view_position="PA", age=Age(7.5, (7.5,))
    )
    values = np.random.default_rng(1).normal(size=(64, 48)).astype(np.float32)
    facts = facts_of(header, values)
    assert facts == facts_of(replace(header, sop_instance_uid="2.25.7"), values.copy())
    assert facts.pixels != facts_of(header, values + np.float32(0.01)).pixels
    assert facts.pixels != facts_of(header, values.reshape(48, 64)).pixels
    assert (facts.frontal, facts.for_processing, facts.age.years) == (True, False, 7.5)
    assert facts_of(replace(header, presentation_intent="FOR PROCESSING"), values).for_processing
