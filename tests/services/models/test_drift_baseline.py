"""What a bundle said of the hands of its card is read from its manifest, or not at all."""

from __future__ import annotations

import pytest

from ra_node.inference.bundles.bundle import read_bundle
from ra_node.services.models.drift_baseline import reference_of
from tests.conftest import REPOSITORY

MANIFEST = read_bundle(REPOSITORY / "config" / "bundles" / "demo").manifest
SIX = [[0] * 6 for _ in range(6)]


def with_held_out(held_out):
    return MANIFEST.model_copy(update={"training": {"held_out": held_out}})


def test_calls_are_counted_by_column_and_normal_hands_by_row():
    """Rows are the truth, columns the calls; see the table in the card."""
    confusion = [[5, 1, 0, 0, 0, 0], *([0, 0, 2, 0, 0, 1] for _ in range(5))]
    found = reference_of(
        with_held_out({"confusion": confusion, "recognition_confusion": [[4, 2], [1, 14]]}), ""
    )
    assert (found.stages, found.normal, found.positive, found.hands) == ((5, 1, 10, 0, 0, 5), 6, 16, 21)


def test_the_shipped_bundle_tells_it():
    found = reference_of(MANIFEST, "0123456789abcdef")
    held_out = MANIFEST.training["held_out"]
    assert found.hands == held_out["hands"]
    assert found.positive == 4 + 510
    assert found.stages[5] == 116
    assert found.bundle == "0123456789ab"


@pytest.mark.parametrize(
    "held_out",
    [None, {}, [], {"confusion": SIX}, {"confusion": SIX[:5]}, {"confusion": [["many"] * 6] * 6},
     {"confusion": [[-1] * 6] * 6}],
)  # fmt: skip
def test_a_bundle_that_does_not_tell_has_no_reference(held_out):
    assert reference_of(with_held_out(held_out), "") is None


def test_recognition_of_other_hands_is_not_set_beside_them():
    found = reference_of(
        with_held_out({"confusion": [[1] * 6] * 6, "recognition_confusion": [[1, 0], [0, 1]]}), ""
    )
    assert (found.hands, found.positive) == (36, None)
