"""What a report says of its bundle: its models, their figures on held-out hands, and its domain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """The model of one task, as it is named in SR, overlay and card.

    `device_uid` derives from the hash of the weights: it changes with them and only then.
    """

    task: str
    architecture: str
    name: str
    version: str
    weights_sha256: str
    device_uid: str
    manufacturer: str
    auc: tuple[float, float, float] | None = None
    """Area under the ROC curve and its 95 % interval (low, high)."""
    measured_on: str = "held-out hands"
    exact_stage: tuple[float, float, float] | None = None
    """Share of hands whose likeliest stage is the true one, and its 95 % interval; staging only."""
    within_one_stage: tuple[float, float, float] | None = None
    calibration_error: tuple[float, float, float] | None = None
    """Expected calibration error (mean distance of stated from observed shares), and its 95 % interval."""


@dataclass(frozen=True, slots=True)
class HeatMapCheck:
    """Heat map figure: hands with a simulated lesion at one joint, and those with most heat at that joint."""

    found: int
    hands: int
    measured_on: str


@dataclass(frozen=True, slots=True)
class BundleIdentity:
    """Identity and figures of the bundle in a report."""

    name: str
    version: str
    sha256: str
    models: tuple[Model, ...]
    notice: str
    """Notice that must accompany every result, e.g. "simulated lesions, not a medical device";
    empty for a bundle trained on real disease."""
    ages: tuple[float, float] | None = None
    """Youngest and oldest age of the training data in years; None where the bundle does not state it."""
    views: tuple[str, ...] = ("frontal",)
    """Views in the training data."""
    casts: bool = False
    """Whether the training data include hands in plaster and with metal."""
    heat_map: HeatMapCheck | None = None
    """Figure of the heat maps; None where it was not measured."""
