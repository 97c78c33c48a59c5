"""systemd hears that a role is ready, alive and stopping, and nothing from one whose thread hangs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ra_node.runtime.systemd import ALIVE, EVERY_S, READY, STALLED, Heartbeat, tell
from tests.ledger.builders import FakeClock


@pytest.mark.parametrize("abstract", [False, True])
def test_a_state_is_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool):
    """To a socket in the file system, or to an abstract one as systemd names it with "@"."""
    name = f"@ra-node-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(60)
        systemd.bind(f"\0{name[1:]}" if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        tell(READY)
        assert systemd.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_said_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell(READY)
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/notify")
    tell(READY)


def test_nobody_waits_for_a_supervisor_that_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that is stopped leaves its queue full: a role that waited for it would stop too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        for _ in range(2000):
            tell(ALIVE)


def test_the_first_beat_says_ready_and_the_others_alive():
    clock, said = FakeClock(), []
    heartbeat = Heartbeat(clock=clock, say=said.append)
    for _ in range(4):
        heartbeat.beat()
        clock.advance(EVERY_S / 2)
    assert said == [READY, ALIVE]


def test_a_line_that_hangs_keeps_the_role_from_being_called_alive():
    """Though its other threads go on: it is stalled; when the thread goes on too, so does the role."""
    clock, said = FakeClock(), []
    heartbeat = Heartbeat(longest_s=60, clock=clock, say=said.append)
    heartbeat.beat("a")
    heartbeat.beat("b")
    clock.advance(59)
    heartbeat.beat("a")
    clock.advance(2)
    heartbeat.beat("a")
    assert said == [READY, ALIVE, STALLED]
    clock.advance(EVERY_S)
    heartbeat.beat("b")
    assert said == [READY, ALIVE, STALLED, ALIVE]
