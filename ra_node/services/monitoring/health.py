"""Health and readiness of the node, without further details."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from ra_node.errors import NodeError
from ra_node.ledger.database.engine import Ledger, expect_writable, ledger_version
from ra_node.services.jobs.liveness import alive, role_of, stalled
from ra_node.services.jobs.worker_status import RunningWorker, workers


@dataclass(frozen=True, slots=True)
class Sign:
    """A readiness condition and whether it holds."""

    name: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Health:
    """Data sources of the checks; `run` is the folder with the lock files of all machines.

    `needed` are the required roles.
    """

    ledger: Ledger
    has_room: Callable[[], bool]
    run: Path
    needed: Collection[str]

    def living(self) -> list[Sign]:
        """This process and the ledger respond."""
        return [Sign("ledger", self._answers())]

    def ready(self) -> list[Sign]:
        """A study that arrives now can be received, analysed, reported and delivered."""
        late = stalled(self.run)
        roles = {role_of(owner) for owner in alive(self.run)} - set(late)
        return [
            Sign("ledger", self._takes_writes()),
            Sign("disk", self.has_room()),
            *(Sign(role, role in roles) for role in self.needed),
            *(Sign(f"{role} stalled:", holds=False) for role in late),
            Sign("bundle", bool(self.workers())),
        ]

    def workers(self) -> list[RunningWorker]:
        """Running workers with a bundle."""
        living = set(alive(self.run))
        return [worker for worker in workers(self.run) if worker.owner in living]

    def processes(self) -> list[str]:
        """The role of each running process; a role may occur several times."""
        return [role_of(owner) for owner in alive(self.run)]

    def _answers(self) -> bool:
        try:
            return ledger_version(self.ledger) is not None
        except NodeError:
            return False

    def _takes_writes(self) -> bool:
        try:
            expect_writable(self.ledger)
        except NodeError:
            return False
        return True
