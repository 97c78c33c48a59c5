"""Caveats of a hand's result, the same in every rendering."""

from __future__ import annotations

from enum import StrEnum

from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandFinding, HandVerdict

UNSURE_SCORE = 0.5
"""Detector score below which the outline is uncertain."""

NEAR_THRESHOLD = 0.05
"""A probability closer than this to its operating point has a caveat."""


class Doubt(StrEnum):
    """A caveat, drawn with dashed lines; the value is its key in the language files."""

    NOT_JUDGED = "not_judged"
    DOMAIN = "domain"
    AGE = "age"
    OUTLINE = "outline"
    SIDE = "side"
    SIDE_CONFLICT = "side_conflict"
    NEAR = "near"
    INCONCLUSIVE = "inconclusive"
    JOINTS = "joints"
    NO_JOINT = "no_joint"


STAGES_APART = 2
"""Least difference of stages between the highest joint and the whole hand that is reported."""


def joints_differ(hand: HandFinding) -> bool:
    """Whether the highest stage of the joints is far from that of the whole hand, and both are above 0."""
    highest, staging = hand.joint_stage, hand.staging
    if not highest or staging is None or not staging.stage:
        return False
    return abs(highest - staging.stage) >= STAGES_APART


def doubts_of(hand: HandFinding) -> tuple[Doubt, ...]:
    """All caveats of a hand; without one it is drawn with solid lines."""
    recognition = hand.recognition
    judged = recognition is not None and hand.refusal is None
    near = (
        judged
        and recognition is not None
        and abs(recognition.probability - recognition.threshold) < NEAR_THRESHOLD
    )
    reasons = {one.reason for one in hand.outside} if judged else set()
    checks = {
        Doubt.NOT_JUDGED: not judged,
        Doubt.DOMAIN: bool(reasons - {Reason.AGE_UNKNOWN}),
        Doubt.AGE: Reason.AGE_UNKNOWN in reasons,
        Doubt.OUTLINE: hand.region.score < UNSURE_SCORE,
        Doubt.SIDE: hand.side.side is None,
        Doubt.SIDE_CONFLICT: hand.side.conflict,
        Doubt.NEAR: near,
        Doubt.INCONCLUSIVE: hand.verdict is HandVerdict.INCONCLUSIVE,
        Doubt.JOINTS: judged and joints_differ(hand),
        Doubt.NO_JOINT: judged and hand.joint_stage == 0 and hand.verdict is HandVerdict.PRESENT,
    }
    return tuple(doubt for doubt, applies in checks.items() if applies)
