"""Status and check name the bundle in use and every worker that could not take it."""

from __future__ import annotations

from ra_node.errors import Fatal
from ra_node.services.jobs.liveness import present
from ra_node.services.jobs.worker_status import Announcer
from ra_node.services.models.registry import BundleLine
from ra_node.services.models.status import models, refusals, worker_checks
from tests.dicom.builders import BUNDLE

IN_USE = BundleLine("demo", "2", "ff" * 32, "bundles/demo-2", "installed", in_use=True)


def seen(tmp_path, refused, in_use=IN_USE):
    """What is seen of one worker that runs BUNDLE."""
    folder = tmp_path / "run" / "host"
    with present(folder, "work-1"):
        Announcer(folder, lambda: None).say("work-1", BUNDLE, refused)
        return models(tmp_path / "run", lambda: in_use)


def test_a_worker_that_could_not_take_the_promoted_bundle_fails_the_check(tmp_path):
    now = seen(tmp_path, "expected sha256 a, found b")
    (row,) = worker_checks(now)
    assert not row.ok
    assert "keeps demo 1.0" in row.found
    assert "expected sha256 a, found b" in row.found
    assert "rollback" in row.hint
    assert len(refusals(now.workers)) == 1


def test_a_worker_in_its_last_batch_with_the_old_bundle_is_no_fault(tmp_path):
    now = seen(tmp_path, "")
    (row,) = worker_checks(now)
    assert row.ok
    assert "loads demo 2 after its present batch" in row.found
    assert refusals(now.workers) == []


def test_a_bundle_in_use_that_is_not_there_is_told_and_hides_no_worker(tmp_path):
    def gone():
        raise Fatal("expected the promoted bundle, found none")

    with present(tmp_path / "run" / "host", "work-1"):
        Announcer(tmp_path / "run" / "host", lambda: None).say("work-1", BUNDLE, "")
        now = models(tmp_path / "run", gone)
    assert (now.in_use, now.error) == (None, "expected the promoted bundle, found none")
    assert len(worker_checks(now)) == 1
