"""The rows of the benchmark that need a card: the node from file to finding, and training beside a
plain loop."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks import gpu, gpu_training
from tests.benchmarks.scale import TASTE, WHOLE
from tests.benchmarks.table import Row
from tests.gpu_proof.networks import sizes
from tests.gpu_proof.place import Place
from training.recipes.classifier import read_recipe


def node(place: Place) -> Iterator[Row]:
    """Both networks of the bundle, threads, heat maps, from file to finding, answers beside the CPU's."""
    yield from gpu.rows(place.device, place.folder, sizes(place))


def training(place: Place) -> Iterator[Row]:
    """Each network's epochs beside a DataLoader's loop, a few a run; on a CPU what a core makes ready."""
    if place.device.type == "cuda":
        yield from gpu_training.measure(place.folder, TASTE if place.tiny else WHOLE)
        return
    yield from gpu_training.ready_rows(read_recipe(gpu_training.PAPER), place.device, 2, place.folder)
