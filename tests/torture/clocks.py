"""The wall clock of all roles jumps, at work and at their start: nothing waits for it, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from ra_node.ledger.alarms import AlarmKind
from ra_node.ledger.database import schema
from tests.conftest import wait_until
from tests.node.harness import Orthanc
from tests.torture.load import Image, studies
from tests.torture.site import Site, site
from tests.torture.verdict import Verdict

DAY_S, HOUR_S = 86400.0, 3600.0
AWAY_S = 20.0
"""How long the clock is ten days ahead while the PACS is away."""
MAX_WAIT_S = 60.0
"""[study] max_wait_s, and how long an answer may take on a busy machine."""
AFTER_JUMP_S = 10.0
"""For a broken node to show that an image or a task waits: a whole one takes a second or two."""
FAR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Jump:
    """What one jump came to; seconds from the last Success, or the clock's return, to the last answer."""

    images: int
    longest_s: float
    alarmed: bool
    cleared: bool
    buried: int
    purged: int

    @property
    def right(self) -> bool:
        quick = self.longest_s <= MAX_WAIT_S
        return quick and self.alarmed and self.cleared and not self.buried and not self.purged

    def __str__(self) -> str:
        told = "alarm raised and cleared" if self.alarmed and self.cleared else "NO ALARM, OR ONE THAT STAYS"
        return (
            f"{self.images} images answered within {self.longest_s:.1f} s,"
            f" {self.buried} buried, {self.purged} purged, {told}"
        )


@dataclass
class Jumped:
    """All jumps, what broken guarantees came to, and the end."""

    jumps: dict[str, Jump]
    verdict: Verdict
    broken: dict[str, str] = field(default_factory=dict)


def jump(folder: Path, pacs: Orthanc, seed: int) -> Jumped:
    """Let one node live through all jumps, and nodes without a guarantee through the worst."""
    drawn = studies(folder / "sent", seed, hands_share=0.3)
    with site(folder, pacs, f"max_wait_s = {MAX_WAIT_S:g}") as one:
        one.start()
        jumps = {
            "+1 day for a moment": _for_a_moment(one, [next(drawn) for _ in range(3)], DAY_S),
            "-1 hour for a moment": _for_a_moment(one, [next(drawn) for _ in range(3)], -HOUR_S),
            f"+10 days for {AWAY_S:g} s, PACS away": _without_pacs(one, next(drawn)),
            "+40 days at the start": _at_the_start(one, next(drawn)),
        }
        one.rest()
        done = Jumped(jumps, one.verdict())
        one.stop()
        done.broken["let due times stand, +1 day for a moment"] = _put_off(one, next(drawn))
        done.broken["let tasks rest, -40 days"] = _asleep(one)
        done.broken["trust every clock, +10 days, PACS away"] = _given_up(one, next(drawn))
        done.broken["trust every clock, +40 days at the start"] = _deleted(one)
    return done


def _for_a_moment(one: Site, drawn: Sequence[list[Image]], shift_s: float) -> Jump:
    """Receive before, during and after a jump, and come back from it while all of it is under way."""
    before, during, after = drawn
    one.send(before)
    with _shifted(one, shift_s):
        one.send(during)
        alarmed = _is_alarmed(one)
    since = one.send(after)
    images = [*before, *during, *after]
    wait_until(lambda: one.answered(images), "the answers", 2 * MAX_WAIT_S)
    return _ended(one, images, time.monotonic() - since, alarmed=alarmed)


def _without_pacs(one: Site, images: Sequence[Image]) -> Jump:
    """Look for a while as if the PACS had been away for longer than results are kept for it."""
    one.pacs.stop()
    one.send(images)
    wait_until(lambda: one.answered(images) and _is_out(one), "results that wait for the PACS", 120)
    with _shifted(one, 10 * DAY_S):
        alarmed = _is_alarmed(one)
        threading.Event().wait(AWAY_S)
        buried = one.buried()
    one.pacs.start()
    since = time.monotonic()
    one.rest(2 * MAX_WAIT_S)
    found = _ended(one, images, time.monotonic() - since, alarmed=alarmed)
    return Jump(found.images, found.longest_s, found.alarmed, found.cleared, buried, found.purged)


def _at_the_start(one: Site, images: Sequence[Image]) -> Jump:
    """Start with a clock that shows a time after the last day of keeping, as after a flat battery."""
    one.stop()
    with _shifted(one, 40 * DAY_S):
        postponed = one.logged("schedule", "purge_postponed")
        one.start()
        since = one.send(images)
        wait_until(lambda: one.answered(images), "the answers", 2 * MAX_WAIT_S)
        longest_s = time.monotonic() - since
        alarmed = _is_alarmed(one)
        wait_until(lambda: one.logged("schedule", "purge_postponed") >= postponed + 2, "two purges", 60)
    return _ended(one, images, longest_s, alarmed=alarmed)


def _put_off(one: Site, images: Sequence[Image]) -> str:
    """How long an image waits that came during a jump, where due times are taken as they are."""
    one.start(broken="let due times stand")
    with _shifted(one, DAY_S):
        one.send(images)
    threading.Event().wait(AFTER_JUMP_S)
    one.stop()
    image, now = schema.instance, time.time()
    waiting = select(func.max(image.c.received_at)).where(image.c.study_uid == images[0].study_uid)
    with one.ledger() as ledger, ledger.read() as connection:
        ahead_s = float(connection.execute(waiting).scalar() or 0) - now
    return "" if one.answered(images) or ahead_s < FAR_S else f"an image waits for {ahead_s:.0f} s"


def _asleep(one: Site) -> str:
    """How a scheduler that waits for its old clock to come back sees nothing of the jump itself."""
    one.start("schedule", broken="let tasks rest")
    started = one.logged("schedule", "purge_postponed")
    with _shifted(one, 40 * DAY_S):
        wait_until(lambda: one.logged("schedule", "purge_postponed") > started, "the tasks", 60)
    threading.Event().wait(AFTER_JUMP_S)
    alarms = one.alarms(AlarmKind.CLOCK)
    one.stop()
    return f"no task ran for {AFTER_JUMP_S:g} s" if alarms else ""


def _given_up(one: Site, images: Sequence[Image]) -> str:
    one.pacs.stop()
    one.start(broken="trust every clock")
    one.send(images)
    wait_until(lambda: one.answered(images) and _is_out(one), "results that wait for the PACS", 120)
    with _shifted(one, 10 * DAY_S):
        wait_until(one.buried, "a delivery that is given up", 120)
    one.stop()
    one.pacs.start()
    return f"{one.buried()} deliveries buried"


def _deleted(one: Site) -> str:
    with _shifted(one, 40 * DAY_S):
        one.start("schedule", broken="trust every clock")
        wait_until(lambda: _purged(one), "a purge", 60)
        one.stop()
    return f"files of {_purged(one)} studies purged"


@contextmanager
def _shifted(one: Site, seconds: float) -> Iterator[None]:
    one.faults.shift_s = seconds
    try:
        yield
    finally:
        one.faults.shift_s = 0.0


def _ended(one: Site, images: Sequence[Image], longest_s: float, *, alarmed: bool) -> Jump:
    wait_until(lambda: not one.alarms(AlarmKind.CLOCK), "the end of the alarm", 60)
    return Jump(len(images), longest_s, alarmed, cleared=True, buried=one.buried(), purged=_purged(one))


def _is_alarmed(one: Site) -> bool:
    return bool(wait_until(lambda: one.alarms(AlarmKind.CLOCK), "an alarm of the clock", 60))


def _is_out(one: Site) -> bool:
    with one.ledger() as ledger, ledger.read() as connection:
        return connection.execute(select(schema.outage.c.peer)).first() is not None


def _purged(one: Site) -> int:
    purged = select(func.count()).where(schema.study.c.purged_at.is_not(None))
    with one.ledger() as ledger, ledger.read() as connection:
        return int(connection.execute(purged).scalar() or 0)
