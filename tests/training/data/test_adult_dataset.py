"""Hands of adults are trained on like those of children; a hand held out once is never trained on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.view.pixel_view import PixelView
from ra_node.errors import Fatal
from tests.finders import demo_detector
from tests.training.recipe_builders import small_recipe
from training.classifier.run_folder import adults_in
from training.data.adult_dataset import adult_patient, adult_rows, adult_splits
from training.data.adult_hands import AdultPicture, adult_part
from training.data.dataset import ADULT_ORIGINS, stacked
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.recipes.classifier import Recipe

LEARNT, HELD_OUT = "c0-11", "c0-46"


def recipe(rounds: int) -> Recipe:
    plain = small_recipe()
    asked = {"adults": rounds, "untouched": 1, "validation": 0.0}
    return plain.model_copy(update={"data": plain.data.model_copy(update=asked)})


def pictures(count: int = 400) -> list[AdultPicture]:
    names = [f"hand-{number}" for number in range(count)] + ["c0-12", "c0-91", "c2-31"]
    return [AdultPicture(f"{name}.png", "PA", 1, PixelView.FRONTAL) for name in names]


def test_the_held_out_half_is_that_of_the_detector_and_the_rest_is_split_by_hand() -> None:
    """No seed moves a hand out of the held-out half; three pictures of one hand stay together."""
    for seed in (2024, 7):
        asked = small_recipe().model_copy(update={"seed": seed})
        found = adult_splits(pictures(), asked)
        assert all((split == "held-out") == (adult_part(name) == "held-out") for name, split in found.items())
        assert len({found[name] for name in ("c0-12", "c0-91", "c2-31")}) == 1
        kept, rest = (list(found.values()).count(split) for split in ("validation", "tune"))
        assert kept / (kept + rest) == pytest.approx(asked.data.validation, abs=0.03)


def test_two_pictures_of_a_hand_are_one_patient_and_no_child() -> None:
    assert adult_patient("c0-82") == adult_patient("c2-10") != adult_patient("c0-46")
    assert not adult_patient("1234").isdigit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn hand as a PA picture of each part, and one without any hand."""
    folder = tmp_path_factory.mktemp("adults")
    drawn = draw_hands(PhantomRecipe((HandRecipe(Side.LEFT, 0),), 700, 500, seed=3)).pixels
    grey = np.rint(255.0 * drawn / drawn.max()).astype(np.uint8)
    rows = ["file,hands,kind,marker"]
    for name, values in ((LEARNT, grey), (HELD_OUT, grey), ("c0-12", np.zeros_like(grey))):
        cv2.imwrite(str(folder / f"{name}.png"), values)
        rows.append(f"{name}.png,1,PA,")
    rows.append("c1-90.png,1,oblique/lateral,")
    (folder / "truth.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_every_stage_is_simulated_on_pa_hands_that_are_found_whole(folder: Path) -> None:
    crops = stacked(list(adult_rows(folder, recipe(2), demo_detector(), lambda *_: None)))
    assert set(crops.patients) == {f"adult {LEARNT}", f"adult {HELD_OUT}"}
    assert set(crops.origins) == set(ADULT_ORIGINS)
    simulated, unedited = (crops.part("tune", origin) for origin in ADULT_ORIGINS)
    assert sorted(simulated.stages.tolist()) == [0, 0, 4, 4]
    assert unedited.stages.tolist() == [0, 0]
    held_out, alone = (crops.part("held-out", origin) for origin in ADULT_ORIGINS)
    assert sorted(held_out.stages.tolist()) == [0, 1, 2, 3, 4, 5]
    assert alone.stages.tolist() == [0]
    assert set(held_out.patients) == {f"adult {HELD_OUT}"}
    assert crops.found.mean() > 0.8


def test_a_recipe_with_adults_needs_their_folder(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="folder adults"):
        adults_in(tmp_path)
    with pytest.raises(Fatal, match="folder adults"):
        adults_in(None)
