"""A known-good image lies where received ones lie, and takes the way that they take."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ra_node.errors import MachineFault
from ra_node.ledger.retention import known_paths
from ra_node.services.analysis.known_good_image import Canary, known_good
from ra_node.services.analysis.study_analysis import look_at_file
from tests.finders import BLIND
from tests.services.builders import FakeJudge


@pytest.fixture
def canary(bench):
    made = Canary(bench.files, FakeJudge(), BLIND)
    made.place()
    return made


def test_a_sound_machine_reads_finds_and_judges_it(canary):
    assert canary.healthy()
    assert canary.judge.batches == [1]


def test_it_outlives_the_sweep_and_is_nobodys(canary, bench):
    assert list(bench.files.unknown_files(known_paths(bench.ledger), bench.clock.now + 1e9)) == []
    assert b"Patient" not in known_good()


def test_one_that_is_damaged_or_gone_is_written_anew_beside_other_files(canary, bench):
    (bench.folder / "inbox" / "2026-11-30").mkdir()
    for spoil in (lambda path: path.write_bytes(b"rubbish"), Path.unlink):
        spoil(canary.path)
        assert canary.healthy()
        assert canary.path.read_bytes() == known_good()


def test_an_inbox_that_is_gone_is_an_ill_machine_and_is_not_made(canary, bench):
    """A shared folder that is not mounted."""
    (bench.folder / "inbox").rename(bench.folder / "away")
    assert not canary.healthy()
    assert not (bench.folder / "inbox").exists()


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "I/O error"), MemoryError(), MachineFault("no decoder")]
)
def test_whatever_keeps_it_from_being_read_is_illness(bench, error):
    def look(_path, _rules):
        raise error

    canary = Canary(bench.files, FakeJudge(), BLIND, look)
    canary.place()
    assert not canary.healthy()


def test_networks_that_fail_are_illness(bench):
    canary = Canary(bench.files, FakeJudge(error=RuntimeError("device-side assert")), BLIND, look_at_file)
    canary.place()
    assert not canary.healthy()
