"""A probability at another prevalence keeps the likelihood ratio of the hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.statistics.prevalence import posterior

SHARES = st.floats(0.01, 0.99)


@given(st.floats(0, 1), SHARES)
def test_at_the_prevalence_of_the_calibration_nothing_changes(probability: float, share: float) -> None:
    assert posterior(probability, share, share).probability == pytest.approx(probability, abs=1e-9)


@given(st.floats(0.001, 0.999), SHARES, SHARES)
def test_the_odds_change_by_the_ratio_of_the_prior_odds(
    probability: float, share: float, prevalence: float
) -> None:
    found = posterior(probability, share, prevalence).probability
    ratio = (prevalence / (1 - prevalence)) / (share / (1 - share))
    assert found * (1 - probability) == pytest.approx(ratio * probability * (1 - found), rel=1e-6)


def test_a_hand_called_from_half_diseased_hands_is_seldom_ill_where_disease_is_rare() -> None:
    assert posterior(0.9, 0.5, 0.01).probability == pytest.approx(9 / (9 + 99))


@pytest.mark.parametrize(("share", "prevalence"), [(0.0, 0.1), (1.0, 0.1), (0.5, 0.0), (0.5, 1.0)])
def test_a_share_without_both_classes_is_an_error(share: float, prevalence: float) -> None:
    with pytest.raises(ValueError, match="expected shares between 0 and 1"):
        posterior(0.5, share, prevalence)
