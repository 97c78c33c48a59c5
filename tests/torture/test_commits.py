"""Corrections, withdrawals, re-issued reports and merges: killed at commits, and in real processes."""

from __future__ import annotations

import pytest

from tests.conftest import find_tool
from tests.torture.commits import at_every_commit
from tests.torture.corrections import CASES, worlds
from tests.torture.corrector import POINTS, campaign_of
from tests.torture.points import resolve


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    return worlds(tmp_path_factory.mktemp("worlds"))


@pytest.mark.parametrize("name", CASES)
def test_each_is_done_once_wherever_it_is_killed(make, name):
    """One current result of the right patient, delivered once; one merge."""
    case = CASES[name]
    assert at_every_commit(lambda: make(case.patient), case.work, case.judge, step=6, first=1) >= 2


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.role}: {point.words}")
def test_the_product_still_has_the_function_of_every_point(point):
    assert callable(resolve(point.target)[2])


def test_studies_that_are_corrected_and_withdrawn_while_roles_are_killed_end_with_one_result(pacs, tmp_path):
    """Real processes and DCMTK; a small cut of `make torture`."""
    find_tool("dcmsend")
    campaign = campaign_of(tmp_path, pacs, kills=4, seed=5)
    campaign.run()
    ending = campaign.ending()
    assert campaign.score.total >= 4
    assert ending.corrections > 0
    assert ending.wrong == []
