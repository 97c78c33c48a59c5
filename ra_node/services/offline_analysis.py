"""Offline analysis: from the files of one study to a folder with its results."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from ra_node.dicom.provenance import Producer
from ra_node.dicom.reading.file import read_attributes, read_header
from ra_node.domain.bundle_identity import BundleIdentity
from ra_node.domain.rating import DEFAULT_RATING, Rating
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.study import NO_HEADER
from ra_node.errors import NodeError
from ra_node.imaging.detection_picture import draw_finding, write_picture
from ra_node.imaging.pixels import PNG_SIGNATURE, read_png
from ra_node.imaging.preview import PREVIEW_SUFFIX, encode_preview
from ra_node.ledger.storage.durable_files import sha256_of_file
from ra_node.services.analysis.study_analysis import (
    HandClassifier,
    Look,
    Rules,
    failed_finding,
    judge_looks,
    look_at_file,
    look_at_pixels,
    make_report,
    refused,
)
from ra_node.services.jobs.machine_faults import stops_everything
from ra_node.services.reception.patient_consistency import witnesses_in
from ra_node.services.reporting.display_pixels import read_display
from ra_node.services.reporting.lazy_sources import LazySources
from ra_node.services.reporting.render_objects import Rendering, Sources, name_content, save

IMAGES_AT_ONCE = 4
"""Most images of a large study in memory at once."""


@dataclass(frozen=True, slots=True)
class Analyst:
    """Dependencies of the offline analysis, built once.

    `between` is called before each image, while no lock is held.
    """

    judge: HandClassifier
    bundle: BundleIdentity
    producer: Producer
    rules: Rules
    research_label: str
    between: Callable[[], None] = lambda: None
    look: Callable[[Path, Rules], Look] = look_at_file
    rating: Rating = DEFAULT_RATING

    def answer(
        self,
        study_uid: str,
        files: Sequence[Path],
        folder: Path,
        created_at: datetime,
        *,
        publishing: bool = True,
        repeats: Sequence[Path] = (),
    ) -> StudyReport:
        """Analyse one study of DICOM files, each another instance; `publishing` writes it to `folder`.

        `repeats` are further files of the study, used for the patient check only.

        As for received studies, faults of an image, including a failed analysis, are its finding. Raises
        DatasetRefused for a file without a header, and the errors of the machine when memory, handles or the
        GPU fail.
        """
        previews = _Previews(folder / "previews")
        witnesses = witnesses_in([*files, *repeats])
        images: list[ImageFinding] = []
        if witnesses.conflict is not None:
            images = [refused(read_header(path), witnesses.conflict) for path in files]
        for part in _parts(files if witnesses.conflict is None else ()):
            looks = [self._look(path) for path in part]
            for look in looks:
                if publishing:
                    previews.keep(look)
            images += judge_looks(looks, self.judge)
        report = make_report(
            study_uid,
            1,
            images,
            self.bundle,
            created_at=created_at,
            research_label=self.research_label,
            conflict=witnesses.conflict,
            remark=witnesses.remark,
            rating=self.rating,
        )
        if not publishing:
            return report
        paths = {one.sop_instance_uid: path for one, path in zip(images, files, strict=True)}
        report = name_content(
            report, {uid: sha256_of_file(path) for uid, path in paths.items()}, self.producer
        )
        displays = LazySources({**paths, **previews.paths}, read_display)
        sources = Sources(LazySources(paths, read_attributes), displays)
        save(Rendering(report, sources, self.producer), folder)
        previews.remove()
        return report

    def _look(self, path: Path) -> Look:
        self.between()
        try:
            return self.look(path, self.rules)
        except NodeError:
            raise
        except Exception as error:
            if stops_everything(error):
                raise
            kind = type(error).__name__
            structlog.get_logger().warning("image_analysis_failed", error=kind)
            return Look(failed_finding(read_header(path), kind))


@dataclass
class _Previews:
    """Previews of the images of a study by SOP Instance UID, on disk until they are drawn."""

    folder: Path
    paths: dict[str, Path] = field(default_factory=dict)

    def keep(self, look: Look) -> None:
        if look.display is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{len(self.paths)}{PREVIEW_SUFFIX}"
            path.write_bytes(encode_preview(look.display))
            self.paths[look.finding.sop_instance_uid] = path

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def find_in_file(path: Path, rules: Rules) -> ImageFinding:
    """Detect the hands of one DICOM or PNG file; raises Refused where it is neither."""
    return _look(path, rules).finding


def picture_names(paths: Sequence[Path]) -> list[str]:
    """A name for the picture of each file: its own, with as many folders before it as make all different."""
    for depth in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        names = ["_".join(part for part in path.parts[-depth:] if part not in ("/", "..")) for path in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return [f"{number}_{path.name}" for number, path in enumerate(paths, start=1)]


def draw_file(path: Path, rules: Rules, out: Path, name: str = "") -> ImageFinding:
    """Detect the hands of one file and draw them to `out`; an undisplayable image is not drawn."""
    look = _look(path, rules)
    if look.display is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_picture(draw_finding(look.display, look.finding), out / f"{name or path.name}.png")
    return look.finding


def _look(path: Path, rules: Rules) -> Look:
    with path.open("rb") as stream:
        is_png = stream.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE
    if not is_png:
        return look_at_file(path, rules)
    return look_at_pixels(read_png(path), NO_HEADER, rules)


def _parts(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), IMAGES_AT_ONCE):
        yield files[start : start + IMAGES_AT_ONCE]
