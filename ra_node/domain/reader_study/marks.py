"""Marks of one reader on one hand, and their fold: what is in force after undo.

Actions are appended, never changed. An undo is an action that names the one it takes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ra_node.domain.geometry import Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.reader_study.labels import NOT_GRADABLE, WHOLE_HAND
from ra_node.domain.report import STAGES
from ra_node.errors import Refused

LONGEST_NOTE = 500


class MarkKind(StrEnum):
    """What a mark says."""

    STAGE = "stage"
    NOT_GRADABLE = "not_gradable"
    """The joint or hand cannot be judged; `reason` says why."""
    JOINT_AT = "joint_at"
    """The centre of a joint was moved to x, y, in pixels of the upright picture."""
    KEPT = "kept"
    """In a revision or consensus: the labels as they stand are confirmed."""
    UNDONE = "undone"
    """Takes back the action `undoes`."""
    VIEWED = "viewed"
    """No statement: the time at the hand after the last mark, until the reader went on."""


class CannotJudge(StrEnum):
    """Why a hand or joint cannot be judged."""

    EXPOSURE = "exposure"
    POSITION = "position"
    CUT_OFF = "cut_off"
    METAL_OR_CAST = "metal_or_cast"
    OTHER_DISEASE = "other_disease"
    NOT_A_HAND = "not_a_hand"
    OTHER = "other"
    """Needs a note."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One statement on a hand or one of its joints; `joint` is "" for the whole hand."""

    kind: MarkKind
    joint: str = WHOLE_HAND
    stage: int | None = None
    reason: str = ""
    note: str = ""
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """What a reader did at once (e.g. "all normal": thirteen marks), under an id made by the page."""

    action_id: str
    marks: tuple[Mark, ...] = ()
    undoes: str = ""


@dataclass(frozen=True, slots=True)
class HandMarks:
    """The marks in force on a hand."""

    labels: dict[str, int] = field(default_factory=dict)
    """Stage or NOT_GRADABLE by joint, "" for the whole hand."""
    reasons: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Centres of moved joints, in pixels of the upright picture."""
    kept: bool = False
    last_action: str = ""
    """The action that an undo would take back; "" where none is left."""

    def at(self, joint: str) -> Point | None:
        """The moved centre of a joint."""
        found = self.places.get(joint)
        return None if found is None else Point(*found)


def folded(start: HandMarks, actions: Iterable[Action]) -> HandMarks:
    """The marks in force after these actions, oldest first, on top of `start`."""
    actions = list(actions)
    undone = {action.undoes for action in actions if action.undoes}
    valid = [one for one in actions if not one.undoes and one.action_id not in undone]
    labels, reasons = dict(start.labels), dict(start.reasons)
    notes, places, kept = dict(start.notes), dict(start.places), start.kept
    for mark in (mark for action in valid for mark in action.marks):
        if mark.kind is MarkKind.KEPT:
            kept = True
        elif mark.kind is MarkKind.JOINT_AT:
            assert mark.x is not None
            assert mark.y is not None
            places[mark.joint] = (mark.x, mark.y)
        else:
            _supersede(labels, mark)
            labels[mark.joint] = NOT_GRADABLE if mark.stage is None else mark.stage
            reasons[mark.joint] = mark.reason
        if mark.note:
            notes[mark.joint] = mark.note
    reasons = {name: reason for name, reason in reasons.items() if reason and name in labels}
    return HandMarks(labels, reasons, notes, places, kept, valid[-1].action_id if valid else "")


def _supersede(labels: dict[str, int], mark: Mark) -> None:
    """A stage of a joint replaces "the whole hand cannot be judged"."""
    if mark.joint and labels.get(WHOLE_HAND) == NOT_GRADABLE:
        del labels[WHOLE_HAND]


def checked(marks: Sequence[Mark], *, by_joint: bool) -> tuple[Mark, ...]:
    """The marks as they are; Refused for one that says nothing, or of another kind than the reader study."""
    if not marks:
        raise Refused("expected a mark, found none")
    for mark in marks:
        _check(mark, by_joint=by_joint)
    return tuple(marks)


def _check(mark: Mark, *, by_joint: bool) -> None:
    if mark.joint and mark.joint not in JOINTS:
        raise Refused(f"expected a joint out of {', '.join(JOINTS)}, found another")
    if len(mark.note) > LONGEST_NOTE:
        raise Refused(f"expected a note of at most {LONGEST_NOTE} characters, found {len(mark.note)}")
    if mark.kind in (MarkKind.UNDONE, MarkKind.VIEWED):
        raise Refused(f"expected a mark, found {mark.kind}")
    if mark.kind is MarkKind.STAGE:
        if mark.stage not in STAGES:
            raise Refused(f"expected a stage 0 to 5, found {mark.stage}")
        if by_joint != bool(mark.joint):
            expected = "of a joint" if by_joint else "of the whole hand"
            raise Refused(f"expected a stage {expected} in this reader study, found another")
    if mark.kind is MarkKind.NOT_GRADABLE:
        _check_reason(mark, by_joint=by_joint)
    if mark.kind is MarkKind.JOINT_AT and (not mark.joint or not _is_place(mark.x) or not _is_place(mark.y)):
        raise Refused("expected a joint and its place in the image, found neither or one of them")


def _check_reason(mark: Mark, *, by_joint: bool) -> None:
    if mark.joint and not by_joint:
        raise Refused("expected a mark of the whole hand in this reader study, found one of a joint")
    if mark.reason not in list(CannotJudge):
        raise Refused(f"expected a reason out of {', '.join(CannotJudge)}, found another")
    if mark.reason == CannotJudge.OTHER and not mark.note.strip():
        raise Refused("expected a note beside the reason other, found none")


def _is_place(value: float | None) -> bool:
    return value is not None and -1e5 < value < 1e5
