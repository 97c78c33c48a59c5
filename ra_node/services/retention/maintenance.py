"""Periodic maintenance: settling, expired leases, orphans, retention."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ra_node.ledger.alarms import AlarmKind, clear_old_alarms
from ra_node.ledger.clock_trust import SKEW_S, ClockWatch, Trust, alarm_if
from ra_node.ledger.commitments import waive
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.inbox import close_all_associations, next_due, settle_due
from ra_node.ledger.jobs.leases import LeaseWatch, mend_due_times
from ra_node.ledger.jobs.queue import abandon
from ra_node.ledger.overview import oldest_unanswered
from ra_node.ledger.storage.durable_files import Files
from ra_node.ledger.storage.identity import Unbound, problem_of, tell
from ra_node.services.jobs.liveness import forget, gone
from ra_node.services.retention.orphans import CrashBound, sweep
from ra_node.services.retention.purge import purge
from ra_node.services.retention.reader_studies import purge_reader_studies

HEADER_ALARM_S = 86400.0
"""The alarm of a sender ends after a day, and is raised again if it continues."""
PIXEL_ALARM_S = 7 * 86400.0
"""The alarm of a copy with other pixels ends after a week, as that of a study that an archive has twice."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Dependencies of the maintenance, built once a process."""

    ledger: Ledger
    files: Files
    presence: Path
    quiet_s: float
    max_wait_s: float
    keep_s: float | None = None
    """Seconds after its last image until the files of a finished study are removed; None: never."""
    not_committing: Collection[str] = ()
    """Destinations without storage commitment in the configuration."""
    bound: CrashBound = field(default_factory=CrashBound)
    subject: str = ""
    """Subject of the alarm for the data folder."""
    leases: LeaseWatch = field(default_factory=lambda: LeaseWatch(60.0))
    clock_watch: ClockWatch | None = None
    """None: the clock is trusted."""

    def settle(self) -> float:
        """Settle every due study; return the seconds until the next one may settle."""
        for study_uid, version in settle_due(self.ledger, self.quiet_s, self.max_wait_s):
            structlog.get_logger().info("study_settled", study_uid=study_uid, version=version)
        due = next_due(self.ledger, self.quiet_s, self.max_wait_s)
        return float("inf") if due is None else max(0.0, due - self.ledger.clock())

    def take_back(self) -> None:
        """Expire the leases of ended and of silent workers."""
        for owner in gone(self.presence):
            returned = abandon(self.ledger, owner)
            closed = close_all_associations(self.ledger, owner)
            forget(self.presence, owner)
            structlog.get_logger().warning("worker_lost", owner=owner, jobs=returned, associations=closed)
        expired = self.leases.expire(self.ledger)
        if expired.returned or expired.buried:
            structlog.get_logger().warning("leases_expired", returned=expired.returned, buried=expired.buried)

    def watch_clock(self) -> None:
        """Check the clock; an alarm is active while it is not trusted."""
        if self.clock_watch is not None and (reason := self.clock_watch.observe().reason):
            structlog.get_logger().warning("clock_distrusted", reason=reason)

    def mend_times(self) -> None:
        """Correct due times that a wrong clock has set."""
        mended = mend_due_times(self.ledger)
        if mended:
            structlog.get_logger().warning("due_times_corrected", count=mended)
        oldest = oldest_unanswered(self.ledger)
        ahead_s = 0.0 if oldest is None else oldest - self.ledger.clock()
        said = f"the oldest image that waits is from {ahead_s:.0f} s ahead of the clock"
        alarm_if(self.ledger, "times", said if ahead_s > SKEW_S else "")

    def sweep(self) -> None:
        """Remove files that a crash left between their writing and their row; end old alarms of senders."""
        clear_old_alarms(self.ledger, AlarmKind.HEADER, HEADER_ALARM_S)
        clear_old_alarms(self.ledger, AlarmKind.PIXELS, PIXEL_ALARM_S)
        clear_old_alarms(self.ledger, AlarmKind.PEER_CONFLICT, PIXEL_ALARM_S)
        if self.clock_watch is not None and self.clock_watch.trust().reason:
            return  # file ages are unreliable then
        swept = sweep(self.ledger, self.files, self.bound)
        if swept.removed or swept.set_aside:
            log = structlog.get_logger()
            log.info("orphans_swept", removed=swept.removed, set_aside=swept.set_aside)

    def watch(self) -> None:
        """Raise or clear the alarm about the binding of data folder and ledger."""
        if self.files.identity:
            tell(self.ledger, self.subject, problem_of(self.ledger, self.files))

    def purge(self) -> None:
        """Waive commitments that are no longer requested, then purge finished studies."""
        for peer in self.not_committing:
            waive(self.ledger, peer)
        if self.keep_s is None:
            return
        trust = Trust() if self.clock_watch is None else self.clock_watch.trust()
        if trust.reason:
            structlog.get_logger().warning("purge_postponed", reason=trust.reason)
            return
        try:
            keep_s = trust.patience_s(self.keep_s, self.ledger.clock())
            removed = purge(self.ledger, self.files, keep_s)
            purge_reader_studies(self.ledger, self.files, keep_s)
        except Unbound as error:
            structlog.get_logger().error("purge_refused", reason=str(error))
            return
        if removed.studies:
            log = structlog.get_logger()
            log.info("studies_purged", studies=removed.studies, files=removed.files, bytes=removed.bytes)
