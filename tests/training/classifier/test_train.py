"""Both tasks of a run: resumed, skipped when done, refused for an empty class; every network can do it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ra_node.errors import Fatal
from ra_node.inference.bundles.manifest import Head
from ra_node.inference.networks.architectures import ARCHITECTURES, build
from ra_node.inference.networks.heads import new_head, replace_last_layer
from ra_node.inference.networks.loaded_network import load_network
from tests.training.network_builders import exact_recipe, hands, small_network
from training.classifier.epoch_log import read_log
from training.classifier.loop import Progress, tune
from training.classifier.start import Start
from training.classifier.train import Place, train_run
from training.data.dataset import Crops, Row, stacked
from training.evaluation.evaluate import weights_path
from training.evaluation.task_calibration import CLASSES
from training.recipes.classifier import Recipe


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network in the place of the five."""

    def begun(recipe: Recipe, classes: int, start: Start, head: Head) -> nn.Module:
        network = small_network(recipe.seed, classes, 0.2)
        if head == "ordinal":
            replace_last_layer(network, new_head(head, 8, classes))
        return network

    monkeypatch.setattr("training.classifier.train.begun", begun)


SIDES = {"alexnet": 64, "vgg16": 32, "googlenet": 32, "resnet50": 32, "efficientnet_b2": 32}
"""The smallest crops that a network takes."""


def crops(side: int = 32, stages: tuple[int, ...] = (0, 1, 2, 3, 4, 5)) -> Crops:
    rng = np.random.default_rng(0)
    return stacked(
        [
            Row(
                rng.integers(0, 40 + 40 * k, (side, side)).astype(np.uint8),
                k,
                f"{split} {k} {n}",
                split,
                "simulated",
            )
            for split in ("tune", "validation")
            for k in stages
            for n in range(2)
        ]
    )


def recipe(epochs: float = 2, **changed: object) -> Recipe:
    return exact_recipe(epochs, batch=6).model_copy(update=changed)


class KilledError(Exception):
    """Stands for a power cut."""


def trained(folder: Path, chosen: Recipe, kill_at: str = "") -> list[str]:
    """Train and return what was said; weights, log and all else lie in the folder."""
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if kill_at and text.startswith(kill_at):
            raise KilledError

    train_run(chosen, crops(), Start(None), Place(folder, torch.device("cpu"), checkpoint_s=0.0), say)
    return said


@pytest.mark.parametrize("recognition_from", ["staging", "start"])
@pytest.mark.parametrize("kill_at", ["staging 3/4", "recognition 3/4"])
@pytest.mark.usefixtures("small")
def test_a_run_killed_in_either_task_ends_with_the_same_files(
    tmp_path: Path, kill_at: str, recognition_from: str
) -> None:
    chosen = recipe(recognition_from=recognition_from)
    trained(tmp_path / "whole", chosen)
    with pytest.raises(KilledError):
        trained(tmp_path / "cut", chosen, kill_at)
    said = trained(tmp_path / "cut", chosen)
    assert said[0].startswith(kill_at)
    for task in CLASSES:
        one, other = (weights_path(tmp_path / name, task).read_bytes() for name in ("whole", "cut"))
        assert one == other
    logs = [
        [(r.task, r.epoch, r.loss, r.validation_auc) for r in read_log(tmp_path / n / "log.csv")]
        for n in ("whole", "cut")
    ]
    assert logs[0] == logs[1]
    assert [row[:2] for row in logs[0]] == [(task, k) for task in ("staging", "recognition") for k in (1, 2)]
    assert all(row[3] is not None and 0 <= row[3] <= 1 for row in logs[0])
    left = {
        path.relative_to(tmp_path / "cut").as_posix()
        for path in (tmp_path / "cut").rglob("*")
        if path.is_file()
    }
    assert left == {"finished.sha256", "log.csv", *(f"{task}/weights.safetensors" for task in CLASSES)}


@pytest.mark.usefixtures("small")
def test_a_finished_run_is_left_as_it_is_and_another_recipe_trains_anew(tmp_path: Path) -> None:
    trained(tmp_path, recipe(epochs=1))
    assert trained(tmp_path, recipe(epochs=1)) == [
        f"{tmp_path} is already trained with this recipe, these hands and this start"
    ]
    assert trained(tmp_path, recipe(epochs=1, seed=5))[0].startswith("staging 1/2")


@pytest.mark.usefixtures("small")
def test_tasks_on_their_own_do_not_depend_on_each_other(tmp_path: Path) -> None:
    """As in the paper: another staging leaves recognition as it was."""
    staging = recipe().staging.model_copy(update={"epochs": 1})
    for name, chosen in (("a", recipe()), ("b", recipe(staging=staging))):
        trained(tmp_path / name, chosen.model_copy(update={"recognition_from": "start"}))
    a, b = (weights_path(tmp_path / name, "recognition").read_bytes() for name in "ab")
    assert a == b


def test_an_empty_class_is_refused_by_name_before_anything_is_trained(tmp_path: Path) -> None:
    place = Place(tmp_path, torch.device("cpu"))
    with pytest.raises(
        Fatal, match="staging: expected training hands of every class, found none of: stage 2, stage 5"
    ):
        train_run(recipe(), crops(stages=(0, 1, 3, 4)), Start(None), place, print)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_network_takes_a_step(architecture: str) -> None:
    side = SIDES[architecture]
    images, labels = hands(4)
    seen: list[Progress] = []
    network = build(architecture, 2)
    before = next(network.parameters()).detach().clone()
    chosen = recipe(epochs=1, amp="bf16")
    tune(network, images[:, :side, :side], labels, chosen, "recognition", seen.append, torch.device("cpu"))
    assert [line.step for line in seen] == [1]
    assert np.isfinite(seen[0].loss)
    assert not torch.equal(next(network.parameters()), before)


def test_the_weights_of_a_run_load_as_the_node_loads_them(tmp_path: Path) -> None:
    chosen = recipe(epochs=0.5)
    train_run(chosen, crops(), Start(None), Place(tmp_path, torch.device("cpu")), lambda _: None)
    for task, classes in CLASSES.items():
        load_network("googlenet", classes, weights_path(tmp_path, task), torch.device("cpu"))


@pytest.mark.usefixtures("small")
def test_both_tasks_at_once_leave_two_networks_with_one_trunk(tmp_path: Path) -> None:
    trained(tmp_path, recipe(trunk="shared"))
    staging, recognition = (load_file(weights_path(tmp_path, task)) for task in ("staging", "recognition"))
    assert staging.keys() == recognition.keys()
    apart = [key for key in staging if not torch.equal(staging[key], recognition[key])]
    assert sorted(apart) == ["7.bias", "7.weight"]
    assert (len(staging["7.bias"]), len(recognition["7.bias"])) == (6, 2)


@pytest.mark.usefixtures("small")
def test_a_shared_trunk_learns_both_tasks(tmp_path: Path) -> None:
    """With recognition's labels left out, its last layer would not move."""
    trained(tmp_path / "once", recipe(epochs=1, trunk="shared"))
    trained(tmp_path / "twice", recipe(epochs=4, trunk="shared"))
    for task in ("staging", "recognition"):
        one, other = (load_file(weights_path(tmp_path / name, task)) for name in ("once", "twice"))
        assert not torch.equal(one["7.weight"], other["7.weight"])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_an_ordinal_run_keeps_cut_points_for_staging_alone(tmp_path: Path, trunk: str) -> None:
    chosen = recipe(epochs=1, trunk=trunk)
    trained(
        tmp_path, chosen.model_copy(update={"staging": chosen.staging.model_copy(update={"head": "ordinal"})})
    )
    staging, recognition = (load_file(weights_path(tmp_path, task)) for task in ("staging", "recognition"))
    assert {key for key in staging if key.startswith("7.")} == {"7.score.weight", "7.first_cut", "7.gaps"}
    assert {key for key in recognition if key.startswith("7.")} == {"7.weight", "7.bias"}
