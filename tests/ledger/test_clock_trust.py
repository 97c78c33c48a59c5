"""Nothing is deleted or given up by a clock that contradicts what is known."""

from __future__ import annotations

import pytest

from ra_node.ledger.alarms import AlarmKind, alarms
from ra_node.ledger.clock_trust import DAY_S, ClockReading, ClockWatch, is_due, read_clocks
from ra_node.ledger.database.events import record

LIMIT_S = 7 * DAY_S


class Machine:
    """A machine with a wall clock that can be set, and seconds since boot that cannot."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self.wall, self.uptime_s, self.boot, self.follows = wall, 5000.0, "a", None

    def passes(self, seconds: float) -> None:
        self.wall, self.uptime_s = self.wall + seconds, self.uptime_s + seconds

    def boots(self, off_s: float, boot: str = "b") -> None:
        self.wall, self.uptime_s, self.boot = self.wall + off_s, 20.0, boot

    def __call__(self) -> ClockReading:
        return ClockReading(self.wall, self.uptime_s, self.boot, self.follows)


@pytest.fixture
def machine(clock) -> Machine:
    return Machine(clock.now)


@pytest.fixture
def watch(ledger, machine) -> ClockWatch:
    return ClockWatch(ledger, "host", machine)


def patience(watch: ClockWatch, machine: Machine) -> float:
    return watch.trust().patience_s(LIMIT_S, machine.wall)


def doubted(watch: ClockWatch) -> bool:
    """Looks, and holds that the alarm says the same."""
    reason = watch.observe().reason
    raised = [one for one in alarms(watch.ledger) if one.kind is AlarmKind.CLOCK]
    assert bool(raised) == bool(reason)
    assert bool(watch.trust().reason) == bool(reason)
    return bool(reason)


def test_a_clock_that_only_goes_on_is_believed(watch, machine):
    for seconds in (1, 60, DAY_S, 40 * DAY_S):
        assert not doubted(watch)
        machine.passes(seconds)
    machine.wall += 5  # as a time client sets it
    assert not doubted(watch)
    assert patience(watch, machine) == LIMIT_S


@pytest.mark.parametrize("jump_s", [10 * DAY_S, 3600.0, 90.0, -3600.0, -40 * DAY_S])
def test_a_jump_is_doubted_until_it_is_taken_back(watch, machine, jump_s):
    """Ten days ahead for 20 s buried every delivery."""
    watch.observe()
    machine.wall += jump_s
    assert patience(watch, machine) == float("inf"), "also before anybody has looked at the clock"
    assert doubted(watch)
    machine.passes(20)
    assert doubted(watch)
    machine.wall -= jump_s
    assert not doubted(watch)
    assert patience(watch, machine) == LIMIT_S


def test_a_node_that_starts_during_a_jump_doubts_it_too(ledger, watch, machine):
    """Forty days ahead at the start purged every finished study."""
    watch.observe()
    machine.passes(3 * DAY_S)  # stopped for days, on the same boot
    machine.wall += 40 * DAY_S
    assert doubted(ClockWatch(ledger, "host", machine))


@pytest.mark.parametrize("boot", ["b", ""])
def test_after_a_boot_a_long_time_off_needs_a_time_server(watch, machine, boot):
    watch.observe()
    machine.boots(40 * DAY_S, boot)
    machine.follows = False
    assert doubted(watch)
    machine.passes(300)
    machine.follows = True
    assert not doubted(watch)


def test_after_a_boot_a_day_with_the_same_time_will_do_and_ages_are_counted_without_the_gap(watch, machine):
    watch.observe()
    machine.boots(40 * DAY_S)
    assert doubted(watch)
    machine.passes(DAY_S - 60)
    assert doubted(watch)
    machine.passes(120)
    assert not doubted(watch)
    assert patience(watch, machine) == pytest.approx(LIMIT_S + 40 * DAY_S, abs=300)
    machine.passes(8 * DAY_S)
    assert patience(watch, machine) == LIMIT_S


def test_a_short_time_off_is_believed(watch, machine):
    watch.observe()
    machine.boots(3600)
    assert not doubted(watch)


def test_a_clock_that_lost_its_battery_is_doubted_until_a_server_sets_it(watch, machine):
    watch.observe()
    machine.boots(-machine.wall)
    assert doubted(watch)
    machine.wall = 1_800_000_000.0 + 3600
    assert not doubted(watch)


def test_a_person_may_accept_a_jump(watch, machine):
    """What was noted before is then younger than it looks: the time may never have passed."""
    watch.observe()
    machine.wall += 10 * DAY_S
    assert "864000 s ahead" in watch.accept()
    assert not doubted(watch)
    assert patience(watch, machine) == LIMIT_S + 10 * DAY_S
    assert watch.accept() == ""


def test_a_ledger_that_is_older_than_the_node_says_what_time_it_was(watch, machine, ledger, clock):
    """The newest event counts where nothing is known of the clock."""
    record(ledger, "association_opened")
    machine.wall = clock.now + 40 * DAY_S
    assert doubted(watch)
    machine.passes(60)
    assert doubted(watch)
    machine.wall = clock.now + 3600
    assert not doubted(watch)


def test_each_host_has_its_own_clock(ledger, machine, watch):
    watch.observe()
    other = Machine(machine.wall)
    other.uptime_s = 9e6
    assert not doubted(ClockWatch(ledger, "other", other))


def test_a_time_further_ahead_than_it_can_be_is_due():
    assert is_due(100.0, 100.0, 5.0)
    assert not is_due(105.0, 100.0, 5.0)
    assert not is_due(114.0, 100.0, 5.0), "clocks of hosts differ a little"
    assert is_due(3700.0, 100.0, 5.0)


def test_this_machine_can_be_read():
    now = read_clocks()
    assert now.wall > now.uptime_s > 0
    assert now.follows in (None, True, False)
