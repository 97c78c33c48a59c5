"""Likelihood ratios and predictive values follow Bayes' theorem, with intervals from those of both shares."""

from __future__ import annotations

import math

import pytest

from training.evaluation.predictive_values import likelihood_ratios, predictive_values

SENSITIVITY, SPECIFICITY = (0.9, 0.8, 0.95), (0.8, 0.7, 0.9)


def test_the_ratios_are_those_of_the_definition_and_ordered_like_an_interval() -> None:
    positive, negative = likelihood_ratios(SENSITIVITY, SPECIFICITY)
    assert positive == pytest.approx((4.5, 0.8 / 0.3, 9.5))
    assert negative == pytest.approx((0.125, 0.05 / 0.9, 0.2 / 0.7))
    assert negative[1] < negative[0] < negative[2]


def test_a_value_is_the_posterior_of_the_stated_prevalence() -> None:
    """1 % prevalence: 9 of 207 positive hands in 1000 are diseased."""
    positive, negative = predictive_values(SENSITIVITY, SPECIFICITY, 0.01)
    assert positive[0] == pytest.approx(9 / (9 + 198))
    assert negative[0] == pytest.approx(792 / 793)
    assert positive[1] < positive[0] < positive[2]
    assert negative[1] < negative[0] < negative[2]


def test_the_odds_are_those_of_the_prevalence_times_the_ratio() -> None:
    ratio = likelihood_ratios(SENSITIVITY, SPECIFICITY)[0][0]
    value = predictive_values(SENSITIVITY, SPECIFICITY, 0.2)[0][0]
    assert value / (1 - value) == pytest.approx(0.25 * ratio)


def test_a_specificity_of_one_gives_an_infinite_ratio_and_a_sure_positive() -> None:
    sure = (1.0, 0.9, 1.0)
    assert math.isinf(likelihood_ratios(SENSITIVITY, sure)[0][0])
    assert predictive_values(SENSITIVITY, sure, 0.01)[0][0] == 1.0
    assert math.isnan(likelihood_ratios((0.0, 0.0, 0.3), sure)[0][0])
