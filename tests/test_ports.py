"""A port that a test was given stays its own until it is used."""

from __future__ import annotations

import socket
import subprocess
import sys

from tests import ports
from tests.conftest import REPOSITORY
from tests.ports import END, FIRST

GIVEN = "from tests.ports import free_port; print(*(free_port() for _ in range(300)))"


def of_worker(number: int) -> list[int]:
    """Ports that another process of the same run is given."""
    done = subprocess.run(
        [sys.executable, "-c", GIVEN],
        cwd=REPOSITORY,
        env={"PYTEST_XDIST_WORKER": f"gw{number}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [int(word) for word in done.stdout.split()]


def test_no_two_workers_and_no_connection_get_the_same_port():
    given = of_worker(3) + of_worker(4)
    assert len(set(given)) == 600
    assert all(FIRST <= port < END for port in given)


def test_a_port_in_use_is_passed_over(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(ports, "_ports", lambda: iter([server.getsockname()[1], 0]))
        assert ports.free_port() == 0
