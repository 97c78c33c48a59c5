"""A job: a unit of work that is done once, by the holder of its lease."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 3600.0
LONGEST_MACHINE_RETRY_S = 60.0
LESS_FROM = 3
LONGEST_SILENCE_S = 86400.0
"""Longest interval between storage commitment requests to a peer that never reports."""


class JobKind(StrEnum):
    """Kind of a job."""

    EXAMINE = "examine"
    """Read one instance, detect its hands and analyse them."""
    REPORT = "report"
    """Make the report of one version of a study."""
    DELIVER = "deliver"
    """Send the objects of one version to one peer."""
    COMMIT = "commit"
    """Request storage commitment of one peer for the objects of one version."""
    COMPARE = "compare"
    """Compare the decoded pixels of a resent image with those of its first copy."""


class JobState(StrEnum):
    """State of a job. DONE and BURIED are final; an operator can requeue a buried one."""

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    BURIED = "buried"


MAX_ATTEMPTS = {
    JobKind.EXAMINE: 3,
    JobKind.REPORT: 7,
    JobKind.DELIVER: 5,
    JobKind.COMMIT: 5,
    JobKind.COMPARE: 3,
}
"""Counted attempts before a job is buried; waiting for an unreachable peer or for the machine does not count.

The last attempts of a report leave out failing parts (`makes_less`), so that there is a report."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was when it was read; the holder of a claimed one may finish it.

    Times are UTC seconds since 1970. `attempt` is 1 for the first claim. `fence` grows with every
    claim and is never reset: the holder of an older one has lost the lease.
    """

    id: str
    kind: JobKind
    key: str
    study_uid: str
    instance_id: str | None
    version: int | None
    peer: str | None
    state: JobState
    run_at: float
    attempt: int
    excused: int
    max_attempts: int
    fence: int
    owner: str | None
    lease_until: float | None
    last_error: str | None
    created_at: float
    finished_at: float | None

    @property
    def tried_before(self) -> bool:
        """Whether an earlier attempt was counted: the job may have crashed its process."""
        return self.attempt - 1 > self.excused

    @property
    def last_attempt(self) -> bool:
        """Whether this is the last counted attempt."""
        return self.attempt - self.excused >= self.max_attempts

    @property
    def attempts_left(self) -> int:
        """Counted attempts after this one."""
        return max(0, self.max_attempts - (self.attempt - self.excused))

    @property
    def gives_up(self) -> bool:
        """Whether missing parts are no longer waited for."""
        return self.makes_less if self.kind is JobKind.REPORT else self.last_attempt

    @property
    def makes_less(self) -> bool:
        """Whether this is one of the last attempts, which leave out failing parts."""
        return self.attempts_left <= LESS_FROM


def machine_delay_s(attempt: int, jitter: random.Random) -> float:
    """Seconds to wait for the machine: as `retry_delay_s`, but at most a minute."""
    return min(retry_delay_s(attempt, jitter), LONGEST_MACHINE_RETRY_S * jitter.uniform(0.5, 1.0))


def retry_delay_s(attempt: int, jitter: random.Random) -> float:
    """Seconds to wait after `attempt` (1 for the first) failed: doubling from 5 s to an hour.

    With jitter from half to all of that time, so that jobs that failed together do not retry together.
    """
    doublings = min(max(attempt, 1) - 1, 30)
    longest = min(FIRST_RETRY_S * 2.0**doublings, LONGEST_RETRY_S)
    return longest * jitter.uniform(0.5, 1.0)


def longest_wait_s(kind: JobKind, attempt: int) -> float:
    """Longest possible due time ahead of a job after `attempt` claims.

    An object that a peer failed to commit is sent again after a delay although its job is new, and storage
    commitment is requested again within a day and a quarter.
    """
    if kind is JobKind.COMMIT:
        return 1.25 * LONGEST_SILENCE_S
    if kind is JobKind.DELIVER:
        return LONGEST_RETRY_S
    return min(max(60.0, FIRST_RETRY_S * 2.0 ** (attempt - 1)), LONGEST_RETRY_S)
