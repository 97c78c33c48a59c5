"""JSON of one hand before one reader, and the actions that his page sends back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from ra_node.domain.reader_study.marks import LONGEST_NOTE, Mark, MarkKind
from ra_node.errors import Refused
from ra_node.services.reader_studies.adjudication import DiscrepancyView, ModelAnswer
from ra_node.services.reader_studies.views import ReadingTask

MOST_MARKS = 20


class SentMark(BaseModel):
    """One mark of an action."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: MarkKind
    joint: str = Field(default="", max_length=16)
    stage: StrictInt | None = None
    reason: str = Field(default="", max_length=32)
    note: str = Field(default="", max_length=LONGEST_NOTE)
    x: float | None = None
    y: float | None = None


class SentAction(BaseModel):
    """What a reader did at once; `sequence` follows the last state that his page has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    sequence: int = Field(ge=1, le=1_000_000)
    marks: tuple[SentMark, ...] = Field(default=(), max_length=MOST_MARKS)
    undo: bool = False
    spent_ms: int = Field(default=0, ge=0)

    def as_marks(self) -> list[Mark]:
        """The marks in terms of the domain."""
        return [Mark(**mark.model_dump()) for mark in self.marks]


class SentTime(BaseModel):
    """The time at a hand after its last mark."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    spent_ms: int = Field(ge=0)


def read_time(sent: dict[str, Any]) -> SentTime:
    """Read the time at a hand; Refused for anything else."""
    try:
        return SentTime.model_validate(sent)
    except ValidationError as error:
        raise Refused("expected an id and the time at a hand, found another") from error


def read_action(sent: dict[str, Any]) -> SentAction:
    """Read an action; Refused for anything else."""
    try:
        return SentAction.model_validate(sent)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise Refused(f"expected an action of the reading page, found another value at {places}") from error


def task_json(task: ReadingTask, picture: str) -> dict[str, Any]:
    """One hand: geometry, own marks, number in the reader's own order; nothing else is known here."""
    return {
        "id": task.task,
        "kind": task.kind,
        "number": task.number,
        "total": task.total,
        "by_joint": task.by_joint,
        "sequence": task.sequence,
        "complete": task.complete,
        "labels": task.marks.labels,
        "reasons": task.marks.reasons,
        "kept": task.marks.kept,
        "last_action": task.marks.last_action,
        "joints": {name: (round(at.x, 1), round(at.y, 1)) for name, at in task.joints.items()},
        "box_px": round(task.joint_side_px, 1),
        "side": task.side,
        "rows": task.rows,
        "columns": task.columns,
        "picture": picture,
    }


def model_json(model: ModelAnswer, words: dict[str, str]) -> dict[str, Any]:
    """The result of the model as one that has labels, and a sentence on the whole hand."""
    known = model.stage is not None and model.probability is not None
    stage = words["stage"].replace("{stage}", str(model.stage))
    text = f"{stage}, RA {100 * (model.probability or 0):.0f} %" if known else words["no_stage"]
    whole = {} if model.stage is None else {"": model.stage}
    return {"title": words["model"], "labels": whole | model.joints, "whole": text}


def discrepancy_json(view: DiscrepancyView, picture: str, titles: tuple[str, str]) -> dict[str, Any]:
    """A discrepant hand with both readings under titles that name nobody."""
    others = [
        {"title": title, **asdict(marks)} for title, marks in zip(titles, (view.one, view.other), strict=True)
    ]
    return task_json(view.task, picture) | {"asked": view.asked, "others": others}
