"""Training on a graphics card: how long the ten runs of the preset `paper` take, beside a plain loop.

Ours is what `python -m training compare` does, hands, measuring and page included, with a few epochs a run
and the others added at their pace. Beside it stands what one writes first: PNG files through PIL and
torchvision's transforms in the processes of a DataLoader, float32, each network as torchvision builds it. It
finds its hands cut out and small, and measures nothing. Without a card only what could hold a fast one up is
measured: how many hands a core makes ready for the network.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from ra_node.inference.networks.architectures import build
from tests.benchmarks.gpu import NO_CARD
from tests.benchmarks.scale import TASTE, Scale
from tests.benchmarks.table import Row
from tests.node.harness import REPOSITORY
from training.classifier.epoch_log import Log, read_log
from training.classifier.loop import LoopContext, tune
from training.classifier.run_folder import HandsFrom, kept_crops
from training.classifier.train import LOG, TASKS, Place
from training.cli.show import write_page
from training.data.paper_cohort import TRAINING
from training.experiments import paper_numbers as paper
from training.experiments.compare import HANDS, compare, entries
from training.experiments.evaluation_cache import Question
from training.recipes.classifier import Recipe, read_recipe

EPOCHS = 100
RUNS = len(TASKS) * len(paper.NAMES)
MINUTES = 10.0
TARGET = 5.0
PAPER = REPOSITORY / "config" / "training" / "paper.toml"
DEMO = REPOSITORY / "config" / "bundles" / "demo"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: epochs of each network, of which the first only warms up, and resamples."""

    epochs: int = 4
    architectures: tuple[str, ...] = tuple(paper.NAMES)
    resamples: int = 1000
    bands: int = 300
    workers: int = len(os.sched_getaffinity(0))
    """Processes of the plain loop's DataLoader."""


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Without a card a row that says so, and what a core makes ready."""
    recipe = read_recipe(PAPER)
    if not torch.cuda.is_available():
        yield Row("GPU training", NO_CARD)
        yield from ready_rows(recipe, torch.device("cpu"), 1 + scale.rounds, folder)
        return
    size = Size(epochs=2) if scale == TASTE else Size()
    yield from ready_rows(recipe, torch.device("cuda"), size.epochs, folder)
    yield from rows(recipe, torch.device("cuda"), hands_from(folder), folder, size)


def hands_from(folder: Path) -> HandsFrom:
    """Where the hands come from: the radiographs that the environment names, else all are drawn."""
    named = os.environ.get("RA_NODE_RADIOGRAPHS")
    if not named:
        (folder / "joints.csv").write_text("rsna_id,flip\n")
    return HandsFrom(Path(named) if named else folder, DEMO)


def ready_rows(recipe: Recipe, device: torch.device, epochs: int, folder: Path) -> Iterator[Row]:
    """Images a second made ready: by the real loop with next to no network, and by the plain one's reader."""
    coarse = np.random.default_rng(0).integers(0, 256, (sum(TRAINING), 12, 12)).astype(np.uint8)
    crops = np.stack([cv2.resize(one, (recipe.side_px, recipe.side_px)) for one in coarse])
    with one_thread():
        mine = len(crops) / ready_s(crops, recipe, device, epochs, folder / LOG)
        theirs = read_rate(crops, recipe, folder / "ready")
    needed = RUNS * EPOCHS * len(crops) / (60 * MINUTES)
    name = f"training, images made ready by {'one core' if device.type == 'cpu' else 'the card'}"
    asked = f"{name}, beside what {RUNS} runs of {EPOCHS} epochs need in {MINUTES:g} min"
    yield Row(asked, f"{mine:.0f}/s", f"{needed:.0f}/s", mine / needed, 1.0)
    yield Row(f"{name}, beside a plain loop's core", f"{mine:.0f}/s", f"{theirs:.0f}/s", mine / theirs)


def ready_s(crops: NDArray[np.uint8], recipe: Recipe, device: torch.device, epochs: int, log: Path) -> float:
    """Seconds of an epoch of the real loop, for a network that only averages."""
    labels = np.repeat(np.arange(len(TRAINING)), TRAINING)
    task = recipe.staging.model_copy(update={"epochs": epochs})
    recipe = recipe.model_copy(update={"staging": task})
    nothing = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, len(TRAINING)))
    tune(nothing, crops, labels, recipe, "staging", lambda _said: None, device, LoopContext(log=Log(log)))
    return pace_of(log)


def read_rate(crops: NDArray[np.uint8], recipe: Recipe, folder: Path) -> float:
    """Images a second of the plain loop's reader in this process."""
    read = Pictures(write_pictures(crops, [0] * len(crops), folder), recipe)
    start = time.monotonic()
    for at in range(len(read)):
        read[at]
    return len(read) / (time.monotonic() - start)


def rows(recipe: Recipe, device: torch.device, source: HandsFrom, folder: Path, size: Size) -> Iterator[Row]:
    """Each network beside the plain loop, then all ten runs in minutes."""
    out = folder / "ours"
    with untouched():
        ours = compared(recipe, device, source, out, size)
    crops = kept_crops(out / HANDS).part("tune")
    pictures = write_pictures(crops.images, crops.stages.tolist(), folder / "pictures")
    theirs = {}
    for name in size.architectures:
        with untouched():
            theirs[name] = plain_loop(recipe, name, pictures, device, size)
        mine, peer = (len(crops) / one for one in (ours.epoch_s[name], theirs[name]))
        title = f"training of {paper.NAMES[name]}, images, beside a plain loop"
        yield Row(title, f"{mine:.0f}/s", f"{peer:.0f}/s", mine / peer)
    yield from whole_rows(ours, theirs)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison came to."""

    epoch_s: dict[str, float]
    """Of each network, the median without the first ones."""
    around_s: float
    """All that does not grow with the epochs: hands, starts, weights, figures, page."""

    @property
    def whole_s(self) -> float:
        return self.around_s + whole_s(self.epoch_s)


def compared(recipe: Recipe, device: torch.device, source: HandsFrom, out: Path, size: Size) -> Compared:
    """What the command does, with a few epochs a run."""
    chosen = entries(recipe, size.architectures, {"": size.epochs}, {}, None)
    start = time.monotonic()
    folders = compare(chosen, Place(out, device), source, Question(size.resamples), lambda _said: None)
    write_page(folders, out / "report.html", size.bands, None, ())
    seconds = time.monotonic() - start
    epoch_s = {folder.name: pace_of(folder / LOG) for folder in folders}
    return Compared(epoch_s, seconds - len(TASKS) * size.epochs * sum(epoch_s.values()))


def pace_of(log: Path) -> float:
    """Seconds of an epoch; the first one of each task warms up."""
    return statistics.median(row.seconds for row in read_log(log) if row.epoch > 1)


def whole_s(epoch_s: Mapping[str, float]) -> float:
    """Of all epochs of all runs."""
    return len(TASKS) * EPOCHS * sum(epoch_s.values())


def whole_rows(ours: Compared, theirs: Mapping[str, float]) -> Iterator[Row]:
    """All runs, hands and figures included on our side alone."""
    minutes, peer = ours.whole_s / 60, whole_s(theirs) / 60
    name = f"training, {len(TASKS) * len(ours.epoch_s)} runs of {EPOCHS} epochs"
    limit = f"{MINUTES:g} min"
    yield Row(name, f"{minutes:.1f} min", limit, minutes / MINUTES, 1.0, at_least=False)
    yield Row(f"{name}, beside a plain loop", f"{minutes:.1f} min", f"{peer:.1f} min", peer / minutes, TARGET)
    yield Row(f"{name}: of it hands, weights, figures", f"{ours.around_s / 60:.1f} min")


class Pictures(Dataset[tuple[Tensor, int]]):
    """Files with their stages, read and changed anew each time."""

    def __init__(self, files: Sequence[tuple[Path, int]], recipe: Recipe) -> None:
        change = recipe.augment
        self._files = files
        self._change = transforms.Compose(
            [
                transforms.RandomAffine(change.rotation_deg, (change.translation, change.translation)),
                transforms.RandomHorizontalFlip(change.flip_horizontal),
                transforms.RandomVerticalFlip(change.flip_vertical),
                transforms.Grayscale(3),
                transforms.ToTensor(),
                transforms.Normalize([recipe.mean] * 3, [recipe.std] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        path, stage = self._files[at]
        with Image.open(path) as picture:
            return self._change(picture), stage


def write_pictures(crops: NDArray[np.uint8], stages: Sequence[int], folder: Path) -> list[tuple[Path, int]]:
    """The same hands as PNG files, cut out and as small as the network takes them."""
    folder.mkdir()
    paths = [folder / f"{at}.png" for at in range(len(crops))]
    for path, image in zip(paths, crops, strict=True):
        Image.fromarray(image).save(path)
    return list(zip(paths, stages, strict=True))


def plain_loop(
    recipe: Recipe, name: str, files: Sequence[tuple[Path, int]], device: torch.device, size: Size
) -> float:
    """Seconds of an epoch, the median without the first; with the settings that suit such a loop best."""
    torch.backends.cudnn.benchmark = True
    loader = DataLoader(
        Pictures(files, recipe),
        batch_size=recipe.staging.batch,
        shuffle=True,
        num_workers=size.workers,
        persistent_workers=size.workers > 0,
        pin_memory=device.type == "cuda",
    )
    network = build(name, len(TRAINING)).to(device).train()
    task = recipe.staging
    optimiser = torch.optim.AdamW(network.parameters(), task.learning_rate, weight_decay=task.weight_decay)
    seconds = []
    for _ in range(size.epochs):
        start = time.monotonic()
        for x_N3HW, stages in loader:
            logits = network(x_N3HW.to(device, non_blocking=True))
            loss = cross_entropy(logits, stages.to(device, non_blocking=True))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        loss.item()  # which waits for the card
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds[1:])


@contextmanager
def untouched() -> Iterator[None]:
    """Put back what a training changes for the whole process."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


@contextmanager
def one_thread() -> Iterator[None]:
    """One core's work, whatever the machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
