"""What a status means to the sender."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS

from ra_node.network.status.c_store import EXACT, RANGES, UNKNOWN, Answer, meaning_of


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (0x0000, Answer.ACCEPTED),
        (0x0001, Answer.ACCEPTED),
        (0x0107, Answer.ACCEPTED),
        (0x0110, Answer.RETRY),
        (0x0111, Answer.ACCEPTED),
        (0x0116, Answer.ACCEPTED),
        (0x0117, Answer.REFUSED),
        (0x0122, Answer.REFUSED),
        (0x0124, Answer.REFUSED),
        (0x0210, Answer.RETRY),
        (0x0211, Answer.REFUSED),
        (0x0212, Answer.REFUSED),
        (0x0213, Answer.RETRY),
        (0xA700, Answer.RETRY),
        (0xA702, Answer.RETRY),
        (0xA703, Answer.DOUBTFUL),
        (0xA7F0, Answer.DOUBTFUL),
        (0xA778, Answer.OTHER_PATIENT),
        (0xA7FF, Answer.DOUBTFUL),
        (0xA800, Answer.RETRY),
        (0xA900, Answer.REFUSED),
        (0xA9FF, Answer.REFUSED),
        (0xB000, Answer.ACCEPTED),
        (0xB006, Answer.ACCEPTED),
        (0xB007, Answer.ACCEPTED),
        (0xB303, Answer.ACCEPTED),
        (0xC000, Answer.REFUSED),
        (0xCFFF, Answer.REFUSED),
        (0xD000, Answer.RETRY),
        (0xFE00, Answer.RETRY),
        (0xFFFF, Answer.RETRY),
    ],
)
def test_a_status_tells_what_to_do_next(status: int, answer: Answer):
    """PS3.4 table B.2-1 and PS3.7 annex C; a status that nobody knows is tried again, not dropped."""
    assert meaning_of(status).answer is answer


@settings(deadline=None)  # the machine may be busy
@given(st.integers(0, 0xFFFF))
def test_every_status_has_a_meaning_in_words(status: int):
    """An operator never sees a bare number, and no status counts as a missing context."""
    meaning = meaning_of(status)
    assert meaning.meaning
    assert meaning.answer is not Answer.NO_CONTEXT


def test_the_table_agrees_with_the_library():
    """What pynetdicom files as success or warning was stored; what it files as failure was not.

    The exceptions are ours: a duplicate, of a rejection note too, is an object that the peer has.
    """
    for status, (category, _) in STORAGE_SERVICE_CLASS_STATUS.items():
        if status not in (0x0111, 0xA770):
            accepted = meaning_of(status).answer is Answer.ACCEPTED
            assert accepted == (category in {"Success", "Warning"}), f"0x{status:04X}"


@pytest.mark.parametrize("status", [*GENERAL_STATUS, 0x0123, 0x0124, 0xA700, 0xA900, 0xB000, 0xB006, 0xB007])
def test_every_status_of_the_standard_has_a_row(status: int):
    """PS3.4 table B.2-1 and PS3.7 annex C: none is left to the row for what nobody knows."""
    assert meaning_of(status) is not UNKNOWN


def test_ranges_do_not_overlap():
    """The first match would hide the second."""
    ordered = sorted(RANGES)
    assert all(before[1] < after[0] for before, after in pairwise(ordered))
    assert all(0 <= code <= 0xFFFF for code in EXACT)
