"""A worker takes a promoted bundle between two batches, and keeps the old one where that fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from ra_node.errors import Fatal
from ra_node.services.worker import RETRY_S, LoadedAnalysis, Worker
from tests.dicom.builders import BUNDLE


class Shelf:
    """Bundles by hash; `broken` ones cannot be loaded."""

    def __init__(self):
        self.promoted = None
        self.broken = {}
        self.loads = []
        self.now = 0.0

    def load(self, sha256):
        self.loads.append(sha256)
        if sha256 in self.broken:
            raise self.broken[sha256]
        return LoadedAnalysis(replace(BUNDLE, sha256=sha256 or "configured"), None, None, None)

    def worker(self):
        return Worker(lambda: self.promoted, self.load, lambda: self.now)


@pytest.fixture
def shelf():
    return Shelf()


def refreshed(worker):
    """What the worker says of itself in a refresh."""
    said = []
    worker.refresh(lambda bundle, refused: said.append((bundle.sha256, refused)))
    return said


def test_a_worker_starts_with_the_promoted_bundle_or_that_of_the_configuration(shelf):
    assert shelf.worker().bench.bundle.sha256 == "configured"
    shelf.promoted = "new"
    assert shelf.worker().bench.bundle.sha256 == "new"


def test_a_promotion_is_taken_at_the_next_refresh_and_said_once(shelf):
    worker = shelf.worker()
    assert refreshed(worker) == [("configured", "")]
    assert refreshed(worker) == []
    shelf.promoted = "new"
    assert refreshed(worker) == [("new", "")]
    assert refreshed(worker) == []
    shelf.promoted = None
    assert refreshed(worker) == [("configured", "")]
    assert shelf.loads == [None, "new", None]


@pytest.mark.parametrize("error", [Fatal("expected sha256 a, found b"), RuntimeError("CUDA out of memory")])
def test_a_bundle_that_cannot_be_loaded_leaves_the_old_one_at_work_and_is_told(shelf, error):
    worker = shelf.worker()
    refreshed(worker)
    shelf.promoted, shelf.broken = "bad", {"bad": error}
    with capture_logs() as logs:
        ((sha256, refused),) = refreshed(worker)
    assert sha256 == worker.bench.bundle.sha256 == "configured"
    assert str(error) in refused
    assert [(log["event"], log["log_level"]) for log in logs] == [("bundle_refused", "error")]


def test_a_refused_bundle_is_tried_again_after_a_while_and_not_before_each_batch(shelf):
    worker = shelf.worker()
    shelf.promoted, shelf.broken = "bad", {"bad": Fatal("disk")}
    for _ in range(10):
        refreshed(worker)
    assert shelf.loads == [None, "bad"]
    shelf.now += RETRY_S
    shelf.broken = {}
    assert refreshed(worker) == [("bad", "")]


def test_another_promotion_after_a_refused_one_is_tried_at_once(shelf):
    worker = shelf.worker()
    shelf.promoted, shelf.broken = "bad", {"bad": Fatal("disk")}
    refreshed(worker)
    shelf.promoted = "good"
    assert refreshed(worker) == [("good", "")]


def test_a_rollback_of_a_refused_bundle_takes_the_complaint_back(shelf):
    worker = shelf.worker()
    shelf.promoted, shelf.broken = "bad", {"bad": Fatal("disk")}
    refreshed(worker)
    shelf.promoted = None
    assert refreshed(worker) == [("configured", "")]
    assert shelf.loads == [None, "bad"]


def test_a_bundle_that_is_not_there_at_the_start_stops_the_worker(shelf):
    """It has no other to go on with, and must not judge with one that was taken out of use."""
    shelf.promoted, shelf.broken = "bad", {"bad": Fatal("gone")}
    with pytest.raises(Fatal, match="gone"):
        shelf.worker()
