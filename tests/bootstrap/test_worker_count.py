"""The role `work` has a worker process for each core, and each is one thread."""

from __future__ import annotations

import gc
import os
import sys

import cv2
import pytest
import torch

from ra_node.bootstrap import analysis
from ra_node.bootstrap.analysis import MOST_WORKERS, limit_library_threads, worker_count
from ra_node.bootstrap.memory_tuning import COLLECT_AFTER


@pytest.fixture
def as_before():
    """Other tests of this process keep what they had."""
    had = torch.get_num_threads(), cv2.getNumThreads(), sys.getswitchinterval()
    collects = gc.get_threshold()
    yield
    gc.set_threshold(*collects)
    torch.set_num_threads(had[0])
    cv2.setNumThreads(had[1])
    sys.setswitchinterval(had[2])


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 2), (3, 3), (64, MOST_WORKERS)])
def test_there_are_as_many_workers_as_cores_that_this_process_may_use(monkeypatch, cores, workers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
    assert worker_count() == workers


@pytest.mark.usefixtures("as_before")
def test_no_worker_starts_threads_of_its_own_nor_waits_long_for_another():
    limit_library_threads()
    assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    assert sys.getswitchinterval() == pytest.approx(analysis.SWITCH_S)
    assert gc.get_threshold()[0] == COLLECT_AFTER
