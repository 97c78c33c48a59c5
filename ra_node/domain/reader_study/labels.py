"""Labels of a hand and its joints, and when two readers differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ra_node.domain.joints import JOINTS
from ra_node.domain.report import STAGES

NOT_GRADABLE = -1
"""Label instead of a stage: the reader could not grade the hand or joint."""

WHOLE_HAND = ""
"""Name of the whole hand among the names of joints."""

Labels = Mapping[str, int]
"""Stage 0 to 5 or NOT_GRADABLE by joint, `WHOLE_HAND` for the hand itself."""


def highest(stages: Iterable[int | None]) -> int | None:
    """The highest stage; None if one is unknown, NOT_GRADABLE if one that could be higher is not gradable."""
    known = list(stages)
    numbers = [stage for stage in known if stage is not None]
    if not numbers or len(numbers) < len(known):
        return None
    most = max(numbers)
    return NOT_GRADABLE if NOT_GRADABLE in numbers and most < STAGES[-1] else most


def hand_label(labels: Labels) -> int | None:
    """The label of a hand: its own, or the highest of its joints as far as they are labelled; None: none."""
    if WHOLE_HAND in labels:
        return labels[WHOLE_HAND]
    return highest(labels.values())


def is_complete(labels: Labels, *, by_joint: bool) -> bool:
    """Whether nothing is left to say of a hand.

    By joint all thirteen are labelled, or the whole hand cannot be judged.
    """
    if not by_joint:
        return WHOLE_HAND in labels
    return labels.get(WHOLE_HAND) == NOT_GRADABLE or all(joint in labels for joint in JOINTS)


def joint_labels(labels: Labels) -> dict[str, int]:
    """The label of every joint; NOT_GRADABLE for all where the whole hand cannot be judged."""
    if labels.get(WHOLE_HAND) == NOT_GRADABLE:
        return dict.fromkeys(JOINTS, NOT_GRADABLE)
    return {joint: labels[joint] for joint in JOINTS if joint in labels}


def compared(labels: Labels, *, by_joint: bool) -> dict[str, int]:
    """The labels in which two readers are compared: those of the joints, or that of the hand."""
    if by_joint:
        return joint_labels(labels)
    return {WHOLE_HAND: labels[WHOLE_HAND]} if WHOLE_HAND in labels else {}


def differ(one: int, other: int, threshold: int) -> bool:
    """Whether two labels are at least `threshold` stages apart, or one of them is no stage."""
    if NOT_GRADABLE in (one, other):
        return one != other
    return abs(one - other) >= threshold


def discrepancies(first: Labels, second: Labels, *, by_joint: bool, threshold: int) -> tuple[str, ...]:
    """The joints (`WHOLE_HAND`: the hand) at which two readings differ, in the order of `JOINTS`."""
    a, b = compared(first, by_joint=by_joint), compared(second, by_joint=by_joint)
    return tuple(name for name in a if name in b and differ(a[name], b[name], threshold))


def is_within(label: int, said: Iterable[int]) -> bool:
    """Whether a consensus lies within the range of what the readers said."""
    known = list(said)
    stages = [one for one in known if one != NOT_GRADABLE]
    return label in known or (bool(stages) and min(stages) <= label <= max(stages))
