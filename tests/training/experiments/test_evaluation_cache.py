"""What a run is calibrated on: the held-out half of the adults is measured and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.training.evaluated_runs import BLANK, rows, told
from training.data.dataset import Origin, Row, Split, stacked
from training.experiments.evaluation_cache import run_calibration


def adults(split: Split) -> list[Row]:
    origins: tuple[Origin, Origin] = ("simulated adult", "unedited adult")
    return [Row(BLANK, 3 * k, f"adult {split} {n}", split, origins[k]) for n in range(30) for k in (1, 0)]


def test_held_out_adults_do_not_move_the_calibration_and_those_of_validation_do() -> None:
    """Their logits are all wrong here: any use of them would show."""
    plain = told(stacked(rows()))
    for split, used in (("held-out", False), ("validation", True)):
        both = told(stacked([*rows(), *adults(split)]))
        kept = len(plain)
        wrong = replace(
            both,
            recognition=np.concatenate([plain.recognition, -both.recognition[kept:]]),
            staging=np.concatenate([plain.staging, both.staging[kept:, ::-1]]),
        )
        moved = run_calibration(wrong, None) != run_calibration(plain, None)
        assert moved == used
