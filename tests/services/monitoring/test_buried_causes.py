"""Buried jobs with one cause are one group, whatever UID, id or count stands in their error."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ra_node.domain.job import Job, JobKind, JobState
from ra_node.services.monitoring.buried_causes import grouped

JOB = Job(
    "j", JobKind.DELIVER, "k", "1.2", None, 1, "pacs", JobState.BURIED, 0, 5, 0, 5, 1, None, None, "", 0, 0
)


def job(number: int, error: str, **changes: object) -> Job:
    return replace(JOB, id=f"j{number}", study_uid=f"1.2.{number}", last_error=error, **changes)


@pytest.mark.parametrize(
    "errors",
    [
        ("refused 2 objects, sr with status 0xA900: x", "refused 1 objects, sr with status 0xA900: x"),
        ("no study 1.2.840.10008.1.2 there", "no study 2.25.4711.1.1.9 there"),
        ("job 0123456789abcdef ended", "job fedcba9876543210 ended"),
        ("MemoryError in pixels.py:120", "MemoryError in pixels.py:131"),
    ],
)  # fmt: skip
def test_what_differs_from_job_to_job_makes_no_group(errors):
    (group,) = grouped(job(n, error) for n, error in enumerate(errors))
    assert [one.id for one in group.jobs] == ["j0", "j1"]
    assert group.cause == errors[0]


def test_kind_destination_status_and_cause_do():
    jobs = [
        job(0, "status 0xA900: x"), job(1, "status 0xA700: x"), job(2, "status 0xA900: x", peer="archive"),
        job(3, "status 0xA900: x", kind=JobKind.COMMIT), job(4, "status 0xA900: x"),
    ]  # fmt: skip
    groups = grouped(jobs)
    assert [len(group.jobs) for group in groups] == [2, 1, 1, 1]
    assert len({group.id for group in groups}) == 4


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("the peer refused 2 objects, sr with status 0xA700: out of resources", "no_space"),
        ("sr with status 0xA900: Data Set does not match SOP Class", "content"),
        ("sr with status 0xC000: cannot understand", "content"),
        ("sr with status 0x0122: SOP Class not supported", "sop_class"),
        ("sr with status 0x0124: Not authorized", "not_authorised"),
        ("no answer from 10.0.0.11 port 104", "unreachable"),
        ("MemoryError in pixels.py:120", "memory"),
        ("the kept file is damaged", "file"),
        ("lease lost: the process ended", "process_ended"),
        ("something new", "deliver"),
    ],
)
def test_every_cause_has_its_advice(error, advice):
    (group,) = grouped([job(0, error)])
    assert group.advice == advice
