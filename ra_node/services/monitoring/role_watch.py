"""Raises alarms for roles without progress on any machine, and clears ended ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ra_node.ledger.alarms import AlarmKind, alarms, clear_alarm, raise_alarm
from ra_node.ledger.database.engine import Ledger
from ra_node.services.jobs.liveness import STALE_S, alive, role_of, stalled
from ra_node.services.jobs.machine_faults import clear_machine_alarms

STEADY_S = 60.0
"""How long a role must be healthy until its alarm ends: longer than a role that fails after each start."""


@dataclass
class RoleWatch:
    """Data sources of the check; `run` is the folder with the lock files of all machines."""

    ledger: Ledger
    run: Path
    clock: Callable[[], float] = time.monotonic
    _well_since: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        """Raise and clear the alarms of roles; clear those of the machine for which no job waits."""
        ill = set(stalled(self.run))
        self._keep_time({role_of(owner) for owner in alive(self.run)} - ill)
        raised = {alarm.subject for alarm in alarms(self.ledger) if alarm.kind is AlarmKind.ROLE}
        for role in ill - raised:
            raise_alarm(self.ledger, AlarmKind.ROLE, role, f"no beat for {STALE_S:.0f} s")
            structlog.get_logger().error("role_heartbeat_missed", watched=role)
        for role in raised:
            if self.clock() - self._well_since.get(role, self.clock()) >= STEADY_S:
                clear_alarm(self.ledger, AlarmKind.ROLE, role)
        clear_machine_alarms(self.ledger)

    def _keep_time(self, well: set[str]) -> None:
        now = self.clock()
        self._well_since = {role: self._well_since.get(role, now) for role in well}
