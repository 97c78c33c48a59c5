"""The folder of a reader study in the data folder: its source, the journal of its images, its pictures.

source.json and images.jsonl hold paths, which may name patients: they stay in the data folder.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ra_node.errors import Refused, Retryable
from ra_node.ledger.reader_studies.studies import StudyRecord
from ra_node.ledger.storage.durable_files import READER_STUDIES, Files
from ra_node.services.reader_studies.cutting import SourceImage
from ra_node.services.reader_studies.sources import StudySourceSpec, spec_from_json

SOURCE, IMAGES, LOCK, HANDS = "source.json", "images.jsonl", "making.lock", "hands"
DETECTOR = "detector"
"""Folder with the hand detector that cuts the hands, as a data set keeps it."""


def study_folder(files: Files, study_id: str) -> Path:
    """The folder of a reader study in the data folder."""
    return files.data_dir / READER_STUDIES / study_id


def image_path(files: Files, study_id: str, image_id: str) -> Path | None:
    """The file of an image as it was when it was cut; None where the reader study does not know it."""
    for line in read_journal(study_folder(files, study_id)):
        if line.get("image") == image_id:
            return Path(line["path"])
    return None


def source_of(files: Files, study_id: str) -> StudySourceSpec:
    """The source of a reader study."""
    try:
        return spec_from_json((study_folder(files, study_id) / SOURCE).read_bytes())
    except OSError as error:
        found = type(error).__name__
        raise Refused(f"expected the source of the reader study in the data folder, found {found}") from error


def detector_of(study: StudyRecord) -> str:
    """SHA-256 of the detector that cuts the hands; "" before the first one."""
    return str(json.loads(study.source_json).get("detector", ""))


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a reader study; Retryable where another process makes it."""
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Retryable("expected to make this reader study, found another process at it") from error
        yield


def image_key(source: SourceImage) -> str:
    """Names a file as it is now: changed content is cut again."""
    try:
        found = source.path.stat()
    except OSError:
        return f"{source.path} gone"
    return f"{source.path} {found.st_size} {found.st_mtime_ns}"


def finished_images(folder: Path) -> set[str]:
    """The keys of images that are cut."""
    return {line["key"] for line in read_journal(folder) if "key" in line}


def read_journal(folder: Path) -> Iterator[dict[str, str]]:
    """The lines of the journal; a truncated one is ignored."""
    path = folder / IMAGES
    if not path.exists():
        return
    with path.open(encoding="utf-8") as stream:
        for text in stream:
            try:
                yield json.loads(text)
            except ValueError:
                continue
