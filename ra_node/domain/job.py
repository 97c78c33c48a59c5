"""A job: one piece of work that is done once, by whoever holds its lease."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 3600.0
LONGEST_MACHINE_RETRY_S = 60.0
LESS_FROM = 3
LONGEST_SILENCE_S = 86400.0
"""A peer that never reports is asked for commitment again at least this often."""


class JobKind(StrEnum):
    """What is to be done."""

    EXAMINE = "examine"
    """Read one instance, find its hands and judge them."""
    REPORT = "report"
    """Make the result of one version of a study."""
    DELIVER = "deliver"
    """Send the objects of one version to one peer."""
    COMMIT = "commit"
    """Ask one peer to promise that it keeps the objects of one version."""


class JobState(StrEnum):
    """Where a job stands. Done and buried are its two ends; an operator can requeue a buried one."""

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    BURIED = "buried"


MAX_ATTEMPTS = {JobKind.EXAMINE: 3, JobKind.REPORT: 7, JobKind.DELIVER: 5, JobKind.COMMIT: 5}
"""Attempts that count before a job is buried; waiting for a sleeping peer or for the machine does not count.

The last of a report make less and less (`makes_less`), so that there is an answer."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was when it was read; a claimed one is the right to finish it.

    Times are UTC seconds since 1970. `attempt` is 1 for the first claim. `fence` grows with every
    claim and is never reset: whoever holds an older one has lost the lease.
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
        """An earlier attempt counts: whoever held it then may have died of it."""
        return self.attempt - 1 > self.excused

    @property
    def last_attempt(self) -> bool:
        """No counting attempt is left after this one."""
        return self.attempt - self.excused >= self.max_attempts

    @property
    def attempts_left(self) -> int:
        """Counting attempts after this one."""
        return max(0, self.max_attempts - (self.attempt - self.excused))

    @property
    def gives_up(self) -> bool:
        """What is missing now is not waited for any more."""
        return self.makes_less if self.kind is JobKind.REPORT else self.last_attempt

    @property
    def makes_less(self) -> bool:
        """One of the last attempts: what still fails is left out."""
        return self.attempts_left <= LESS_FROM


def machine_delay_s(attempt: int, jitter: random.Random) -> float:
    """Seconds to wait for the machine: as `retry_delay_s`, but at most a minute."""
    return min(retry_delay_s(attempt, jitter), LONGEST_MACHINE_RETRY_S * jitter.uniform(0.5, 1.0))


def retry_delay_s(attempt: int, jitter: random.Random) -> float:
    """Seconds to wait after `attempt` (1 for the first) failed: doubling from 5 s to an hour.

    Half to all of that time, so that what failed together does not come back together.
    """
    doublings = min(max(attempt, 1) - 1, 30)
    longest = min(FIRST_RETRY_S * 2.0**doublings, LONGEST_RETRY_S)
    return longest * jitter.uniform(0.5, 1.0)


def longest_wait_s(kind: JobKind, attempt: int) -> float:
    """Give how far ahead a job can have been put that has been claimed `attempt` times.

    What a peer fails to keep is sent again after a pause although its job is new, and a peer that takes
    the question of commitment is asked again within a day and a quarter.
    """
    if kind is JobKind.COMMIT:
        return 1.25 * LONGEST_SILENCE_S
    if kind is JobKind.DELIVER:
        return LONGEST_RETRY_S
    return min(max(60.0, FIRST_RETRY_S * 2.0 ** (attempt - 1)), LONGEST_RETRY_S)
