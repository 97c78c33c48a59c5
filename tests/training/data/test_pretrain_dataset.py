"""The joints of a hand lie where its crop shows them."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.report import HandRegion
from ra_node.imaging.model_input import hand_crop
from training.data.pretrain_dataset import KnownHands, crop_places

POINT = Point(70.0, 190.0)


def test_the_right_angles_are_all_tried() -> None:
    assert set(get_args(Rotation)) == {0, 90, 180, 270}


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_bright_spot_is_found_in_the_crop_where_its_place_is_said_to_be(rotation: Rotation) -> None:
    values = np.zeros((400, 300), np.float32)
    values[170:211, 50:91] = 100.0
    box = Box(20, 40, 220, 340)
    region = HandRegion(box, box.corners(), rotation, 1.0)
    crop = hand_crop(values, region, 160)
    y, x = np.argwhere(crop > 100).mean(axis=0)
    place = crop_places([POINT], region, values.shape, 160)[0]
    assert (place + 1) * 80 - 0.5 == pytest.approx((x, y), abs=1.0)


def hands() -> KnownHands:
    return KnownHands(
        np.arange(10 * 16, dtype=np.uint8).reshape(10, 4, 4),
        np.zeros((10, 13, 2), np.float32),
        np.arange(10, dtype=np.float32),
        np.zeros(10, np.bool_),
        np.array([f"p{k // 2}" for k in range(10)]),
    )


def test_a_patient_teaches_or_shows_but_never_both() -> None:
    learnt, others = hands().split(0.4, seed=1)
    assert len(learnt) + len(others) == 10
    assert len(others) == 4
    assert not set(learnt.patients) & set(others.patients)


def test_hands_shrink_without_their_places() -> None:
    assert hands().shrunk(2).images.shape == (10, 2, 2)
    assert hands().shrunk(4).images.shape == (10, 4, 4)
