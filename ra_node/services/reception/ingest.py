"""Ingest: the file is synced and its row committed before Success is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ra_node.dicom.reading.file import read_header, read_loosely
from ra_node.dicom.reading.instance_equality import header_values
from ra_node.domain.eligibility import calls_for_answer, header_refusal, is_ai_made
from ra_node.domain.report import ImageFinding
from ra_node.domain.study import ImageHeader
from ra_node.domain.texts.printable import printable
from ra_node.domain.uid import can_be_repeated
from ra_node.errors import Refused
from ra_node.ledger.database.engine import Ledger, LedgerUnavailable
from ra_node.ledger.database.group_commit import GroupCommit
from ra_node.ledger.inbox import (
    NewInstance,
    Repeated,
    close_all_associations,
    close_association,
    keep_instance,
    open_association,
    paths_of,
)
from ra_node.ledger.patient_key import keyed_digest
from ra_node.ledger.report_json import finding_to_json
from ra_node.ledger.storage.durable_files import Files
from ra_node.network.scp.server import ReceivedFile, StoreOutcome
from ra_node.services.reception.patient_consistency import kept_patient, names_another
from ra_node.services.reception.resend import Resends, Taken

COMMIT_ARRIVES_S = 60.0
"""After this time an interrupted commit is in the ledger or never will be."""


@dataclass
class Ingest:
    """The inbox of one listener; `listener` names it in the ledger.

    The end of an association that could not be recorded, because the ledger was unreachable, is recorded by
    `mend`; until then its studies wait.
    """

    ledger: Ledger
    files: Files
    listener: str
    secret: bytes = b""
    """Hashes the patient identity of an instance, see `ledger.patient_key`."""
    _rows: dict[str, str] = field(default_factory=dict)
    _unclosed: set[str] = field(default_factory=set)
    _unsure: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _monotonic: Callable[[], float] = time.monotonic
    _together: GroupCommit = field(init=False)
    _resends: Resends = field(init=False)

    def __post_init__(self) -> None:
        self._together = GroupCommit(self.ledger)
        self._resends = Resends(self.ledger, self.files, self.secret)

    def start(self) -> None:
        """Close associations left open by the last run of this listener."""
        close_all_associations(self.ledger, self.listener)

    def opened(self, association_id: str, calling_ae: str, address: str) -> None:
        """Record an association; its studies do not settle before it is closed."""
        row = open_association(self.ledger, self.listener, calling_ae, address)
        with self._lock:
            self._rows[association_id] = row

    def closed(self, association_id: str) -> None:
        """Record the end of an association; raises LedgerUnavailable where `mend` must do it later."""
        with self._lock:
            row = self._rows.pop(association_id)
            self._unclosed.add(row)
        self._close(row)

    def mend(self) -> None:
        """Record missing ends of associations; raises LedgerUnavailable while that fails."""
        with self._lock:
            rows = sorted(self._unclosed)
        for row in rows:
            self._close(row)
        self._remove_unkept()

    def _remove_unkept(self) -> None:
        """Remove files that were refused because the ledger was unreachable, once it has no row for them.

        Their commit may have reached the ledger without a response, so it gets time to appear.
        """
        with self._lock:
            before = self._monotonic() - COMMIT_ARRIVES_S
            due = [(path, uid) for path, (uid, at) in self._unsure.items() if at <= before]
        for path, uid in due:
            if path not in paths_of(self.ledger, uid):
                self.files.remove(path)
            with self._lock:
                self._unsure.pop(path)

    def _close(self, row: str) -> None:
        close_association(self.ledger, row)
        with self._lock:
            self._unclosed.discard(row)

    def keep(self, file: ReceivedFile) -> StoreOutcome:
        """Store one received instance: file synced, then row committed.

        Raises Refused for what is no DICOM object, contradicts its request, has UIDs that no result can
        reference, or is another or a corrected instance under a known UID; LedgerUnavailable or OSError when
        the node cannot store it now.
        """
        header = read_header(file.path)
        _expect_the_same(header, file)
        size = file.path.stat().st_size
        folder = f"inbox/{datetime.fromtimestamp(self.ledger.clock(), UTC):%Y-%m-%d}"
        path = self.files.keep(file.path, folder)
        new = self._new_instance(header, file, path, size)
        try:
            kept = keep_instance(self.ledger, new, self._together)
        except LedgerUnavailable:
            with self._lock:
                self._unsure[path] = (new.sop_instance_uid, self._monotonic())
            raise
        if not isinstance(kept, Repeated):
            return StoreOutcome.STORED
        try:
            taken = self._resends.take(kept.instance, new)
        except Refused:
            self.files.remove(path)
            raise
        except Exception:  # its commit may have reached the ledger: the file may be the kept one
            with self._lock:
                self._unsure[path] = (new.sop_instance_uid, self._monotonic())
            raise
        if taken is Taken.REPEAT:
            self.files.remove(path)
        return StoreOutcome.STORED if taken is Taken.REPLACED else StoreOutcome.REPEATED

    def _new_instance(self, header: ImageHeader, file: ReceivedFile, path: str, size: int) -> NewInstance:
        refusal = header_refusal(header)
        counts = calls_for_answer(header) or self._brings_another_patient(header)
        finding = digest = None
        if counts and refusal is not None:
            digest = keyed_digest(self.secret, header_values(read_loosely(self.files.path(path))))
            finding = ImageFinding(
                header.sop_instance_uid,
                header.sop_class_uid,
                header.series_instance_uid,
                header.rows,
                header.columns,
                refusal=refusal,
            )
        return NewInstance(
            header.sop_instance_uid,
            header.study_instance_uid,
            header.series_instance_uid,
            header.sop_class_uid,
            file.transfer_syntax_uid,
            path,
            size,
            file.calling_ae,
            self._rows.get(file.association_id),
            counts=counts,
            examine=counts and refusal is None,
            finding_json=finding_to_json(finding) if finding else None,
            sha256=file.sha256,
            patient=kept_patient(self.secret, header),
            header_digest=digest,
            device=_device(header) if counts else "",
        )

    def _brings_another_patient(self, header: ImageHeader) -> bool:
        """A report or key object of another patient in a study also needs a report: the conflict."""
        return not is_ai_made(header) and names_another(self.ledger, self.files, self.secret, header)


def _device(header: ImageHeader) -> str:
    """Station Name and Device Serial Number of an image as one line, of at most 100 characters."""
    parts = dict.fromkeys((header.station_name, header.device_serial))
    return printable(" ".join(part.strip() for part in parts if part.strip()))[:100]


def _expect_the_same(header: ImageHeader, file: ReceivedFile) -> None:
    """The request and the data set must name the same instance (PS3.4 B.2.2)."""
    if header.sop_instance_uid != file.sop_instance_uid:
        raise Refused("expected the SOP Instance UID of the request in the data set, found another")
    if header.sop_class_uid != file.sop_class_uid:
        raise Refused("expected the SOP Class UID of the request in the data set, found another")
    for name, uid in (("Study", header.study_instance_uid), ("Series", header.series_instance_uid)):
        if not can_be_repeated(uid):
            raise Refused(f"expected a {name} Instance UID of digits and dots, found another")
