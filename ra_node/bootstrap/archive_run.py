"""Builds the archive run: source of the studies, analysis, and the yield to live studies."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ra_node.bootstrap.analysis import build_predictor, rating_of, reading_rules
from ra_node.bootstrap.node_context import address, build_producer, folder_in_use, open_state, with_bundle
from ra_node.errors import Fatal, Retryable
from ra_node.settings.node import LEDGER_FILE, Settings

if TYPE_CHECKING:
    from ra_node.services.archive_run.patient_columns import PatientWords
    from ra_node.services.archive_run.run import Run, Watcher
    from ra_node.services.archive_run.sources import StudySource
    from ra_node.services.archive_run.yield_to_live import LiveWorkYield
    from ra_node.services.offline_analysis import Analyst

NICENESS = 10
JOURNAL = "journal.sqlite3"


@dataclass(frozen=True, slots=True)
class ArchiveRunRequest:
    """Arguments of the command; `came_from` is a [[peer]] or the URL of DICOMweb, "" for files."""

    sources: tuple[str, ...]
    out: Path
    came_from: str = ""
    token_file: Path | None = None
    salt_file: Path | None = None
    with_patient_id: bool = False
    table_only: bool = False
    yields: bool = True
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def building_run(settings: Settings, asked: ArchiveRunRequest, watcher: Watcher) -> Iterator[Run]:
    """Build a run and close its resources at the end. Loads the networks, which takes seconds.

    Raises Refused where `out` holds results of another kind or another run is active there.
    """
    from ra_node.services.archive_run.journal import Journal
    from ra_node.services.archive_run.result_csv import ResultTable
    from ra_node.services.archive_run.result_rows import COLUMNS, PATIENT_COLUMNS
    from ra_node.services.archive_run.run import Run

    patient = _patient_words(asked)
    with ExitStack() as stack:
        out = _results_folder(asked.out)
        archive = _archive(settings, asked)
        journal = stack.enter_context(Journal(out / JOURNAL))
        courtesy = stack.enter_context(_courtesy(settings, asked, watcher))
        analyst = _analyst(settings, asked, courtesy)
        began = journal.begin(
            _facts(settings, asked, analyst, patient), datetime.now().astimezone().isoformat()
        )
        columns = tuple(name for name in COLUMNS if name not in PATIENT_COLUMNS or name in patient.columns)
        yield Run(
            archive,
            analyst,
            out,
            journal,
            stack.enter_context(ResultTable(out, columns)),
            datetime.fromisoformat(began),
            patient.of,
            watcher,
            asked.stop,
            fetched_from=asked.came_from,
            table_only=asked.table_only,
        )


def _patient_words(asked: ArchiveRunRequest) -> PatientWords:
    from ra_node.services.archive_run.patient_columns import PatientWords, read_salt

    salt = None if asked.salt_file is None else read_salt(asked.salt_file)
    return PatientWords(salt, asked.with_patient_id)


def _results_folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(
            f"expected a folder for results that can be made, found {out}: {error.strerror}"
        ) from error
    return out.resolve()


def _archive(settings: Settings, asked: ArchiveRunRequest) -> StudySource:
    from ra_node.services.archive_run.run import UNFINISHED
    from ra_node.services.archive_run.sources import FolderStudies, RemoteStudies, read_uids

    if not asked.came_from:
        return FolderStudies(tuple(Path(source).absolute() for source in asked.sources), asked.out)
    fetch = _fetch(settings, asked)
    return RemoteStudies(
        read_uids(asked.sources), fetch, asked.out / f".fetched{UNFINISHED}", asked.came_from
    )


def _fetch(settings: Settings, asked: ArchiveRunRequest) -> Callable[[str, Path], object]:
    """Fetcher of studies from the archive; Fatal where the configuration has no such peer."""
    from ra_node.network.dicomweb import Server
    from ra_node.services.archive_run.fetch import from_dicomweb, from_peer

    if "://" in asked.came_from:
        token = None if asked.token_file is None else asked.token_file.read_text(encoding="utf-8").strip()
        Server(asked.came_from)  # refuses one with a password before it is written down anywhere
        return partial(from_dicomweb, asked.came_from, token=token)
    peers = {peer.name: peer for peer in settings.peer}
    if asked.came_from not in peers:
        known = ", ".join(peers) or "none"
        raise Fatal(f"expected a [[peer]] or a URL after --from, found {asked.came_from}; known: {known}")
    return partial(from_peer, address(settings, peers[asked.came_from]))


def _analyst(settings: Settings, asked: ArchiveRunRequest, courtesy: LiveWorkYield | None) -> Analyst:
    from ra_node.services.offline_analysis import Analyst

    def between() -> None:
        if courtesy is not None:
            courtesy.give_way()
        if asked.stop.is_set():
            raise Retryable("stopped")

    judge, bundle = build_predictor(with_bundle(settings, folder_in_use(settings)))
    rules = reading_rules(settings, bundle)
    label = settings.results.research_label
    return Analyst(
        judge, bundle.identity, build_producer(settings), rules, label, between, rating=rating_of(settings)
    )


def _facts(
    settings: Settings, asked: ArchiveRunRequest, analyst: Analyst, patient: PatientWords
) -> dict[str, str]:
    """Parameters that identify a run: with other values it is another run."""
    rules = {"convention": analyst.rules.convention, "max_pixels": analyst.rules.max_pixels}
    return {
        "model bundle": analyst.bundle.sha256,
        "reading rules": json.dumps(rules),
        "results": json.dumps(settings.results.model_dump(mode="json")),
        "answers": "the table only" if asked.table_only else "a folder for each study",
        "columns of the patient": " ".join(patient.columns),
    }


@contextmanager
def _courtesy(
    settings: Settings, asked: ArchiveRunRequest, watcher: Watcher
) -> Iterator[LiveWorkYield | None]:
    """Yields to the live studies of this node; None without a node or with --no-yield."""
    from ra_node.ledger.jobs.live_work import live_jobs
    from ra_node.services.archive_run.yield_to_live import LiveWorkYield

    if not asked.yields or not _has_ledger(settings):
        yield None
        return
    _step_back()
    ledger = open_state(settings).ledger

    def tell(jobs: int) -> None:
        watcher.waiting(f"the node has {jobs} live jobs" if jobs else "")

    try:
        yield LiveWorkYield(lambda: live_jobs(ledger), asked.stop, tell)
    finally:
        ledger.close()


def _has_ledger(settings: Settings) -> bool:
    file = settings.node.data_dir / LEDGER_FILE
    return bool(settings.ledger.url) or os.access(file, os.R_OK | os.W_OK)


def _step_back() -> None:
    """Lower the scheduling priority below that of the node's roles."""
    import cv2
    import torch

    os.nice(NICENESS)
    cv2.setNumThreads(1)
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
