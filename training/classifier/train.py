"""Trains both tasks of a recipe in the folder of a run, and continues a killed one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ra_node.errors import Fatal
from ra_node.inference.bundles.manifest import Head
from ra_node.inference.networks.heads import TwoHeads, last_layer, new_head, replace_last_layer, width_of
from ra_node.inference.networks.loaded_network import logits_of
from ra_node.inference.networks.softmax import softmax
from training.classifier.checkpoint import Checkpoint
from training.classifier.distributed import ALONE, Ranks
from training.classifier.epoch_log import Log
from training.classifier.initial_weights import begun
from training.classifier.loop import LoopContext, Progress, TaskName, save_half, tune
from training.classifier.start import Start
from training.data.dataset import Crops
from training.data.leakage import refuse_seen
from training.data.weights_origin import metadata_of, origin_of
from training.evaluation.evaluate import weights_path
from training.evaluation.metrics import auc
from training.evaluation.task_calibration import CLASSES
from training.export.bundle import CLASS_NAMES
from training.io.atomic_file import write_whole
from training.recipes.classifier import Recipe, deciding_json

LOG, FINISHED = "log.csv", "finished.sha256"
TASKS: tuple[TaskName, TaskName] = ("staging", "recognition")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run trains: its folder, this process's device, and the processes beside it."""

    folder: Path
    device: torch.device
    ranks: Ranks = ALONE
    checkpoint_s: float = 30.0
    """Interval of checkpoints: a kill costs at most this time and the current epoch."""

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
    """Train staging, then recognition, or both at once on one trunk, as the recipe says.

    `report` gets the progress, which is printed otherwise.

    A run that is already finished with this recipe, these hands and this start is unchanged. Raises Fatal for
    a class without hands, and for initial weights trained on a held-out patient, before the training.
    """
    part = crops.part("tune")
    for task in TASKS:
        head = (recipe.staging if task == "staging" else recipe.recognition).head
        refuse_empty_classes(task, task_labels(task, part.stages), head)
    refuse_seen(start.path, start.origin, crops)
    mark = fingerprint(recipe, part, start)
    done = place.folder / FINISHED
    if done.exists() and done.read_text().strip() == mark:
        say(f"{place.folder} is already trained with this recipe, these hands and this start")
        return
    seed_everything(recipe.learning_seed, place.ranks)
    kept = {task: place.checkpoint(task, mark) for task in TASKS}
    log = Log(place.folder / LOG)
    log.resume({task: (held.load() or {"epoch": 0})["epoch"] for task, held in kept.items()})
    lesson = TrainingTasks(
        recipe, part, crops.part("validation"), start, place, kept, log, report or _progress(say)
    )
    teach = _teach_together if recipe.trunk == "shared" else _teach_apart
    teach(lesson)
    place.ranks.gathered(None)
    if place.ranks.first:
        write_whole(done, lambda file: file.write(f"{mark}\n".encode()))
        for checkpoint in kept.values():
            checkpoint.discard()


@dataclass(frozen=True, slots=True)
class TrainingTasks:
    """Data and settings of the tasks of a run."""

    recipe: Recipe
    hands: Crops
    validation: Crops
    start: Start
    place: Place
    kept: Mapping[TaskName, Checkpoint]
    log: Log
    report: Callable[[Progress], None]

    def learn(self, network: nn.Module, task: TaskName, beside: TaskName | None = None) -> None:
        """Train a network in place for one task, or for two with concatenated outputs."""
        around = LoopContext(
            hands=[str(patient) for patient in self.hands.patients],
            ranks=self.place.ranks,
            checkpoint=self.kept[task],
            log=self.log,
            validate=validation_figure(task, self.validation, self.recipe),
        )
        tasks = [one for one in (task, beside) if one]
        labels = [task_labels(one, self.hands.stages) for one in tasks]
        images, device = self.hands.images, self.place.device
        classes = [CLASSES[one] for one in tasks]
        tune(network, images, labels, self.recipe, task, self.report, device, around, classes)

    def keep(self, network: nn.Module, task: TaskName) -> None:
        """Write the weights of a task, in the first process only."""
        if self.place.ranks.first:
            origin = origin_of(self.hands).over(self.start.origin)
            save_half(network, weights_path(self.place.folder, task), metadata_of(origin))


def _teach_apart(lesson: TrainingTasks) -> None:
    """Train a network for each task."""
    recipe = lesson.recipe
    network = begun(recipe, CLASSES["staging"], lesson.start, recipe.staging.head)
    for task in TASKS:
        if task == "recognition":
            network = _recognition(network, recipe, lesson.start, lesson.place.ranks)
        lesson.learn(network, task)
        lesson.keep(network, task)


def _teach_together(lesson: TrainingTasks) -> None:
    """Train both tasks as two last layers of one network, and write it once with each of them."""
    recipe = lesson.recipe
    network = begun(recipe, CLASSES["staging"], lesson.start, recipe.staging.head)
    staging = last_layer(network)[1]
    recognition = new_head(recipe.recognition.head, width_of(staging), CLASSES["recognition"])
    replace_last_layer(network, TwoHeads(staging, recognition))
    lesson.learn(network, "staging", beside="recognition")
    for task, layer in zip(TASKS, (staging, recognition), strict=True):
        replace_last_layer(network, layer)
        lesson.keep(network, task)


def task_labels(task: TaskName, stages: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of a task from the stages (N,)."""
    return stages if task == "staging" else (stages > 0).astype(np.int64)


def refuse_empty_classes(task: TaskName, labels: NDArray[np.int64], head: Head = "softmax") -> None:
    """Raise Fatal that names each class without a training hand.

    An ordinal layer has one score for all stages: without hands of a higher one its cut point moves out of
    reach, so that only the normal hands and one stage are needed.
    """
    counts = np.bincount(labels, minlength=CLASSES[task])
    absent = [name for name, count in zip(CLASS_NAMES[task], counts, strict=True) if not count]
    if not absent or (head == "ordinal" and counts[0] and counts[1:].any()):
        return
    hint = (
        '; a recipe with head = "ordinal" for staging needs none of them'
        if task == "staging" and counts[0]
        else ""
    )
    raise Fatal(f"{task}: expected training hands of every class, found none of: {', '.join(absent)}{hint}")


def fingerprint(recipe: Recipe, crops: Crops, start: Start) -> str:
    """A hash of everything that determines the weights: recipe, training hands and start."""
    digest = hashlib.sha256(deciding_json(recipe).encode())
    for part in (crops.images, crops.stages):
        digest.update(np.ascontiguousarray(part).data)
    digest.update(f"{start.sha256}".encode())
    return digest.hexdigest()


def seed_everything(seed: int, ranks: Ranks) -> None:
    """Seed torch on every device, differently for each process; deterministic CUDA kernels.

    Data and simulation have generators of their own; numpy's global one is not used.
    """
    torch.manual_seed(seed + ranks.rank)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def validation_figure(task: TaskName, crops: Crops, recipe: Recipe) -> Callable[[nn.Module], float] | None:
    """One-vs-rest AUC, mean over the classes, of the validation hands; None where there are none.

    The outputs of the task are the first of the network.
    """
    if not len(crops):
        return None
    labels = task_labels(task, crops.stages)

    def figure(network: nn.Module) -> float:
        logits = logits_of(network.eval(), crops.images, recipe.mean, recipe.std, recipe.staging.batch)
        scores = softmax(logits[:, : CLASSES[task]])
        classes = [k for k in range(scores.shape[1]) if (labels == k).any()]
        return float(np.mean([auc(labels == k, scores[:, k]) for k in classes]))

    return figure


def _recognition(network: nn.Module, recipe: Recipe, start: Start, ranks: Ranks) -> nn.Module:
    """The network that recognition begins with."""
    if recipe.recognition_from == "staging":
        layer = last_layer(network)[1]
        replace_last_layer(
            network, new_head(recipe.recognition.head, width_of(layer), CLASSES["recognition"])
        )
        return network
    seed_everything(recipe.learning_seed, ranks)
    return begun(recipe, CLASSES["recognition"], start, recipe.recognition.head)


def _progress(say: Callable[[str], None]) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        left = f"{progress.seconds_left / 60:.1f} min left"
        say(f"{progress.task} {progress.step}/{progress.steps} loss {progress.loss:.3f}, {left}")

    return report
