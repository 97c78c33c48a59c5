"""A training that was stopped goes on to the very same weights, and a disk that is full loses nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from ra_node.errors import Fatal
from tests.training.network_builders import exact_recipe, hands, small_network
from training.classifier.checkpoint import Checkpoint
from training.classifier.epoch_log import Log, read_log
from training.classifier.loop import LoopContext, Progress, tune

STEPS_AN_EPOCH = 4


class KilledError(Exception):
    """Stands for a power cut: nothing of the process is left but its files."""


def trained(folder: Path, *, kill_at: int | None = None, **changed: object) -> nn.Module:
    def report(progress: Progress) -> None:
        if progress.step == kill_at:
            raise KilledError

    network = small_network(dropout=0.3)
    around = LoopContext(
        checkpoint=Checkpoint(folder / "checkpoint.pt", "one recipe"),
        log=resumed_log(folder / "log.csv", folder),
    )
    recipe = exact_recipe(**changed)  # type: ignore[arg-type]
    tune(network, *hands(), recipe, "staging", report, torch.device("cpu"), around)
    return network


def resumed_log(path: Path, folder: Path) -> Log:
    log = Log(path)
    held = Checkpoint(folder / "checkpoint.pt", "one recipe").load()
    log.resume({"staging": held["epoch"] if held else 0})
    return log


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
@pytest.mark.parametrize("kill_at", [STEPS_AN_EPOCH + 2, 2 * STEPS_AN_EPOCH + 1])
def test_a_killed_training_resumes_to_the_same_weights_bit_for_bit(
    tmp_path: Path, kill_at: int, schedule: str
) -> None:
    """Order, augmentation, dropout, AdamW's moments and the schedule all go on where the epoch began."""
    whole = trained(tmp_path / "whole", schedule=schedule)
    with pytest.raises(KilledError):
        trained(tmp_path / "cut", kill_at=kill_at, schedule=schedule)
    torch.rand(100)  # the next process has another history of chance
    assert same(trained(tmp_path / "cut", schedule=schedule), whole)
    rows = [
        [(row.epoch, row.loss) for row in read_log(tmp_path / name / "log.csv")] for name in ("whole", "cut")
    ]
    assert rows[0] == rows[1]
    assert [epoch for epoch, _ in rows[0]] == [1, 2, 3, 4]


def test_without_the_checkpoint_the_same_training_begins_anew(tmp_path: Path) -> None:
    """The comparison above would notice: another start of chance gives other weights."""
    assert not same(trained(tmp_path / "a"), trained(tmp_path / "b", epochs=3))


def test_a_finished_task_is_not_trained_again(tmp_path: Path) -> None:
    once = trained(tmp_path)
    assert same(trained(tmp_path, kill_at=1), once)


def test_a_full_disk_names_itself_and_leaves_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Checkpoint(tmp_path / "checkpoint.pt", "one recipe")
    kept.save({"epoch": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Fatal, match=r"checkpoint\.pt.*No space left on device"):
        kept.save({"epoch": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    held = kept.load()
    assert held is not None
    assert held["epoch"] == 1


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "checkpoint.pt", "one recipe").save({"epoch": 1})
    with pytest.raises(Fatal, match="found that of another"):
        Checkpoint(tmp_path / "checkpoint.pt", "another").load()


def test_a_checkpoint_with_a_pickled_object_is_never_loaded(tmp_path: Path) -> None:
    torch.save({"fingerprint": "one recipe", "evil": Path("x")}, tmp_path / "checkpoint.pt")
    with pytest.raises(Fatal, match="expected a checkpoint"):
        Checkpoint(tmp_path / "checkpoint.pt", "one recipe").load()


def test_a_loss_that_is_no_number_stops_with_epoch_step_and_hands(tmp_path: Path) -> None:
    network = small_network()
    kept = Checkpoint(tmp_path / "checkpoint.pt", "one recipe")
    broken: list[Progress] = []

    def report(progress: Progress) -> None:
        broken.append(progress)
        if progress.step == STEPS_AN_EPOCH + 1:
            nn.init.constant_(next(network.parameters()), float("nan"))

    names = [f"hand {k}" for k in range(64)]
    around = LoopContext(hands=names, checkpoint=kept)
    with pytest.raises(
        Fatal, match=r"staging: expected a finite loss, found nan in epoch 2, step 2; .*hand \d+, hand"
    ):
        tune(network, *hands(), exact_recipe(), "staging", report, torch.device("cpu"), around)
    held = kept.load()
    assert held is not None
    assert held["epoch"] == 1
    assert all(torch.isfinite(t).all() for t in held["network"].values())
