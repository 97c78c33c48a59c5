"""A reader study without detector and networks: small pictures, and readers who answer by a table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from ra_node.domain.joints import JOINTS
from ra_node.domain.reader_study.marks import Mark, MarkKind
from ra_node.domain.reader_study.plan import StudyPlan
from ra_node.domain.reader_study.roles import Account, AccountRole, Phase, ReaderDuty
from ra_node.imaging.hand_cuts.hand_cut import HandCut, cut_to_json
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.reader_studies.studies import (
    HandRecord,
    ImageRecord,
    ReaderRecord,
    StudyRecord,
    insert_image,
    insert_reader,
    insert_study,
)
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies import adjudication, reading, record
from ra_node.services.reader_studies.phases import begin_reading

ANNA, BEN, CARLA = (Account(name, AccountRole.READER) for name in ("anna", "ben", "carla"))
LEAD = Account("chief", AccountRole.LEAD)
_ids = count()

Opinion = Callable[[int, int], Mapping[str, int]]
"""Labels by hand number and occasion."""


@dataclass(frozen=True)
class Reading:
    """A reader study and what its tests need."""

    ledger: Ledger
    files: Files
    id: str

    def read(self, who: Account, opinion: Opinion, *, close: bool = True) -> None:
        """Read every hand by a table of opinions."""
        while (task := reading.next_hand(self.ledger, self.files, self.id, who)) is not None:
            number, occasion = self.hand_of(task.task)
            self.mark(who, task.task, opinion(number, occasion), task.sequence + 1)
        if close:
            reading.close_reading(self.ledger, self.id, who)

    def mark(self, who: Account, task: str, labels: Mapping[str, int], sequence: int) -> object:
        marks = [Mark(MarkKind.STAGE, joint, stage) for joint, stage in labels.items()]
        return self.act(who, task, marks, sequence)

    def act(self, who: Account, task: str, marks: list[Mark], sequence: int) -> object:
        return record.record(
            self.ledger, self.files, self.id, who, task, new_action(), marks, sequence, spent_ms=12_000
        )

    def keep_all(self, who: Account) -> None:
        """Keep every mark of the revision as it is, and close it."""
        for task in self._discrepant(who):
            self.act(who, task.task.task, [Mark(MarkKind.KEPT)], task.task.sequence + 1)
        adjudication.close_revision(self.ledger, self.id, who)

    def decide(self, who: Account, note: str = "", stage: int | None = None) -> None:
        """Decide every open hand: by `stage`, or as the first of both marks says."""
        for view in self._discrepant(who):
            chosen = {name: view.one.labels[name] if stage is None else stage for name in view.asked}
            marks = [Mark(MarkKind.STAGE, name, value, note=note) for name, value in chosen.items()]
            self.act(who, view.task.task, marks, view.task.sequence + 1)

    def hand_of(self, task: str) -> tuple[int, int]:
        """Number of the hand of a task, and whether it is the repeat: what no reader may learn."""
        from sqlalchemy import select

        from ra_node.ledger.database.reader_study_schema import study_task

        with self.ledger.read() as connection:
            row = connection.execute(select(study_task).where(study_task.c.task_id == task)).one()
        return int(row.hand_id.rpartition("-")[2]), int(row.occasion)

    def _discrepant(self, who: Account) -> Iterator[adjudication.DiscrepancyView]:
        while (view := adjudication.next_discrepancy(self.ledger, self.files, self.id, who)) is not None:
            yield view


def new_action() -> str:
    """An action id as the page makes it."""
    return f"action-{next(_ids):08d}"


def whole(stage: int) -> dict[str, int]:
    """Labels of a reader study by hand."""
    return {"": stage}


def joints(stage: int, **others: int) -> dict[str, int]:
    """Labels of all joints."""
    return dict.fromkeys(JOINTS, stage) | others


def new_study(
    ledger: Ledger,
    files: Files,
    hands: int = 6,
    *,
    name: str = "wrists",
    plan: StudyPlan | None = None,
    readers: tuple[Account, ...] = (ANNA, BEN),
    third: Account | None = None,
    patients: int = 0,
    model_json: str | None = None,
    rotation: int = 0,
) -> Reading:
    """A reader study whose readers can begin; each hand is one picture of a patient."""
    plan = plan or StudyPlan(repeats=0)
    study = StudyRecord(
        ledger.new_id(), name, ledger.clock(), "chief", plan, '{"detector": "d"}', Phase.READING, made_at=1.0
    )
    picture = write_hand(files, study.id, rotation)
    with ledger.write() as connection:
        insert_study(connection, study)
        for number in range(1, hands + 1):
            patient = f"patient-{number % patients if patients else number}"
            hand = HandRecord(
                study.id, f"{study.id}-{number}", f"image-{number}", number, patient, "", "R",
                chosen=True, pixels=str(number), model_json=model_json, **picture,
            )  # fmt: skip
            insert_image(connection, ImageRecord(study.id, hand.image_id, number, 1), [hand])
        given = [(one, ReaderDuty.READER) for one in readers]
        given += [(third, ReaderDuty.ADJUDICATOR)] if third else []
        for place, (one, duty) in enumerate(given, start=1):
            insert_reader(connection, ReaderRecord(study.id, one.name, place, duty, ledger.clock()))
            if duty is ReaderDuty.READER:
                begin_reading(connection, ledger, study, one.name)
    return Reading(ledger, files, study.id)


def write_hand(files: Files, study_id: str, rotation: int = 0) -> dict[str, str]:
    """Write one picture with its geometry; return the columns that name them."""
    words = np.arange(40 * 30, dtype=np.uint16).reshape(40, 30)
    places = {name: (2.0 + number, 3.0 + 2 * number, 0.9) for number, name in enumerate(JOINTS)}
    cut = HandCut(
        "hand", "patient", "R", "", "frontal", "", "0" * 64, "F", 61, 40, 30, rotation, (1, 1, 20, 20),
        ((1.0, 1.0), (20.0, 1.0), (20.0, 20.0)), 0.9, places, "d", "i", "h", 0.0, 1.0, window=(10, 1100),
    )  # fmt: skip
    folder = files.data_dir / "reader-studies" / study_id / "hands"
    folder.mkdir(parents=True)
    columns = {}
    png = bytes(cv2.imencode(".png", words)[1])
    for key, ending, content in (("path", "json", cut_to_json(cut)), ("picture_path", "png", png)):
        path = folder / f"hand.{ending}"
        path.write_bytes(content)
        columns[key] = path.relative_to(files.data_dir).as_posix()
        columns[key.replace("path", "sha256")] = hashlib.sha256(content).hexdigest()
    assert Path(columns["path"]).name == "hand.json"
    return columns
