"""Trains both tasks of a recipe into the folder of a run, and goes on where a killed one stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ra_node.errors import Fatal
from ra_node.inference.network import logits_of, softmax
from training.checkpoint import Checkpoint
from training.dataset import Crops
from training.evaluate import CLASSES, weights_path
from training.export import CLASS_NAMES
from training.held_back import refuse_seen
from training.log import Log
from training.loop import Around, Progress, TaskName, save_half, tune
from training.metrics import auc
from training.ranks import ALONE, Ranks
from training.recipe import Recipe
from training.start import Start, begun, replace_head

LOG, FINISHED = "log.csv", "finished.sha256"
TASKS: tuple[TaskName, TaskName] = ("staging", "recognition")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run trains: its folder, this process's device, and the processes beside it."""

    folder: Path
    device: torch.device
    ranks: Ranks = ALONE
    checkpoint_s: float = 30.0
    """A kill costs this much time at most, and the epoch that was under way."""

    def checkpoint(self, task: TaskName, fingerprint: str) -> Checkpoint:
        return Checkpoint(self.folder / task / "checkpoint.pt", fingerprint, self.checkpoint_s)


def train_run(
    recipe: Recipe,
    crops: Crops,
    start: Start,
    place: Place,
    say: Callable[[str], None],
    report: Callable[[Progress], None] | None = None,
) -> None:
    """Train staging, then recognition; both on their own, or the second from the first one's trunk.

    `report` gets the progress, which is otherwise said.

    A run that is already finished with this recipe, these hands and this start is left as it is.
    Raises Fatal for a class without hands, and for a start that has seen a patient who is held out, before
    anything is trained.
    """
    part = crops.part("tune")
    for task in TASKS:
        refuse_empty_classes(task, task_labels(task, part.stages))
    refuse_seen(start.path, crops)
    mark = fingerprint(recipe, part, start)
    done = place.folder / FINISHED
    if done.exists() and done.read_text().strip() == mark:
        say(f"{place.folder} is already trained with this recipe, these hands and this start")
        return
    seed_everything(recipe.seed, place.ranks)
    kept = {task: place.checkpoint(task, mark) for task in TASKS}
    log = Log(place.folder / LOG)
    log.resume({task: (held.load() or {"epoch": 0})["epoch"] for task, held in kept.items()})
    network = begun(recipe, CLASSES["staging"], start)
    for task in TASKS:
        if task == "recognition":
            network = _recognition(network, recipe, start, place.ranks)
        around = Around(
            hands=[str(patient) for patient in part.patients],
            ranks=place.ranks,
            checkpoint=kept[task],
            log=log,
            validate=validation_figure(task, crops.part("validation"), recipe),
        )
        labels = task_labels(task, part.stages)
        tune(network, part.images, labels, recipe, task, report or _progress(say), place.device, around)
        if place.ranks.first:
            save_half(network, weights_path(place.folder, task))
    place.ranks.gathered(None)
    if place.ranks.first:
        done.write_text(f"{mark}\n")
        for checkpoint in kept.values():
            checkpoint.discard()


def task_labels(task: TaskName, stages: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a task learns of the stages (N,)."""
    return stages if task == "staging" else (stages > 0).astype(np.int64)


def refuse_empty_classes(task: TaskName, labels: NDArray[np.int64]) -> None:
    """Raise Fatal that names each class without a training hand."""
    counts = np.bincount(labels, minlength=CLASSES[task])
    absent = [name for name, count in zip(CLASS_NAMES[task], counts, strict=True) if not count]
    if absent:
        raise Fatal(f"{task}: expected training hands of every class, found none of: {', '.join(absent)}")


def fingerprint(recipe: Recipe, crops: Crops, start: Start) -> str:
    """A hash of all that decides the weights: recipe, training hands and start."""
    digest = hashlib.sha256(recipe.model_dump_json(exclude={"name", "version", "start"}).encode())
    for part in (crops.images, crops.stages):
        digest.update(np.ascontiguousarray(part).data)
    digest.update(f"{start.sha256}".encode())
    return digest.hexdigest()


def seed_everything(seed: int, ranks: Ranks) -> None:
    """Seed torch on every device, apart for each process; the same seed gives the same CUDA kernels.

    Data and simulation have generators of their own, so numpy's global one is never asked.
    """
    torch.manual_seed(seed + ranks.rank)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def validation_figure(task: TaskName, crops: Crops, recipe: Recipe) -> Callable[[nn.Module], float] | None:
    """One-vs-rest AUC, mean over the classes, of the validation hands; None where there are none."""
    if not len(crops):
        return None
    labels = task_labels(task, crops.stages)

    def figure(network: nn.Module) -> float:
        scores = softmax(
            logits_of(network.eval(), crops.images, recipe.mean, recipe.std, recipe.staging.batch)
        )
        classes = [k for k in range(scores.shape[1]) if (labels == k).any()]
        return float(np.mean([auc(labels == k, scores[:, k]) for k in classes]))

    return figure


def _recognition(network: nn.Module, recipe: Recipe, start: Start, ranks: Ranks) -> nn.Module:
    """The network that recognition begins with."""
    if recipe.recognition_from == "staging":
        replace_head(network, CLASSES["recognition"])
        return network
    seed_everything(recipe.seed, ranks)
    return begun(recipe, CLASSES["recognition"], start)


def _progress(say: Callable[[str], None]) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        left = f"{progress.seconds_left / 60:.1f} min left"
        say(f"{progress.task} {progress.step}/{progress.steps} loss {progress.loss:.3f}, {left}")

    return report
