"""No patient is on two sides, and what a network learns from is what the node would cut."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import HandRegion
from tests.finders import demo_detector, demo_finder
from tests.training.recipe_builders import small_recipe
from training.data.dataset import (
    Row,
    Split,
    hand_rows,
    jittered,
    joined,
    load_crops,
    read_source,
    save_crops,
    scaled,
    simulated_rows,
    split_patients,
    stacked,
)

DATA = small_recipe().data


@given(st.sets(st.integers(0, 10**6).map(str), min_size=20, max_size=200), st.integers(0, 99))
def test_the_split_is_seven_to_three_by_patient_and_needs_no_order(patients: set[str], seed: int) -> None:
    splits = split_patients(sorted(patients), DATA, seed)
    assert splits == split_patients(sorted(patients, reverse=True) * 2, DATA, seed)
    assert set(splits) == patients
    assert list(splits.values()).count("held-out") == round(0.3 * len(patients))
    assert set(splits.values()) == {"tune", "validation", "held-out"}


def test_every_crop_of_a_patient_is_on_the_same_side(radiographs: Path) -> None:
    """With real hands: whatever was simulated on one hand stays in its split."""
    sources = read_source(radiographs)[:10]
    crops = stacked(list(simulated_rows(sources, small_recipe(), demo_detector(), lambda *_: None)))
    for patient in np.unique(crops.patients):
        assert len(set(crops.splits[crops.patients == patient])) == 1
    assert {"tune", "held-out"} <= set(crops.splits)
    held_out = crops.part("held-out", "simulated")
    assert sorted(set(held_out.stages)) == [0, 1, 2, 3, 4, 5]
    assert len(crops.part("held-out", "unedited")) == len(np.unique(held_out.patients))
    assert crops.images.shape[1:] == (64, 64)


def test_the_same_seed_simulates_the_same_crops(radiographs: Path) -> None:
    sources = read_source(radiographs)[:2]
    one, two = (
        stacked(list(simulated_rows(sources, small_recipe(), demo_detector(), lambda *_: None)))
        for _ in range(2)
    )
    assert np.array_equal(one.images, two.images)


def test_untouched_hands_are_learnt_from_beside_the_very_same_edited_ones(radiographs: Path) -> None:
    hand, plain = read_source(radiographs)[0], small_recipe()
    asked = plain.model_copy(update={"data": plain.data.model_copy(update={"untouched": 2})})
    before, after = (
        list(hand_rows(hand, "tune", recipe, (0, 4), demo_finder())) for recipe in (plain, asked)
    )
    assert [(row.origin, row.stage) for row in after[2:]] == [("unedited", 0)] * 2
    assert all(np.array_equal(a.image, b.image) for a, b in zip(before, after[:2], strict=True))
    counts = {side: len(list(hand_rows(hand, side, asked, (), demo_finder()))) for side in get_args(Split)}
    assert counts == {"tune": 2, "validation": 1, "held-out": 1}


def row(stage: int, patient: str) -> Row:
    return Row(np.full((4, 4), stage, np.uint8), stage, patient, "tune", "phantom")


def test_crops_survive_the_disk(tmp_path: Path) -> None:
    crops = stacked([row(1, "a"), row(2, "bcd")])
    save_crops(crops, tmp_path / "crops.npz")
    again = joined(load_crops(tmp_path / "crops.npz"), stacked([row(5, "e")]))
    assert again.stages.tolist() == [1, 2, 5]
    assert again.patients.tolist() == ["a", "bcd", "e"]
    assert len(again.part("tune", "phantom")) == 3
    assert len(again.part("held-out")) == 0


REGION = HandRegion(Box(10, 20, 110, 220), (Point(10, 20), Point(110, 220), Point(10, 220)), 90, 0.9)


def test_a_region_scales_with_its_image() -> None:
    half = scaled(REGION, 0.5)
    assert (half.box, half.rotation) == (Box(5, 10, 55, 110), 90)
    assert half.outline[1] == Point(55, 110)


def test_jitter_moves_the_edges_a_little_and_stays_in_the_image() -> None:
    rng = np.random.default_rng(0)
    boxes = [jittered(REGION, 0.02, (230, 120), rng).box for _ in range(50)]
    edges = np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes])
    assert np.abs(edges.mean(axis=0) - (10, 20, 110, 220)).max() < 3
    assert edges.std(axis=0).min() > 1
    assert edges[:, 2].max() <= 120


def test_without_jitter_the_box_is_the_finder_s() -> None:
    assert jittered(REGION, 0.0, (230, 120), np.random.default_rng(0)).box == REGION.box


def test_a_source_without_joints_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_source(tmp_path)
