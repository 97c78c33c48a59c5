"""Corrections, withdrawals, re-issued reports and merges, killed at some of their commits."""

from __future__ import annotations

import pytest

from tests.torture.commits import at_every_commit
from tests.torture.corrections import CASES, worlds


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    return worlds(tmp_path_factory.mktemp("worlds"))


@pytest.mark.parametrize("name", CASES)
def test_each_is_done_once_wherever_it_is_killed(make, name):
    """One current result of the right patient, delivered once; one merge."""
    case = CASES[name]
    assert at_every_commit(lambda: make(case.patient), case.work, case.judge, step=6, first=1) >= 2
