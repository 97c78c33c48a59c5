"""An inverted hand is recognised, and turned round it is the hand again."""

from __future__ import annotations

import numpy as np
import pytest

from ra_node.domain.geometry import Box
from ra_node.domain.report import HandRegion
from ra_node.imaging.pixels import Radiograph
from ra_node.imaging.polarity import is_dark, turned_round
from tests.imaging.silhouette_hand import drawn_hand, only_hand


def radiograph() -> Radiograph:
    values = drawn_hand()
    return Radiograph(values, (255 * values / values.max()).astype(np.uint8))


def test_a_bright_hand_is_bright_and_its_negative_dark():
    """The comparison is with the film beside the hand, not with the whole picture."""
    picture = radiograph()
    hand = only_hand(picture.values)
    assert not is_dark(picture.values, hand)
    assert is_dark(turned_round(picture).values, hand)


@pytest.mark.parametrize("slope", [-2.0, 2.0])
def test_a_gradient_does_not_turn_the_polarity(slope: float):
    picture = radiograph()
    hand = only_hand(picture.values)
    ramp = np.linspace(0, slope * float(np.ptp(picture.values)), picture.values.shape[1], dtype=np.float32)
    assert not is_dark(picture.values + ramp, hand)


def test_turned_round_twice_is_the_same_picture():
    picture = radiograph()
    again = turned_round(turned_round(picture))
    assert np.allclose(again.values, picture.values)
    assert np.array_equal(again.display, picture.display)


def test_a_region_without_film_around_it_is_not_called_dark():
    """Where nothing can be compared, nothing is claimed."""
    box = Box(0, 0, 40, 40)
    assert not is_dark(np.ones((40, 40), np.float32), HandRegion(box, box.corners(), 0, 1.0))
