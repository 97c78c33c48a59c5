"""Salient joints of a heat map, so that overlay and panel name the same ones."""

from __future__ import annotations

from ra_node.domain.report import Explanation, JointShare

MOST_NAMED = 3
LEAST_SHARE = 0.1
"""With equal attention each of thirteen joints has 0.08."""

OF_THE_FIRST = 0.4
"""A joint with a smaller fraction of the largest share is not salient."""


def standing_out(explanation: Explanation) -> tuple[JointShare, ...]:
    """Joints to label: at most three, largest share first; may be empty."""
    ranked = sorted(explanation.joints, key=lambda joint: -joint.share)
    least = max(LEAST_SHARE, OF_THE_FIRST * ranked[0].share) if ranked else 1.0
    return tuple(joint for joint in ranked[:MOST_NAMED] if joint.share >= least)
