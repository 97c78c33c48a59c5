"""Grades the joints of hands with the shared network of a bundle's joint task.

Importing this module is fast; torch is imported by the first `JointGrader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ra_node.inference.bundles.bundle import Bundle
from ra_node.inference.bundles.manifest import JointTask

BATCH = 208
"""Joints at once: those of eight hands and their mirror images; fewer where the GPU lacks memory."""


class JointSquares(Protocol):
    """The joints of one hand: crops (joints, side, side) and the index of each joint in `JOINTS`."""

    @property
    def images(self) -> NDArray[np.uint8]: ...

    @property
    def kinds(self) -> NDArray[np.int64]: ...


class JointGrader:
    """Holds the joint network of one bundle on one device; raises Fatal for weights that do not fit."""

    def __init__(self, bundle: Bundle, task: JointTask, device: str) -> None:
        from ra_node.inference import gpu_memory as memory  # noqa: PLC0415  # see the module's docstring
        from ra_node.inference.networks import joint_network  # noqa: PLC0415
        from ra_node.inference.networks.loaded_network import chosen_device  # noqa: PLC0415

        self.task = task
        where = chosen_device(device)
        self._room = memory.MemoryBudget(where, BATCH)
        self._network = joint_network.load_joint_network(bundle.folder / task.weights, where)
        self._answer = joint_network.joint_log_probabilities
        self._temperatures = np.array(task.temperatures)

    def grade(self, hands: Sequence[JointSquares]) -> list[NDArray[np.float64]]:
        """Probabilities (joints, 6) of each hand, calibrated by kind; one forward pass for all joints."""
        crops = [hand.images for hand in hands]
        if not sum(map(len, crops)):
            return [np.zeros((0, 6)) for _ in hands]
        kinds = np.concatenate([hand.kinds for hand in hands])
        images = np.concatenate(crops)
        log = self._room.fit(
            "joints",
            self._network,
            len(images),
            lambda network, batch: self._answer(network, images, kinds, batch),
        )
        found = calibrated(log, self._temperatures[kinds])
        return np.split(found, np.cumsum([len(one) for one in crops])[:-1])


def calibrated(log: NDArray[np.float64], temperatures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (N, 6) of log-probabilities (N, 6), each row with its own temperature (N,)."""
    raised = np.exp((log - log.max(axis=1, keepdims=True)) / temperatures[:, None])
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)
