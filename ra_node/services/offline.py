"""The analysis without a network: files in, answers in a folder out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ra_node.dicom.provenance import Producer
from ra_node.dicom.read import read_attributes, read_header
from ra_node.domain.report import BundleIdentity, ImageFinding, StudyReport
from ra_node.domain.study import ImageHeader
from ra_node.errors import Refused
from ra_node.imaging.picture import draw_finding, write_picture
from ra_node.imaging.pixels import read_png
from ra_node.services.analyse import (
    Judge,
    Look,
    Rules,
    judge_looks,
    look_at_file,
    look_at_pixels,
    make_report,
)
from ra_node.services.publish import Sources, publish, save

Studies = Mapping[str, Sequence[Path]]
"""Files by Study Instance UID."""

PNG_MAGIC = b"\x89PNG"
IMAGES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Analysed:
    """One study of the given files with its report and where it was written."""

    report: StudyReport
    files: tuple[Path, ...]


def find_in_file(path: Path, rules: Rules) -> ImageFinding:
    """Find the hands of one DICOM or PNG file; raises Refused where it is neither."""
    return _look(path, rules).finding


def draw_file(path: Path, rules: Rules, out: Path) -> ImageFinding:
    """Find the hands of one file and draw them into `out`; an image that cannot be shown is not drawn."""
    look = _look(path, rules)
    if look.display is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_picture(draw_finding(look.display, look.finding), out / f"{path.name}.png")
    return look.finding


def studies_of(paths: Iterable[Path]) -> Studies:
    """Group DICOM files by study; raises Refused with the name of a file that is no DICOM object."""
    studies: dict[str, list[Path]] = {}
    for path in paths:
        try:
            studies.setdefault(read_header(path).study_instance_uid, []).append(path)
        except Refused as error:
            raise Refused(f"{path}: {error}") from error
    return studies


def analyse_files(
    studies: Studies,
    out: Path,
    *,
    judge: Judge,
    bundle: BundleIdentity,
    producer: Producer,
    rules: Rules,
    research_label: str,
    now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
) -> Iterator[Analysed]:
    """Analyse DICOM files study by study; several studies get a folder each."""
    for number, (uid, files) in enumerate(studies.items(), start=1):
        looks = [look_at_file(path, rules) for path in files]
        images = [finding for part in _parts(looks) for finding in judge_looks(part, judge)]
        report = make_report(uid, 1, images, bundle, created_at=now(), research_label=research_label)
        sources = Sources(
            {
                finding.sop_instance_uid: read_attributes(path)
                for finding, path in zip(images, files, strict=True)
            },
            {look.finding.sop_instance_uid: look.display for look in looks if look.display is not None},
        )
        folder = out if len(studies) == 1 else out / _folder_name(uid, number)
        publication = publish(report, sources, producer, None)
        yield Analysed(report, tuple(save(publication, report, folder)))


def _look(path: Path, rules: Rules) -> Look:
    with path.open("rb") as stream:
        is_png = stream.read(4) == PNG_MAGIC
    if not is_png:
        return look_at_file(path, rules)
    return look_at_pixels(read_png(path), ImageHeader("", "", "", "", ""), rules)


def _parts(looks: Sequence[Look]) -> Iterator[Sequence[Look]]:
    for start in range(0, len(looks), IMAGES_AT_ONCE):
        yield looks[start : start + IMAGES_AT_ONCE]


def _folder_name(uid: str, number: int) -> str:
    """The study's UID where it is one (PS3.5 chapter 9), else its number: it names a folder here."""
    return uid if re.fullmatch(r"[0-9.]{3,64}", uid) else f"study-{number}"
