"""Stages spread over joints, and joints change as their stage says."""

from __future__ import annotations

import numpy as np
import pytest

from ra_node.domain.joints import JOINTS
from training.phantom.lesions import deformities, find_lesions, spread_disease
from training.phantom.skeleton import grow_hand


@pytest.mark.parametrize("stage", range(6))
def test_the_worst_joint_has_the_stage_of_its_hand(stage):
    """For every seed; no joint is worse."""
    for seed in range(30):
        stages = spread_disease(stage, np.random.default_rng(seed))
        assert set(stages) == set(JOINTS)
        assert max(stages.values()) == stage


def test_higher_stages_hit_more_joints():
    """On average over seeds."""
    hit = [
        np.mean(
            [sum(s > 0 for s in spread_disease(stage, np.random.default_rng(n)).values()) for n in range(30)]
        )
        for stage in range(6)
    ]
    assert hit == sorted(hit)
    assert hit[0] == 0


def test_erosions_lie_at_the_margins_of_their_joint():
    """Within a bone's width of a finger joint, and more of them at higher stages."""
    counts = []
    for stage in range(6):
        stages = {"pip_2": stage}
        hand = grow_hand(0.5, deformities(stages), np.random.default_rng(3))
        lesions = find_lesions(hand, stages, np.random.default_rng(3))
        bites = [bite for lesion in lesions for bite in lesion.bites]
        x, y = hand.joints["pip_2"]
        assert all(np.hypot(bite.x_mm - x, bite.y_mm - y) < 12 for bite in bites)
        counts.append(len(bites))
    assert counts == sorted(counts)
    assert counts[1] == 0
    assert counts[5] > counts[2] > 0


def test_fingers_drift_towards_the_little_finger():
    """A destroyed knuckle slips and bends to the ulnar side."""
    healthy, ill = (
        grow_hand(0.5, deformities({"mcp_2": stage}), np.random.default_rng(5)).joints["pip_2"]
        for stage in (0, 5)
    )
    assert ill[0] < healthy[0] - 5


def test_only_fingers_and_wrist_fuse():
    """Knuckles dislocate instead."""
    stages = dict.fromkeys(JOINTS, 5)
    hand = grow_hand(0.5, deformities(stages), np.random.default_rng(0))
    lesions = find_lesions(hand, stages, np.random.default_rng(0))
    assert {lesion.joint for lesion in lesions if lesion.fused} == {
        j for j in JOINTS if not j.startswith("mcp")
    }
