"""Renders a report to its objects: SR, overlay, options, text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.dicom.encapsulated_pdf import build_pdf
from ra_node.dicom.key_object import build_key_object
from ra_node.dicom.overlay.secondary_capture import (
    build_detail,
    build_overlay,
    render_detail,
    render_overlay,
    write_png,
)
from ra_node.dicom.overlay.thumbnails import ImageNumbers
from ra_node.dicom.plain_text import report_text
from ra_node.dicom.presentation_state import build_presentations
from ra_node.dicom.provenance import Producer
from ra_node.dicom.reading.selection_attributes import number_of
from ra_node.dicom.rejection_note import build_rejection_notes
from ra_node.dicom.sr.tid_1500_document import build_sr
from ra_node.domain.report import StudyReport, without_heat_maps
from ra_node.domain.result_objects import BASIC_KINDS, ObjectKind
from ra_node.domain.texts.report_trust import rated_hands
from ra_node.ledger.report_json import report_to_json


@dataclass(frozen=True, slots=True)
class Sources:
    """The images that a report is about, by SOP Instance UID.

    `datasets` hold the headers, `displays` the display pixels (rows, columns), possibly reduced.
    """

    datasets: Mapping[str, Dataset]
    displays: Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class HeaderNumbers(Mapping[str, tuple[int, int]]):
    """Series Number and Instance Number of each image, 0 where the header has none."""

    headers: Mapping[str, Dataset]

    def __getitem__(self, sop_uid: str) -> tuple[int, int]:
        header = self.headers[sop_uid]
        return number_of(header, "SeriesNumber"), number_of(header, "InstanceNumber")

    def __iter__(self) -> Iterator[str]:
        return iter(self.headers)

    def __len__(self) -> int:
        return len(self.headers)


Objects = tuple[tuple[ObjectKind, Dataset], ...]
"""Rendered objects with their kinds, in order of the kinds; a report may have several presentation states."""


@dataclass(frozen=True)
class Rendering:
    """One report with the inputs of its objects; the overlay image is rendered once, at first use."""

    report: StudyReport
    sources: Sources
    producer: Producer
    predecessor: Dataset | None = None
    """The SR that this report revises."""

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """The overlay image (rows, columns, 3)."""
        return render_overlay(self.report, self.sources.displays, self.producer.language, self._numbers())

    @cached_property
    def detail_picture(self) -> NDArray[np.uint8]:
        """The second image of the overlay (rows, columns, 3): how the result came about."""
        drawn = self.report if self.producer.overlay_heat_map else without_heat_maps(self.report)
        return render_detail(drawn, self.sources.displays, self.producer.language)

    @cached_property
    def details(self) -> Sequence[Dataset]:
        """The second image as a data set; none where no hand has a result."""
        if not rated_hands(self.report):
            return []
        return [build_detail(self.detail_picture, self.report, self.sources.datasets, self.producer)]

    @cached_property
    def overlay(self) -> Dataset:
        """The overlay as a data set."""
        return build_overlay(self.picture, self.report, self.sources.datasets, self.producer)

    def _numbers(self) -> ImageNumbers:
        """Series and instance numbers by SOP Instance UID, read from a header when they are used."""
        return HeaderNumbers(self.sources.datasets)

    def objects(self, kinds: Collection[ObjectKind]) -> Objects:
        """Make the objects of these kinds."""
        return tuple((kind, one) for kind in ObjectKind if kind in kinds for one in BUILDERS[kind](self))


def _report(rendering: Rendering, *, comprehensive3d: bool) -> Dataset:
    return build_sr(
        rendering.report,
        rendering.sources.datasets,
        rendering.producer,
        comprehensive3d=comprehensive3d,
        predecessor=rendering.predecessor,
    )


def _presentations(made: Rendering) -> Sequence[Dataset]:
    return build_presentations(made.report, made.sources.datasets, made.producer, made.producer.language)


def _key_object(made: Rendering) -> Dataset:
    datasets, producer = made.sources.datasets, made.producer
    return build_key_object(made.report, made.overlay, datasets, producer, producer.language)


def _pdf(made: Rendering) -> Dataset:
    datasets, producer = made.sources.datasets, made.producer
    return build_pdf(made.report, made.picture, datasets, producer, producer.language)


BUILDERS: Mapping[ObjectKind, Callable[[Rendering], Sequence[Dataset]]] = {
    ObjectKind.SR: lambda made: [_report(made, comprehensive3d=True)],
    ObjectKind.SR_FALLBACK: lambda made: [_report(made, comprehensive3d=False)],
    ObjectKind.OVERLAY: lambda made: [made.overlay],
    ObjectKind.OVERLAY_DETAIL: lambda made: made.details,
    ObjectKind.PRESENTATION_STATE: _presentations,
    ObjectKind.KEY_OBJECT: lambda made: [_key_object(made)],
    ObjectKind.PDF: lambda made: [_pdf(made)],
    ObjectKind.REJECTION_NOTE: lambda made: build_rejection_notes(
        made.report, made.sources.datasets, made.producer
    ),
}
"""How each kind is made."""


def name_content(report: StudyReport, digests: Mapping[str, str | None], producer: Producer) -> StudyReport:
    """Set the content hash of a report, from which the UIDs of its objects derive.

    Findings, bundle, version and labels are in the report; to them come the SHA-256 of each image by SOP
    Instance UID, headers included, and the installation with its language. The creation time is excluded: the
    same report made twice, also after the ledger was restored, has the same UIDs.
    """
    timeless = replace(report, created_at=datetime.fromtimestamp(0, UTC), made_of="")
    language = producer.language
    maker = {field.name: getattr(producer, field.name) for field in fields(producer)}
    maker["language"] = [language.name, sorted(language.texts.items())]
    parts = [report_to_json(timeless), sorted(digests.items()), sorted(maker.items())]
    return replace(report, made_of=hashlib.sha256(json.dumps(parts).encode()).hexdigest())


def encoded(dataset: Dataset) -> bytes:
    """A created object as a DICOM file (PS3.10)."""
    content = BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


def publish(rendering: Rendering, options: Collection[ObjectKind] = ()) -> Objects:
    """Make every object of a report; of the optional kinds only those in `options`."""
    return rendering.objects({*BASIC_KINDS, *options})


def save(rendering: Rendering, folder: Path) -> list[Path]:
    """Write a report for people and scripts: sr.dcm, the overlay as .dcm and .png, report.json and .txt."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        ObjectKind.SR: "sr.dcm",
        ObjectKind.OVERLAY: "overlay.dcm",
        ObjectKind.OVERLAY_DETAIL: "overlay-detail.dcm",
    }
    written = []
    for kind, dataset in rendering.objects(names):
        dataset.save_as(folder / names[kind], enforce_file_format=True)
        written.append(names[kind])
    write_png(rendering.picture, folder / "overlay.png")
    written.append("overlay.png")
    if "overlay-detail.dcm" in written:
        write_png(rendering.detail_picture, folder / "overlay-detail.png")
        written.append("overlay-detail.png")
    (folder / "report.json").write_text(report_to_json(rendering.report, indent=2) + "\n", encoding="utf-8")
    (folder / "report.txt").write_text(report_text(rendering.report), encoding="utf-8")
    return [folder / name for name in (*written, "report.json", "report.txt")]
