"""The harness of the whole-node tests leaves nothing behind."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.node import harness
from tests.node.harness import Node, end

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def test_a_node_that_does_not_come_up_leaves_no_process(tmp_path, monkeypatch):
    started = []

    class Noted(subprocess.Popen):
        def __init__(self, *words, **options):
            super().__init__(*words, **options)
            started.append(self)

    monkeypatch.setattr(harness.subprocess, "Popen", Noted)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody answers there
        node = Node(tmp_path / "node", [], port=taken.getsockname()[1])
        with pytest.raises(AssertionError, match="expected to listen on"):
            node.start(["listen", "schedule"])
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_a_process_that_does_not_end_is_killed_and_told(monkeypatch):
    monkeypatch.setattr(harness, "END_S", 0.2)
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"deaf\n"
        with pytest.raises(AssertionError, match="had to be killed"):
            end([process])
        assert process.poll() is not None
