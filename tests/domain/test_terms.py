"""Free text in the place of a defined term is told as such, and never quoted."""

from __future__ import annotations

import pytest

from ra_node.domain.terms import NOT_A_TERM, direction, laterality, photometric_interpretation


@pytest.mark.parametrize("value", ["L", "RA", "HFL", "", "X"])
def test_directions_are_kept(value):
    assert direction(value) == value


@pytest.mark.parametrize("value", ["RICHARD", "LI", "L DOE", "RIGHT DOE^JANE", "19610203", "ROE"])
def test_a_text_that_begins_like_a_direction_is_none(value):
    assert direction(value) == NOT_A_TERM


def test_a_laterality_is_kept_and_a_name_is_not():
    assert [laterality(value) for value in ("R", "B", "LEFT", "")] == ["R", "B", "LEFT", ""]
    assert laterality("R DOE^JANE") == laterality("JANE") == NOT_A_TERM


def test_only_a_photometric_interpretation_is_quoted():
    assert photometric_interpretation("YBR_FULL") == '"YBR_FULL"'
    assert photometric_interpretation("DOE^JANE") == photometric_interpretation("") == NOT_A_TERM
