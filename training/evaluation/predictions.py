"""Predictions of a run for every hand, computed once and stored as `predictions.npz`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ra_node.errors import Fatal
from training.data.data_kind import DataKind
from training.data.dataset import Crops
from training.evaluation.calibration import log_odds
from training.evaluation.evaluate import weights_path
from training.evaluation.task_calibration import CLASSES
from training.io.atomic_file import write_whole
from training.recipes.classifier import Recipe

if TYPE_CHECKING:
    import torch

KEPT = "predictions.npz"

Say = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Rows as those of the crops they came from."""

    stages: NDArray[np.int64]
    patients: NDArray[np.str_]
    splits: NDArray[np.str_]
    origins: NDArray[np.str_]
    recognition: NDArray[np.float64]
    """Logits (N, 2)."""
    staging: NDArray[np.float64]
    """Logits (N, 6)."""
    recognition_features: NDArray[np.float32]
    """Inputs of the last layer, of held-out hands only, in their order: (held-out, width)."""
    staging_features: NDArray[np.float32]
    key: str
    """Hash of the weights, the recipe's numbers and the crops."""
    held_out_key: str
    """Hash of the held-out crops only: whether two runs were evaluated on the same images."""
    thresholds: NDArray[np.float64] | None = None
    """The operating point of recognition of every row (N,), where a cross-validation had several."""
    recognition_order: NDArray[np.float64] | None = None
    """Log-odds (N, 2) for the AUC, where several networks rated the hands; None: those of the logits."""
    staging_order: NDArray[np.float64] | None = None
    """The same (N, 6)."""

    @property
    def kind(self) -> DataKind:
        """Kind of hands of the run."""
        return "labelled" if (self.origins == "labelled").any() else "simulated"

    def __len__(self) -> int:
        return len(self.stages)

    def rows(self, split: str, *origins: str) -> NDArray[np.bool_]:
        """Which rows (N,) are of a split, all of them or those of the given origins."""
        chosen: NDArray[np.bool_] = self.splits == split
        return chosen & np.isin(self.origins, origins) if origins else chosen

    def logits(self, chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """Logits of both tasks of the chosen rows."""
        return {"recognition": self.recognition[chosen], "staging": self.staging[chosen]}

    def order(self, chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """Log-odds of both tasks, by which an AUC ranks the chosen rows."""
        kept = {"recognition": self.recognition_order, "staging": self.staging_order}
        return {
            task: log_odds(logits) if (own := kept[task]) is None else own[chosen]
            for task, logits in self.logits(chosen).items()
        }

    def features(self, task: str, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Inputs of the last layer of `task` on the chosen rows, which must be held out."""
        held: NDArray[np.float32] = getattr(self, f"{task}_features")
        return np.asarray(held[chosen[self.splits == "held-out"]])


def predictions(run: Path, recipe: Recipe, crops: Crops, device: torch.device, say: Say) -> Predictions:
    """Load the predictions of a run, or compute them where weights or crops have changed."""
    key = _key(run, recipe, crops)
    kept = _kept(run)
    if kept is not None and kept.key == key:
        return kept
    from training.evaluation.network_outputs import run_outputs  # noqa: PLC0415  # imports torch

    outputs = run_outputs(run, recipe, crops.images, device, say)
    held_out = crops.splits == "held-out"
    made = Predictions(
        *(crops.stages, crops.patients, crops.splits, crops.origins),
        recognition=outputs["recognition"][0],
        staging=outputs["staging"][0],
        recognition_features=outputs["recognition"][1][held_out],
        staging_features=outputs["staging"][1][held_out],
        key=key,
        held_out_key=_hash_of(crops.where(held_out)),
    )
    save_predictions(made, run)
    return made


def save_predictions(made: Predictions, run: Path) -> None:
    """Write predictions to the folder of their run, atomically."""
    held = {field.name: getattr(made, field.name) for field in fields(Predictions)}
    arrays = {name: value for name, value in held.items() if value is not None}
    write_whole(run / KEPT, lambda file: np.savez(file, **arrays))


def load_predictions(run: Path) -> Predictions:
    """Read stored predictions, no pickle; raises Fatal where they are missing or unreadable."""
    found = _kept(run)
    if found is None:
        raise Fatal(
            f"expected {KEPT} of this version in {run}, found none; run `python -m training evaluate`"
        )
    return found


def _kept(run: Path) -> Predictions | None:
    """The predictions of a run; None where there are none, or those of an earlier version."""
    if not (run / KEPT).exists():
        return None
    with np.load(run / KEPT, allow_pickle=False) as held:
        arrays = {field.name: held[field.name] for field in fields(Predictions) if field.name in held}
    if not {field.name for field in fields(Predictions) if field.default is MISSING} <= set(arrays):
        return None
    keys: dict[str, Any] = {name: str(arrays[name]) for name in ("key", "held_out_key")}
    return Predictions(**(arrays | keys))


def _key(run: Path, recipe: Recipe, crops: Crops) -> str:
    digest = hashlib.sha256(f"{recipe.architecture} {recipe.mean} {recipe.std} {recipe.side_px}".encode())
    for task in CLASSES:
        digest.update(weights_path(run, task).read_bytes())
    digest.update(_hash_of(crops).encode())
    return digest.hexdigest()


def _hash_of(crops: Crops) -> str:
    digest = hashlib.sha256()
    for field in fields(crops):
        digest.update(np.ascontiguousarray(getattr(crops, field.name)).tobytes())
    return digest.hexdigest()
