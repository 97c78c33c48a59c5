"""What must happen by the clock: studies settle, lost leases come back, files that nobody needs go."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from ra_node.ledger.commitments import waive
from ra_node.ledger.engine import Ledger
from ra_node.ledger.files import Files
from ra_node.ledger.inbox import close_all_associations, next_due, settle_due
from ra_node.ledger.queue import abandon, expire_leases
from ra_node.ledger.retention import known_paths
from ra_node.services.presence import forget, gone
from ra_node.services.purge import purge

ORPHAN_AGE_S = 3600.0
"""A file without a row this old was left by a crash; a younger one may be about to get its row."""


@dataclass(frozen=True, slots=True)
class Tidier:
    """Everything that tidying needs, built once a process."""

    ledger: Ledger
    files: Files
    presence: Path
    quiet_s: float
    max_wait_s: float
    keep_s: float | None = None
    """Seconds after its last image until the files of a finished study go; None: never."""
    not_committing: Collection[str] = ()
    """Destinations that are not, or no longer, to be asked for commitment."""

    def settle(self) -> float:
        """Fix the next version of every study that is complete; tell how long until the next one may be."""
        for study_uid, version in settle_due(self.ledger, self.quiet_s, self.max_wait_s):
            structlog.get_logger().info("study_settled", study_uid=study_uid, version=version)
        due = next_due(self.ledger, self.quiet_s, self.max_wait_s)
        return float("inf") if due is None else max(0.0, due - self.ledger.clock())

    def take_back(self) -> None:
        """Give the work of dead and of silent workers to others."""
        for owner in gone(self.presence):
            returned = abandon(self.ledger, owner)
            closed = close_all_associations(self.ledger, owner)
            forget(self.presence, owner)
            structlog.get_logger().warning("worker_gone", owner=owner, jobs=returned, associations=closed)
        expired = expire_leases(self.ledger)
        if expired.returned or expired.buried:
            structlog.get_logger().warning("leases_expired", returned=expired.returned, buried=expired.buried)

    def sweep(self) -> None:
        """Remove files that a crash left between their writing and their row."""
        orphans = list(self.files.unknown_files(known_paths(self.ledger), self.ledger.clock() - ORPHAN_AGE_S))
        for path in orphans:
            self.files.remove(path)
        if orphans:
            structlog.get_logger().info("orphans_removed", files=len(orphans))

    def purge(self) -> None:
        """Stop waiting for promises that nobody asks for, then remove what nobody waits for."""
        for peer in self.not_committing:
            waive(self.ledger, peer)
        if self.keep_s is None:
            return
        removed = purge(self.ledger, self.files, self.keep_s)
        if removed.studies:
            log = structlog.get_logger()
            log.info("purged", studies=removed.studies, files=removed.files, bytes=removed.bytes)
