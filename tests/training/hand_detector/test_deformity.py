"""Warped fingers keep their truth, and what lies over hands lies where it is said."""

from __future__ import annotations

import numpy as np
import pytest

from training.hand_detector.deformity import deformed
from training.hand_detector.overlays import plaster, plate, ring
from training.hand_detector.picture_pool import Picture, drawn_pictures


@pytest.fixture(scope="module")
def hand() -> Picture:
    return next(one for one in drawn_pictures(3, 3, lambda done, total: None) if len(one.joints) == 1)


def test_fingers_change_and_palm_and_wrist_do_not(hand: Picture) -> None:
    """Over several draws; MCP joints, thumb and wrist stay, and what is drawn stays a hand in one piece."""
    for seed in range(8):
        found = deformed(hand, np.random.default_rng(seed))
        assert not np.array_equal(found.image, hand.image)
        moved = np.abs(found.joints - hand.joints).max(axis=2)[0] > 1e-3
        assert not moved[[0, 5, 6, 7, 8, 9, 10, 11, 12]].any()
        assert 0.5 < found.silhouettes.astype(bool).sum() / hand.silhouettes.astype(bool).sum() < 1.4


def test_a_finger_bent_at_its_knuckle_takes_its_joint_along(hand: Picture) -> None:
    """In some draw a PIP joint moves, and lies in the new silhouette or beside it at most."""
    shifts = [
        np.abs(deformed(hand, np.random.default_rng(seed)).joints - hand.joints).max() for seed in range(12)
    ]
    assert max(shifts) > 5


def test_a_seed_decides_a_deformity(hand: Picture) -> None:
    one, again = (deformed(hand, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one.image, again.image)
    assert np.array_equal(one.joints, again.joints)


def test_overlays_lie_on_the_hand(hand: Picture) -> None:
    """The middle of ring and plate within the knuckles and wrist, of plaster at the wrist or before it."""
    joints = hand.joints[0].astype(np.float64)
    low, high = joints.min(axis=0) - 5, joints.max(axis=0) + 5
    for draw in (ring, plate):
        stamp, matrix, level = draw(joints, np.random.default_rng(1))
        middle = matrix[:, :2] @ np.array([stamp.shape[1] / 2, stamp.shape[0] / 2]) + matrix[:, 2]
        assert ((middle > low) & (middle < high)).all()
        assert level == 255
    stamp, matrix, _ = plaster(joints, np.random.default_rng(1))
    middle = matrix[:, :2] @ np.array([stamp.shape[1] / 2, stamp.shape[0] / 2]) + matrix[:, 2]
    arrow = joints[7] - joints[11]
    assert (middle - joints[11]) @ arrow < 0.3 * float(arrow @ arrow)
