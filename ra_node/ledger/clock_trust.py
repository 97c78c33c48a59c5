"""Whether the wall clock may decide that something is deleted or given up: only while nothing contradicts it.

What was known last stands in the ledger: when this machine booted by the wall clock (wall time less the
time since boot, which nobody can set), and the latest wall time. A clock that jumped contradicts the first,
also in a process that starts during the jump. After a boot only the second is left.

Everything else needs no trust: a time further ahead than its own maximum is due now (`is_due`), and intervals
are measured by monotonic clocks.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, func, select

from ra_node.ledger.alarms import AlarmKind, alarms, clear_alarm, raise_alarm
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger, insert_new

SKEW_S = 10.0
"""How far the clocks of hosts that share a ledger may differ."""
JUMP_S = 60.0
"""More than a time client slews; less changes no day of keeping."""
DAY_S = 86400.0
"""Off for longer, a machine without a time server must show the same time for as long."""
_AGAIN_S = 60.0
"""Between two writes of a time that only passes."""
_UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2)."""
_NEVER = -1e18
_table = schema.named_value


def is_due(at: float, now: float, most_s: float) -> bool:
    """Whether a time has come; one further ahead than it can ever have been set was set by a wrong clock."""
    return at <= now or at > now + most_s + SKEW_S


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The clocks of a machine at one moment: wall time, seconds since its boot, and what else it knows.

    `boot` names the boot ("" where that cannot be read), `follows` says whether a time server is followed.
    """

    wall: float
    uptime_s: float
    boot: str = ""
    follows: bool | None = None

    @property
    def booted_at(self) -> float:
        return self.wall - self.uptime_s


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a machine's clock when it was last believed.

    `doubted_at` and `doubted_boot`: since which uptime the clock shows another time of boot, and which one.
    `jump_s`: how far forward the clock was set when that was last accepted, at wall time `jumped_at`.
    """

    booted_at: float
    uptime_s: float
    wall: float
    boot: str = ""
    doubted_at: float | None = None
    doubted_boot: float = 0.0
    jump_s: float = 0.0
    jumped_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether the clock is believed: "" or why not, and what was accepted of it before."""

    reason: str = ""
    jump_s: float = 0.0
    jumped_at: float = 0.0

    def patience_s(self, limit_s: float, now: float) -> float:
        """Give the age at which something of `limit_s` is deleted or given up now.

        Infinite while the clock is not trusted. What was noted before the clock was set forward is younger
        than it seems by so much.
        """
        if self.reason:
            return float("inf")
        return limit_s + (self.jump_s if now - limit_s < self.jumped_at else 0.0)


def read_clocks() -> ClockReading:
    """Read the clocks of this machine."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    uptime = time.monotonic() if boottime is None else time.clock_gettime(boottime)
    return ClockReading(time.time(), uptime, _boot_id(), follows_a_server())


def follows_a_server() -> bool | None:
    """What kernel (adjtimex(2)) and systemd-timesyncd say; None where neither can be asked.

    A unit with ProtectClock may not ask the kernel.
    """
    state = clock_state()
    if state is not None:
        return state != _UNSYNCHRONISED
    return True if Path("/run/systemd/timesync/synchronized").exists() else None


class _Timex(ctypes.Structure):
    """The head of struct timex, with room for all of it: only the answer of the call is read."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_char * 508))


def clock_state() -> int | None:
    """What the kernel says of its clock (adjtimex(2)); None where nobody can be asked."""
    if sys.platform != "linux":
        return None
    answer = int(ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex())))
    return None if answer < 0 else answer


def judge(known: Known | None, now: ClockReading, last_event: float | None) -> tuple[Known, str]:
    """Say whether a reading is believed ("") or why not, and what is known after it.

    `last_event` is the newest time in the ledger, for a machine of which nothing is known yet.
    """
    if known is None:  # as if it had booted since
        known = Known(_NEVER, -_NEVER, now.wall if last_event is None else last_event)
    if abs(now.booted_at - known.booted_at) <= JUMP_S:
        return _believed(known, now), ""
    if _booted_since(known, now):
        return _after_boot(known, now)
    jumped = now.booted_at - known.booted_at
    way = "ahead of" if jumped > 0 else "behind"
    return _doubted(
        known, now, f"the clock is {abs(jumped):.0f} s {way} the time that has passed since the boot"
    )


def accept(known: Known, now: ClockReading) -> Known:
    """Believe a reading from now on, by a person's word or because it has lasted.

    What it is ahead may never have passed, so that nothing is deleted for it.
    """
    jump_s = now.wall - known.wall - DAY_S if _booted_since(known, now) else now.booted_at - known.booted_at
    if jump_s <= JUMP_S:
        return _believed(known, now)
    return replace(_believed(known, now), jump_s=known.jump_s + jump_s, jumped_at=now.wall)


def _booted_since(known: Known, now: ClockReading) -> bool:
    if known.boot and now.boot:
        return known.boot != now.boot
    return now.uptime_s < known.uptime_s


def _after_boot(known: Known, now: ClockReading) -> tuple[Known, str]:
    """Only the latest time is left: time does not go back, and a long time off needs a time server."""
    off_s = now.wall - known.wall
    if off_s < -JUMP_S:
        return _doubted(
            known, now, f"the clock is {-off_s:.0f} s before the last time that the node has seen"
        )
    if off_s <= DAY_S or now.follows:
        return _believed(known, now), ""
    return _doubted(known, now, f"the clock is {off_s / DAY_S:.1f} days on, and follows no time server")


def _believed(known: Known, now: ClockReading) -> Known:
    return Known(
        now.booted_at, now.uptime_s, now.wall, now.boot, jump_s=known.jump_s, jumped_at=known.jumped_at
    )


def _doubted(known: Known, now: ClockReading, reason: str) -> tuple[Known, str]:
    """Doubt a clock until it has shown the same time for a day."""
    steady = known.doubted_at is not None and abs(now.booted_at - known.doubted_boot) <= JUMP_S
    if not steady or known.doubted_at is None or now.uptime_s < known.doubted_at:
        return replace(known, doubted_at=now.uptime_s, doubted_boot=now.booted_at), reason
    if now.uptime_s - known.doubted_at >= DAY_S:
        return accept(known, now), ""
    return known, reason


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class ClockWatch:
    """The clock of one machine against what the ledger knows of it."""

    ledger: Ledger
    machine: str
    read: Callable[[], ClockReading] = read_clocks

    def trust(self) -> Trust:
        """Judge the clock as it is now; writes nothing."""
        now = self.read()
        with self.ledger.read() as connection:
            known, reason = judge(self._known(connection), now, _last_event(connection))
        return Trust(reason, known.jump_s, known.jumped_at)

    def observe(self) -> Trust:
        """Judge the clock, keep what is known of it, and raise or clear the alarm."""
        now = self.read()
        with self.ledger.read() as connection:
            before = self._known(connection)
            known, reason = judge(before, now, _last_event(connection))
        if before is None or _differs(before, known):
            self._keep(known)
        said = (
            f"{reason}; nothing is purged and nothing expires before `ra-node clock --accept`"
            if reason
            else ""
        )
        alarm_if(self.ledger, self.machine, said)
        return Trust(reason, known.jump_s, known.jumped_at)

    def accept(self) -> str:
        """Believe the clock as it is now; tell why it was not believed, "" where it was."""
        now = self.read()
        with self.ledger.read() as connection:
            known, reason = judge(self._known(connection), now, _last_event(connection))
        self._keep(accept(known, now))
        clear_alarm(self.ledger, AlarmKind.CLOCK, self.machine)
        return reason

    def _known(self, connection: Connection) -> Known | None:
        found = connection.execute(select(_table.c.value).where(_table.c.name == self._name)).scalar()
        return None if found is None else Known(**json.loads(found))

    def _keep(self, known: Known) -> None:
        value = json.dumps(asdict(known))
        with self.ledger.write() as connection:
            if not insert_new(connection, _table, {"name": self._name, "value": value}):
                this = _table.update().where(_table.c.name == self._name)
                connection.execute(this.values(value=value))

    @property
    def _name(self) -> str:
        return f"clock of {self.machine}"


def alarm_if(ledger: Ledger, subject: str, detail: str) -> None:
    """Raise the alarm of a clock where there is something to say, clear it where there is not."""
    if not detail:
        clear_alarm(ledger, AlarmKind.CLOCK, subject)
    elif not any(one.kind is AlarmKind.CLOCK and one.subject == subject for one in alarms(ledger)):
        raise_alarm(ledger, AlarmKind.CLOCK, subject, detail)


def _last_event(connection: Connection) -> float | None:
    newest = select(func.max(schema.event.c.id)).scalar_subquery()
    at = connection.execute(select(schema.event.c.at).where(schema.event.c.id == newest)).scalar()
    return None if at is None else float(at)


def _differs(before: Known, after: Known) -> bool:
    """Whether more has changed than that time has passed."""
    passed = replace(before, uptime_s=after.uptime_s, wall=after.wall, booted_at=after.booted_at)
    return passed != after or after.uptime_s - before.uptime_s >= _AGAIN_S
