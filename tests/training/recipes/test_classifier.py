"""A recipe is complete and exact, or it is refused by the name of the key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ra_node.errors import Fatal
from tests.training.recipe_builders import DEMO
from training.recipes.classifier import Recipe, deciding_json, read_recipe
from training.recipes.hand_detector import read_finder_recipe
from training.recipes.joints import read_joint_recipe
from training.recipes.pretraining import read_pretrain_recipe

PAPER = DEMO.with_name("paper.toml")


def test_the_recipe_of_the_demonstration_is_valid() -> None:
    assert read_recipe(DEMO).architecture == "googlenet"


def test_an_unknown_and_a_missing_key_are_both_named(tmp_path: Path) -> None:
    text = DEMO.read_text().replace("learning_rate", "learning_pace", 1)
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(Fatal, match=r"staging\.learning_rate: Field required.*staging\.learning_pace: Extra"):
        read_recipe(tmp_path / "r.toml")


def test_every_kind_of_recipe_is_read_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hospital has the installed package only, in a folder where a run may have the name, too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "joints").mkdir()
    assert read_recipe(Path("paper")) == read_recipe(PAPER)
    assert read_joint_recipe(Path("joints")) == read_joint_recipe(PAPER.with_name("joints.toml"))
    assert read_pretrain_recipe(Path("pretrain")) == read_pretrain_recipe(PAPER.with_name("pretrain.toml"))
    assert read_finder_recipe(Path("finder")) == read_finder_recipe(PAPER.with_name("finder.toml"))


def test_an_absent_recipe_is_an_installation_error(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="expected a recipe"):
        read_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize("architecture", ["alexnet", "vgg16", "googlenet", "resnet50", "efficientnet_b2"])
def test_the_recipe_of_the_paper_is_the_papers_for_each_network(architecture: str) -> None:
    """AdamW at 1e-5 with decay 1e-2, batches of 64, 100 epochs, and its augmentations alone."""
    recipe = read_recipe(PAPER, architecture)
    assert recipe.architecture == architecture
    for task in (recipe.staging, recipe.recognition):
        assert (task.learning_rate, task.weight_decay, task.batch, task.epochs) == (1e-5, 1e-2, 64, 100)
        assert (task.schedule, task.class_weighting, task.neighbour_smoothing) == ("constant", False, 0)
    changes = recipe.augment.model_dump()
    used = {"rotation_deg", "translation", "flip_horizontal", "flip_vertical"}
    assert {key for key, value in changes.items() if value} == used
    assert recipe.recognition_from == "start"


def test_another_network_than_the_five_is_refused() -> None:
    with pytest.raises(Fatal, match="architecture: Input should be 'alexnet', 'vgg16'"):
        read_recipe(PAPER, "lenet")


def test_what_the_preset_decides_cannot_be_said_otherwise(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(PAPER.read_text().replace("[data]", "[data]\nrounds = 3"))
    with pytest.raises(Fatal, match='preset "paper" decides rounds: expected 1 or no key, found 3'):
        read_recipe(tmp_path / "r.toml")


def test_a_kept_recipe_is_read_back_as_it_was() -> None:
    recipe = read_recipe(PAPER)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_a_recipe_says_only_what_differs_from_its_base(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(DEMO.read_text())
    path = tmp_path / "mine.toml"
    path.write_text('base = "base.toml"\nname = "mine"\n[staging]\nepochs = 7\n')
    found, base = read_recipe(path), read_recipe(DEMO)
    assert found == base.model_copy(
        update={"name": "mine", "staging": base.staging.model_copy(update={"epochs": 7.0})}
    )
    path.write_text('base = "none.toml"\n')
    with pytest.raises(Fatal, match=r"none\.toml"):
        read_recipe(path)


def test_a_bare_name_is_a_recipe_that_comes_along_unless_a_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_recipe(Path("site")).staging.head == "ordinal"
    assert read_recipe(Path("paper")) == read_recipe(PAPER)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").write_text("name = 1")
    with pytest.raises(Fatal, match=r"recipe site: .*name"):
        read_recipe(Path("site"))
    with pytest.raises(Fatal, match="expected a recipe in sites, found"):
        read_recipe(Path("sites"))


def test_a_key_that_was_added_later_says_nothing_until_it_is_used() -> None:
    """Runs that were begun before these keys were there must go on."""
    recipe = read_recipe(PAPER)
    old = deciding_json(recipe)
    assert not {"chance", "head", "trunk", "untouched"} & set(re.findall(r'"(\w+)":', old))
    staging = recipe.staging.model_copy(update={"head": "ordinal"})
    data = recipe.data.model_copy(update={"untouched": 1})
    changed: list[dict[str, object]] = [
        {"trunk": "shared"},
        {"chance": 1},
        {"staging": staging},
        {"data": data},
    ]
    assert len({old, *(deciding_json(recipe.model_copy(update=one)) for one in changed)}) == 5
