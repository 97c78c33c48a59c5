"""Turns the one report of a study into everything that leaves the node: SR, overlay, picture, text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ra_node.dicom.encapsulated_pdf import build_pdf
from ra_node.dicom.key_object import build_key_object
from ra_node.dicom.overlay.secondary_capture import build_overlay, render_overlay, write_png
from ra_node.dicom.plain_text import report_text
from ra_node.dicom.presentation_state import build_presentations
from ra_node.dicom.provenance import Producer
from ra_node.dicom.sr.document import build_sr
from ra_node.domain.report import StudyReport
from ra_node.domain.result_objects import ObjectKind
from ra_node.ledger.report_json import report_to_json


@dataclass(frozen=True, slots=True)
class Sources:
    """The images that a report is about, by SOP Instance UID.

    `datasets` hold the headers, `displays` what a viewer shows, (rows, columns), maybe reduced.
    """

    datasets: Mapping[str, Dataset]
    displays: Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Publication:
    """The objects of one report. `sr_fallback` serves peers that refuse Comprehensive 3D SR.

    `options` are those that some destination asked for, maybe several of one kind.
    """

    sr: Dataset
    sr_fallback: Dataset
    overlay: Dataset
    picture: NDArray[np.uint8]
    options: tuple[tuple[ObjectKind, Dataset], ...] = ()

    @property
    def objects(self) -> tuple[tuple[ObjectKind, Dataset], ...]:
        """Everything that is kept and may be sent, by kind."""
        return (
            (ObjectKind.SR, self.sr),
            (ObjectKind.SR_FALLBACK, self.sr_fallback),
            (ObjectKind.OVERLAY, self.overlay),
            *self.options,
        )


def name_content(report: StudyReport, digests: Mapping[str, str | None], producer: Producer) -> StudyReport:
    """Give a report the hash of all that it is made of: the UIDs of its objects derive from it.

    Findings, bundle, version and labels are in the report; to them come the SHA-256 of each image by SOP
    Instance UID, headers included, and the installation with its language. The moment of making is left out:
    the same answer made twice, also after the ledger was restored, has the same UIDs.
    """
    timeless = replace(report, created_at=datetime.fromtimestamp(0, UTC), made_of="")
    language = producer.language
    maker = {field.name: getattr(producer, field.name) for field in fields(producer)}
    maker["language"] = [language.name, sorted(language.texts.items())]
    parts = [report_to_json(timeless), sorted(digests.items()), sorted(maker.items())]
    return replace(report, made_of=hashlib.sha256(json.dumps(parts).encode()).hexdigest())


def encoded(dataset: Dataset) -> bytes:
    """A made object as a DICOM file (PS3.10)."""
    content = BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


def publish(
    report: StudyReport,
    sources: Sources,
    producer: Producer,
    predecessor: Dataset | None,
    *,
    wanted: Collection[ObjectKind] = (),
) -> Publication:
    """Make every object of a report from that report alone; `predecessor` is the SR that it revises.

    Of the optional kinds only those in `wanted` are made.
    """
    picture = render_overlay(report, sources.displays, producer.language)
    overlay = build_overlay(picture, report, sources.datasets, producer)
    return Publication(
        sr=build_sr(report, sources.datasets, producer, predecessor=predecessor),
        sr_fallback=build_sr(
            report, sources.datasets, producer, predecessor=predecessor, comprehensive3d=False
        ),
        overlay=overlay,
        picture=picture,
        options=tuple(_options(report, sources, producer, overlay, picture, wanted)),
    )


def _options(
    report: StudyReport,
    sources: Sources,
    producer: Producer,
    overlay: Dataset,
    picture: NDArray[np.uint8],
    wanted: Collection[ObjectKind],
) -> Iterator[tuple[ObjectKind, Dataset]]:
    if ObjectKind.PRESENTATION_STATE in wanted:
        for state in build_presentations(report, sources.datasets, producer, producer.language):
            yield ObjectKind.PRESENTATION_STATE, state
    if ObjectKind.KEY_OBJECT in wanted:
        yield (
            ObjectKind.KEY_OBJECT,
            build_key_object(report, overlay, sources.datasets, producer, producer.language),
        )
    if ObjectKind.PDF in wanted:
        yield ObjectKind.PDF, build_pdf(report, picture, sources.datasets, producer, producer.language)


def save(publication: Publication, report: StudyReport, folder: Path) -> list[Path]:
    """Write a publication for people and scripts: sr.dcm, overlay.dcm, overlay.png, report.json and .txt."""
    folder.mkdir(parents=True, exist_ok=True)
    publication.sr.save_as(folder / "sr.dcm", enforce_file_format=True)
    publication.overlay.save_as(folder / "overlay.dcm", enforce_file_format=True)
    write_png(publication.picture, folder / "overlay.png")
    (folder / "report.json").write_text(report_to_json(report, indent=2) + "\n", encoding="utf-8")
    (folder / "report.txt").write_text(report_text(report), encoding="utf-8")
    return [folder / name for name in ("sr.dcm", "overlay.dcm", "overlay.png", "report.json", "report.txt")]
