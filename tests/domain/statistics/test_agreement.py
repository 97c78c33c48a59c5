"""Kappa as scikit-learn computes it; intervals over patients."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ra_node.domain.reader_study.labels import NOT_GRADABLE
from ra_node.domain.statistics.agreement import agreement_of, matrix_of


@pytest.mark.parametrize("seed", range(5))
def test_both_kappas_equal_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 6, 200)
    second = np.where(rng.random(200) < 0.7, first, rng.integers(0, 6, 200))
    found = agreement_of(
        "hands", [(int(a), int(b), str(n // 2)) for n, (a, b) in enumerate(zip(first, second, strict=True))]
    )
    assert found.kappa[0] == pytest.approx(cohen_kappa_score(first, second))
    assert found.quadratic[0] == pytest.approx(cohen_kappa_score(first, second, weights="quadratic"))
    assert found.kappa[1] < found.kappa[0] < found.kappa[2]


def test_labels_of_one_reader_only_are_counted_apart():
    rows = [(1, 1, "a"), (NOT_GRADABLE, 2, "b"), (NOT_GRADABLE, NOT_GRADABLE, "c"), (None, 3, "d")]
    found = agreement_of("hands", rows)
    assert (found.count, found.one_not_gradable) == (1, 1)
    assert matrix_of(rows)[1, 1] == matrix_of(rows).sum() == 1
    assert agreement_of("hands", rows[1:]) is None
