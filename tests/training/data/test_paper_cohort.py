"""The preset `paper` has exactly the hands of Table 1, each patient on one side."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.errors import Fatal
from tests.finders import demo_detector
from tests.training.recipe_builders import DEMO
from training.data.dataset import Row, as_drawn, read_source, stacked
from training.data.paper_cohort import TEST, TRAINING, PlannedPatient, class_counts, paper_rows, planned
from training.recipes.classifier import read_recipe

PAPER = DEMO.with_name("paper.toml")


def stages(plan: list[PlannedPatient], *splits: str) -> tuple[int, ...]:
    found = Counter(stage for patient in plan if patient.split in splits for stage in patient.stages)
    return tuple(found[stage] for stage in range(6))


@given(sources=st.integers(0, 500), validation=st.sampled_from([0.0, 0.15]), seed=st.integers(0, 2**32))
def test_the_plan_has_the_counts_of_table_one_whatever_the_sources(
    sources: int, validation: float, seed: int
) -> None:
    plan = planned([f"p{k}" for k in range(sources)], validation, seed)
    assert stages(plan, "tune", "validation") == (26, 33, 54, 56, 38, 33)
    assert stages(plan, "held-out") == (13, 14, 22, 24, 17, 14)
    assert len({patient.patient for patient in plan}) == len(plan)  # nobody twice, so nobody on two sides
    assert all(len(patient.stages) == (2 if patient.drawn else 1) for patient in plan)
    assert not any(patient.drawn for patient in plan) or sources < 344
    assert ("validation" in {patient.split for patient in plan}) == bool(validation)


def test_the_plan_does_not_depend_on_the_order_of_the_sources_and_the_seed_decides_it() -> None:
    names = [f"p{k}" for k in range(344)]
    assert planned(names, 0.0, 1) == planned(names[::-1], 0.0, 1)
    assert planned(names, 0.0, 1) != planned(names, 0.0, 2)


def test_the_counts_are_checked_on_the_crops_themselves() -> None:
    def rows(split: str, counts: tuple[int, ...]) -> list[Row]:
        crop = np.zeros((2, 2), np.uint8)
        return [
            Row(crop, stage, f"{split} {stage} {n}", split, "simulated")  # type: ignore[arg-type]
            for stage, count in enumerate(counts)
            for n in range(count)
        ]

    right = stacked(rows("tune", TRAINING) + rows("held-out", TEST))
    assert class_counts(right) == {"training": TRAINING, "test": TEST}
    with pytest.raises(Fatal, match="expected the classes of Table 1"):
        class_counts(right.where(np.arange(344) > 0))


def test_simulated_hands_follow_the_plan(radiographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few of the 344, made: label, side, and the word that they are simulated."""
    recipe = read_recipe(PAPER)
    sources = read_source(radiographs)
    plan = planned([hand.patient for hand in sources], 0.0, recipe.seed)[::70]
    monkeypatch.setattr("training.data.paper_cohort.planned", lambda *_: plan)
    rows = [
        row
        for row in paper_rows(sources, recipe, demo_detector(), lambda *_: None)
        if row.origin != "unedited"
    ]
    assert [(row.patient, row.split, row.stage) for row in rows] == [
        (p.patient, p.split, *p.stages) for p in plan
    ]
    assert {row.origin for row in rows} == {"simulated"}
    assert all(row.image.shape == (224, 224) and row.image.max() > 200 for row in rows)


def test_drawn_hands_stand_in_where_sources_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(PAPER)
    pair = PlannedPatient("phantom held-out 0", "held-out", (0, 4), drawn=True)
    monkeypatch.setattr("training.data.paper_cohort.planned", lambda *_: [pair])
    rows = list(paper_rows([], recipe, demo_detector(), lambda *_: None))
    assert sorted(row.stage for row in rows) == [0, 4]
    assert {(row.patient, row.origin) for row in rows} == {("phantom held-out 0", "simulated")}


def test_readers_overlap_by_one_stage_as_often_as_the_recipe_says() -> None:
    rng = np.random.default_rng(0)
    drawn = [as_drawn(3, 0.2, rng) for _ in range(2000)]
    assert set(drawn) == {2, 3, 4}
    assert np.mean(np.array(drawn) != 3) == pytest.approx(0.2, abs=0.03)
    assert {as_drawn(stage, 1.0, rng) for stage in (0, 5) for _ in range(20)} <= {0, 1, 4, 5}
    assert [as_drawn(stage, 0.0, rng) for stage in range(6)] == list(range(6))
