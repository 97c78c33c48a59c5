"""Exports a signed reader study: label table, hands and provenance, in a folder that training reads.

    labels.csv          both readers and the consensus, a row for each hand or joint, keyed by the hand's id
    hands/<id>.png      the hand, upright, 16 bit; .npy where its values need a table; .json its geometry
    reader-study.json   who read, blinded or not, when, how long, agreement before and after
    second-opinions.csv labels given after the model was seen, where there are any; never training labels
    detector.json       the hand detector that cut them, its weights in finder/

`python -m training prepare --images FOLDER` makes a data set of it in one step. No name, ID or date of a
patient is in it: patients are keyed hashes.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy import Connection

from ra_node.domain.geometry import Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.reader_study.labels import WHOLE_HAND, compared, is_within
from ra_node.domain.reader_study.provenance import FILE, ReaderStudyProvenance
from ra_node.domain.reader_study.roles import Phase
from ra_node.domain.texts.printable import csv_cell
from ra_node.errors import Refused
from ra_node.filesystem.durable_write import fsync_file, fsync_folder, write_atomically
from ra_node.imaging.hand_cuts.hand_cut import HandCut, cut_to_json, from_upright
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.events import note
from ra_node.ledger.reader_studies.studies import (
    HandRecord,
    StudyRecord,
    find_study,
    hands_of,
    update_study,
)
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.outcome import HandOutcome, outcomes, two_readers
from ra_node.services.reader_studies.provenance import provenance_of
from ra_node.services.reader_studies.second_opinions import COLUMNS as SECOND_COLUMNS
from ra_node.services.reader_studies.second_opinions import FILE as SECOND_OPINIONS
from ra_node.services.reader_studies.second_opinions import label_text, second_opinion_rows
from ra_node.services.reader_studies.study_folder import DETECTOR, study_folder
from ra_node.services.reader_studies.views import FileGone, read_cut

LABELS = "labels.csv"
COLUMNS = (
    "file", "side", "joint", "reader_1", "reader_2", "consensus", "patient", "site", "sex", "age_years",
    "note", "hand", "view", "x", "y",
)  # fmt: skip
_PROVENANCE = TypeAdapter(ReaderStudyProvenance)


@dataclass(frozen=True, slots=True)
class Exported:
    """The result: hands and rows written, and the hands left out because their files are gone.

    `second_opinions` counts the rows of the table of second opinions.
    """

    folder: Path
    hands: int
    rows: int
    gone: int
    second_opinions: int


def export_study(ledger: Ledger, files: Files, name: str, out: Path, salt: bytes, by: str) -> Exported:
    """Write a signed reader study to the new folder `out`, atomically.

    Refused before all is signed (with what is missing), and where `out` exists.
    """
    with ledger.read() as connection:
        study = _signed(connection, name)
        found = {one.hand_id: one for one in outcomes(connection, study)}
        hands = [hand for hand in hands_of(connection, study.id) if hand.hand_id in found]
        about = provenance_of(connection, study, hands, salt, ledger.clock())
        second = second_opinion_rows(connection, study, salt)
    if out.exists():
        raise Refused(f"expected a new folder, found {out}")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "hands").mkdir(mode=0o700, parents=True)
    rows: list[dict[str, str]] = []
    gone: set[str] = set()
    for hand in hands:
        try:
            cut = with_places(read_cut(files, hand), found[hand.hand_id])
            _copy(files, hand, part)
        except FileGone:
            gone.add(hand.hand_id)
            continue
        write_atomically(part / "hands" / f"{hand.hand_id}.json", cut_to_json(cut))
        rows += _rows(study, found[hand.hand_id], cut)
    if not rows:
        raise Refused(f"expected hands to export, found {len(gone)} whose files are gone")
    _copy_detector(files, study, part)
    write_atomically(part / LABELS, _table(COLUMNS, rows), mode=0o600)
    second = [row for row in second if row["hand"] not in gone]
    if second:
        write_atomically(part / SECOND_OPINIONS, _table(SECOND_COLUMNS, second), mode=0o600)
    write_atomically(part / FILE, _PROVENANCE.dump_json(about, indent=1) + b"\n")
    part.rename(out)
    fsync_folder(out.parent)
    with ledger.write() as connection:
        now = ledger.clock()
        update_study(connection, study.id, exported_at=now)
        note(connection, now, "reader_study_exported", None, reader_study=study.name, by=by, hands=len(hands))
    return Exported(out, len(hands) - len(gone), len(rows), len(gone), len(second))


def _signed(connection: Connection, name: str) -> StudyRecord:
    study = find_study(connection, name)
    if study is None:
        raise Refused(f"expected a reader study, found none named {name}")
    readers = two_readers(connection, study.id)
    if len(readers) < 2:
        raise Refused(
            f"expected two readers, found {len(readers)}: add one with"
            f" `ra-node reader-study add-reader {study.name} ACCOUNT`; what was read stays"
        )
    if study.phase is not Phase.SIGNED:
        left = ", ".join(one.account for one in readers if one.reading_closed_at is None)
        what = f" ({left} has not closed the reading)" if left and study.phase is Phase.READING else ""
        raise Refused(f"expected a signed reader study, found the phase {study.phase}{what}")
    return study


def _rows(study: StudyRecord, one: HandOutcome, cut: HandCut) -> Iterator[dict[str, str]]:
    """The rows of a hand: of the whole hand, or of each joint."""
    by_joint = study.plan.by_joint
    first, second = (compared(m.labels, by_joint=by_joint) if m else {} for m in one.first)
    final = one.final(by_joint=by_joint)
    common = {
        "file": f"hands/{cut.hand_id}.png",
        "side": cut.side,
        "patient": cut.patient,
        "site": csv_cell(cut.source),
        "sex": cut.sex,
        "age_years": "" if cut.age_years is None else str(cut.age_years),
        "hand": cut.hand_id,
        "view": cut.view,
    }
    places = cut.upright_joints()
    for name in JOINTS if by_joint else (WHOLE_HAND,):
        a, b, agreed = first.get(name), second.get(name), final.get(name)
        differs = a != b and agreed is not None
        at = places.get(name)
        yield common | {
            "joint": name,
            "reader_1": label_text(a),
            "reader_2": label_text(b),
            "consensus": label_text(agreed) if differs or (agreed is not None and agreed != a) else "",
            "note": _note(study, one, name, a, b, agreed),
            "x": "" if at is None else f"{at.x:.2f}",
            "y": "" if at is None else f"{at.y:.2f}",
        }


def with_places(cut: HandCut, one: HandOutcome) -> HandCut:
    """The hand with the joints where a reader moved them; where both did, in the middle between."""
    places = dict(cut.joint_places)
    moved: dict[str, list[Point]] = {}
    for marks in one.first:
        for name, (x, y) in (marks.places if marks else {}).items():
            moved.setdefault(name, []).append(Point(x, y))
    for name, points in moved.items():
        x, y = (sum(getattr(point, axis) for point in points) / len(points) for axis in "xy")
        at = from_upright(Point(x, y), cut.rotation, cut.cut_shape)
        places[name] = (at.x, at.y, 1.0)
    return replace(cut, joint_places=places)


def _note(
    study: StudyRecord, one: HandOutcome, name: str, a: int | None, b: int | None, agreed: int | None
) -> str:
    """The readers' note, or how a label came about that neither of them gave at first."""
    said = [label for label in (a, b) if label is not None]
    noted = one.agreed.notes.get(name, "") if one.agreed is not None else ""
    if noted:
        return csv_cell(" ".join(noted.split()))
    if agreed is None or not said or is_within(agreed, said):
        below = a != b and one.agreed is None and study.plan.threshold > 1 and agreed in said
        return "difference below the threshold: the higher stage" if below else ""
    return "agreed in the revision"


def _table(columns: tuple[str, ...], rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def _copy(files: Files, hand: HandRecord, out: Path) -> None:
    """Copy the files of a hand; FileGone where one is missing or damaged."""
    for path, sha256, suffix in (
        (hand.picture_path, hand.picture_sha256, "png"),
        (hand.levels_path, hand.levels_sha256, "npy"),
    ):
        if path is None:
            if suffix != "npy":
                raise FileGone("expected the files of this hand, found that retention has removed them")
            continue
        if files.damage(path, sha256) is not None:
            raise FileGone("expected the files of this hand, found one missing or damaged")
        target = out / "hands" / f"{hand.hand_id}.{suffix}"
        shutil.copyfile(files.path(path), target)
        fsync_file(target, 0o600)


def _copy_detector(files: Files, study: StudyRecord, out: Path) -> None:
    source = study_folder(files, study.id) / DETECTOR
    if not source.is_dir():
        raise Refused("expected the hand detector beside the hands of this reader study, found none")
    for path in sorted(source.rglob("*")):
        if path.is_file():
            target = out / path.relative_to(source)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            fsync_file(target, 0o600)
