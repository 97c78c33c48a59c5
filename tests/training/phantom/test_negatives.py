"""Pictures for refusals: drawn again the same, and as different as they must be."""

from __future__ import annotations

import numpy as np
import pytest

from training.phantom.film import WHITE
from training.phantom.negatives import KINDS, draw_other


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_follows_from_kind_size_and_seed(kind):
    """Equal arguments give equal pixels of the wanted size in 12 bits."""
    picture = draw_other(kind, 150, 130, seed=4)
    assert picture.shape == (150, 130)
    assert picture.dtype == np.uint16
    assert picture.max() <= WHITE
    assert np.array_equal(picture, draw_other(kind, 150, 130, seed=4))


def test_uniform_has_one_value_and_noise_has_no_shape():
    """The two extremes of exposure checks."""
    assert np.unique(draw_other("uniform")).size == 1
    noise = draw_other("noise").astype(float)
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.02


def test_a_chest_has_dark_lungs_beside_a_bright_spine():
    """Otherwise it would be no stand-in for a chest."""
    chest = draw_other("chest", 300, 300).astype(float)
    middle = chest[100:180]
    assert middle[:, 145:155].mean() > 1.5 * middle[:, 75:95].mean()


def test_a_foot_is_one_bright_shape_on_a_dark_ground():
    """With toes above the sole."""
    foot = draw_other("foot")
    assert foot[200, 170] > 3 * foot[200, 5]
    row = foot[40] > foot[40].max() / 3
    assert np.count_nonzero(np.diff(row.astype(int)) == 1) >= 3


def test_text_is_dark_on_bright_paper():
    """A scanned form that somebody archived as a radiograph."""
    page = draw_other("text")
    assert np.median(page) > 0.8 * WHITE
    assert page.min() < 0.3 * WHITE


def test_tools_fan_out_from_a_handle():
    """Bars like fingers, all of one width, so that a finder must look at more than the outline."""
    picture = draw_other("tools", 500, 420, seed=1)
    row = picture[120] > picture.max() / 4
    assert np.count_nonzero(np.diff(row.astype(int)) == 1) >= 3
