"""Hands are cut by what a table says of their patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ra_node.errors import Fatal
from training.data.subgroups import age_band, groups_of, members, read_groups


@pytest.mark.parametrize(
    ("years", "band"), [(0, "0-9"), (9.9, "0-9"), (10, "10-14"), (17.9, "15-17"), (60, "60+"), (99, "60+")]
)
def test_every_age_has_one_band(years: float, band: str) -> None:
    assert age_band(years) == band


def test_groups_follow_the_patients_and_leave_no_hand_out(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_text("patient,sex,age_years\na,F,12\nb,M,\n")
    groups = read_groups(table, np.array(["b", "a", "c", "a"]))
    found = {title: rows.tolist() for title, rows in members(groups).items()}
    assert found == {
        "sex F": [False, True, False, True],
        "sex M": [True, False, False, False],
        "sex unknown": [False, False, True, False],
        "age band 10-14": [False, True, False, True],
        "age band unknown": [True, False, True, False],
    }


@dataclass(frozen=True)
class Hand:
    side: str
    sex: str = ""
    age_years: int | None = None
    site: str = ""


def test_rows_that_carry_side_and_age_are_cut_by_these_alone() -> None:
    found = members(groups_of([Hand("R", age_years=70), Hand("L"), Hand("R", age_years=9)]))
    assert list(found) == ["side L", "side R", "age band unknown", "age band 0-9", "age band 60+"]
    assert found["side R"].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [("id,sex\n1,F\n", "found no such row"), ("patient,age_years\n1,old\n", "found 'old'")],
)
def test_a_table_without_patients_or_with_a_wrong_age_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(Fatal, match=said):
        read_groups(tmp_path / "people.csv", np.array(["1"]))
