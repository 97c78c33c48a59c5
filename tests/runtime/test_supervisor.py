"""A role that dies comes back; a stop reaches all of them."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from ra_node.runtime.supervisor import (
    CHECK_EVERY_S,
    EARLY_EXITS,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    STEADY_S,
    STOPPED_S,
    StoppedTooLong,
    Supervisor,
    process_state,
)
from tests.conftest import wait_until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(3600)"]
IGNORE_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(3600)
"""
DEAF = [sys.executable, "-c", IGNORE_SIGTERM]


class FakeProcess:
    """A child that has ended before anybody looks."""

    pid = 1

    def poll(self):
        return 1


def test_a_killed_role_is_started_again():
    started = []

    def start():
        started.append(subprocess.Popen(SLEEPER))
        return started[-1]

    supervisor = Supervisor({"listen": start})
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    wait_until(lambda: started, "the first start")
    started[0].kill()
    wait_until(lambda: len(started) == 2, "the second start")
    supervisor.stop.set()
    thread.join(120)
    assert not thread.is_alive()
    assert started[1].poll() is not None


def test_the_pause_grows_and_starts_anew_after_a_steady_run():
    now = [0.0]
    supervisor = Supervisor({"work": FakeProcess}, clock=lambda: now[0])
    role = supervisor._slots["work"]
    pauses = []
    for _ in range(10):
        supervisor.check_children()
        supervisor.check_children()
        pauses.append(role.pause_s)
        now[0] = role.start_at
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    supervisor.check_children()
    now[0] += STEADY_S
    supervisor.check_children()
    assert role.pause_s == FIRST_PAUSE_S


def test_a_role_that_does_not_listen_is_killed_after_the_grace():
    started = []

    def start():
        started.append(subprocess.Popen(DEAF, stdout=subprocess.PIPE))
        return started[-1]

    supervisor = Supervisor({"work": start}, grace_s=0.3)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    wait_until(lambda: started, "the start")
    assert started[0].stdout.readline() == b"deaf\n"
    supervisor.stop.set()
    thread.join(120)
    assert not thread.is_alive()
    assert started[0].returncode == -9
    started[0].stdout.close()


class Polite:
    """A child that ends when it is told to, in its own time."""

    def __init__(self, pid):
        self.pid, self.told, self.status = pid, False, None

    def poll(self):
        return self.status

    def terminate(self):
        self.told = True

    def wait(self, timeout=None):
        assert self.told
        return 0


def test_whoever_is_renewed_ends_in_its_own_time_beside_its_successor():
    """A promoted bundle must neither break off a study nor wait for one."""
    started = []

    def start():
        started.append(Polite(len(started)))
        return started[-1]

    supervisor = Supervisor({"worker": start})
    supervisor.check_children()
    supervisor.restart_all()
    supervisor.check_children()
    old, new = started
    assert (old.told, new.told) == (True, False)
    old.status = 0
    supervisor.check_children()
    assert len(started) == 2
    supervisor.end()
    assert new.told


class Lives:
    """A child that lives until it is killed."""

    def __init__(self, pid):
        self.pid, self.status = pid, None

    def poll(self):
        return self.status

    def kill(self):
        self.status = -9


@pytest.mark.parametrize("error", [BlockingIOError(11, "fork"), RuntimeError("thread"), MemoryError()])
def test_a_child_that_cannot_be_started_is_tried_again_and_the_others_go_on(error):
    """fork() fails for some seconds: a dead worker must not stay dead, nor a dead role end the node."""
    now, fails, started = [0.0], [True], []

    def start():
        if fails[0]:
            raise error
        started.append(Lives(2))
        return started[-1]

    supervisor = Supervisor({"listen": lambda: Lives(1), "work": start}, clock=lambda: now[0])
    for _ in range(20):
        supervisor.check_children()
        now[0] += 0.5
    assert not started
    fails[0] = False
    now[0] += LONGEST_PAUSE_S
    supervisor.check_children()
    assert len(started) == 1


def test_a_child_that_lives_and_does_nothing_is_killed_and_comes_back():
    now, ill, told, started = [0.0], set(), [], []

    def start():
        started.append(Lives(len(started) + 1))
        return started[-1]

    supervisor = Supervisor(
        {"work": start},
        clock=lambda: now[0],
        fault=lambda _name, pid: "no progress" if pid in ill else None,
        alarm=lambda name, found: told.append((name, found)),
    )
    for _ in range(5):
        supervisor.check_children()
        now[0] += CHECK_EVERY_S
    assert len(started) == 1
    ill.add(1)
    for _ in range(5):
        supervisor.check_children()
        now[0] += CHECK_EVERY_S
    assert started[0].status == -9
    assert len(started) == 2
    assert told == [("work", "no progress")]


def test_a_role_that_ends_at_each_start_alarms_once():
    now, told = [0.0], []
    supervisor = Supervisor(
        {"work": FakeProcess}, clock=lambda: now[0], alarm=lambda name, found: told.append((name, found))
    )
    for _ in range(3 * EARLY_EXITS):
        supervisor.check_children()
        supervisor.check_children()
        now[0] += LONGEST_PAUSE_S
    assert told == [("work", "ended 3 times in a row, the last time with status 1")]


def test_a_process_stopped_for_a_while_is_reported():
    now = [0.0]
    stopped_too_long = StoppedTooLong(lambda: now[0])
    process = subprocess.Popen(SLEEPER)
    try:
        assert not stopped_too_long(process.pid)
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: process_state(process.pid) == "T", "the stop")
        assert not stopped_too_long(process.pid)
        now[0] += STOPPED_S
        assert stopped_too_long(process.pid)
        os.kill(process.pid, signal.SIGCONT)
        wait_until(lambda: process_state(process.pid) != "T", "the process to go on")
        assert not stopped_too_long(process.pid)
        now[0] += STOPPED_S
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: process_state(process.pid) == "T", "the stop")
        assert not stopped_too_long(process.pid)
    finally:
        process.kill()
        process.wait()
