"""Lets one thread at a time through the networks, which are shared by the lanes of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ra_node.services.analyse import Judge, Judgement


@dataclass(frozen=True, slots=True)
class InTurn:
    """A judge for several threads: an explanation looks into the very network that others judge with."""

    judge_alone: Judge
    _turn: Lock = field(default_factory=Lock)

    def judge(self, crops: Sequence[NDArray[np.uint8]]) -> Sequence[Judgement]:
        """Judge crops as soon as it is their turn; no crops wait for nobody."""
        if not crops:
            return []
        with self._turn:
            return self.judge_alone.judge(crops)
