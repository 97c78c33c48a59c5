"""A worker takes the pages for a picture from the system once, and not again for each study."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

ROUNDS = """
import resource, numpy
from ra_node.bootstrap.memory_tuning import keep_freed_memory
if {keeps}:
    assert keep_freed_memory()
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pictures = [numpy.ones(4_800_000, numpy.float32) for _ in range(3)]
    del pictures
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(taken)
"""


def pages_of_a_round(*, keeps: bool) -> int:
    """Pages that the system gave for the last of five rounds with 58 MB of pictures each."""
    argv = [sys.executable, "-c", ROUNDS.format(keeps=keeps)]
    small = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"}  # one page would stand for five hundred
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300, env=small)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another allocator than glibc's")
def test_what_a_picture_took_serves_the_next_one():
    assert pages_of_a_round(keeps=True) < 100
    assert pages_of_a_round(keeps=False) > 1000
