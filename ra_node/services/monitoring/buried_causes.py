"""Buried jobs grouped by their cause, each group with what to do about it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ra_node.domain.job import Job, JobKind

_VARIABLE = re.compile(r"(0x[0-9A-Fa-f]+)|\b[0-9a-f]{8,}\b|\d+(\.\d+)*")
"""A status, which is kept; an id; a UID, an address, a count."""
_ADVICE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("no_space", re.compile(r"0xA7[0-9A-F]{2}|out of resources", re.IGNORECASE)),
    ("sop_class", re.compile(r"0x0122|SOP class not supported|context (was )?not accepted", re.IGNORECASE)),
    ("not_authorised", re.compile(r"0x0124|not authori[sz]ed|rejected", re.IGNORECASE)),
    ("patient", re.compile(r"patient", re.IGNORECASE)),
    ("content", re.compile(r"0x(A9|C)[0-9A-F]{2,3}|0x01(06|11|15|17|20)|does not match", re.IGNORECASE)),
    ("memory", re.compile(r"MemoryError|out of memory|ran out", re.IGNORECASE)),
    ("file", re.compile(r"damaged|missing|purged|no such file", re.IGNORECASE)),
    ("process_ended", re.compile(r"lease lost", re.IGNORECASE)),
    ("unreachable", re.compile(r"no [a-z]+ from|connect|time|reach", re.IGNORECASE)),
)
"""Advice by the text of an error (PS3.4 table B.2-1, PS3.7 annex C), the first that fits."""
ADVICE = (*(name for name, _ in _ADVICE), *(str(kind) for kind in JobKind))
"""Names of every advice: by cause, else by kind of job."""


@dataclass(frozen=True, slots=True)
class BuriedGroup:
    """Buried jobs of one kind, to one destination, with one cause; `id` names them in a form."""

    id: str
    kind: JobKind
    peer: str | None
    advice: str
    jobs: tuple[Job, ...]

    @property
    def cause(self) -> str:
        """The error of the newest job."""
        return self.jobs[0].last_error or ""

    @property
    def studies(self) -> list[str]:
        """The studies, each once."""
        return list(dict.fromkeys(job.study_uid for job in self.jobs))

    @property
    def droppable(self) -> bool:
        """Whether the jobs can be dropped: a report cannot, since every image gets one."""
        return self.kind in (JobKind.DELIVER, JobKind.COMMIT, JobKind.EXAMINE)


def grouped(jobs: Iterable[Job]) -> list[BuriedGroup]:
    """Group jobs by kind, destination and cause; the largest group first."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(_group_id(job), []).append(job)
    made = [
        BuriedGroup(name, jobs[0].kind, jobs[0].peer, _advice(jobs[0]), tuple(jobs))
        for name, jobs in found.items()
    ]
    return sorted(made, key=lambda group: -len(group.jobs))


def _group_id(job: Job) -> str:
    parts = (str(job.kind), job.peer or "", cause_of(job.last_error or ""))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def cause_of(error: str) -> str:
    """An error without what differs from job to job: UIDs, ids, counts. DICOM statuses stay."""
    return _VARIABLE.sub(lambda found: found[1] or "#", error)


def _advice(job: Job) -> str:
    error = job.last_error or ""
    return next((name for name, pattern in _ADVICE if pattern.search(error)), str(job.kind))
