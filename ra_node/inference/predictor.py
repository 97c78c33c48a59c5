"""Classifies crops of hands with the two networks of a bundle, one forward pass a task, with heat maps.

A heat map is computed only where a network predicts disease, by that network alone; this costs a forward and
a backward pass of its second half.

Importing this module is fast; torch is imported by the first `Predictor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import Recognition, Staging, explaining_task
from ra_node.domain.statistics.prevalence import Posterior, posterior
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import Bundle
from ra_node.inference.bundles.manifest import BundleTask
from ra_node.inference.joint_grader import JointGrader, JointSquares
from ra_node.inference.networks.softmax import softmax

if TYPE_CHECKING:
    from torch import Tensor

    from ra_node.inference.class_activation import FeatureMap
    from ra_node.inference.cpu.feature_split import SplitNetwork


@dataclass(frozen=True, slots=True)
class HandPrediction:
    """Output of the networks for one hand."""

    recognition: Recognition
    staging: Staging
    heat: NDArray[np.float32] | None = field(default=None, compare=False)
    """Heat map of the network that predicts disease, (side_px, side_px), 0 to 1; None where neither does."""


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """The network of one task, ready to run."""

    task: BundleTask
    place: FeatureMap
    split: SplitNetwork


class Predictor:
    """Holds the networks of one bundle on one device.

    `device` is "auto" (CUDA where available) or a torch device; `batch` is the largest batch size, reduced
    where the device lacks memory. With `prevalence`, the share of diseased hands at the site, probabilities
    of disease are also stated at it. Raises Fatal for weights that do not fit, an unavailable device, or a
    prevalence with a bundle that does not name the share of diseased hands of its calibration.
    """

    def __init__(
        self, bundle: Bundle, device: str = "auto", batch: int = 16, prevalence: float | None = None
    ) -> None:
        from ra_node.inference import gpu_memory as memory  # noqa: PLC0415  # see the module's docstring
        from ra_node.inference.networks import loaded_network as network  # noqa: PLC0415  # see the module's docstring

        self.bundle = bundle
        self.device = network.chosen_device(device)
        self.batch = batch
        self._room = memory.MemoryBudget(self.device, batch)
        tasks = bundle.manifest.tasks
        self._prevalence = prevalence
        if prevalence is not None and not 0 < sum(tasks.recognition.shares[1:]) < 1:
            raise Fatal(
                "[models] prevalence: expected a bundle with the shares of classes of its calibration, found "
                f"{bundle.identity.name} {bundle.identity.version} without; export it again, or drop the key"
            )
        self._recognition, self._staging = map(self._loaded, (tasks.recognition, tasks.staging))
        self._joints = None if tasks.joints is None else JointGrader(bundle, tasks.joints, str(self.device))

    def grade(self, hands: Sequence[JointSquares]) -> list[NDArray[np.float64]]:
        """Probabilities (joints, 6) of each hand's joints by stage; raises ValueError without the task."""
        if self._joints is None:
            raise ValueError("expected a bundle with the task joints, found none")
        return self._joints.grade(hands)

    def _loaded(self, task: BundleTask) -> _Network:
        from ra_node.inference import class_activation as explain  # noqa: PLC0415
        from ra_node.inference.cpu import feature_split  # noqa: PLC0415
        from ra_node.inference.networks import loaded_network as network  # noqa: PLC0415

        path, side_px = self.bundle.weights_path(task), self.bundle.manifest.preprocessing.side_px
        whole = network.load_network(task.architecture, len(task.classes), path, self.device, task.head)
        place = explain.feature_map(task.architecture, side_px)
        return _Network(task, place, feature_split.split_network(whole, place.path, side_px))

    def judge(self, crops: Sequence[NDArray[np.uint8]]) -> list[HandPrediction]:
        """Classify crops (side_px, side_px) of `hand_crop`, in their order."""
        side_px = self.bundle.manifest.preprocessing.side_px
        expected = (side_px, side_px)
        if any(crop.shape != expected for crop in crops):
            raise ValueError(f"expected crops of {expected}, found {[crop.shape for crop in crops]}")
        parts = (crops[start : start + self.batch] for start in range(0, len(crops), self.batch))
        return [prediction for part in parts for prediction in self._predict(np.stack(part))]

    def _predict(self, crops: NDArray[np.uint8]) -> list[HandPrediction]:
        """Classify crops (N, side_px, side_px); feature maps are released on return."""
        recognised, recognition_maps = self._probabilities(self._recognition, crops)
        staged, staging_maps = self._probabilities(self._staging, crops)
        threshold = self._recognition.task.operating_points[0]
        predictions = [
            HandPrediction(
                Recognition(float(ra[1]), threshold, self._restated(float(ra[1]))), _staging(stages)
            )
            for ra, stages in zip(recognised, staged, strict=True)
        ]
        return self._with_heat_maps(predictions, recognition_maps, staging_maps)

    def _restated(self, probability: float) -> Posterior | None:
        """The probability of disease at the site's prevalence; None where it is not stated."""
        if self._prevalence is None:
            return None
        return posterior(probability, self._recognition.task.shares[1], self._prevalence)

    def _with_heat_maps(
        self, predictions: Sequence[HandPrediction], recognition_maps: Tensor, staging_maps: Tensor
    ) -> list[HandPrediction]:
        """The same predictions, with a heat map where disease is predicted."""
        found = list(predictions)
        tasks = [explaining_task(one.recognition, one.staging) for one in predictions]
        for name, network, maps_NCHW in (
            ("staging", self._staging, staging_maps),
            ("recognition", self._recognition, recognition_maps),
        ):
            chosen = [at for at, by in enumerate(tasks) if by == name]
            if not chosen:
                continue
            side_px = self.bundle.manifest.preprocessing.side_px
            heats = self._room.heat(network.split, network.place, maps_NCHW[chosen], side_px)
            for at, heat in zip(chosen, heats, strict=True):
                found[at] = replace(found[at], heat=heat)
        return found

    def _probabilities(
        self, network: _Network, crops: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float64], Tensor]:
        """Probabilities (N, classes), and the feature maps for the heat map."""
        recipe = self.bundle.manifest.preprocessing
        logits, maps_NCHW = self._room.answer(network.split, crops, recipe.mean, recipe.std)
        offsets = np.array(network.task.offsets) if network.task.offsets else 0.0
        return softmax(logits / network.task.temperature + offsets), maps_NCHW


def _staging(probabilities: NDArray[np.float64]) -> Staging:
    p0, p1, p2, p3, p4, p5 = (float(p) for p in probabilities)
    return Staging((p0, p1, p2, p3, p4, p5))
