"""A role that dies comes back; a stop reaches all of them."""

import sys
import threading

from ra_node.supervise import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Supervisor
from tests.conftest import wait_until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
IGNORE_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
DEAF = [sys.executable, "-c", IGNORE_SIGTERM]


class FakeProcess:
    """A child that has ended before anybody looks."""

    pid = 1

    def poll(self):
        return 1


def test_a_killed_role_is_started_again():
    import subprocess

    started = []

    def spawn(argv):
        started.append(subprocess.Popen(argv))
        return started[-1]

    supervisor = Supervisor({"listen": SLEEPER}, spawn=spawn)
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
    supervisor = Supervisor({}, spawn=lambda _argv: FakeProcess(), clock=lambda: now[0])
    from ra_node.supervise import _Role

    role = _Role("work", [])
    pauses = []
    for _ in range(10):
        supervisor._tend(role)
        supervisor._tend(role)
        pauses.append(role.pause_s)
        now[0] = role.start_at
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    supervisor._tend(role)
    now[0] += STEADY_S
    supervisor._tend(role)
    assert role.pause_s == FIRST_PAUSE_S


def test_a_role_that_does_not_listen_is_killed_after_the_grace(monkeypatch):
    import subprocess

    monkeypatch.setattr("ra_node.supervise.GRACE_S", 0.3)
    started = []

    def spawn(argv):
        started.append(subprocess.Popen(argv, stdout=subprocess.PIPE))
        return started[-1]

    supervisor = Supervisor({"work": DEAF}, spawn=spawn)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    wait_until(lambda: started, "the start")
    assert started[0].stdout.readline() == b"deaf\n"
    supervisor.stop.set()
    thread.join(120)
    assert not thread.is_alive()
    assert started[0].returncode == -9
    started[0].stdout.close()
