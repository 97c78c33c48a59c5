"""Clock trust: the wall clock may decide about deletion and expiry only while nothing contradicts it.

The ledger holds the boot time of this machine by the wall clock (wall time minus monotonic time since boot)
and the latest wall time. A clock that jumped contradicts the first, also in a process that starts afterwards.
After a reboot only the second is available.

Nothing else depends on the wall clock: a due time further ahead than its own maximum is due now (`is_due`),
and intervals are measured by monotonic clocks.
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
"""Largest accepted difference between clocks of hosts that share a ledger."""
JUMP_S = 60.0
"""Larger than the corrections of a time client; smaller differences do not affect retention."""
DAY_S = 86400.0
"""After a longer power-off a machine without a time server must show the same time for as long."""
_AGAIN_S = 60.0
"""Interval between two writes of a time that only advances."""
_UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2)."""
_NEVER = -1e18
_table = schema.named_value


def is_due(at: float, now: float, most_s: float) -> bool:
    """Whether a time is due; a time further ahead than its maximum was set by a wrong clock and is due."""
    return at <= now or at > now + most_s + SKEW_S


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A reading of the clocks of a machine: wall time, seconds since boot, boot id, time server.

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
class TrustedClock:
    """State of a machine's clock when it was last trusted.

    `doubted_at` and `doubted_boot`: uptime since which the clock implies another boot time, and that boot
    time. `jump_s`: how far forward the clock was set when that was last accepted, at wall time `jumped_at`.
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
    """Whether the clock is trusted: "" or the reason, and the last accepted step."""

    reason: str = ""
    jump_s: float = 0.0
    jumped_at: float = 0.0

    def patience_s(self, limit_s: float, now: float) -> float:
        """Age at which something with the limit `limit_s` is deleted or expires now.

        Infinite while the clock is not trusted. Times recorded before a step forward are corrected by that
        step.
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
    """Synchronisation state by the kernel (adjtimex(2)) or systemd-timesyncd; None without either.

    A unit with ProtectClock has no access to adjtimex.
    """
    state = clock_state()
    if state is not None:
        return state != _UNSYNCHRONISED
    return True if Path("/run/systemd/timesync/synchronized").exists() else None


class _Timex(ctypes.Structure):
    """Buffer of the size of struct timex: only the return value of the call is used."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_char * 508))


def clock_state() -> int | None:
    """Clock state from the kernel (adjtimex(2)); None where it is unavailable."""
    if sys.platform != "linux":
        return None
    answer = int(ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex())))
    return None if answer < 0 else answer


def assess_clock(
    known: TrustedClock | None, now: ClockReading, last_event: float | None
) -> tuple[TrustedClock, str]:
    """Check a reading: "" or the reason for distrust, and the new state.

    `last_event` is the newest time in the ledger, for a machine without stored state.
    """
    if known is None:  # treated as after a reboot
        known = TrustedClock(_NEVER, -_NEVER, now.wall if last_event is None else last_event)
    if abs(now.booted_at - known.booted_at) <= JUMP_S:
        return _believed(known, now), ""
    if _booted_since(known, now):
        return _after_boot(known, now)
    jumped = now.booted_at - known.booted_at
    way = "ahead of" if jumped > 0 else "behind"
    return _doubted(
        known, now, f"the clock is {abs(jumped):.0f} s {way} the time that has passed since the boot"
    )


def accept(known: TrustedClock, now: ClockReading) -> TrustedClock:
    """Trust a reading from now on, by an operator or because it has been stable.

    The step forward may not be elapsed time, so nothing is deleted because of it.
    """
    jump_s = now.wall - known.wall - DAY_S if _booted_since(known, now) else now.booted_at - known.booted_at
    if jump_s <= JUMP_S:
        return _believed(known, now)
    return replace(_believed(known, now), jump_s=known.jump_s + jump_s, jumped_at=now.wall)


def _booted_since(known: TrustedClock, now: ClockReading) -> bool:
    if known.boot and now.boot:
        return known.boot != now.boot
    return now.uptime_s < known.uptime_s


def _after_boot(known: TrustedClock, now: ClockReading) -> tuple[TrustedClock, str]:
    """After a reboot: time must not go back, and a long power-off needs a time server."""
    off_s = now.wall - known.wall
    if off_s < -JUMP_S:
        return _doubted(
            known, now, f"the clock is {-off_s:.0f} s before the last time that the node has seen"
        )
    if off_s <= DAY_S or now.follows:
        return _believed(known, now), ""
    return _doubted(known, now, f"the clock is {off_s / DAY_S:.1f} days on, and follows no time server")


def _believed(known: TrustedClock, now: ClockReading) -> TrustedClock:
    return TrustedClock(
        now.booted_at, now.uptime_s, now.wall, now.boot, jump_s=known.jump_s, jumped_at=known.jumped_at
    )


def _doubted(known: TrustedClock, now: ClockReading, reason: str) -> tuple[TrustedClock, str]:
    """Distrust a clock until it has been stable for a day."""
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
    """Clock check of one machine against its state in the ledger."""

    ledger: Ledger
    machine: str
    read: Callable[[], ClockReading] = read_clocks

    def trust(self) -> Trust:
        """Check the clock; writes nothing."""
        now = self.read()
        with self.ledger.read() as connection:
            known, reason = assess_clock(self._known(connection), now, _last_event(connection))
        return Trust(reason, known.jump_s, known.jumped_at)

    def observe(self) -> Trust:
        """Check the clock, store its state, and raise or clear the alarm."""
        now = self.read()
        with self.ledger.read() as connection:
            before = self._known(connection)
            known, reason = assess_clock(before, now, _last_event(connection))
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
        """Trust the clock as it is now; return the previous reason for distrust, "" where it was trusted."""
        now = self.read()
        with self.ledger.read() as connection:
            known, reason = assess_clock(self._known(connection), now, _last_event(connection))
        self._keep(accept(known, now))
        clear_alarm(self.ledger, AlarmKind.CLOCK, self.machine)
        return reason

    def _known(self, connection: Connection) -> TrustedClock | None:
        found = connection.execute(select(_table.c.value).where(_table.c.name == self._name)).scalar()
        return None if found is None else TrustedClock(**json.loads(found))

    def _keep(self, known: TrustedClock) -> None:
        value = json.dumps(asdict(known))
        with self.ledger.write() as connection:
            if not insert_new(connection, _table, {"name": self._name, "value": value}):
                this = _table.update().where(_table.c.name == self._name)
                connection.execute(this.values(value=value))

    @property
    def _name(self) -> str:
        return f"clock of {self.machine}"


def alarm_if(ledger: Ledger, subject: str, detail: str) -> None:
    """Raise the alarm of a clock for a reason, clear it for ""."""
    if not detail:
        clear_alarm(ledger, AlarmKind.CLOCK, subject)
    elif not any(one.kind is AlarmKind.CLOCK and one.subject == subject for one in alarms(ledger)):
        raise_alarm(ledger, AlarmKind.CLOCK, subject, detail)


def _last_event(connection: Connection) -> float | None:
    newest = select(func.max(schema.event.c.id)).scalar_subquery()
    at = connection.execute(select(schema.event.c.at).where(schema.event.c.id == newest)).scalar()
    return None if at is None else float(at)


def _differs(before: TrustedClock, after: TrustedClock) -> bool:
    """Whether anything but the elapsed time has changed."""
    passed = replace(before, uptime_s=after.uptime_s, wall=after.wall, booted_at=after.booted_at)
    return passed != after or after.uptime_s - before.uptime_s >= _AGAIN_S
