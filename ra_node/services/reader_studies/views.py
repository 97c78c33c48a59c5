"""A task and its picture as their reader may see them.

Nothing here holds another reader's marks, the model's output, a hand's id or a patient attribute.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from sqlalchemy import Connection

from ra_node.domain.geometry import Point
from ra_node.domain.reader_study.labels import hand_label
from ra_node.domain.reader_study.marks import HandMarks
from ra_node.domain.reader_study.roles import TaskKind
from ra_node.errors import Refused
from ra_node.imaging.hand_cuts.hand_cut import HandCut, cut_from_json
from ra_node.ledger.reader_studies.studies import HandRecord, find_hand
from ra_node.ledger.reader_studies.tasks import TaskRecord, count_tasks
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.access import Access, NotFound


class FileGone(Refused):
    """The picture of a hand is missing or damaged (HTTP 410)."""


@dataclass(frozen=True, slots=True)
class ReadingTask:
    """One hand before one reader. `number` of `total` is its place in his own order.

    The next action needs the sequence number `sequence` + 1. `joints` are the centres of the detected and
    moved joints in pixels of the upright picture; a joint that the detector did not place is absent.
    """

    task: str
    kind: TaskKind
    number: int
    total: int
    by_joint: bool
    sequence: int
    complete: bool
    marks: HandMarks
    stage: int | None
    """The label of the hand as it stands: its own, or the highest of its joints."""
    joints: dict[str, Point]
    joint_side_px: float
    """Side of the square that shows one joint, in pixels of the upright picture."""
    side: str
    rows: int
    columns: int
    spacing_mm: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The upright hand as 16-bit words, little-endian, row by row; bone is bright.

    `window` is (black, white) in words for the first display.
    """

    words: bytes
    rows: int
    columns: int
    window: tuple[int, int]


def picture_of(files: Files, hand: HandRecord) -> Picture:
    """The picture of a hand."""
    cut = read_cut(files, hand)
    words = cv2.imdecode(
        np.frombuffer(_content(files, hand.picture_path, hand.picture_sha256), np.uint8), cv2.IMREAD_UNCHANGED
    )
    if words is None or words.dtype != np.uint16 or words.shape != (cut.rows, cut.columns):
        raise FileGone("expected the image of this hand, found another; tell the lead of the study")
    return Picture(words.astype("<u2", copy=False).tobytes(), cut.rows, cut.columns, cut.window)


def read_cut(files: Files, hand: HandRecord) -> HandCut:
    """Geometry and facts of a hand; FileGone where its file is missing or damaged."""
    return cut_from_json(_content(files, hand.path, hand.sha256))


def task_view(connection: Connection, files: Files, access: Access, task: TaskRecord) -> ReadingTask:
    """A task as its reader may see it."""
    cut = read_cut(files, hand_of(connection, task))
    _, total = count_tasks(connection, task.study_id, task.kind, task.account)
    marks = task.state.marks
    joints = cut.upright_joints() | {name: Point(*place) for name, place in marks.places.items()}
    return ReadingTask(
        task.task_id,
        task.kind,
        task.place,
        total,
        access.study.plan.by_joint,
        task.sequence,
        task.complete,
        marks,
        hand_label(marks.labels),
        joints,
        joint_side_px(joints, cut),
        cut.side,
        cut.rows,
        cut.columns,
        cut.spacing_mm,
    )


def joint_side_px(joints: dict[str, Point], cut: HandCut) -> float:
    """Side of the square around a joint: the median proximal phalanx, else a seventh of the hand."""
    lengths = [
        float(np.hypot(joints[a].x - joints[b].x, joints[a].y - joints[b].y))
        for a, b in ((f"mcp_{k}", f"pip_{k}") for k in (2, 3, 4, 5))
        if a in joints and b in joints
    ]
    return float(np.median(lengths)) if lengths else max(cut.rows, cut.columns) / 7


def hand_of(connection: Connection, task: TaskRecord) -> HandRecord:
    """The hand of a task."""
    hand = find_hand(connection, task.study_id, task.hand_id)
    if hand is None:
        raise NotFound("expected a hand of this reader, found none")
    return hand


def _content(files: Files, path: str | None, sha256: str | None) -> bytes:
    """The content of a kept file."""
    if path is None:
        raise FileGone("expected the image of this hand, found that retention has removed it")
    try:
        if files.damage(path, sha256) is None:
            return files.path(path).read_bytes()
    except OSError as error:
        raise FileGone(f"expected the image of this hand, found {type(error).__name__}") from error
    raise FileGone("expected the image of this hand, found its file missing or damaged; tell the lead")
