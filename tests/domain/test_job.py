"""A failed job comes back later and later, and never together with the others."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.domain.job import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    MAX_ATTEMPTS,
    Job,
    JobKind,
    JobState,
    retry_delay_s,
)


def job(**changes):
    fields = {
        "id": "a",
        "kind": JobKind.EXAMINE,
        "key": "examine:1",
        "study_uid": "1.2.3",
        "instance_id": None,
        "version": None,
        "peer": None,
        "state": JobState.LEASED,
        "run_at": 0.0,
        "attempt": 1,
        "excused": 0,
        "max_attempts": 3,
        "fence": 1,
        "owner": "worker",
        "lease_until": 60.0,
        "last_error": None,
        "created_at": 0.0,
        "finished_at": None,
    }
    return Job(**{**fields, **changes})


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_the_delay_is_half_to_all_of_its_step_and_at_most_an_hour(attempt, seed):
    """Doubling from the first retry, for any number of attempts."""
    step = min(FIRST_RETRY_S * 2 ** min(attempt - 1, 20), LONGEST_RETRY_S)
    assert step / 2 <= retry_delay_s(attempt, random.Random(seed)) <= step


@given(seed=st.integers())
def test_the_delay_follows_from_its_randomness(seed):
    """Randomness is a parameter."""
    delays = [retry_delay_s(4, random.Random(seed)) for _ in range(2)]
    assert delays[0] == delays[1]


def test_jobs_that_failed_together_come_back_apart():
    """A PACS that just came up is not hit by everything at once."""
    jitter = random.Random(1)
    assert len({retry_delay_s(5, jitter) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("attempt", "excused", "last"), [(1, 0, False), (3, 0, True), (9, 7, False), (9, 6, True)]
)
def test_the_last_attempt_is_the_last_one_that_counts(attempt, excused, last):
    """Excused attempts do not count."""
    assert job(attempt=attempt, excused=excused).last_attempt is last


def test_every_kind_has_its_number_of_attempts():
    """A new kind without one would fail at its first enqueue."""
    assert set(MAX_ATTEMPTS) == set(JobKind)
    assert min(MAX_ATTEMPTS.values()) >= 2
