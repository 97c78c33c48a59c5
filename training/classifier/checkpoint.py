"""Checkpoints: the state from which a killed training continues to the same result."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ra_node.errors import Fatal
from training.io.atomic_file import write_whole


@dataclass(slots=True)
class Checkpoint:
    """The one checkpoint of a task in a run; `fingerprint` names recipe, hands and start."""

    path: Path
    fingerprint: str
    every_s: float = 0.0
    """Minimum time between checkpoints: one of VGG16 takes 1.6 GB, its epoch on a GPU a second."""
    saved_s: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        return time.monotonic() - self.saved_s >= self.every_s

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint; raises Fatal on a full disk, and keeps the last one."""
        held = {"fingerprint": self.fingerprint, **state}
        write_whole(self.path, lambda file: torch.save(held, file))
        self.saved_s = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Read tensors and plain values only, never an arbitrary pickle; None where there is none.

        Raises Fatal for a checkpoint of another recipe, of other hands or of another start.
        """
        if not self.path.exists():
            return None
        try:
            held: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise Fatal(f"expected a checkpoint in {self.path}, found: {error}") from error
        if held.get("fingerprint") != self.fingerprint:
            raise Fatal(
                f"expected a checkpoint of this recipe, its hands and its start in {self.path}, "
                "found that of another; use a new --out, or delete the checkpoint to begin anew"
            )
        return held

    def discard(self) -> None:
        """Delete it after the weights are written."""
        self.path.unlink(missing_ok=True)
