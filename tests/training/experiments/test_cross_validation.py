"""Every hand is judged by networks that did not learn from its patient, and nothing decides about itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ra_node.errors import Refused
from tests.training.recipe_builders import small_recipe
from training.classifier.start import Start
from training.classifier.train import Place
from training.data.dataset import Crops, Row, stacked
from training.data.split import ALL, Fold, Split, k_folds, written
from training.evaluation.evaluate import Result
from training.evaluation.metrics import auc, quadratic_kappa
from training.evaluation.predictions import Predictions, load_predictions
from training.experiments import cross_validation
from training.experiments.compare import Entry
from training.experiments.cross_validation import FINAL, Pooled, choice_lines, cross_validate, planned_folds
from training.experiments.evaluation_cache import Question, measure, read_calibration, read_result

DIGEST = "ab" * 32


@dataclass(frozen=True)
class Hand:
    """A row of a dataset, as far as folds look at it."""

    image: str
    patient: str
    stage: int
    side: str = "R"
    sex: str = ""
    age_years: int | None = None
    site: str = "north"
    split: str = ""
    source_sha256: str = ""

    @property
    def pictures(self) -> tuple[str, ...]:
        return (self.source_sha256,)


HANDS = tuple(
    Hand(f"{n}-{side}", f"p{n:02}", (n + k) % 6, side, source_sha256=f"s{n}")
    for n in range(36)
    for k, side in enumerate("RL")
)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Hands without pictures and networks without weights; returns whom each run learnt from."""
    learnt: dict[str, set[str]] = {}
    made: dict[Path, tuple[list[Hand], Crops]] = {}

    def prepared(recipe, run, source, say):
        split = cross_validation.read_split(source.split, DIGEST, HANDS)
        fold = next(fold for fold in split.folds if fold.name == source.fold)
        rows = [hand for hand in HANDS if hand.patient not in fold.aside]
        parts = ["held-out" if hand.patient in fold.test else "tune" for hand in rows]
        crops = stacked(
            [
                Row(np.zeros((2, 2), np.uint8), hand.stage, hand.patient, part, "labelled")
                for hand, part in zip(rows, parts, strict=True)
            ]
        )
        made[run] = rows, crops
        run.mkdir(parents=True, exist_ok=True)
        learnt[f"{run.parent.name}/{run.name}"] = set(fold.train)

    def told(run, recipe, crops, device, say) -> Predictions:
        """GoogLeNet sees well; AlexNet badly."""
        noise = {"googlenet": 0.5, "alexnet": 2.5}[recipe.architecture]
        seen = crops.stages + np.random.default_rng(3).normal(0, noise, len(crops))
        features = np.zeros((int((crops.splits == "held-out").sum()), 3), np.float32)
        return Predictions(
            *(crops.stages, crops.patients, crops.splits, crops.origins),
            recognition=3 * np.stack([0.5 - seen, seen - 0.5], axis=1),
            staging=-4 * np.abs(seen[:, None] - np.arange(6)),
            recognition_features=features,
            staging_features=features,
            key=run.name,
            held_out_key="",
        )

    for name, fake in {
        "read_manifest": lambda _: HANDS,
        "manifest_sha256": lambda _: DIGEST,
        "prepared": prepared,
        "kept_crops": lambda run: made[run][1],
        "kept_rows": lambda run: made[run][0],
        "kept_about": lambda _: {},
        "refuse_other_split": lambda *_: None,
        "train_run": lambda *_: None,
        "predictions": told,
    }.items():
        monkeypatch.setattr(cross_validation, name, fake)
    return learnt


def validated(out: Path, split: Path | None = None, *architectures: str) -> tuple[list[Pooled], Result]:
    names = architectures or ("googlenet",)
    entries = [Entry(small_recipe().model_copy(update={"architecture": name}), Start(None)) for name in names]
    plan = planned_folds(Path("data"), split, 4, 7)
    place = Place(out, torch.device("cpu"))
    return cross_validate(entries, plan, place, Question(resamples=20), lambda _: None)


def holdout_file(folder: Path) -> Path:
    everyone = sorted({hand.patient for hand in HANDS})
    fold = Fold("holdout", tuple(everyone[9:]), tuple(everyone[:9]))
    (folder / "split.json").write_bytes(written(Split("holdout", 1, DIGEST, (fold,))))
    return folder / "split.json"


def test_figures_are_those_of_all_hands_and_the_final_networks_learn_from_all(
    tmp_path: Path, site: dict[str, set[str]]
) -> None:
    (pooled,), result = validated(tmp_path)
    assert (result.held_out.hands, result.held_out.patients, result.folds) == (72, 36, 4)
    assert "4-fold cross-validation" in result.measured_on
    called = np.asarray(pooled.hands.staged.argmax(axis=1))
    kappa = quadratic_kappa(np.array([hand.stage for hand in HANDS]), called, 6)
    assert result.held_out.staging["quadratic_kappa"][0] == pytest.approx(kappa)
    everyone = {hand.patient for hand in HANDS}
    folds = {name: seen for name, seen in site.items() if "fold" in name}
    assert len(folds) == 4
    assert all(len(seen) == 27 for seen in folds.values())
    assert set.intersection(*folds.values()) == set()
    assert site[f"{tmp_path.name}/{FINAL}"] == everyone


def test_the_pooled_auc_ranks_by_logits_at_the_temperature_of_each_fold(tmp_path: Path, site: object) -> None:
    """Networks of different folds may be sharper; offsets and points of a fold do not enter the ranks."""
    (pooled,), result = validated(tmp_path)
    margin = pooled.logits["recognition"][:, 1] - pooled.logits["recognition"][:, 0]
    ratio = margin / pooled.order["recognition"][:, 1]
    per_fold = [ratio[pooled.fold == k] for k in range(4)]
    assert all(one.std() < 1e-9 for one in per_fold)
    area = auc(pooled.stages > 0, pooled.order["recognition"][:, 1])
    assert result.held_out.recognition["auc"][0] == area
    kept = load_predictions(tmp_path / FINAL)
    shown = kept.order(kept.rows("held-out"))["recognition"][:, 1]
    assert np.array_equal(shown, pooled.order["recognition"][:, 1])


def test_each_fold_has_points_that_its_own_hands_did_not_choose(tmp_path: Path, site: object) -> None:
    """Another truth of the hands of one fold changes the points of all folds but that one."""
    (pooled,), _ = validated(tmp_path)
    own = pooled.fold == 0
    wrong = np.where(own, 5 - pooled.stages, pooled.stages)
    again = cross_validation._measured(
        pooled.entry, HANDS, wrong, pooled.patients, pooled.logits, pooled.fold, [], Question(resamples=2)
    )
    same = again.points.recognition == pooled.points.recognition
    assert same[own].all()
    assert not same[~own].any()


def test_of_several_networks_the_one_is_chosen_that_was_better_out_of_fold(
    tmp_path: Path, site: dict[str, set[str]]
) -> None:
    split = holdout_file(tmp_path)
    pooled, result = validated(tmp_path / "cv", split, "alexnet", "googlenet")
    kept_out = {f"p{n:02}" for n in range(9)}
    assert all(not seen & kept_out for seen in site.values())
    assert (result.held_out.hands, result.folds, result.candidates) == (18, 0, 2)
    assert all(len(one.stages) == 54 for one in pooled)
    first, second, apart = choice_lines(pooled)
    assert first.startswith("googlenet, out of fold: recognition AUC 0.9")
    assert second.startswith("alexnet")
    assert apart.startswith("googlenet less alexnet: kappa +0.")
    assert read_calibration(tmp_path / "cv" / FINAL).chosen_on == "out-of-fold"


def test_what_was_chosen_on_the_hands_of_its_figures_says_so(tmp_path: Path, site: object) -> None:
    _, result = validated(tmp_path, None, "alexnet", "googlenet")
    assert "the best of 2 recipes, so biased upwards" in result.measured_on


def test_evaluate_leaves_the_figures_of_a_cross_validation_as_they_are(tmp_path: Path, site: object) -> None:
    """The final networks have learnt from every hand: nothing is left to measure them on."""
    _, result = validated(tmp_path)
    assert measure(tmp_path / FINAL, torch.device("cpu"), lambda _: None) == read_result(tmp_path / FINAL)
    told = load_predictions(tmp_path / FINAL)
    assert (told.splits == "held-out").sum() == (told.splits == "tune").sum() == 72
    assert told.thresholds is not None
    assert result.counts["tune hands, labelled"] == 72


def test_the_folds_of_a_split_are_taken_as_they_are(tmp_path: Path, site: object) -> None:
    folds = k_folds(HANDS, 3, 3)
    (tmp_path / "folds.json").write_bytes(written(Split("folds", 3, DIGEST, folds)))
    plan = planned_folds(Path("data"), tmp_path / "folds.json", 5, 7)
    assert plan.folds == folds
    assert (plan.final.name, plan.held_out) == (ALL, False)
    sites = tuple(replace(fold, name=f"site {k}") for k, fold in enumerate(folds))
    (tmp_path / "sites.json").write_bytes(written(Split("site", 3, DIGEST, sites)))
    with pytest.raises(Refused, match="one held-out side or with folds, found 3 sites"):
        planned_folds(Path("data"), tmp_path / "sites.json", 5, 7)
