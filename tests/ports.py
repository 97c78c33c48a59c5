"""Gives ports to peers that want to be told theirs, and that may stop and come back."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from functools import cache

FIRST, END = 15_000, 32_768
"""From 32768 on Linux gives ports to connections that go out, and to whoever asks for any."""
WORKERS = 16
"""Processes of one run of the tests that have ports of their own."""


def free_port() -> int:
    """A TCP port of this machine that nobody uses, and that nobody is given while a peer is not there yet.

    One of the kernel's own choice could go to another test before the peer has it, or while the peer is
    restarted.
    """
    return next(port for port in _ports() if _is_free(port))


@cache
def _ports() -> Iterator[int]:
    """The ports of this process, round and round."""
    size = (END - FIRST) // WORKERS
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    start = FIRST + worker * size
    begin = start + os.getpid() * 31 % size  # so that two runs on one machine seldom begin alike
    return itertools.cycle([*range(begin, start + size), *range(start, begin)])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
