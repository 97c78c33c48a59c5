"""A role that lives without coming further is an alarm, until it has been well for a while."""

from __future__ import annotations

import os
import time

import pytest

from ra_node.ledger.alarms import AlarmKind, alarms, raise_alarm
from ra_node.services.jobs.liveness import STALE_S, beat, present
from ra_node.services.monitoring.role_watch import STEADY_S, RoleWatch
from tests.ledger.builders import FakeClock


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run" / "here"


def subjects(bench):
    return [(one.kind, one.subject) for one in alarms(bench.ledger)]


def late(folder):
    """Make the last beat of this process look old."""
    (path,) = folder.glob("*.beat")
    then = time.time() - STALE_S - 1
    os.utime(path, (then, then))


def test_a_role_without_a_beat_alarms_until_it_has_been_well_for_a_while(bench, folder):
    clock = FakeClock()
    watch = RoleWatch(bench.ledger, folder.parent, clock)
    with present(folder, f"work-{os.getpid()}-a"):
        beat(folder, "work")
        watch.look()
        assert subjects(bench) == []
        late(folder)
        watch.look()
        watch.look()
        assert subjects(bench) == [(AlarmKind.ROLE, "work")]
        beat(folder, "work")
        watch.look()
        assert subjects(bench) == [(AlarmKind.ROLE, "work")]
        clock.advance(STEADY_S)
        watch.look()
        assert subjects(bench) == []


def test_a_role_that_dies_again_and_again_keeps_its_alarm(bench, folder):
    clock = FakeClock()
    watch = RoleWatch(bench.ledger, folder.parent, clock)
    raise_alarm(bench.ledger, AlarmKind.ROLE, "work", "ended 3 times in a row")
    for _ in range(20):
        with present(folder, f"work-{os.getpid()}-a"):
            watch.look()
        clock.advance(STEADY_S / 2)
        watch.look()
    assert subjects(bench) == [(AlarmKind.ROLE, "work")]
