"""A bundle is believed only after its manifest, its hashes and its preprocessing have been checked.

A folder with `manifest.json`, one `weights.safetensors` a task and `card.md`. Reading it needs no
torch, so that checks and status pages stay cheap.
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
"""A figure and its 95 % interval: (value, low, high)."""
Head = Literal["softmax", "ordinal"]
"""How a network answers: one number a class, or one score and cut points between ordered classes."""


class _Part(BaseModel):
    """A part of the manifest: every key is known, none is missing, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocessing(_Part):
    """How a hand becomes numbers: the recipe by its id, then (grey / 255 - mean) / std."""

    id: str
    description: str
    side_px: Annotated[int, Field(gt=0)]
    mean: float
    std: Annotated[float, Field(gt=0)]
    detector_sha256: str | None = None
    """`FinderPart.sha256` of the detector that cut the training hands; bundles of earlier versions do not
    name it."""


class BundleTask(_Part):
    """One network: what it is, what it answers and how its logits become probabilities."""

    architecture: str
    classes: tuple[str, ...]
    weights: str
    """Path of the weights inside the bundle."""
    weights_sha256: str
    head: Head = "softmax"
    temperature: Annotated[float, Field(gt=0)]
    """Logits are divided by it before the softmax."""
    operating_points: tuple[Share, ...]
    """Recognition: the one threshold; staging: one a class, for one-vs-rest figures."""
    metrics: dict[str, Interval]
    metrics_on: str
    """The hands that the metrics were measured on, in words."""


Kinds = Annotated[tuple[float, ...], Field(min_length=len(JOINTS), max_length=len(JOINTS))]
"""One number a joint, in the order of `JOINTS`."""


class JointTask(_Part):
    """The network that all joints share: a crop and the kind of the joint in, a stage out."""

    crops: str
    """The recipe of the crops by its id."""
    side_px: Annotated[int, Field(ge=48, le=256)]
    weights: str
    weights_sha256: str
    temperatures: Kinds
    """Log-probabilities of a joint are divided by that of its kind before the softmax."""
    threshold: Share
    """A joint with a smaller probability of disease is of stage 0."""
    hand_detector_sha256: str
    """Names the hand detector on whose joints this task was measured."""
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
    """The two tasks of the paper, and where the bundle has it that of the joints."""

    recognition: BundleTask
    staging: BundleTask
    joints: JointTask | None = None

    @model_validator(mode="after")
    def _sizes_fit(self) -> Tasks:
        if len(self.recognition.classes) != 2 or len(self.recognition.operating_points) != 1:
            raise ValueError("recognition needs 2 classes and 1 operating point")
        if len(self.staging.classes) != len(STAGES):
            raise ValueError(f"staging needs {len(STAGES)} classes, found {len(self.staging.classes)}")
        return self


class Weights(_Part):
    """A file of weights inside the bundle."""

    path: str
    sha256: str


class ViewPart(_Part):
    """The head that tells views from the reader's maps, and what was measured of it."""

    classes: Annotated[tuple[PixelView, ...], Field(min_length=2)]
    weights: Weights
    least_frontal: Share
    """A hand of a lower probability of a frontal view is shown in another one."""
    figures: dict[str, Interval]
    figures_on: str


class FinderPart(_Part):
    """The networks that find hands and their joints, and what was measured of them."""

    name: str
    side_px: Annotated[int, Field(gt=0)]
    seeker: Weights
    """Looks at the whole image."""
    reader: Weights
    """Looks at one hand."""
    figures: dict[str, Interval]
    figures_on: str
    """What the figures were measured on, in words."""
    trained_on: str
    views: ViewPart | None = None
    """Without it only header and breadth of the knuckles tell an oblique view."""

    @property
    def weights(self) -> tuple[Weights, ...]:
        """Every file of weights."""
        return (self.seeker, self.reader, *((self.views.weights,) if self.views else ()))

    @property
    def sha256(self) -> str:
        """Names the detector by all that decides how it cuts a hand: its squares and its weights.

        The head that tells views is not among them: it moves no joint and no outline.
        """
        facts = [str(self.side_px), self.seeker.sha256, self.reader.sha256]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()


class MarkerReaderPart(_Part):
    """The network that reads lead markers, and what was measured of it."""

    name: str
    side_px: Annotated[int, Field(gt=0)]
    classes: tuple[str, ...]
    weights: Weights
    least_score: Share
    """A letter of a lower probability is not certain, and so no evidence."""
    figures: dict[str, Interval]
    """Shares of plates on which the marker was read right, not read, and read wrong."""
    figures_on: str
    trained_on: str


class HeatMapPart(_Part):
    """What `python -m tests.benchmarks.explanation` found: the joint of the lesion had most heat."""

    found: Annotated[int, Field(ge=0)]
    hands: Annotated[int, Field(gt=0)]
    measured_on: str


View = Literal["frontal", "oblique", "lateral", "ball-catcher"]


class DomainPart(_Part):
    """The hands that the networks learnt from; a hand outside of it is not rated.

    Of every bundle these are whole hands: with all joints of the finder and the wrist.
    """

    ages: tuple[float, float] | None = None
    """Youngest and oldest in years, both inside; None: ages are not checked."""
    views: Annotated[tuple[View, ...], Field(min_length=1)] = ("frontal",)
    casts: bool = False
    """Hands in plaster and with metal were among them."""

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
    """2 may have the task `joints`."""
    name: str
    version: str
    manufacturer: str
    notice: str
    preprocessing: Preprocessing
    tasks: Tasks
    training: dict[str, JsonValue]
    provenance: dict[str, JsonValue]
    domain: DomainPart | None = None
    """What the networks learnt from; a bundle that does not say rates hands of every age."""
    ages: tuple[float, float] | None = None
    """As bundles told their ages before they had a `domain`."""
    heat_map: HeatMapPart | None = None
    """How often the maps of a bundle were right; a bundle need not say."""
    finder: FinderPart | None = None
    """Bundles of earlier versions may lack it; these run no more."""
    marker_reader: MarkerReaderPart | None = None
    """Without it, sides come from the header and the site's convention alone."""

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
    """A checked bundle: what reports say about it and what a predictor needs."""

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
    """Read what a bundle says of itself, its weights unread; raises Fatal for a manifest that is not one."""
    content = _content(folder / "manifest.json")
    manifest = _manifest(content, folder)
    return Bundle(folder, _identity(manifest, hashlib.sha256(content).hexdigest()), manifest)


def check_preprocessing(bundle: Bundle, expected: str = PREPROCESSING_ID) -> None:
    """Raise Fatal unless the bundle's networks learnt from images as this node makes them."""
    found = bundle.manifest.preprocessing.id
    if found != expected:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected preprocessing {expected!r}, "
            f"found {found!r}; train or install a bundle made for this node"
        )


def check_detector(bundle: Bundle) -> None:
    """Raise Fatal where the bundle's networks were trained on hands cut by another detector than its own.

    The same hands cut by two detectors differed in staging accuracy by 0.053 (0.014 to 0.093). A bundle that
    does not name the detector passes.
    """
    finder, trained_on = bundle.manifest.finder, bundle.manifest.preprocessing.detector_sha256
    if finder is not None and trained_on is not None and trained_on != finder.sha256:
        raise Fatal(
            f"bundle {bundle.folder.name}: expected networks trained on hands cut by its own detector"
            f" {finder.sha256[:12]}, found {trained_on[:12]}; train and export it again"
        )


def check_weights(bundle: Bundle) -> None:
    """Raise Fatal unless every file of weights is there and is the one of the manifest."""
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
    """Raise Fatal unless joint crops and hand detector are those that the joint task was measured with."""
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
