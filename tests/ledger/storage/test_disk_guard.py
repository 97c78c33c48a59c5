"""A node near the mark says one thing for a while, and never that a full disk has room."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.ledger.storage.disk_guard import LOOK_EVERY_S, DiskGuard, free_bytes

LOW, ENOUGH = 1000, 1250


class FakeDisk:
    """A disk whose free space the test sets, and a clock that moves on at every look."""

    def __init__(self, free: int = 5000) -> None:
        self.free: int | None = free
        self.now = 0.0

    def guard(self) -> DiskGuard:
        return DiskGuard(Path(), LOW, ENOUGH, self.ask, lambda: self.now)

    def ask(self, _folder: Path) -> int:
        if self.free is None:
            raise OSError("the disk is gone")
        return self.free

    def says(self, guard: DiskGuard, free: int | None) -> bool:
        self.free = free
        self.now += LOOK_EVERY_S
        return guard.has_room()


def test_it_closes_below_the_low_mark_and_opens_at_the_high_one():
    disk = FakeDisk()
    guard = disk.guard()
    frees = (1000, 999, 1000, 1249, 1250, 1001, 500, 1300)
    assert [disk.says(guard, free) for free in frees] == [True, False, False, False, True, True, False, True]


def test_a_disk_that_cannot_be_asked_has_no_room():
    disk = FakeDisk()
    guard = disk.guard()
    assert [disk.says(guard, free) for free in (None, 1100, 1250)] == [False, False, True]


def test_it_asks_the_disk_only_once_a_while():
    """Twenty associations ask at every image."""
    disk = FakeDisk(free=0)
    guard = disk.guard()
    assert not guard.has_room()
    disk.free = 5000
    assert not guard.has_room()
    disk.now += LOOK_EVERY_S
    assert guard.has_room()


@given(st.lists(st.integers(0, 2500), max_size=30))
def test_it_never_opens_below_the_high_mark_nor_stays_open_below_the_low_one(frees):
    disk = FakeDisk()
    guard = disk.guard()
    was_open = True
    for free in frees:
        is_open = disk.says(guard, free)
        assert not (is_open and free < LOW)
        assert is_open or free < ENOUGH
        assert not (is_open and not was_open and free < ENOUGH)
        was_open = is_open


def test_marks_the_wrong_way_round_are_an_error_and_a_real_disk_has_a_size(tmp_path):
    with pytest.raises(ValueError, match="expected enough >= low"):
        DiskGuard(tmp_path, 2, 1)
    assert free_bytes(tmp_path) > 0
