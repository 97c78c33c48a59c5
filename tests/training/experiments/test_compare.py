"""A comparison trains each network once on the very same hands, whatever kills it in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ra_node.errors import Fatal
from tests.training.test_main import write_crops, write_recipe
from training.classifier.run_folder import REAL, HandsFrom
from training.classifier.train import Place
from training.evaluation.evaluate import weights_path
from training.evaluation.task_calibration import CLASSES
from training.experiments.compare import HANDS, Entry, compare, entries
from training.experiments.evaluation_cache import CALIBRATION, EVALUATION, Question
from training.recipes.classifier import read_recipe

TWO = ("googlenet", "efficientnet_b2")
QUICK = Question(resamples=10)


def begun(out: Path) -> Path:
    """A comparison whose crops are made already."""
    (out / HANDS).mkdir(parents=True)
    write_crops(out / HANDS)
    return out


def chosen(folder: Path, epochs: float = 1) -> list[Entry]:
    recipe = read_recipe(write_recipe(folder / "small.toml"))
    return entries(recipe, TWO, {"": epochs}, {}, "off")


def compared(out: Path, entered: list[Entry], question: Question = QUICK) -> list[str]:
    """What a comparison said until it was finished."""
    said: list[str] = []
    compare(entered, Place(out, torch.device("cpu")), HandsFrom(), question, said.append)
    return said


def kept(out: Path) -> dict[str, bytes]:
    """All that a finished comparison found, byte by byte."""
    names = [CALIBRATION, EVALUATION, *(str(weights_path(Path(), task)) for task in CLASSES)]
    return {f"{name}/{file}": (out / name / file).read_bytes() for name in TWO for file in names}


def interrupted_at(out: Path, entered: list[Entry], line: str) -> None:
    """A comparison that ends, as by Ctrl-C, when it says `line`."""

    def say(text: str) -> None:
        if line in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(entered, Place(out, torch.device("cpu")), HandsFrom(), QUICK, say)


def killed_at(out: Path, recipe: Path, line: str) -> str:
    """Run the command in a process of its own and kill it, as a power cut would, when it says `line`."""
    words = ["compare", "--config", recipe, "--out", out, "--architectures", ",".join(TWO), "--epochs", "1"]
    words += ["--amp", "off", "--device", "cpu", "--threads", "1", "--resamples", "10"]
    command = [sys.executable, "-m", "training", *map(str, words)]
    said = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        for found in process.stdout:
            said += found
            if line in found:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL, said
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison that nothing stopped."""
    torch.set_num_threads(1)
    out = begun(tmp_path_factory.mktemp("whole") / "out")
    compared(out, chosen(out.parent))
    return out


def test_a_comparison_interrupted_and_killed_goes_on_to_the_same_bytes(tmp_path: Path, whole: Path) -> None:
    """Weights, operating points and figures are those of a comparison that nothing stopped."""
    out, entered = begun(tmp_path / "out"), chosen(tmp_path)
    interrupted_at(out, entered, "2 of 4  GoogLeNet recognition 2/4")
    assert "1 of 4" not in killed_at(out, tmp_path / "small.toml", "3 of 4  EfficientNetB2 staging 2/4")
    said = compared(out, entered)
    assert kept(out) == kept(whole)
    assert not [text for text in said if text.startswith(("1 of 4", "2 of 4"))]
    assert sum("4 of 4" in text for text in said) == 4


def test_a_finished_comparison_trains_and_measures_nothing_again(whole: Path) -> None:
    before = kept(whole)
    said = compared(whole, chosen(whole.parent))
    assert sum("already trained" in text for text in said) == 2
    assert sum("already measured" in text for text in said) == 2
    assert not [text for text in said if " of " in text]
    assert kept(whole) == before


def test_another_question_is_measured_again_from_the_same_predictions(whole: Path) -> None:
    said = compared(whole, chosen(whole.parent), Question(resamples=10, sensitivity=0.9))
    assert not [text for text in said if "already measured" in text or "judged" in text]
    assert b'"sensitivity_asked": 0.9' in (whole / "googlenet" / CALIBRATION).read_bytes()
    compared(whole, chosen(whole.parent))
    assert b'"sensitivity_asked": null' in (whole / "googlenet" / CALIBRATION).read_bytes()


def test_the_crops_are_one_file_under_a_name_for_each_network(whole: Path) -> None:
    for name in TWO:
        assert (whole / name / REAL).samefile(whole / HANDS / REAL)


def test_epochs_starts_and_networks_are_refused_by_name(tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path / "small.toml"))
    with pytest.raises(Fatal, match=r"expected architectures of alexnet, .*, found lenet"):
        entries(recipe, ["lenet"], {}, {}, None)
    with pytest.raises(Fatal, match="every architecture once, found vgg16, vgg16"):
        entries(recipe, ["vgg16", "vgg16"], {}, {}, None)
    (tmp_path / "weights").mkdir()
    with pytest.raises(Fatal, match=r"one state file vgg16\*"):
        entries(recipe, ["vgg16"], {}, {"vgg16": tmp_path / "weights"}, None)


def test_layers_are_frozen_in_the_network_of_the_recipe_alone(tmp_path: Path) -> None:
    """Another network has no layers of these names."""
    recipe = read_recipe(write_recipe(tmp_path / "small.toml"))
    recipe = recipe.model_copy(update={"architecture": "googlenet", "frozen": ("conv1",)})
    made = entries(recipe, TWO, {}, {}, None)
    assert [one.recipe.frozen for one in made] == [("conv1",), ()]


def test_epochs_of_one_network_leave_the_others_as_they_are(tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path / "small.toml"))
    made = entries(recipe, ["alexnet", "vgg16", "resnet50"], {"vgg16": 0.5, "": 7}, {}, "bf16")
    assert [(one.recipe.staging.epochs, one.recipe.recognition.epochs) for one in made] == [
        (7, 7),
        (0.5, 0.5),
        (7, 7),
    ]
    assert {one.recipe.amp for one in made} == {"bf16"}
    assert [one.recipe.architecture for one in made] == ["alexnet", "vgg16", "resnet50"]
