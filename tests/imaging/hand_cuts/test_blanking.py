"""Text beside a hand goes; hand, tissue that the outline missed, and plain background stay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from ra_node.imaging.hand_cuts.blanking import blanked

Values = NDArray[np.float32]
OUTLINE = (Point(100, 40), Point(200, 40), Point(200, 400), Point(100, 400))


def scene() -> Values:
    """A bright hand of 100 x 360 on a dark, noisy ground, with bone in it."""
    values = np.random.default_rng(0).normal(300, 15, (420, 400)).astype(np.float32)
    values[40:400, 100:200] += 900
    values[60:380, 140:160] += 900
    return values


def with_text(values: Values, grey: float, ground: float | None = None) -> tuple[Values, NDArray[np.bool_]]:
    drawn = np.zeros(values.shape, np.uint8)
    cv2.putText(drawn, "OTTILIE", (240, 100), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 1, 2)
    result = values.copy()
    if ground is not None:
        result[60:120, 230:390] = ground
    result[drawn > 0] = grey
    return result, drawn > 0


def test_a_scene_without_text_is_left_as_it_is() -> None:
    values = scene()
    clean, count = blanked(values, OUTLINE)
    assert count == 0
    assert clean is values


@pytest.mark.parametrize(("grey", "ground"), [(2500, None), (1400, None), (2500, 500), (0, 4000)])
def test_text_goes_white_or_grey_on_ground_or_black_on_a_white_label(
    grey: float, ground: float | None
) -> None:
    values, text = with_text(scene(), grey, ground)
    clean, count = blanked(values, OUTLINE)
    assert np.abs(clean[text] - 300).max() < 60
    assert text.sum() <= count
    assert np.array_equal(clean[40:400, 100:200], values[40:400, 100:200])
    assert np.array_equal(clean[:, :210], values[:, :210])


def test_a_lead_ball_goes_though_it_is_no_stroke() -> None:
    values = scene()
    cv2.circle(values, (300, 300), 22, 4000, -1)
    clean, _ = blanked(values, OUTLINE)
    assert clean.max() < 2300


def test_a_finger_that_the_outline_missed_keeps_its_bone() -> None:
    """A hole in it would be a mark of the deformed hands that are outlined badly."""
    values = scene()
    values[100:330, 250:310] += 900
    values[110:320, 275:285] += 800
    clean, count = blanked(values, OUTLINE)
    assert count == 0
    assert np.array_equal(clean, values)


def test_all_surroundings_go_or_nothing_does() -> None:
    values, _ = with_text(scene(), 2500)
    clean, count = blanked(values, OUTLINE, "surroundings")
    assert len(np.unique(clean[:, 230:])) == 1
    assert count > 0.5 * values.size
    assert np.array_equal(clean[40:400, 100:200], values[40:400, 100:200])
    assert blanked(values, OUTLINE, "nothing") == (values, 0)


def test_around_a_drawn_box_nothing_stays_not_even_beside_its_edge() -> None:
    values = scene()
    values[:, 201:206] = 3000
    assert blanked(values, OUTLINE, "surroundings")[0].max() == 3000
    clean, count = blanked(values, OUTLINE, "surroundings", reach=0)
    outside = np.ones(values.shape, np.bool_)
    outside[39:401, 99:201] = False
    assert len(np.unique(clean[outside])) == 1
    assert count >= outside.sum()
    assert np.array_equal(clean[40:400, 100:200], values[40:400, 100:200])


def test_an_outline_that_fills_the_crop_leaves_nothing_to_blank() -> None:
    values = scene()
    whole = (Point(0, 0), Point(400, 0), Point(400, 420), Point(0, 420))
    for what in ("text", "surroundings"):
        assert blanked(values, whole, what)[1] == 0  # type: ignore[arg-type]
