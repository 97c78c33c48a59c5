"""Compares the decoded pixels of resent copies in another compression with those of the first copy.

The sender has had Success. The same pixels are a repeat or a corrected header; other pixels are refused after
the fact: the first copy stays, and the other one is moved to unlisted/ with an event and an alarm.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

import structlog

from ra_node.dicom.reading.file import DatasetRefused, read_dataset
from ra_node.dicom.reading.instance_equality import OTHER_PIXELS, SAME_PIXELS, UNKNOWN_PIXELS
from ra_node.domain.job import Job
from ra_node.errors import Refused
from ra_node.imaging.pixels import PixelLimits, PixelsRefused, pixel_digest
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import Instance, NewInstance, find_instance
from ra_node.ledger.jobs.queue import LeaseLost, finish, release
from ra_node.ledger.resent_copies import ResentCopy, copy_of, end_comparison, refuse_copy
from ra_node.ledger.storage.durable_files import Files
from ra_node.services.jobs.damaged_content import wait_for_missing
from ra_node.services.jobs.lease import postpone, unless_lost
from ra_node.services.jobs.machine_faults import is_machine_fault
from ra_node.services.jobs.progress import mark
from ra_node.services.reception.resend import NOT_COMPARED, OTHER_PIXELS_TEXT, Resends, Taken

DECODE_S = 120.0
"""Of the process that decodes what is no single radiograph."""
_DAMAGED = "its file was damaged after it came"


@dataclass(frozen=True, slots=True)
class PixelComparison:
    """Dependencies of compare jobs, built once a process."""

    ledger: Ledger
    files: Files
    resends: Resends
    max_pixels: int = 120_000_000
    stopping: Callable[[], bool] = lambda: False
    random: Random = field(default_factory=Random)

    def compare(self, jobs: Sequence[Job]) -> None:
        """Run compare jobs; each ends as a repeat, a correction, a refusal, or is postponed or released."""
        for job in jobs:
            if self.stopping():
                release(self.ledger, job)
                continue
            try:
                self._compare(job)
            except LeaseLost:
                structlog.get_logger().warning("lease_lost", job_id=job.id)
            except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
                self._failed(job, error)
            mark()

    def _failed(self, job: Job, error: Exception) -> None:
        """Postpone a comparison; in its last attempt the copy is refused as not comparable."""
        copy = copy_of(self.ledger, job) if job.last_attempt and not is_machine_fault(error) else None
        if copy is None:
            postpone(self.ledger, job, error, self.random)
        else:
            unless_lost(partial(self._refuse, job, copy, NOT_COMPARED), job)

    def _compare(self, job: Job) -> None:
        copy = copy_of(self.ledger, job)
        if copy is None:
            finish(self.ledger, job)
            return
        first = find_instance(self.ledger, copy.instance_id)
        if first.path == copy.new.path:  # it took the place of the first copy before the job ended
            end_comparison(self.ledger, job, copy, taken=True)
            return
        damage = self.files.damage(copy.new.path, copy.new.sha256)
        wait_for_missing(damage, job)
        intact = first.path is not None and self.files.damage(first.path, first.sha256) is None
        known = intact or first.pixel_sha256 is not None
        refusal = _DAMAGED if damage else ""
        if known and not refusal:
            refusal = self._contradiction(first, copy.new, intact=intact)
        if refusal:
            self._refuse(job, copy, refusal)
            return
        try:
            taken = self.resends.take_compared(first, copy.new, equal=known, arrived=copy.at)
        except Refused as error:
            self._refuse(job, copy, str(error))
            return
        end_comparison(self.ledger, job, copy, taken=taken is Taken.REPLACED)
        if taken is not Taken.REPLACED:
            self.files.remove(copy.new.path)

    def _contradiction(self, first: Instance, new: NewInstance, *, intact: bool) -> str:
        """Why the pixels of a copy are not those of the first one; "" where they are.

        Of a first copy that is not `intact` the digest of its pixels is known.
        """
        kept = first.pixel_sha256 or (self._digest(first.path) if intact else None)
        found = self._digest(new.path)
        if kept and found:
            return "" if kept == found else OTHER_PIXELS_TEXT
        return self._decoded(first.path, new.path) if intact else NOT_COMPARED

    def _digest(self, path: str | None) -> str | None:
        """The digest of the decoded pixels; None where they are no readable single frame."""
        assert path is not None
        try:
            return pixel_digest(read_dataset(self.files.path(path)), PixelLimits(1, self.max_pixels))
        except (DatasetRefused, PixelsRefused):
            return None

    def _decoded(self, kept: str | None, new: str) -> str:
        """Compare images of several frames or of unusual sizes in a process with limits."""
        assert kept is not None
        paths = [str(self.files.path(path)) for path in (kept, new)]
        argv = [sys.executable, "-m", "ra_node.dicom.reading.instance_equality", *paths]
        try:
            done = subprocess.run(argv, capture_output=True, check=False, timeout=DECODE_S)  # noqa: S603 - ourselves
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = UNKNOWN_PIXELS
        return {SAME_PIXELS: "", OTHER_PIXELS: OTHER_PIXELS_TEXT}.get(code, NOT_COMPARED)

    def _refuse(self, job: Job, copy: ResentCopy, reason: str) -> None:
        refuse_copy(self.ledger, job, copy, reason)
        uid = copy.new.sop_instance_uid
        structlog.get_logger().warning("resend_refused", sop_instance_uid=uid, reason=reason)
        self.files.set_aside(copy.new.path)
