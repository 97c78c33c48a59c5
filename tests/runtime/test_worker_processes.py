"""Worker processes share what was loaded before them, come back when they die, and give way to new ones."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from ra_node.runtime.worker_processes import HeartbeatTable
from tests.conftest import wait_until

PROGRAM = """
import ctypes, json, os, signal, sys, threading, time
from ra_node.runtime import worker_processes
from ra_node.runtime import supervisor
from ra_node.runtime.systemd import Heartbeat

worker_processes.STOPPED_S = supervisor.STOPPED_S = 1.0
stop, renew = threading.Event(), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
signal.signal(signal.SIGUSR1, lambda *_: renew.set())
loaded = os.getpid()

def serve(beat):
    print(json.dumps({"worker": os.getpid(), "loaded by": loaded}), flush=True)
    if sys.argv[2] == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ctypes.PyDLL(None).sleep(600)  # keeps Python's lock, as a decoder may
    while not stop.wait(0.05):
        if sys.argv[2] == "beats":
            beat()
        if sys.argv[2] == "breaks":
            raise ValueError("DOE^JANE")

def changed():
    was = renew.is_set()
    renew.clear()
    return was

worker_processes.keep_worker_processes(2, serve, lambda: None, changed, stop, Heartbeat(), float(sys.argv[1]))
print(json.dumps({"ended": os.getpid()}), flush=True)
"""


class Parent:
    """A process that keeps two workers, and what all of them have said."""

    def __init__(self, folder, longest_s=3600.0, kind="beats"):
        self.path = folder / "said"
        with self.path.open("ab") as said:  # several processes write: each at the end, none over another
            argv = [sys.executable, "-c", PROGRAM, str(longest_s), kind]
            self.process = subprocess.Popen(argv, stdout=said, stderr=subprocess.STDOUT)

    def words(self):
        return self.path.read_text(encoding="utf-8")

    def started(self):
        """The workers in the order in which they began."""
        said = [json.loads(line) for line in re.findall(r"\{[^{}]*\}", self.words())]
        return [one["worker"] for one in said if one.get("loaded by") == self.process.pid]

    def wait_for(self, workers, what):
        """Wait until so many workers have begun; a failure tells what all of them said."""
        try:
            wait_until(lambda: len(self.started()) >= workers, what, 120)
        except AssertionError as error:
            raise AssertionError(f"{error}; parent {self.process.poll()}, said: {self.words()}") from None

    def end(self):
        self.process.terminate()
        return self.process.wait(120)


@pytest.fixture
def parent_of(tmp_path):
    made = []

    def start(*arguments, **named):
        made.append(Parent(tmp_path, *arguments, **named))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()


def lives(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_process_comes_back_and_the_other_goes_on(parent_of):
    parent = parent_of()
    parent.wait_for(2, "both workers")
    first, second = parent.started()
    os.kill(first, signal.SIGKILL)
    parent.wait_for(3, "the worker that died")
    assert lives(second)
    assert parent.end() == 0
    assert not any(map(lives, parent.started()))


@pytest.mark.parametrize("kind", ["beats", "deaf"])
def test_no_worker_process_outlives_its_parent(parent_of, kind):
    """Not even one that hangs in a library: its lease would be renewed, or its job done, beside another's."""
    parent = parent_of(kind=kind)
    parent.wait_for(2, "both workers")
    parent.process.kill()
    parent.process.wait()
    wait_until(lambda: not any(map(lives, parent.started())), "the workers to follow", 120)


def test_all_worker_processes_give_way_to_new_ones_when_something_has_changed(parent_of):
    parent = parent_of()
    parent.wait_for(2, "both workers")
    parent.process.send_signal(signal.SIGUSR1)
    parent.wait_for(4, "the new workers")
    wait_until(lambda: not any(map(lives, parent.started()[:2])), "the old ones to end", 120)
    assert all(map(lives, parent.started()[2:]))
    assert parent.end() == 0


def test_a_worker_process_that_is_through_with_nothing_for_too_long_is_killed(parent_of):
    parent = parent_of(longest_s=0.5, kind="hangs")
    parent.wait_for(4, "both to be replaced")
    assert "no progress for" in parent.words()


def test_a_worker_process_that_hangs_with_pythons_lock_is_killed(parent_of):
    """No thread of it runs, and no signal reaches its handlers."""
    parent = parent_of(longest_s=0.5, kind="deaf")
    parent.wait_for(4, "both to be replaced")


def test_a_worker_process_that_stands_stopped_is_replaced_and_the_other_goes_on(parent_of):
    parent = parent_of()
    parent.wait_for(2, "both workers")
    first, second = parent.started()
    os.kill(first, signal.SIGSTOP)
    parent.wait_for(3, "another in its place")
    assert not lives(first)
    assert lives(second)


def test_a_worker_process_that_breaks_says_where_and_not_with_what(parent_of):
    """The message of an error could hold a value of a data set."""
    parent = parent_of(kind="breaks")
    wait_until(lambda: "worker_process_failed" in parent.words(), "a worker to break", 120)
    assert "ValueError in" in parent.words()
    parent.end()
    assert "DOE^JANE" not in parent.words()


def test_only_worker_processes_that_were_not_heard_of_are_late():
    now = [0.0]
    beats = HeartbeatTable(2, lambda: now[0])
    beats.beat(0)
    beats.beat(1)
    now[0] = 5.0
    beats.beat(1)
    assert beats.late(4.0) == [0]
    assert beats.late(5.0) == []
