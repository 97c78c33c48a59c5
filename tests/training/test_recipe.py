"""A recipe is complete and exact, or it is refused by the name of the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_node.errors import Fatal
from tests.training.recipes import DEMO
from training.recipe import read_recipe


def test_the_recipe_of_the_demonstration_is_valid() -> None:
    assert read_recipe(DEMO).architecture == "googlenet"


def test_an_unknown_and_a_missing_key_are_both_named(tmp_path: Path) -> None:
    text = DEMO.read_text().replace("learning_rate", "learning_pace", 1)
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(Fatal, match=r"staging\.learning_rate: Field required.*staging\.learning_pace: Extra"):
        read_recipe(tmp_path / "r.toml")


def test_an_absent_recipe_is_an_installation_error(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="expected a recipe"):
        read_recipe(tmp_path / "none.toml")
