"""Ledger content in one line, a clock that only moves when told, and pictures of a whole ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import event, select

from ra_node.domain.job import Job, JobKind
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.findings import finish_examination
from ra_node.ledger.inbox import Instance, Kept, NewInstance, keep_instance, settle_now
from ra_node.ledger.jobs.leases import LeaseWatch
from ra_node.ledger.jobs.queue import Expired, bury, claim
from ra_node.ledger.results import Result, ResultObject, finish_report

LEASE_S = 60.0
EVERY_KIND = tuple(JobKind)


@dataclass
class FakeClock:
    """Seconds since 1970 that stand still."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def new_instance(uid: str, study: str = "1.2.3", **changes: object) -> NewInstance:
    fields = {
        "sop_instance_uid": uid,
        "study_uid": study,
        "series_uid": f"{study}.1",
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "path": f"inbox/{uid}.dcm",
        "size_bytes": 1000,
        "calling_ae": "PACS",
    }
    return NewInstance(**{**fields, **changes})


def keep(ledger: Ledger, uid: str, study: str = "1.2.3", **changes: object) -> Instance:
    kept = keep_instance(ledger, new_instance(uid, study, **changes))
    assert isinstance(kept, Kept)
    return kept.instance


def claim_one(ledger: Ledger, kind: JobKind = JobKind.EXAMINE, owner: str = "worker") -> Job:
    jobs = claim(ledger, [kind], owner, 1, LEASE_S)
    assert len(jobs) == 1, f"expected one {kind} job to be claimable, found {len(jobs)}"
    return jobs[0]


def keep_many(ledger: Ledger, clock: FakeClock, count: int) -> None:
    """Keep images that arrive one after the other."""
    for n in range(count):
        keep(ledger, f"1.2.3.1.{n}")
        clock.advance(0.001)


def lose_leases(ledger: Ledger, clock: FakeClock) -> Expired:
    """Look twice as a scheduler does, while nobody renews a lease for its whole length."""
    watch = LeaseWatch(LEASE_S, clock)
    assert watch.expire(ledger) == Expired(0, 0)
    clock.advance(LEASE_S)
    return watch.expire(ledger)


def bury_one(ledger: Ledger, kind: JobKind, owner: str = "worker") -> Job:
    """Claim one job and bury it."""
    job = claim_one(ledger, kind, owner)
    bury(ledger, job, "it broke")
    return job


def examine_all(ledger: Ledger) -> None:
    while jobs := claim(ledger, [JobKind.EXAMINE], "worker", 10, LEASE_S):
        for job in jobs:
            finish_examination(ledger, job, '{"hands": []}', f"previews/{job.id}.png", "bundle")


def result_of(job: Job, predecessor: str | None = None) -> tuple[Result, list[ResultObject]]:
    """An answer with one SR and one overlay."""
    stem = f"{job.study_uid}.9.{job.version}"
    result = Result(job.study_uid, job.version, "{}", 1_800_000_000.0, f"{stem}.1", predecessor)
    objects = [
        ResultObject(f"{stem}.{n}", job.study_uid, job.version, kind, "1.2.840.1", f"results/{stem}.{n}.dcm")
        for n, kind in ((1, "sr"), (2, "overlay"))
    ]
    return result, objects


def answer(ledger: Ledger, *peers: str) -> Result:
    """Finish the report that is next; every object goes to every peer."""
    job = claim_one(ledger, JobKind.REPORT)
    result, objects = result_of(job)
    pairs = [(made.sop_instance_uid, peer) for made in objects for peer in peers]
    assert finish_report(ledger, job, result, objects, pairs)
    return result


def answered_study(ledger: Ledger, study: str = "1.2.3", peers: tuple[str, ...] = ("archive",)) -> Result:
    """A study with one image, examined, settled and answered as version 1."""
    keep(ledger, f"{study}.1.1", study)
    examine_all(ledger)
    settle_now(ledger, study)
    return answer(ledger, *peers)


def picture(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, to compare before with after."""
    with ledger.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


class PowerCutError(Exception):
    """The process ends here, as far as the database can tell."""


def cut_at_every_statement(ledger: Ledger, use: Callable[[], object]) -> int:
    """Break `use` at each of its statements and at its commit in turn; each time nothing may change.

    Returns how many places there were. The last, unbroken use stays done.
    """
    for place in range(1, 100):
        before = picture(ledger)
        try:
            with _cut(ledger, place):
                use()
        except PowerCutError:
            assert picture(ledger) == before, f"a cut at statement {place} left something behind"
        else:
            assert picture(ledger) != before, "the use changed nothing at all"
            return place - 1
    raise AssertionError("the use never came to its end")


@contextmanager
def _cut(ledger: Ledger, place: int) -> Iterator[None]:
    left = place

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise PowerCutError

    event.listen(ledger.engine, "before_cursor_execute", count)
    event.listen(ledger.engine, "commit", count)
    try:
        yield
    finally:
        event.remove(ledger.engine, "before_cursor_execute", count)
        event.remove(ledger.engine, "commit", count)


def deadline(seconds: float = 20.0) -> Callable[[], bool]:
    """True as long as time is left."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
