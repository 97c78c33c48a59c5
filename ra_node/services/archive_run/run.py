"""The archive run: every study of an archive is analysed once, however often the run is stopped.

The folder of a study is written under another name and renamed when it is complete; then the journal records
it as finished. All reports have the time at which the run began, so that a study that is repeated after a
crash has the same bytes.
"""

from __future__ import annotations

import errno
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import structlog

from ra_node.domain.refusal import Reason
from ra_node.domain.report import StudyReport
from ra_node.errors import Fatal, NodeError, Refused, Retryable
from ra_node.filesystem.durable_write import fsync_file, fsync_folder
from ra_node.services.archive_run.journal import Journal, QueuedStudies, RunStudyState, SeenFile
from ra_node.services.archive_run.result_csv import ResultTable, path_text
from ra_node.services.archive_run.result_rows import (
    NOT_FETCHED,
    REPEATED_INSTANCE,
    STUDY_FAILED,
    Cells,
    ResultRow,
    RowOutcome,
    as_cells,
    rows_of,
)
from ra_node.services.archive_run.sources import StudySource, one_of_each
from ra_node.services.jobs.machine_faults import stops_everything
from ra_node.services.offline_analysis import Analyst

UNFINISHED, REPLACED = ".part", ".old"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
PATIENCE_S = 600.0
"""How long an unreachable archive is retried before the run stops."""

PatientOf = Callable[[Path], Mapping[str, str]]
"""Patient columns of a file."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Progress callbacks of the run."""

    seen: Callable[[int], None] = lambda _files: None
    begun: Callable[[QueuedStudies], None] = lambda _lined_up: None
    finished: Callable[[RunStudyState], None] = lambda _state: None
    waiting: Callable[[str], None] = lambda _for: None


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Counters of one start."""

    studies: int
    done_before: int
    answered: int
    failed: int
    stopped: bool
    seconds: float
    """Seconds since the first study, without loading networks and reading headers."""

    @property
    def remaining(self) -> int:
        return self.studies - self.done_before - self.answered - self.failed


@dataclass(frozen=True, slots=True)
class Run:
    """One run over an archive into the folder `out`."""

    archive: StudySource
    analyst: Analyst
    out: Path
    journal: Journal
    table: ResultTable
    began: datetime
    patient_of: PatientOf = lambda _path: {}
    watcher: Watcher = field(default_factory=Watcher)
    stop: threading.Event = field(default_factory=threading.Event)
    patience_s: float = PATIENCE_S
    clock: Callable[[], float] = time.monotonic
    table_only: bool = False
    fetched_from: str = ""
    """Source in the table for retrieved files; "" where the files are those of the archive."""

    def go(self, limit: int | None = None) -> RunCounts:
        """Analyse all unfinished studies, or `limit` of them.

        Raises Retryable where it cannot continue now: the archive is unreachable, the disk is full, or it was
        stopped before all files were read.
        """
        try:
            return self._go(limit)
        except OSError as error:
            raise Retryable(f"cannot write to {self.out}: {error.strerror}") from error

    def _go(self, limit: int | None) -> RunCounts:
        self._tidy()
        lined_up = self.archive.line_up(self.journal, self._seen)
        self.watcher.begun(lined_up)
        self.table.begin(self.journal.rows())
        began = self.clock()
        states = list(self._answer_all(limit))
        took = self.clock() - began
        if not self.stop.is_set():
            self.table.finish(self.journal)
        failed = states.count(RunStudyState.FAILED)
        return RunCounts(
            lined_up.studies, lined_up.done, len(states) - failed, failed, self.stop.is_set(), took
        )

    def _seen(self, files: int) -> None:
        if self.stop.is_set():
            raise Retryable("stopped before all files were seen; the same command continues")
        self.watcher.seen(files)

    def _answer_all(self, limit: int | None) -> Iterator[RunStudyState]:
        for count, (number, uid) in enumerate(self.journal.unfinished()):
            if self.stop.is_set() or count == limit:
                return
            try:
                state, rows = self._answer(number, uid)
            except Retryable:
                if self.stop.is_set():
                    return
                raise
            self.journal.finish(number, state, rows)
            self.table.append(rows)
            self.watcher.finished(state)
            yield state

    def _answer(self, number: int, uid: str) -> tuple[RunStudyState, list[Cells]]:
        with ExitStack() as stack:
            try:
                found = self._fetched(uid, stack)
            except Refused as error:
                return self._failed(uid, NOT_FETCHED, str(error))
            unique, again = one_of_each(found)
            try:
                report = self._write(number, uid, unique, again)
            except (Retryable, Fatal):
                raise
            except Exception as error:  # one failing study must not end the run
                if isinstance(error, OSError) and error.errno in FULL:
                    raise Retryable(f"cannot write to {self.out}: {error.strerror}") from error
                if stops_everything(error):
                    said = f"expected a working machine, found {type(error).__name__}"
                    raise Retryable(f"{said}; the same command continues") from error
                structlog.get_logger().warning("study_failed", study_uid=uid, error=type(error).__name__)
                said = str(error) if isinstance(error, NodeError) else type(error).__name__
                return self._failed(uid, STUDY_FAILED, f"the analysis failed: {said}")
            return _state_of(report), [*self._rows(report, unique), *(self._again(one) for one in again)]

    def _fetched(self, uid: str, stack: ExitStack) -> Sequence[SeenFile]:
        """The files of a study; an unreachable archive is retried for a while."""
        waited, pause_s = 0.0, FIRST_PAUSE_S
        while True:
            try:
                return stack.enter_context(self.archive.files(self.journal, uid))
            except Retryable as error:
                if self.stop.is_set() or waited >= self.patience_s:
                    raise
                self.watcher.waiting(str(error))
                self.stop.wait(pause_s)
                waited, pause_s = waited + pause_s, min(2 * pause_s, LONGEST_PAUSE_S)

    def _write(
        self, number: int, uid: str, files: Sequence[SeenFile], again: Sequence[SeenFile]
    ) -> StudyReport:
        """Analyse a study; its folder is written atomically."""
        name = folder_name(uid, number)
        part = self.out / f".{name}{UNFINISHED}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        paths, publishing = [one.path for one in files], not self.table_only
        repeats = [one.path for one in again]
        report = self.analyst.answer(uid, paths, part, self.began, publishing=publishing, repeats=repeats)
        if self.table_only:
            part.rmdir()
            return report
        for path in part.iterdir():
            fsync_file(path)
        fsync_folder(part)
        self._put(part, self.out / name)
        return report

    def _put(self, part: Path, whole: Path) -> None:
        if whole.exists():
            old = self.out / f".{whole.name}{REPLACED}"
            shutil.rmtree(old, ignore_errors=True)
            whole.rename(old)
            part.rename(whole)
            shutil.rmtree(old)
        else:
            part.rename(whole)
        fsync_folder(self.out)

    def _rows(self, report: StudyReport, files: Sequence[SeenFile]) -> Iterator[Cells]:
        where = {one.sop_uid: self._named(one.path) for one in files}
        one_patient = report.refusal is None or report.refusal.reason is not Reason.PATIENT_CONFLICT
        patient = self.patient_of(files[0].path) if one_patient else {}
        for row in rows_of(report, where, patient):
            yield as_cells(row)

    def _again(self, one: SeenFile) -> Cells:
        text = "another file of the study holds the same instance and is used"
        row = ResultRow(
            RowOutcome.SKIPPED, one.study_uid, one.sop_uid, refusal=REPEATED_INSTANCE, refusal_text=text
        )
        return as_cells(replace(row, file=self._named(one.path)))

    def _failed(self, uid: str, code: str, text: str) -> tuple[RunStudyState, list[Cells]]:
        row = ResultRow(RowOutcome.FAILED, uid, refusal=code, refusal_text=text, file=self.fetched_from)
        return RunStudyState.FAILED, [as_cells(row)]

    def _named(self, path: Path) -> str:
        return self.fetched_from or path_text(path)

    def _tidy(self) -> None:
        """Remove incomplete output of an earlier start."""
        for suffix in (UNFINISHED, REPLACED):
            for path in self.out.glob(f".*{suffix}"):
                shutil.rmtree(path, ignore_errors=True)


def folder_name(uid: str, number: int) -> str:
    """The study's UID where it is one (PS3.5 chapter 9), else its number: it names a folder here."""
    return uid if re.fullmatch(r"[0-9][0-9.]{2,63}", uid) else f"study-{number}"


def _state_of(report: StudyReport) -> RunStudyState:
    """A study with a failed image is reported, and retried at the next start."""
    failed = any(one.refusal and one.refusal.reason is Reason.ANALYSIS_FAILED for one in report.images)
    return RunStudyState.FAILED if failed else RunStudyState.DONE
