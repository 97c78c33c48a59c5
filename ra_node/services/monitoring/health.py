"""Whether the node lives, and whether it can do its job: in words that tell a stranger nothing else."""

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
    """One thing that must hold, in a word, and whether it does."""

    name: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Health:
    """What is looked at; `run` is the folder in which the processes of all machines are present.

    `needed` are the roles without which the node does not do its job.
    """

    ledger: Ledger
    has_room: Callable[[], bool]
    run: Path
    needed: Collection[str]

    def living(self) -> list[Sign]:
        """This process answers, and so does the ledger."""
        return [Sign("ledger", self._answers())]

    def ready(self) -> list[Sign]:
        """A study that arrives now is received, judged, answered and sent."""
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
        """The workers that live and have a bundle."""
        living = set(alive(self.run))
        return [worker for worker in workers(self.run) if worker.owner in living]

    def processes(self) -> list[str]:
        """The role of each living process; a role may be there several times, or with several lines."""
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
