"""Judges crops of hands with the two networks of one bundle, in one forward pass a task, and explains it.

Only hands in which a network says disease are explained, each by that network alone; that takes one more
pass of that network, there and half the way back.

Importing this module is cheap; torch comes with the first `Predictor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.report import Recognition, Staging, explaining_task
from ra_node.inference.bundle import Bundle, Task

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the networks say about one hand."""

    recognition: Recognition
    staging: Staging
    heat: NDArray[np.float32] | None = field(default=None, compare=False)
    """Where the network that says disease saw it, (side_px, side_px) of 0 to 1; None where both say none."""


class Predictor:
    """Holds the networks of one bundle on one device.

    `device` is "auto" (CUDA where there is any), or a name that torch knows; `batch` is the most
    crops that go through a network at once, fewer where the device lacks memory. Raises Fatal for
    weights or a device that do not fit.
    """

    def __init__(self, bundle: Bundle, device: str = "auto", batch: int = 16) -> None:
        from ra_node.inference import explain, memory, network  # noqa: PLC0415  # see the module's docstring

        self.bundle = bundle
        self.device = network.chosen_device(device)
        self.batch = batch
        self._room = memory.Room(self.device, batch)
        self._feature_map = explain.feature_map
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
        judged = [
            Judgement(Recognition(float(ra[1]), threshold), _staging(stages))
            for ra, stages in zip(recognised, staged, strict=True)
        ]
        return self._explained(judged, crops)

    def _explained(self, judged: Sequence[Judgement], crops: Sequence[NDArray[np.uint8]]) -> list[Judgement]:
        """The same judgements, with heat where there is disease to explain."""
        made = list(judged)
        told = [explaining_task(one.recognition, one.staging) for one in judged]
        tasks, recipe = self.bundle.manifest.tasks, self.bundle.manifest.preprocessing
        for name, network, task in (
            ("staging", self._staging, tasks.staging),
            ("recognition", self._recognition, tasks.recognition),
        ):
            chosen = [at for at, by in enumerate(told) if by == name]
            if not chosen:
                continue
            place = self._feature_map(task.architecture, recipe.side_px)
            stacked = np.stack([crops[at] for at in chosen])
            heats = self._room.heat(network, place, stacked, recipe.mean, recipe.std)
            for at, heat in zip(chosen, heats, strict=True):
                made[at] = replace(made[at], heat=heat)
        return made

    def _probabilities(
        self, network: nn.Module, task: Task, crops: Sequence[NDArray[np.uint8]]
    ) -> NDArray[np.float64]:
        recipe = self.bundle.manifest.preprocessing
        expected = (recipe.side_px, recipe.side_px)
        if any(crop.shape != expected for crop in crops):
            raise ValueError(f"expected crops of {expected}, found {[crop.shape for crop in crops]}")
        logits = self._room.logits(network, np.stack(crops), recipe.mean, recipe.std)
        return self._softmax(logits / task.temperature)


def _staging(probabilities: NDArray[np.float64]) -> Staging:
    p0, p1, p2, p3, p4, p5 = (float(p) for p in probabilities)
    return Staging((p0, p1, p2, p3, p4, p5))
