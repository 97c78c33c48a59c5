"""A dead worker is noticed at once, a living one never."""

import os
import subprocess
import sys
import time

from ra_node.services.jobs.liveness import STALE_S, alive, beat, forget, gone, present, role_of, stalled

CHILD = """
import sys, time
from pathlib import Path
from ra_node.services.jobs.liveness import present
with present(Path(sys.argv[1]), "child"):
    print("here", flush=True)
    time.sleep(3600)
"""


def test_a_killed_process_is_gone_and_a_living_one_is_not(tmp_path):
    """Not even SIGKILL leaves a worker looking alive."""
    with (
        present(tmp_path, "alive"),
        subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == b"here\n"
        assert gone(tmp_path) == []
        child.kill()
        child.wait()
        assert gone(tmp_path) == ["child"]
        forget(tmp_path, "child")
        assert gone(tmp_path) == []


def test_one_who_leaves_in_order_leaves_no_trace(tmp_path):
    with present(tmp_path, "worker"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_who_is_alive_holds_a_lock_in_the_folder_of_any_machine(tmp_path):
    """What a killed process left behind is a file without a lock; asking twice at once takes nobody's."""
    with present(tmp_path / "a", "work-1-x"), present(tmp_path / "b", "listen-2-y"):
        (tmp_path / "a" / "deliver-3-z.lock").touch()
        with present(tmp_path / "a", "web-4-w"):
            assert alive(tmp_path) == ["web-4-w", "work-1-x", "listen-2-y"]
        assert [role_of(owner) for owner in alive(tmp_path)] == ["work", "listen"]
    assert alive(tmp_path) == []
    assert alive(tmp_path / "nowhere") == []


def test_who_lives_without_a_beat_is_stalled_and_a_dead_one_is_not(tmp_path):
    """A lock is also held by a process that stands stopped."""
    folder, me = tmp_path / "here", os.getpid()
    with present(folder, f"work-{me}-a"):
        assert stalled(tmp_path) == []
        beat(folder, "work")
        assert stalled(tmp_path) == []
        assert stalled(tmp_path, time.time() + STALE_S + 5) == ["work"]
        (folder / "listen-1.beat").touch()
        (folder / "listen-1-b.lock").touch()
        assert stalled(tmp_path, time.time() + STALE_S + 5) == ["work"]
    assert list(folder.glob("work*")) == []
