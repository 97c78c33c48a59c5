"""What must happen by the clock happens, and never to what somebody needs."""

from __future__ import annotations

import threading
import time

import pytest

from ra_node.domain.job import JobKind, JobState
from ra_node.ledger.clock_trust import ClockReading, ClockWatch
from ra_node.ledger.commitments import waive
from ra_node.ledger.database.engine import LedgerUnavailable
from ra_node.ledger.database.schema import CommitmentState, DeliveryState
from ra_node.ledger.deliveries import DeliveryOutcome, deliveries_of, record_delivery
from ra_node.ledger.overview import find_study, jobs_of
from ra_node.ledger.retention import known_paths
from ra_node.services.jobs.liveness import present
from ra_node.services.reception import ingest as ingest_module
from ra_node.services.retention.maintenance import Maintenance
from ra_node.services.retention.orphans import ORPHAN_AGE_S
from ra_node.services.retention.purge import purge
from tests.dicom.builders import source
from tests.ledger.builders import answered_study, claim_one, keep

STUDY = str(source().StudyInstanceUID)
DAY_S = 86400.0


def tidier(bench, **changes) -> Maintenance:
    return Maintenance(bench.ledger, bench.files, bench.folder / "run", 5.0, 300.0, **changes)


def delivered(bench, study="1.2.3", *, commit=False):
    """A study with real files whose objects their peer has accepted."""
    answered_study(bench.ledger, study, ("pacs",))
    job = claim_one(bench.ledger, JobKind.DELIVER)
    outcomes = [DeliveryOutcome(f"{study}.9.1.{n}", DeliveryState.ACCEPTED, 0) for n in (1, 2)]
    record_delivery(bench.ledger, job, outcomes, retry_at=0, give_up_after_s=None, commit=commit)
    for path in known_paths(bench.ledger):
        bench.files.path(path).parent.mkdir(parents=True, exist_ok=True)
        bench.files.path(path).write_bytes(b"0123456789")


def present_files(bench):
    folders = [bench.folder / name for name in ("inbox", "previews", "results")]
    return sorted(path.name for folder in folders for path in folder.rglob("*.*"))


def test_an_association_whose_end_was_not_recorded_is_closed_when_the_ledger_is_back(bench, monkeypatch):
    """The listener goes on; without this its study would wait for the maximum."""
    inbox = bench.ingest()
    inbox.opened("a", "PACS", "127.0.0.1")
    inbox.keep(bench.received(source()))

    def away(*_):
        raise LedgerUnavailable("expected a working ledger, found none")

    with monkeypatch.context() as patched:
        patched.setattr(ingest_module, "close_association", away)
        with pytest.raises(LedgerUnavailable):
            inbox.closed("a")
        with pytest.raises(LedgerUnavailable):
            inbox.mend()
    assert bench.settle() == []
    inbox.mend()
    assert bench.settle() == [(STUDY, 1)]
    inbox.mend()


def test_what_a_dead_listener_left_open_is_closed_while_a_living_one_is_left_alone(bench):
    """It died without a word, and nobody started it again."""
    inbox = bench.ingest()
    inbox.opened("a", "PACS", "127.0.0.1")
    inbox.keep(bench.received(source()))
    lock = bench.folder / "run" / "test-listener.lock"
    with present(bench.folder / "run", "test-listener"):
        tidier(bench).take_back()
        assert bench.settle() == []
    lock.write_text("")  # what is left of it after SIGKILL
    tidier(bench).take_back()
    assert bench.settle() == [(STUDY, 1)]
    assert not lock.exists()


def test_files_go_when_their_time_has_come_and_their_study_stays_known(bench):
    delivered(bench)
    tidy = tidier(bench, keep_s=30 * DAY_S)
    bench.clock.advance(29 * DAY_S)
    tidy.purge()
    assert len(present_files(bench)) == 4
    bench.clock.advance(2 * DAY_S)
    tidy.purge()
    assert present_files(bench) == []
    assert find_study(bench.ledger, "1.2.3").purged_at == bench.clock.now


def test_without_a_limit_nothing_goes(bench):
    delivered(bench)
    bench.clock.advance(999 * DAY_S)
    tidier(bench).purge()
    assert len(present_files(bench)) == 4


def test_a_wanted_promise_keeps_the_files_until_it_is_wanted_no_more(bench):
    """`commitment = false` in the configuration is enough."""
    delivered(bench, commit=True)
    bench.clock.advance(99 * DAY_S)
    tidier(bench, keep_s=DAY_S).purge()
    assert len(present_files(bench)) == 4
    tidier(bench, keep_s=DAY_S, not_committing=["pacs"]).purge()
    assert present_files(bench) == []
    assert {item.commitment for item in deliveries_of(bench.ledger, "1.2.3")} == {CommitmentState.WAIVED}
    assert {job.state for job in jobs_of(bench.ledger, "1.2.3")} == {JobState.DONE}
    assert waive(bench.ledger, "pacs") == 0


def test_a_dry_run_counts_the_same_and_removes_nothing(bench):
    delivered(bench, "1.2.3")
    delivered(bench, "1.2.4")
    bench.clock.advance(2 * DAY_S)
    counted = purge(bench.ledger, bench.files, DAY_S, dry_run=True)
    assert (counted.studies, counted.files, counted.bytes) == (2, 8, 80)
    assert len(present_files(bench)) == 8
    assert purge(bench.ledger, bench.files, DAY_S) == counted
    assert purge(bench.ledger, bench.files, DAY_S).studies == 0


def test_a_crash_between_row_and_file_leaves_only_what_the_sweep_takes(bench, monkeypatch):
    """The row forgets first: a file without a row is swept, a row without a file would be a loss."""
    delivered(bench)
    bench.clock.advance(2 * DAY_S)
    with monkeypatch.context() as patched:
        patched.setattr(type(bench.files), "remove", _cut)
        with pytest.raises(KeyboardInterrupt):
            purge(bench.ledger, bench.files, DAY_S)
    assert len(present_files(bench)) == 4
    assert known_paths(bench.ledger) == set()
    bench.clock.now = time.time() + ORPHAN_AGE_S + 60
    tidier(bench).sweep()
    assert present_files(bench) == []


def test_an_image_that_comes_while_its_study_is_purged_keeps_the_study(bench):
    """Whoever is first wins as a whole: files and row agree in the end."""
    delivered(bench)
    bench.clock.advance(2 * DAY_S)
    done = threading.Thread(target=purge, args=(bench.ledger, bench.files, DAY_S))
    done.start()
    bench.keep(source(StudyInstanceUID="1.2.3"))
    done.join(120)
    files = {path for path in known_paths(bench.ledger) if bench.files.path(path).exists()}
    assert files == known_paths(bench.ledger)


def _cut(*_):
    raise KeyboardInterrupt


def test_nothing_is_purged_or_swept_while_the_clock_is_doubted(bench):
    """Forty days ahead at the start purged every finished study."""
    reading = ClockReading(bench.clock.now, 5000.0, "boot")
    watch = ClockWatch(bench.ledger, "host", lambda: reading)
    careful = tidier(bench, keep_s=30 * DAY_S, clock_watch=watch)
    careful.watch_clock()
    delivered(bench)
    (bench.folder / "inbox" / "just-written.dcm").write_bytes(b"0")
    before = present_files(bench)
    bench.clock.advance(40 * DAY_S)
    reading = ClockReading(bench.clock.now, 5020.0, "boot")
    careful.purge()
    careful.sweep()
    assert present_files(bench) == before
    reading = ClockReading(bench.clock.now, 5000.0 + 40 * DAY_S, "boot")
    careful.purge()
    assert present_files(bench) == ["just-written.dcm"]


def test_an_image_that_came_while_the_clock_was_behind_is_kept_as_long_as_any(bench):
    """It looks 40 days old when it is delivered."""
    keep(bench.ledger, "1.2.9.1", "1.2.9")
    bench.clock.advance(-40 * DAY_S)
    delivered(bench)
    bench.clock.advance(40 * DAY_S)
    tidier(bench, keep_s=30 * DAY_S).purge()
    assert find_study(bench.ledger, "1.2.3").purged_at is None
    bench.clock.advance(31 * DAY_S)
    tidier(bench, keep_s=30 * DAY_S).purge()
    assert find_study(bench.ledger, "1.2.3").purged_at is not None
