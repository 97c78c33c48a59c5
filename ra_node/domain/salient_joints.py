"""Which joints stand out in what the networks looked at, so that picture and panel name the same ones."""

from __future__ import annotations

from ra_node.domain.report import Explanation, JointShare

MOST_NAMED = 3
LEAST_SHARE = 0.1
"""Thirteen joints that were looked at alike have 0.08 each."""

OF_THE_FIRST = 0.4
"""A joint with a smaller part of the first one's share does not stand out beside it."""


def standing_out(explanation: Explanation) -> tuple[JointShare, ...]:
    """Give the joints to be named at the hand: at most three, largest share first; maybe none."""
    ranked = sorted(explanation.joints, key=lambda joint: -joint.share)
    least = max(LEAST_SHARE, OF_THE_FIRST * ranked[0].share) if ranked else 1.0
    return tuple(joint for joint in ranked[:MOST_NAMED] if joint.share >= least)
