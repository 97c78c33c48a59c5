"""The hand detector with which the hands of a dataset or a run were cropped, stored with them.

detector.json   its part of the bundle's manifest
finder/*        its weights

An exported bundle thus contains the detector of its training crops, also when the source bundle is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from ra_node.errors import Fatal, Refused
from ra_node.imaging.hand_detection import HandFinder
from ra_node.inference.bundles.bundle import check_weights_file, read_bundle
from ra_node.inference.bundles.manifest import FinderPart
from training.io.atomic_folder import Write, write_synced

ABOUT = "detector.json"


@dataclass(frozen=True, slots=True)
class KeptDetector:
    """A detector on disk; the paths in `part` are relative to `folder`. Can be pickled."""

    folder: Path
    part: FinderPart

    @property
    def sha256(self) -> str:
        """Its hash in manifests."""
        return self.part.sha256

    def opened(self) -> HandFinder:
        """The networks, loaded once a process."""
        return _opened(self.folder.resolve(), self.part.model_dump_json())


@cache
def _opened(folder: Path, part: str) -> HandFinder:
    from ra_node.inference.hand_detector.detector import open_finder  # noqa: PLC0415  # torch loads slowly

    return open_finder(folder, FinderPart.model_validate_json(part))


def bundle_detector(bundle: Path) -> KeptDetector:
    """The detector of a bundle; raises Fatal where it has none, or its weights were altered."""
    part = read_bundle(bundle).manifest.finder
    if part is None:
        raise Fatal(f"expected a bundle with a hand detector in --bundle, found none in {bundle}")
    return _checked(KeptDetector(bundle, part))


def kept_detector(folder: Path) -> KeptDetector:
    """The detector of a dataset or a run; raises Refused where it has none, as those of earlier versions."""
    try:
        part = FinderPart.model_validate_json((folder / ABOUT).read_bytes())
    except (OSError, ValidationError) as error:
        raise Refused(
            f"expected {ABOUT}, the detector that cut the hands of {folder.name}, found"
            f" {type(error).__name__}: make the hands again with this version"
        ) from error
    return _checked(KeptDetector(folder, part))


def has_detector(folder: Path) -> bool:
    """Whether a dataset or a run names its detector."""
    return (folder / ABOUT).exists()


def copy_weights(detector: KeptDetector, to: Path, write: Write = write_synced) -> None:
    """Copy the weights of a detector into a folder with the same relative paths."""
    for weights in detector.part.weights:
        target = to / weights.path
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, (detector.folder / weights.path).read_bytes())


def keep_detector(detector: KeptDetector, to: Path, write: Write = write_synced) -> None:
    """Copy a detector into the folder of a dataset or a run; `detector.json` is written last."""
    copy_weights(detector, to, write)
    write(to / ABOUT, detector.part.model_dump_json(indent=2).encode() + b"\n")


def _checked(detector: KeptDetector) -> KeptDetector:
    for weights in detector.part.weights:
        check_weights_file(detector.folder, weights.path, weights.sha256)
    return detector
