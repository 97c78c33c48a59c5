"""Rows of reader studies, their readers, images and hands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from ra_node.domain.reader_study.plan import StudyPlan
from ra_node.domain.reader_study.roles import Phase, ReaderDuty
from ra_node.ledger.database.engine import AnyRow, insert_new
from ra_node.ledger.database.reader_study_schema import reader_study, study_hand, study_image, study_reader

_PLAN = TypeAdapter(StudyPlan)


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """A reader study. `problem` says why making it stopped; `source_json` is what it is made from."""

    id: str
    name: str
    created_at: float
    created_by: str
    plan: StudyPlan
    source_json: str
    phase: Phase
    made_at: float | None = None
    exported_at: float | None = None
    purged_at: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ReaderRecord:
    """A reader of a reader study; `place` 1 and 2 are the two readers."""

    study_id: str
    account: str
    place: int
    duty: ReaderDuty
    joined_at: float
    reading_closed_at: float | None = None
    revision_closed_at: float | None = None


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image of a reader study; `refusal` is the code of the reason why it has no hands, or ""."""

    study_id: str
    image_id: str
    number: int
    hands: int
    refusal: str = ""
    refusal_text: str = ""


@dataclass(frozen=True, slots=True)
class HandRecord:
    """A hand of a reader study. Its files are relative to the data folder.

    `patient` is a keyed hash, `source` a keyed hash of station or folder; `model_json` is the model's answer,
    which no reader sees. `chosen` is whether the sampling plan took it. `path` is the file of its `HandCut`.
    `pixels` is the digest of its decoded pixels. `request_json` is the box that a lead drew for it, `problem`
    why it could not be cut there.
    """

    study_id: str
    hand_id: str
    image_id: str
    number: int
    patient: str
    source: str
    side: str
    chosen: bool
    pixels: str
    model_json: str | None
    path: str | None
    sha256: str | None
    picture_path: str | None
    picture_sha256: str | None
    levels_path: str | None = None
    levels_sha256: str | None = None
    added_by: str = ""
    request_json: str | None = None
    problem: str = ""


def plan_to_json(plan: StudyPlan) -> str:
    """A plan as its column holds it."""
    return _PLAN.dump_json(plan).decode()


def insert_study(connection: Connection, study: StudyRecord) -> bool:
    """Insert a reader study; False where its name exists."""
    row: dict[str, Any] = asdict(study)
    row["plan_json"] = plan_to_json(study.plan)
    del row["plan"]
    return insert_new(connection, reader_study, row)


def find_study(connection: Connection, name: str) -> StudyRecord | None:
    """The reader study of a name or an id."""
    query = select(reader_study).where(or_(reader_study.c.name == name, reader_study.c.id == name))
    row = connection.execute(query).one_or_none()
    return None if row is None else _study(row)


def all_studies(connection: Connection) -> list[StudyRecord]:
    """Every reader study, the newest first."""
    query = select(reader_study).order_by(reader_study.c.created_at.desc(), reader_study.c.name)
    return [_study(row) for row in connection.execute(query)]


def studies_read_by(connection: Connection, account: str) -> list[tuple[StudyRecord, ReaderRecord]]:
    """The reader studies of one reader, the newest first."""
    query = (
        select(study_reader)
        .where(study_reader.c.account == account)
        .order_by(study_reader.c.joined_at.desc(), study_reader.c.study_id)
    )
    found = []
    for reader in [_reader(row) for row in connection.execute(query)]:
        study = find_study(connection, reader.study_id)
        assert study is not None
        found.append((study, reader))
    return found


def update_study(connection: Connection, study_id: str, **values: float | str | None) -> None:
    """Change columns of a reader study."""
    connection.execute(update(reader_study).where(reader_study.c.id == study_id).values(**values))


def readers_of(connection: Connection, study_id: str) -> list[ReaderRecord]:
    """The readers of a reader study by place."""
    query = select(study_reader).where(study_reader.c.study_id == study_id).order_by(study_reader.c.place)
    return [_reader(row) for row in connection.execute(query)]


def insert_reader(connection: Connection, reader: ReaderRecord) -> None:
    """Insert a reader."""
    connection.execute(study_reader.insert(), [asdict(reader)])


def update_reader(connection: Connection, study_id: str, account: str, **values: float | None) -> None:
    """Change columns of a reader."""
    of = (study_reader.c.study_id == study_id, study_reader.c.account == account)
    connection.execute(update(study_reader).where(*of).values(**values))


def insert_image(connection: Connection, image: ImageRecord, hands: Sequence[HandRecord]) -> bool:
    """Insert an image with its hands; False where it was inserted before and nothing changed."""
    if not insert_new(connection, study_image, asdict(image)):
        return False
    if hands:
        connection.execute(study_hand.insert(), [asdict(hand) for hand in hands])
    return True


def insert_hand(connection: Connection, hand: HandRecord) -> bool:
    """Insert a hand that was added by its box; False where it exists."""
    return insert_new(connection, study_hand, asdict(hand))


def update_hand(connection: Connection, hand: HandRecord) -> None:
    """Write all columns of a hand."""
    of = (study_hand.c.study_id == hand.study_id, study_hand.c.hand_id == hand.hand_id)
    connection.execute(update(study_hand).where(*of).values(**asdict(hand)))


def requested_hands(connection: Connection) -> list[HandRecord]:
    """Hands whose box was drawn and that have not been cut yet."""
    waiting = (
        study_hand.c.request_json.is_not(None),
        study_hand.c.chosen.is_(False),
        study_hand.c.problem == "",
    )
    query = select(study_hand).where(*waiting).order_by(study_hand.c.study_id, study_hand.c.hand_id)
    return [_hand(row) for row in connection.execute(query)]


def studies_in(connection: Connection, phase: Phase) -> list[StudyRecord]:
    """The reader studies in one phase, the oldest first."""
    query = select(reader_study).where(reader_study.c.phase == str(phase)).order_by(reader_study.c.created_at)
    return [_study(row) for row in connection.execute(query)]


def find_image(connection: Connection, study_id: str, image_id: str) -> ImageRecord | None:
    """One image."""
    where = (study_image.c.study_id == study_id, study_image.c.image_id == image_id)
    row = connection.execute(select(study_image).where(*where)).one_or_none()
    return None if row is None else ImageRecord(**row._mapping)  # noqa: SLF001 - public, despite its name


def images_of(connection: Connection, study_id: str) -> list[ImageRecord]:
    """All images of a reader study, in the order in which they were read."""
    query = select(study_image).where(study_image.c.study_id == study_id).order_by(study_image.c.number)
    return [ImageRecord(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - public, despite its name


def hands_of(connection: Connection, study_id: str, *, chosen: bool | None = True) -> list[HandRecord]:
    """The hands of a reader study in order; `chosen` None gives all."""
    clauses: list[ColumnElement[bool]] = [study_hand.c.study_id == study_id]
    if chosen is not None:
        clauses.append(study_hand.c.chosen.is_(chosen))
    query = select(study_hand).where(*clauses).order_by(study_hand.c.number, study_hand.c.hand_id)
    return [_hand(row) for row in connection.execute(query)]


def find_hand(connection: Connection, study_id: str, hand_id: str) -> HandRecord | None:
    """One hand."""
    query = select(study_hand).where(study_hand.c.study_id == study_id, study_hand.c.hand_id == hand_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _hand(row)


def count_hands(connection: Connection, study_id: str) -> int:
    """The number of chosen hands."""
    where = (study_hand.c.study_id == study_id, study_hand.c.chosen.is_(True))
    return int(connection.execute(select(func.count()).select_from(study_hand).where(*where)).scalar_one())


def choose_hands(connection: Connection, study_id: str, hand_ids: Iterable[str]) -> None:
    """Mark the hands that the sampling plan took."""
    ids = list(hand_ids)
    for start in range(0, len(ids), 500):
        part = study_hand.c.hand_id.in_(ids[start : start + 500])
        connection.execute(
            update(study_hand).where(study_hand.c.study_id == study_id, part).values(chosen=True)
        )


def exported_before(connection: Connection, at: float) -> list[StudyRecord]:
    """Reader studies that were exported before a time and whose files are still there, oldest first."""
    columns = reader_study.c
    old = and_(columns.exported_at <= at, columns.purged_at.is_(None))
    query = select(reader_study).where(old).order_by(columns.exported_at)
    return [_study(row) for row in connection.execute(query)]


def mark_study_purged(connection: Connection, study_id: str, at: float) -> None:
    """Clear the paths of a reader study, whose files are removed next; its judgements stay."""
    none = dict.fromkeys(("path", "picture_path", "levels_path"))
    connection.execute(update(study_hand).where(study_hand.c.study_id == study_id).values(**none))
    update_study(connection, study_id, purged_at=at)


def _study(row: AnyRow) -> StudyRecord:
    return StudyRecord(
        row.id,
        row.name,
        row.created_at,
        row.created_by,
        _PLAN.validate_json(row.plan_json),
        row.source_json,
        Phase(row.phase),
        row.made_at,
        row.exported_at,
        row.purged_at,
        row.problem,
    )


def _reader(row: AnyRow) -> ReaderRecord:
    return ReaderRecord(
        row.study_id,
        row.account,
        row.place,
        ReaderDuty(row.duty),
        row.joined_at,
        row.reading_closed_at,
        row.revision_closed_at,
    )


def _hand(row: AnyRow) -> HandRecord:
    return HandRecord(**row._mapping)  # noqa: SLF001 - public, despite its name
