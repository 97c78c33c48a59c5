"""A retrospective run of a test: small files, a look without networks, a judge of one opinion."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ra_node.dicom.reading.file import read_header
from ra_node.services.analysis.study_analysis import Look, Rules
from ra_node.services.archive_run.journal import Journal
from ra_node.services.archive_run.result_csv import ResultTable
from ra_node.services.archive_run.result_rows import COLUMNS
from ra_node.services.archive_run.run import Run, Watcher
from ra_node.services.archive_run.sources import FolderStudies, StudySource
from ra_node.services.offline_analysis import Analyst
from tests.dicom import builders as dicom
from tests.finders import BLIND
from tests.services.builders import FakeJudge, looked

FACTS = {"model bundle": "one"}


def put(folder: Path, name: str, study: str, number: int = 1) -> Path:
    """An image of a study as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    image = dicom.source(number=number, StudyInstanceUID=study, SOPInstanceUID=f"{study}.{number}")
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.save_as(folder / name, enforce_file_format=True)
    return folder / name


def look(path: Path, rules: Rules) -> Look:
    """As if both hands had been found in the file."""
    del rules
    seen, header = looked(), read_header(path)
    found = replace(seen.finding, sop_instance_uid=header.sop_instance_uid)
    return replace(seen, finding=found)


@contextmanager
def run_in(
    out: Path,
    *sources: Path,
    archive: StudySource | None = None,
    facts: dict[str, str] = FACTS,
    look: Callable[[Path, Rules], Look] = look,
    between: Callable[[], None] = lambda: None,
    watcher: Watcher | None = None,
    stop: threading.Event | None = None,
    patience_s: float = 60.0,
) -> Iterator[Run]:
    """One start of a run into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    with Journal(out / "journal.sqlite3") as journal, ResultTable(out, COLUMNS) as table:
        journal.begin(facts, dicom.CREATED.isoformat())
        yield Run(
            archive or FolderStudies(sources, out),
            Analyst(FakeJudge(), dicom.BUNDLE, dicom.PRODUCER, BLIND, "Research", between, look),
            out,
            journal,
            table,
            dicom.CREATED,
            watcher=watcher or Watcher(),
            stop=stop or threading.Event(),
            patience_s=patience_s,
        )
