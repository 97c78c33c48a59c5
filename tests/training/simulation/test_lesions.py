"""Simulated disease is reproducible, lies at the joints, grows with the stage, and its sham is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from training.simulation.lesions import joint_frames, joint_stages, simulate

JOINTS = {
    "ip_1": Point(70, 250),
    "mcp_1": Point(95, 310),
    **{f"pip_{k}": Point(70 + 40 * k, 130) for k in range(2, 6)},
    **{f"mcp_{k}": Point(90 + 30 * k, 215) for k in range(2, 6)},
    "wrist_1": Point(150, 370),
    "wrist_2": Point(190, 380),
    "wrist_3": Point(230, 370),
}


@pytest.fixture(scope="module")
def hand() -> NDArray[np.float32]:
    """Bones with dark gaps at the joints, in soft tissue, on noise: enough of a hand for the edits."""
    image = np.full((460, 360), 20, np.float32)
    lines = [(JOINTS[f"mcp_{k}"], JOINTS["ip_1" if k == 1 else f"pip_{k}"]) for k in range(1, 6)]
    for width, grey in ((38, 90), (24, 190)):
        for a, b in lines:
            tip, root = (2 * b.x - a.x, 2 * b.y - a.y), (2 * a.x - b.x, 2 * a.y - b.y)
            ends = [tuple(round(c) for c in end) for end in (tip, root)]
            cv2.line(image, *ends, float(grey), width)
    for point in JOINTS.values():
        cv2.circle(image, (round(point.x), round(point.y)), 4, 90.0, -1)
    noise = np.random.default_rng(0).normal(0, 2, image.shape)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5) + noise, np.float32)


def changed(hand: NDArray[np.float32], stage: int, seed: int = 3) -> NDArray[np.float32]:
    return simulate(hand, JOINTS, stage, np.random.default_rng(seed))


@pytest.mark.parametrize("stage", range(6))
def test_the_same_seed_gives_the_same_hand_and_leaves_the_original(
    hand: NDArray[np.float32], stage: int
) -> None:
    before = hand.copy()
    assert np.array_equal(changed(hand, stage), changed(hand, stage))
    assert np.array_equal(hand, before)


def test_another_seed_gives_another_hand(hand: NDArray[np.float32]) -> None:
    assert not np.array_equal(changed(hand, 3, seed=1), changed(hand, 3, seed=2))


def test_the_sham_resamples_every_joint_and_changes_no_statistic(hand: NDArray[np.float32]) -> None:
    """Healthy hands are edited too, so a network cannot tell disease by the traces of editing."""
    sham = changed(hand, 0)
    for point in JOINTS.values():
        y, x = round(point.y), round(point.x)
        assert not np.array_equal(sham[y - 8 : y + 8, x - 8 : x + 8], hand[y - 8 : y + 8, x - 8 : x + 8])
    assert sham.mean() == pytest.approx(hand.mean(), rel=0.01)
    assert np.percentile(sham, (5, 50, 95)) == pytest.approx(np.percentile(hand, (5, 50, 95)), rel=0.03)


def test_resampling_preserves_the_grain_of_the_image() -> None:
    """Lost grain would tell edited joints from unedited ones: one plain warp loses 40 % of this power."""
    grain = np.random.default_rng(0).normal(100, 10, (460, 360)).astype(np.float32)
    sham = changed(grain, 0)

    def power(image: NDArray[np.float32]) -> float:
        fine = image - cv2.GaussianBlur(image, (0, 0), 0.8)
        places = [(round(point.y), round(point.x)) for point in JOINTS.values()]
        return float(np.mean([fine[y - 8 : y + 8, x - 8 : x + 8].var() for y, x in places]))

    assert power(sham) == pytest.approx(power(grain), rel=0.1)


def test_disease_changes_a_hand_more_than_the_sham_and_more_with_the_stage(
    hand: NDArray[np.float32],
) -> None:
    def change(stage: int) -> float:
        return float(np.mean([np.abs(changed(hand, stage, seed) - hand).mean() for seed in range(6)]))

    changes = [change(stage) for stage in (0, 1, 3, 5)]
    assert changes == sorted(changes)
    assert changes[1] > 1.5 * changes[0]


def test_bone_around_diseased_joints_loses_brightness(hand: NDArray[np.float32]) -> None:
    """Periarticular osteopenia and erosions: the hand as a whole becomes darker."""
    assert changed(hand, 3).mean() < changed(hand, 0).mean() < hand.mean() * 1.01


def test_what_lies_far_from_every_joint_is_untouched(hand: NDArray[np.float32]) -> None:
    reach = {name: 5 * frame.half_width_px + 1 for name, frame in joint_frames(JOINTS).items()}
    y, x = np.mgrid[0 : hand.shape[0], 0 : hand.shape[1]]
    far = np.ones(hand.shape, bool)
    for name, point in JOINTS.items():
        far &= np.maximum(np.abs(x - point.x), np.abs(y - point.y)) > reach[name]
    assert far.any()
    assert np.array_equal(changed(hand, 5)[far], hand[far])


@given(st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_the_stage_of_a_hand_is_its_highest_joint_stage(stage: int, seed: int) -> None:
    """As in the paper; and at least two joints show it."""
    stages = joint_stages(stage, sorted(JOINTS), np.random.default_rng(seed))
    assert set(stages) == set(JOINTS)
    assert max(stages.values()) == stage
    if stage:
        assert sum(found == stage for found in stages.values()) >= 2


def test_a_joint_at_the_edge_of_the_image_is_no_error(hand: NDArray[np.float32]) -> None:
    joints = JOINTS | {"ip_1": Point(-200, 250), "pip_5": Point(359, 5)}
    assert np.isfinite(simulate(hand, joints, 5, np.random.default_rng(0))).all()
