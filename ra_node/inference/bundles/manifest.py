"""Schema of `manifest.json` of a bundle."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from ra_node.domain.joints import JOINTS
from ra_node.domain.patient.age import OLDEST_YEARS
from ra_node.domain.report import STAGES
from ra_node.domain.view.pixel_view import PixelView

Share = Annotated[float, Field(ge=0, le=1)]
Interval = tuple[float, float, float]
"""A metric and its 95 % interval: (value, low, high)."""
Head = Literal["softmax", "ordinal"]
"""Type of the last layer: one logit a class, or one score and cut points between ordered classes."""


class _Part(BaseModel):
    """A part of the manifest: immutable, without unknown or missing keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocessing(_Part):
    """Model input: the preprocessing by its id, then (grey / 255 - mean) / std."""

    id: str
    description: str
    side_px: Annotated[int, Field(gt=0)]
    mean: float
    std: Annotated[float, Field(gt=0)]
    detector_sha256: str | None = None
    """`FinderPart.sha256` of the detector that cropped the training hands; absent in bundles of earlier
    versions."""


class BundleTask(_Part):
    """One network: architecture, classes, calibration of its logits, operating points and metrics."""

    architecture: str
    classes: tuple[str, ...]
    weights: str
    """Path of the weights inside the bundle."""
    weights_sha256: str
    head: Head = "softmax"
    temperature: Annotated[float, Field(gt=0)]
    """Logits are divided by it before the softmax."""
    offsets: tuple[float, ...] = ()
    """One a class, added to the logits after the temperature; empty: none. Format 2."""
    shares: tuple[Share, ...] = ()
    """Share of each class among the hands of the calibration; empty in bundles of earlier versions."""
    operating_points: tuple[Share, ...]
    """Recognition: one threshold; staging: one a class, for one-vs-rest metrics."""
    metrics: dict[str, Interval]
    metrics_on: str
    """The hands that the metrics were measured on, in words."""


Kinds = Annotated[tuple[float, ...], Field(min_length=len(JOINTS), max_length=len(JOINTS))]
"""One number a joint, in the order of `JOINTS`."""


class JointTask(_Part):
    """The network shared by all joints: input are a crop and the kind of the joint, output is a stage."""

    crops: str
    """Id of the preprocessing of joint crops."""
    side_px: Annotated[int, Field(ge=48, le=256)]
    weights: str
    weights_sha256: str
    temperatures: Kinds
    """One temperature a kind of joint, by which log-probabilities are divided before the softmax."""
    threshold: Share
    """A joint with a smaller probability of disease gets stage 0."""
    hand_detector_sha256: str
    """`FinderPart.sha256` of the hand detector on whose joints this task was measured."""
    metrics: dict[str, Interval]
    metrics_on: str
    """The hands that the metrics were measured on, in words."""
    training: dict[str, JsonValue]

    @model_validator(mode="after")
    def _possible(self) -> JointTask:
        if min(self.temperatures) <= 0:
            raise ValueError("temperatures: expected numbers above 0")
        return self


class Tasks(_Part):
    """The two tasks of the paper, and the optional joint task."""

    recognition: BundleTask
    staging: BundleTask
    joints: JointTask | None = None

    @model_validator(mode="after")
    def _sizes_fit(self) -> Tasks:
        if len(self.recognition.classes) != 2 or len(self.recognition.operating_points) != 1:
            raise ValueError("recognition needs 2 classes and 1 operating point")
        if len(self.staging.classes) != len(STAGES):
            raise ValueError(f"staging needs {len(STAGES)} classes, found {len(self.staging.classes)}")
        for task in (self.recognition, self.staging):
            for key, found in (("offsets", task.offsets), ("shares", task.shares)):
                if found and len(found) != len(task.classes):
                    raise ValueError(f"{key}: expected one a class, {len(task.classes)}, found {len(found)}")
        return self


class Weights(_Part):
    """A file of weights inside the bundle."""

    path: str
    sha256: str


class ViewPart(_Part):
    """The head that classifies views by the reader's feature maps, and its metrics."""

    classes: Annotated[tuple[PixelView, ...], Field(min_length=2)]
    weights: Weights
    least_frontal: Share
    """Threshold: a hand with a lower probability of a frontal view counts as another view."""
    figures: dict[str, Interval]
    figures_on: str


class FinderPart(_Part):
    """The networks that detect hands and their joints, and their metrics."""

    name: str
    side_px: Annotated[int, Field(gt=0)]
    seeker: Weights
    """Network for the whole image."""
    reader: Weights
    """Network for one hand."""
    figures: dict[str, Interval]
    figures_on: str
    """The images that the figures were measured on, in words."""
    trained_on: str
    views: ViewPart | None = None
    """Without it an oblique view is detected by the header and the breadth of the knuckles only."""

    @property
    def weights(self) -> tuple[Weights, ...]:
        """Every file of weights."""
        return (self.seeker, self.reader, *((self.views.weights,) if self.views else ()))

    @property
    def sha256(self) -> str:
        """Identity of the detector: hash of all that affects its crops, i.e. input size and weights.

        The view head is not included, because it changes no joint and no outline.
        """
        facts = [str(self.side_px), self.seeker.sha256, self.reader.sha256]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()


class MarkerReaderPart(_Part):
    """The network that reads lead markers, and its metrics."""

    name: str
    side_px: Annotated[int, Field(gt=0)]
    classes: tuple[str, ...]
    weights: Weights
    least_score: Share
    """Threshold: a letter with a lower probability is no evidence of a side."""
    figures: dict[str, Interval]
    """Shares of plates with the marker read correctly, not read, and read wrongly."""
    figures_on: str
    trained_on: str


class HeatMapPart(_Part):
    """How often the joint of the lesion had most heat, by `python -m tests.benchmarks.explanation`."""

    found: Annotated[int, Field(ge=0)]
    hands: Annotated[int, Field(gt=0)]
    measured_on: str


View = Literal["frontal", "oblique", "lateral", "ball-catcher"]


class DomainPart(_Part):
    """Domain of the training hands; a hand outside is not rated.

    The domain of every bundle is whole hands: with the wrist and all joints of the detector.
    """

    ages: tuple[float, float] | None = None
    """Youngest and oldest in years, inclusive; None: ages are not checked."""
    views: Annotated[tuple[View, ...], Field(min_length=1)] = ("frontal",)
    casts: bool = False
    """Whether the training hands include hands in plaster and with metal."""

    @model_validator(mode="after")
    def _possible(self) -> DomainPart:
        if self.ages is not None and not 0 <= self.ages[0] < self.ages[1] <= OLDEST_YEARS:
            low, high = self.ages
            raise ValueError(
                f"ages: expected 0 <= youngest < oldest <= {OLDEST_YEARS:g}, found {low:g}, {high:g}"
            )
        if len(set(self.views)) < len(self.views):
            raise ValueError(f"views: expected each once, found {', '.join(self.views)}")
        return self


class Manifest(_Part):
    """`manifest.json`, as written by `python -m training export`."""

    format: Literal[1, 2]
    """Format 2 may have the task `joints`, and offsets and shares of classes."""
    name: str
    version: str
    manufacturer: str
    notice: str
    preprocessing: Preprocessing
    tasks: Tasks
    training: dict[str, JsonValue]
    provenance: dict[str, JsonValue]
    domain: DomainPart | None = None
    """Domain of the training hands; without it hands of every age are rated."""
    ages: tuple[float, float] | None = None
    """Ages in bundles of versions without `domain`."""
    heat_map: HeatMapPart | None = None
    """How often the heat maps of the bundle were right; optional."""
    finder: FinderPart | None = None
    """Absent in bundles of earlier versions, which are no longer supported."""
    marker_reader: MarkerReaderPart | None = None
    """Without it sides come from the header and the site's convention only."""

    @model_validator(mode="after")
    def _joints_fit(self) -> Manifest:
        joints = self.tasks.joints
        if joints is None:
            return self
        if self.format == 1:
            raise ValueError("format: expected 2 for a bundle with the task joints, found 1")
        if self.finder is None:
            raise ValueError("tasks.joints: expected a bundle with a hand detector, found none")
        return self

    @property
    def weights(self) -> tuple[tuple[str, str], ...]:
        """Every file of weights: its path inside the bundle and its SHA-256."""
        named = (self.tasks.recognition, self.tasks.staging, self.tasks.joints)
        tasks = ((task.weights, task.weights_sha256) for task in named if task is not None)
        finder = self.finder.weights if self.finder else ()
        marker = (self.marker_reader.weights,) if self.marker_reader else ()
        return (*tasks, *((one.path, one.sha256) for one in (*finder, *marker)))
