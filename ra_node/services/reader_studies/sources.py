"""What a reader study is made from: a folder, studies that the node holds, an archive run, a list of UIDs."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from ra_node.dicom.reading.file import MARKER_OFFSET
from ra_node.errors import Refused
from ra_node.imaging.pixels import PNG_SIGNATURE
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.database.schema import instance
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.reader_studies.cutting import SourceImage

RUN_TABLE = "hands.csv"
"""Table of an archive run, with the file of each hand."""
FETCHED = "fetched"
"""Folder in that of the reader study for studies that a peer sent."""

Fetch = Callable[[str, Path], object]
"""Stores the files of a study by UID in a folder; Refused where it is not available."""


class SourceKind(StrEnum):
    """Kind of a source of images."""

    FOLDER = "folder"
    """Files and folders of an archive."""
    HELD = "held"
    """Studies whose images the node still holds; all, or those of `uids`."""
    RUN = "run"
    """The folder of an archive run (`ra-node analyse --out`), whose table names the files."""
    PEER = "peer"
    """Studies by UID, fetched from a peer or a DICOMweb server."""


@dataclass(frozen=True, slots=True)
class StudySourceSpec:
    """A source. `side` is what the site states of single hands whose image has no side, else ""."""

    kind: SourceKind
    paths: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    came_from: str = ""
    side: str = ""


_SPEC = TypeAdapter(StudySourceSpec)


def spec_to_json(spec: StudySourceSpec) -> str:
    """Write a source; its paths may name patients, so it stays in the data folder."""
    return _SPEC.dump_json(spec).decode()


def spec_from_json(text: str | bytes) -> StudySourceSpec:
    """Read what `spec_to_json` wrote; Refused for anything else."""
    try:
        return _SPEC.validate_json(text)
    except ValidationError as error:
        raise Refused("expected the source of a reader study, found a damaged one") from error


def checked_source(spec: StudySourceSpec) -> StudySourceSpec:
    """The source as it is; Refused where it names nothing."""
    if spec.kind in (SourceKind.FOLDER, SourceKind.RUN):
        missing = [path for path in spec.paths if not Path(path).exists()]
        if missing or not spec.paths:
            raise Refused(f"expected files and folders, found {len(missing) or 'none'} that do not exist")
    if spec.kind is SourceKind.RUN:
        for path in spec.paths:
            _run_files(Path(path))
    if spec.kind is SourceKind.PEER and not (spec.uids and spec.came_from):
        raise Refused("expected Study Instance UIDs and the peer that holds them, found none")
    if spec.side not in ("", "R", "L"):
        raise Refused("expected the side R or L of images that state none, found another")
    return spec


def source_images(
    spec: StudySourceSpec, ledger: Ledger, files: Files, folder: Path, fetch: Fetch | None = None
) -> list[SourceImage]:
    """All images of a source in an order that is the same at every start.

    `folder` is that of the reader study; studies of a peer are fetched into it once.
    """
    if spec.kind is SourceKind.HELD:
        return _held(spec, ledger, files)
    if spec.kind is SourceKind.PEER:
        assert fetch is not None
        paths = list(_fetched(spec, folder / FETCHED, fetch))
    elif spec.kind is SourceKind.RUN:
        paths = [path for run in spec.paths for path in _run_files(Path(run))]
    else:
        paths = [path for one in spec.paths for path in _below(Path(one))]
    unique = list(dict.fromkeys(paths))
    return [SourceImage(path, number) for number, path in enumerate(unique, start=1)]


def _held(spec: StudySourceSpec, ledger: Ledger, files: Files) -> list[SourceImage]:
    """Images whose file the node still holds; the source is the calling AE title."""
    query = (
        select(instance.c.path, instance.c.calling_ae)
        .where(instance.c.path.is_not(None), instance.c.counts.is_(True))
        .order_by(instance.c.received_at, instance.c.sop_instance_uid)
    )
    if spec.uids:
        query = query.where(instance.c.study_uid.in_(spec.uids))
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    return [SourceImage(files.path(row[0]), n, str(row[1])) for n, row in enumerate(rows, start=1)]


def _fetched(spec: StudySourceSpec, folder: Path, fetch: Fetch) -> Iterator[Path]:
    for uid in spec.uids:
        whole, part = folder / uid, folder / f".{uid}.part"
        if not whole.is_dir():
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in part.iterdir():
                left.unlink()
            fetch(uid, part)
            part.rename(whole)
        yield from sorted(whole.iterdir())


def _run_files(run: Path) -> list[Path]:
    """The files that the table of an archive run names."""
    table = run / RUN_TABLE if run.is_dir() else run
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            named = [Path(row["file"]) for row in csv.DictReader(stream) if row.get("file")]
    except (OSError, csv.Error, ValueError) as error:
        raise Refused(f"expected the folder of an archive run with {RUN_TABLE}, found none") from error
    found = [path for path in dict.fromkeys(named) if path.is_absolute()]
    if not found:
        raise Refused(
            f"expected files in the column file of {RUN_TABLE}, found none; a run that fetched its studies"
            " keeps no files: give its Study Instance UIDs and the peer"
        )
    return found


def _below(path: Path) -> Sequence[Path]:
    """A file, or the DICOM and PNG files of a folder in the order of their names."""
    if path.is_file():
        return [path]
    return [one for one in sorted(path.rglob("*")) if one.is_file() and is_image_file(one)]


def is_image_file(path: Path) -> bool:
    """Whether a file has the signature of PNG, or the DICOM preamble and prefix (PS3.10 7.1)."""
    try:
        with path.open("rb") as stream:
            start = stream.read(MARKER_OFFSET + 4)
    except OSError:
        return False
    return start.startswith(PNG_SIGNATURE) or start[MARKER_OFFSET:] == b"DICM"
