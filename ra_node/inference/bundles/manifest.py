"""Bundle manifest: schema, and checks of manifest, hashes and preprocessing before a bundle is used.

A bundle is a folder with `manifest.json`, one `weights.safetensors` a task and `card.md`. It is read without
importing torch, so that checks and status pages are fast.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from ra_node.domain.joints import JOINTS
from ra_node.domain.patient.age import OLDEST_YEARS
from ra_node.domain.pixel_view import PixelView
from ra_node.domain.preprocessing import JOINT_CROPS_ID, PREPROCESSING_ID
from ra_node.domain.report import STAGES, BundleIdentity, HeatMapCheck, Model
from ra_node.errors import Fatal

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


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle: its identity for reports, and its manifest for the predictor."""

    folder: Path
    identity: BundleIdentity
    manifest: Manifest

    def weights_path(self, task: BundleTask) -> Path:
        return self.folder / task.weights


def load_bundle(folder: Path, preprocessing: str = PREPROCESSING_ID) -> Bundle:
    """Read and check a bundle; raises Fatal with what was expected and what was found."""
    bundle = read_bundle(folder)
    check_preprocessing(bundle, preprocessing)
    check_detector(bundle)
    check_joints(bundle)
    check_weights(bundle)
    return bundle


def read_bundle(folder: Path) -> Bundle:
    """Read the manifest of a bundle, not its weights; raises Fatal for an invalid manifest."""
    content = _content(folder / "manifest.json")
    manifest = _manifest(content, folder)
    return Bundle(folder, _identity(manifest, hashlib.sha256(content).hexdigest()), manifest)


def check_preprocessing(bundle: Bundle, expected: str = PREPROCESSING_ID) -> None:
    """Raise Fatal unless the bundle's networks were trained with the preprocessing of this node."""
    found = bundle.manifest.preprocessing.id
    if found != expected:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected preprocessing {expected!r}, "
            f"found {found!r}; train or install a bundle made for this node"
        )


def check_detector(bundle: Bundle) -> None:
    """Raise Fatal where the bundle's networks were trained on crops of another detector than the bundle's.

    Crops of the same hands by two detectors differed in staging accuracy by 0.053 (0.014 to 0.093). A bundle
    that does not name the detector is accepted.
    """
    finder, trained_on = bundle.manifest.finder, bundle.manifest.preprocessing.detector_sha256
    if finder is not None and trained_on is not None and trained_on != finder.sha256:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected networks trained on hands cut by its own detector"
            f" {finder.sha256[:12]}, found {trained_on[:12]}; train and export it again"
        )


def check_weights(bundle: Bundle) -> None:
    """Raise Fatal unless every weights file exists with the SHA-256 of the manifest."""
    for name, sha256 in bundle.manifest.weights:
        check_weights_file(bundle.folder, name, sha256)


def check_weights_file(folder: Path, name: str, expected: str) -> None:
    """Raise Fatal unless a file inside `folder` holds weights with the expected SHA-256."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or path.suffix != ".safetensors":
        raise Fatal(f"expected .safetensors weights inside the bundle, found {name!r}")
    found = hashlib.sha256(_content(path)).hexdigest()
    if found != expected:
        raise Fatal(f"weights {path}: expected sha256 {expected}, found {found}")


def check_joints(bundle: Bundle) -> None:
    """Raise Fatal unless joint crops and hand detector are those with which the joint task was measured."""
    joints, finder = bundle.manifest.tasks.joints, bundle.manifest.finder
    if joints is None or finder is None:
        return
    if joints.crops != JOINT_CROPS_ID:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected joint crops {JOINT_CROPS_ID!r}, found {joints.crops!r}; "
            "train or install a bundle made for this node"
        )
    if joints.hand_detector_sha256 != finder.sha256:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected a joint task measured with the bundle's hand detector "
            f"{finder.sha256[:12]}, found one measured with {joints.hand_detector_sha256[:12]}"
        )


def device_uid(weights_sha256: str) -> str:
    """Name the algorithm by its weights (PS3.5 B.2: a UUID-derived UID, at most 64 characters)."""
    digest = hashlib.sha256(b"ra-node device " + weights_sha256.encode()).hexdigest()
    return f"2.25.{int(digest[:32], 16)}"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Fatal(f"expected a bundle file {path}, found none: {error.strerror}") from error


def _manifest(content: bytes, folder: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'manifest'}: {part['msg']}" for part in error.errors()
        )
        raise Fatal(f"bundle {folder.name}: manifest.json is not as expected: {found}") from error


def _identity(manifest: Manifest, sha256: str) -> BundleIdentity:
    tasks = (("recognition", manifest.tasks.recognition), ("staging", manifest.tasks.staging))
    models = tuple(
        Model(
            task=name,
            architecture=task.architecture,
            name=f"{manifest.name} {name}",
            version=manifest.version,
            weights_sha256=task.weights_sha256,
            device_uid=device_uid(task.weights_sha256),
            manufacturer=manifest.manufacturer,
            auc=task.metrics.get("auc"),
            measured_on=task.metrics_on,
            exact_stage=task.metrics.get("accuracy") if name == "staging" else None,
            within_one_stage=task.metrics.get("within_one_stage"),
            calibration_error=_calibration_error(manifest, name),
        )
        for name, task in tasks
    )
    told = manifest.heat_map
    check = None if told is None else HeatMapCheck(told.found, told.hands, told.measured_on)
    domain = manifest.domain or DomainPart(ages=manifest.ages)
    joints = manifest.tasks.joints
    if joints is not None:
        models += (_joint_model(manifest, joints),)
    return BundleIdentity(
        manifest.name,
        manifest.version,
        sha256,
        models,
        manifest.notice,
        ages=domain.ages,
        views=domain.views,
        casts=domain.casts,
        heat_map=check,
    )


def _calibration_error(manifest: Manifest, task: str) -> tuple[float, float, float] | None:
    """The error on held-out hands with its interval, from the free part about the training."""
    held_out = manifest.training.get("held_out")
    if not isinstance(held_out, dict):
        return None
    errors, intervals = held_out.get("calibration_error"), held_out.get("calibration_interval")
    error = errors.get(task) if isinstance(errors, dict) else None
    match error, intervals.get(task) if isinstance(intervals, dict) else None:
        case int() | float() as found, [int() | float() as low, int() | float() as high]:
            return float(found), float(low), float(high)
    return None


def _joint_model(manifest: Manifest, joints: JointTask) -> Model:
    return Model(
        task="joints",
        architecture="joint network",
        name=f"{manifest.name} joints",
        version=manifest.version,
        weights_sha256=joints.weights_sha256,
        device_uid=device_uid(joints.weights_sha256),
        manufacturer=manifest.manufacturer,
        auc=joints.metrics.get("auc"),
        measured_on=joints.metrics_on,
    )
