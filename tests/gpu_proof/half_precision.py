"""Whether half precision in one CUDA graph a batch size may replace float32: answers, then speed.

The node runs float32. On a CPU, which rounds alike, bfloat16 moves a probability of 12 phantom hands by up to
0.018, float16 by 0.0014; no call changes. The rows have no target, since the node runs neither: a probability
may move by at most 0.01, since readers get whole percents, and no call and no stage may change.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ra_node.bootstrap.analysis import reading_rules
from ra_node.bootstrap.node_context import default_settings
from ra_node.inference.bundles.bundle import Bundle, load_bundle
from ra_node.inference.bundles.manifest import BundleTask, Preprocessing
from ra_node.inference.class_activation import feature_map
from ra_node.inference.cpu.feature_split import SplitNetwork, run_batches, split_network
from ra_node.inference.networks.heads import OrdinalHead
from ra_node.inference.networks.loaded_network import grey_input, load_network
from ra_node.inference.networks.softmax import softmax
from ra_node.services.analysis.study_analysis import look_at_file
from tests.benchmarks.gpu import CLOSE, Size, rate, repeated, write_images
from tests.benchmarks.table import Row
from tests.gpu_proof.networks import OfGrey, sizes
from tests.gpu_proof.place import Grey, Place, noise

Numbers = NDArray[np.float64]
KINDS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Captured:
    """A network in half precision whose whole pass is one CUDA graph of a fixed batch; eager on a CPU."""

    def __init__(self, network: nn.Module, kind: torch.dtype, crops: Grey, mean: float, std: float) -> None:
        self._network, self._kind = network, kind
        self._mean, self._std = mean, std
        device = next(network.parameters()).device
        self._grey_NHW = torch.zeros(crops.shape, dtype=torch.uint8, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            self._capture()

    def _pass(self) -> torch.Tensor:
        x_N1HW = grey_input(self._grey_NHW, self._mean, self._std).to(self._kind)
        logits_NC: torch.Tensor = self._network(x_N1HW)[0]
        return logits_NC.double()

    def _capture(self) -> None:
        """Warm up on a stream beside, as CUDA graphs need it, then record."""
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), torch.cuda.stream(beside):
            for _ in range(3):
                self._pass()
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(self._graph):
            self._logits_NC = self._pass()

    def logits(self, crops: Grey) -> Numbers:
        """Logits (N, classes) of crops (N, side, side), as many as were given at first."""
        with torch.inference_mode():
            self._grey_NHW.copy_(torch.from_numpy(crops))
            if self._graph is None:
                return np.asarray(self._pass().cpu().numpy())
            self._graph.replay()
            return np.asarray(self._logits_NC.cpu().numpy())


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the bundle on a device: as the node runs it, and as loaded."""

    name: str
    task: BundleTask
    recipe: Preprocessing
    split: SplitNetwork
    whole: nn.Module

    def chances(self, logits: Numbers) -> Numbers:
        """Calibrated probabilities (N, classes)."""
        offsets = np.array(self.task.offsets) if self.task.offsets else 0.0
        return softmax(logits / self.task.temperature + offsets)

    def exact(self, crops: Grey) -> Numbers:
        return run_batches(self.split, crops, self.recipe.mean, self.recipe.std, len(crops))[0]

    def captured(self, kind: torch.dtype, crops: Grey) -> Captured:
        """In half precision, for as many crops."""
        network = self.split if self.split.device.type == "cuda" else OfGrey(self.whole)
        network = copy.deepcopy(network).to(kind)
        for part in network.modules():
            if isinstance(part, OrdinalHead):
                part.float()  # it computes in float32 whatever it gets
        return Captured(network, kind, crops, self.recipe.mean, self.recipe.std)

    def called(self, chances: Numbers) -> Numbers:
        """What is reported of each hand (N,): diseased or not, or the stage."""
        if self.name == "recognition":
            return np.asarray(chances[:, 1] >= self.task.operating_points[0])
        return np.asarray(chances.argmax(axis=1))


def half(place: Place) -> Iterator[Row]:
    """Both networks of the demonstration bundle on phantom hands."""
    settings = default_settings()
    bundle = load_bundle(settings.models.bundle)
    crops = noise(2, bundle.manifest.preprocessing.side_px) if place.tiny else phantom_crops(place, bundle)
    for task in tasks_of(bundle, place.device):
        for kind in ("bfloat16",) if place.tiny else KINDS:
            yield from half_rows(task, kind, crops)
            yield speed_row(task, kind, crops, sizes(place))


def phantom_crops(place: Place, bundle: Bundle) -> Grey:
    """Two-hand radiographs of all stages, as the node cuts them (N, side, side)."""
    rules = reading_rules(default_settings(), bundle)
    files = write_images(place.folder, 12)
    return np.stack([crop for path in files for crop in look_at_file(path, rules).crops])


def tasks_of(bundle: Bundle, device: torch.device) -> Iterator[Task]:
    """Recognition and staging, loaded."""
    recipe = bundle.manifest.preprocessing
    for name in ("recognition", "staging"):
        task: BundleTask = getattr(bundle.manifest.tasks, name)
        whole = load_network(
            task.architecture, len(task.classes), bundle.weights_path(task), device, task.head
        )
        place = feature_map(task.architecture, recipe.side_px)
        yield Task(name, task, recipe, split_network(whole, place.path, recipe.side_px), whole)


def half_rows(task: Task, kind: str, crops: Grey) -> Iterator[Row]:
    """Whether the answers allow it."""
    expected = task.chances(task.exact(crops))
    found = task.chances(task.captured(KINDS[kind], crops).logits(crops))
    most = float(np.abs(found - expected).max())
    same = int((task.called(found) == task.called(expected)).sum())
    title = f"{task.name} in {kind}, {len(crops)} hands, beside float32"
    yield Row(f"{title}: largest difference", f"{most:.1e}", f"{CLOSE:g}", most / CLOSE)
    yield Row(f"{title}: same call", f"{same} of {len(crops)}", "all", same / len(crops))


def speed_row(task: Task, kind: str, crops: Grey, size: Size) -> Row:
    """What it would gain."""
    batch = np.stack(repeated(list(crops), size.batch))
    graph = task.captured(KINDS[kind], batch)
    fast, plain = (rate(partial(run, batch), len(batch), size) for run in (graph.logits, task.exact))
    title = f"{task.name} in {kind}, {len(batch)} hands at once in one graph, beside the node's float32"
    return Row(title, f"{fast:.0f}/s", f"{plain:.0f}/s", fast / plain)
