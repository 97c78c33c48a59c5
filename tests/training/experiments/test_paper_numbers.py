"""The paper's numbers are those that we read in it, and follow from its counts."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from training.evaluation.metrics import Counts
from training.experiments.paper_numbers import (
    NAMES,
    RECOGNITION,
    RECOGNITION_COUNTS,
    STAGING,
    TEST_HANDS,
    TEST_NORMAL,
    TEST_RA,
    TRAINING_HANDS,
)

RADIOGRAPHS = os.environ.get("RA_NODE_RADIOGRAPHS")
SHARED = Path(RADIOGRAPHS).parent if RADIOGRAPHS else Path(__file__).resolve().parents[4] / "shared"
NOTES = SHARED / "paper" / "notes.md"


@pytest.mark.parametrize(("number", "table"), [(2, RECOGNITION), (3, STAGING)])
def test_our_copy_of_a_table_is_that_of_the_notes(number: int, table: dict[str, tuple[float, ...]]) -> None:
    if not NOTES.exists():
        pytest.skip(f"the notes on the paper are not beside the project ({NOTES.name})")
    text = re.search(rf"^Table {number},.*?\n\n", NOTES.read_text(), re.DOTALL | re.MULTILINE)
    assert text is not None
    for key, name in NAMES.items():
        cells = re.search(rf"{name}((?: +[\d.]+){{5}})", text[0])
        assert cells is not None
        assert tuple(map(float, cells[1].split())) == table[key]


@pytest.mark.parametrize("network", NAMES)
def test_the_twenty_cells_of_table_2_follow_from_their_counts(network: str) -> None:
    right_ra, right_normal = RECOGNITION_COUNTS[network]
    found = Counts(right_ra, TEST_RA - right_ra, right_normal, TEST_NORMAL - right_normal)
    cells = (found.accuracy, found.sensitivity, found.specificity, found.f1)
    printed = RECOGNITION[network][1:]
    assert [f"{100 * cell:.2f}" for cell in cells] == [f"{cell:.2f}" for cell in printed]


def test_the_hands_of_table_1_are_344_and_its_test_side_is_that_of_table_2() -> None:
    assert sum(TRAINING_HANDS) == 240
    assert sum(TRAINING_HANDS + TEST_HANDS) == 344
    assert (TEST_HANDS[0], sum(TEST_HANDS[1:])) == (TEST_NORMAL, TEST_RA)
