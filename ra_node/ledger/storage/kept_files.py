"""Iterates over all kept files in a stable order, so that a scrub can pause and continue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Connection, delete, func, select
from sqlalchemy.sql.selectable import Select

from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger

_PAGE = 200
_image, _made, _value = schema.instance, schema.result_object, schema.named_value


class FileKind(StrEnum):
    """Kind of a kept file, in the order of the scrub."""

    IMAGE = "image"
    PREVIEW = "preview"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file; `key` names its row, `uid` its SOP Instance UID, `version` that of the report of a result."""

    kind: FileKind
    key: str
    uid: str
    study_uid: str
    version: int | None
    path: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Position of a scrub; the start is before all files."""

    kind: FileKind = FileKind.IMAGE
    key: str = ""


def kept_files(ledger: Ledger, start: Place) -> Iterator[KeptFile]:
    """All files after a position, read in pages; files added meanwhile may or may not be included."""
    kinds = list(FileKind)
    for kind in kinds[kinds.index(start.kind) :]:
        key = start.key if kind is start.kind else ""
        while page := _page(ledger, kind, key):
            yield from page
            key = page[-1].key


def count_kept(ledger: Ledger) -> int:
    """How many files there are to check."""
    with ledger.read() as connection:
        return sum(_count(connection, path) for path in (_image.c.path, _image.c.preview_path, _made.c.path))


def still_kept(ledger: Ledger, file: KeptFile) -> bool:
    """Whether the row still names this file: it may have been purged or replaced meanwhile."""
    query = _query(file.kind).where(_key(file.kind) == file.key, _path(file.kind) == file.path)
    with ledger.read() as connection:
        return connection.execute(query).first() is not None


def named_value(ledger: Ledger, name: str) -> str | None:
    """Read a property of the node."""
    with ledger.read() as connection:
        found = connection.execute(select(_value.c.value).where(_value.c.name == name)).scalar()
    return None if found is None else str(found)


def set_named_values(ledger: Ledger, values: dict[str, str]) -> None:
    """Write properties of the node."""
    with ledger.write() as connection:
        connection.execute(delete(_value).where(_value.c.name.in_(list(values))))
        connection.execute(
            _value.insert(), [{"name": name, "value": value} for name, value in values.items()]
        )


def _count(connection: Connection, path: Column[str]) -> int:
    return int(connection.execute(select(func.count()).where(path.is_not(None))).scalar_one())


def _page(ledger: Ledger, kind: FileKind, after: str) -> list[KeptFile]:
    key = _key(kind)
    query = _query(kind).where(key > after, _path(kind).is_not(None)).order_by(key).limit(_PAGE)
    with ledger.read() as connection:
        return [KeptFile(kind, *tuple(row)) for row in connection.execute(query)]


def _query(kind: FileKind) -> Select[Any]:
    if kind is FileKind.RESULT:
        made = _made.c
        return select(
            made.sop_instance_uid, made.sop_instance_uid, made.study_uid, made.version, made.path, made.sha256
        )
    sha256 = _image.c.sha256 if kind is FileKind.IMAGE else _image.c.preview_sha256
    return select(
        _image.c.id, _image.c.sop_instance_uid, _image.c.study_uid, _image.c.version, _path(kind), sha256
    )


def _key(kind: FileKind) -> Column[str]:
    return _made.c.sop_instance_uid if kind is FileKind.RESULT else _image.c.id


def _path(kind: FileKind) -> Column[str]:
    return {
        FileKind.IMAGE: _image.c.path,
        FileKind.PREVIEW: _image.c.preview_path,
        FileKind.RESULT: _made.c.path,
    }[kind]
