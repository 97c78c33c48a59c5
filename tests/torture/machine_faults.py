"""A machine that cannot read, open or write for a while: no image is blamed, all are answered afterwards."""

from __future__ import annotations

import errno
import resource
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from ra_node.domain.job import MAX_ATTEMPTS, JobKind
from ra_node.ledger.alarms import AlarmKind
from ra_node.ledger.database import schema
from tests.conftest import wait_until
from tests.node.harness import Orthanc
from tests.torture.load import Image, studies
from tests.torture.site import Site, site
from tests.torture.verdict import Verdict

ATTEMPTS = MAX_ATTEMPTS[JobKind.EXAMINE]
"""So often an image is tried during a fault: enough to give up one that is to blame."""
LONGEST_FAULT_S = 12.0
HANDLES = 3
"""Open files that a process may have at most while it has "too many"."""
ALARM_END_S = 60.0
"""For the alarm to end; nothing is waited for longer than a minute at a time."""


@dataclass(frozen=True, slots=True)
class MachineFault:
    """What one fault of the machine came to."""

    attempts: int
    """The most that one image was tried during it."""
    alarmed: bool
    failed: int
    """Images answered "analysis failed"."""
    buried: int
    answered: int
    images: int

    @property
    def right(self) -> bool:
        return not self.failed and not self.buried and self.answered == self.images

    def __str__(self) -> str:
        return (
            f"{self.answered} of {self.images} images answered, tried {self.attempts} times meanwhile,"
            f" {self.failed} blamed, {self.buried} buried,"
            f" {'alarm raised and cleared' if self.alarmed else 'no alarm'}"
        )


@dataclass
class MachineFaultResults:
    """All of them, what a broken guarantee came to, and the end."""

    faults: dict[str, MachineFault]
    verdict: Verdict
    refused: bool = False
    """An image was refused while nothing could be written."""
    broken: dict[str, int] = field(default_factory=dict)


def run_machine_faults(folder: Path, pacs: Orthanc, seed: int) -> MachineFaultResults:
    """Let one node live through all of them, and one that blames the image through the first."""
    drawn = studies(folder / "sent", seed, hands_share=1.0)  # what the header decides alone is not read
    with site(folder, pacs) as one:
        one.start("listen", "schedule", "deliver")
        eio = "reads give EIO"
        faults = {
            eio: _run(one, _some(drawn), lambda: _failing(one, reads=errno.EIO)),
            "too many open files": _run(one, _some(drawn), lambda: _few_handles(one)),
            "writes give ENOSPC": _run(
                one, _some(drawn), lambda: _failing(one, writes=errno.ENOSPC), before=True
            ),
        }
        one.start("work")
        with _failing(one, writes=errno.ENOSPC):
            last = next(drawn)
            refused = one.is_refused(last[0])
        one.send(last)
        one.rest()
        done = MachineFaultResults(faults, one.verdict(), refused)
        one.stop("work")
        done.broken[f"blame the image, {eio}"] = _blamed(one, next(drawn))
    return done


def _some(drawn: Iterator[list[Image]]) -> list[Image]:
    return [image for _ in range(2) for image in next(drawn)]  # two to four


def _run(
    one: Site,
    images: Sequence[Image],
    fault: Callable[[], AbstractContextManager[None]],
    *,
    before: bool = False,
) -> MachineFault:
    """Send to a node during a fault of its worker; with `before` the worker starts after the images."""
    if before:
        one.send(images)
    else:
        _start_worker(one)
    with fault():
        if before:
            one.start("work")
        else:
            one.send(images)
        _wait_until_tried(one, images)
        attempts, alarmed = _attempts(one, images), bool(one.alarms(AlarmKind.MACHINE))
    one.rest()
    if alarmed:
        wait_until(lambda: not one.alarms(AlarmKind.MACHINE), "the end of the alarm", ALARM_END_S)
    one.stop("work")
    uids = {image.sop_instance_uid for image in images}
    return MachineFault(
        attempts,
        alarmed,
        failed=len(uids.intersection(one.failed())),
        buried=one.buried(),
        answered=len(uids & one.named()),
        images=len(images),
    )


def _blamed(one: Site, images: Sequence[Image]) -> int:
    """How many images are answered "analysis failed" where every error is the image's own."""
    one.start("work", broken="blame the image")
    with _failing(one, reads=errno.EIO):
        one.send(images)
        wait_until(one.buried, "an image that is given up", 120)
    one.rest()
    one.stop("work")
    return len(one.failed())


def _start_worker(one: Site) -> None:
    ready = one.logged("work", '"role_startup_completed"')
    one.start("work")
    wait_until(lambda: one.logged("work", '"role_startup_completed"') > ready, "the worker", 120)


def _wait_until_tried(one: Site, images: Sequence[Image]) -> None:
    """Until one image was tried so often that it would have been given up, or for as long as that takes."""
    deadline = time.monotonic() + LONGEST_FAULT_S
    while _attempts(one, images) < ATTEMPTS and time.monotonic() < deadline:
        threading.Event().wait(0.1)


def _attempts(one: Site, images: Sequence[Image]) -> int:
    """The most attempts at one of these images."""
    job = schema.job
    these = job.c.study_uid.in_({image.study_uid for image in images})
    with one.ledger() as ledger, ledger.read() as connection:
        most = connection.execute(select(func.max(job.c.attempt)).where(these, job.c.kind == JobKind.EXAMINE))
        return int(most.scalar() or 0)


@contextmanager
def _failing(one: Site, **errors: int) -> Iterator[None]:
    one.faults.fail(**errors)
    try:
        yield
    finally:
        one.faults.fail()


@contextmanager
def _few_handles(one: Site) -> Iterator[None]:
    """The kernel's own EMFILE: what is open stays open, and nothing more can be opened."""
    pid = one.pid("work")
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (HANDLES, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it ended, and another took its place
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
