"""Judges crops of hands with the two networks of one bundle, in one forward pass a task.

Importing this module is cheap; torch comes with the first `Predictor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import Recognition, Staging
from ra_node.inference.bundle import Bundle, Task

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the networks say about one hand."""

    recognition: Recognition
    staging: Staging


class Predictor:
    """Holds the networks of one bundle on one device.

    `device` is "auto" (CUDA where there is any), or a name that torch knows; `batch` is the most
    crops that go through a network at once, fewer where the device lacks memory. Raises Fatal for
    weights or a device that do not fit.
    """

    def __init__(self, bundle: Bundle, device: str = "auto", batch: int = 16) -> None:
        from ra_node.inference import memory, network  # noqa: PLC0415  # see the module's docstring

        self.bundle = bundle
        self.device = network.chosen_device(device)
        self.batch = batch
        self._run = memory.Room(self.device, batch).logits
        self._softmax = network.softmax
        tasks = bundle.manifest.tasks
        self._recognition, self._staging = (
            network.load_network(
                task.architecture, len(task.classes), bundle.weights_path(task), self.device, task.head
            )
            for task in (tasks.recognition, tasks.staging)
        )

    def judge(self, crops: Sequence[NDArray[np.uint8]]) -> list[Judgement]:
        """Judge hands (side_px, side_px) as `hand_crop` makes them, in their order."""
        if not crops:
            return []
        tasks = self.bundle.manifest.tasks
        recognised = self._probabilities(self._recognition, tasks.recognition, crops)
        staged = self._probabilities(self._staging, tasks.staging, crops)
        threshold = tasks.recognition.operating_points[0]
        return [
            Judgement(Recognition(float(ra[1]), threshold), _staging(stages))
            for ra, stages in zip(recognised, staged, strict=True)
        ]

    def _probabilities(
        self, network: nn.Module, task: Task, crops: Sequence[NDArray[np.uint8]]
    ) -> NDArray[np.float64]:
        recipe = self.bundle.manifest.preprocessing
        expected = (recipe.side_px, recipe.side_px)
        if any(crop.shape != expected for crop in crops):
            raise ValueError(f"expected crops of {expected}, found {[crop.shape for crop in crops]}")
        logits = self._run(network, np.stack(crops), recipe.mean, recipe.std)
        return self._softmax(logits / task.temperature)


def _staging(probabilities: NDArray[np.float64]) -> Staging:
    p0, p1, p2, p3, p4, p5 = (float(p) for p in probabilities)
    return Staging((p0, p1, p2, p3, p4, p5))
