"""Alarms while a role of any machine lives without coming further, and ends what alarms have passed."""

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
"""So long a role must have been well until its alarm ends: one that dies at each start is well in between."""


@dataclass
class RoleWatch:
    """What the scheduler looks at; `run` is the folder in which the processes of all machines are present."""

    ledger: Ledger
    run: Path
    clock: Callable[[], float] = time.monotonic
    _well_since: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        """Raise and end the alarms of roles; end those of the machine for which no job waits."""
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
