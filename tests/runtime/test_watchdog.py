"""A role under `ra-node run` is watched by what it says, not by that its process is there."""

from __future__ import annotations

import os

import pytest

from ra_node.runtime.systemd import ALIVE, READY, STALLED, tell
from ra_node.runtime.watchdog import START_S, Watchdog
from tests.ledger.builders import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def watchdog(clock):
    made = Watchdog(["listen", "work"], 300.0, clock)
    yield made
    made.close()


def say(watchdog, monkeypatch, role, *states):
    monkeypatch.setenv("NOTIFY_SOCKET", watchdog.environment(role)["NOTIFY_SOCKET"])
    for state in states:
        tell(state)


def test_a_role_that_beats_is_well_and_one_that_falls_silent_is_not(watchdog, clock, monkeypatch):
    me = os.getpid()
    for role in ("listen", "work"):
        say(watchdog, monkeypatch, role, READY)
        assert watchdog.fault(role, me) is None
    for _ in range(6):
        clock.advance(60)
        say(watchdog, monkeypatch, "listen", ALIVE)
        assert watchdog.fault("listen", me) is None
    assert watchdog.fault("work", me) == "not heard of for 360 s"


def test_a_role_that_says_that_it_is_stalled_is_killed_at_once(watchdog, monkeypatch):
    say(watchdog, monkeypatch, "work", READY, ALIVE, STALLED)
    assert watchdog.fault("work", os.getpid()) == "no progress for 300 s"


def test_a_start_may_take_longer_and_a_new_process_has_all_its_time(watchdog, clock, monkeypatch):
    me = os.getpid()
    assert watchdog.fault("work", me) is None
    clock.advance(START_S)
    assert watchdog.fault("work", me) is None
    clock.advance(1)
    assert watchdog.fault("work", me) is not None
    assert watchdog.fault("work", me + 1) is None


def test_what_was_said_while_the_supervisor_was_stopped_counts(watchdog, clock, monkeypatch):
    say(watchdog, monkeypatch, "listen", READY)
    assert watchdog.fault("listen", os.getpid()) is None
    clock.advance(900)
    say(watchdog, monkeypatch, "listen", ALIVE)
    assert watchdog.fault("listen", os.getpid()) is None
