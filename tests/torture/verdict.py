"""Compares what the senders were told with what the PACS holds, and with what the ledger remembers."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydicom import dcmread
from sqlalchemy import select

from ra_node.dicom.reading.instance_equality import same_pixels
from ra_node.ledger.database import schema
from ra_node.ledger.database.engine import Ledger
from ra_node.ledger.storage.durable_files import Files
from tests.node.harness import Orthanc
from tests.torture.load import Image

ONCE = {"instance_examined", "study_settled", "study_answered", "version_delivered"}
"""What the timeline of a study may tell once for each image, version and peer."""
MENDED = ("instance_replaced", "instance_restored")
"""A good copy of a damaged file came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An SR as the PACS holds it."""

    uid: str
    predecessor: str
    images: frozenset[str]


@dataclass
class Verdict:
    """What went wrong, by the images and studies that it happened to; all empty is the promise kept."""

    acknowledged: int = 0
    studies: int = 0
    answers: int = 0
    lost: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        return not (self.lost or self.unanswered or self.doubled)


FIRST = "1"
"""Instance Number of the first overlay image of a report."""


def answers_of(pacs: Orthanc, study_uid: str) -> tuple[list[Answer], Counter[str]]:
    """The reports of a study in the PACS, and the overlay images beside them by Instance Number."""
    held = pacs.instances_of(study_uid)
    reports = [dcmread(io.BytesIO(pacs.file(one))) for one in held.get("SR", [])]
    overlays = Counter(one["MainDicomTags"]["InstanceNumber"] for one in held.get("OT", []))
    return [_answer(report) for report in reports], overlays


def _answer(report: Any) -> Answer:
    named = {
        str(instance.ReferencedSOPInstanceUID)
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    before = [
        str(instance.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]
    return Answer(str(report.SOPInstanceUID), before[0] if before else "", frozenset(named))


def compare(pacs: Orthanc, ledger: Ledger, files: Files, acknowledged: Iterable[Image]) -> Verdict:
    """Judge a node that has come to rest.

    Lost: an acknowledged image that the node no longer holds with its pixels, or that no report names.
    Unanswered: its study has no report with its overlay. Doubled: two reports over the same images or
    with the same predecessor, an overlay too many, or a fact that the timeline tells twice. A study that
    an operator brought back, after it was answered with why it failed, has a revision over the same images;
    so has one of which a good copy came in the place of a damaged file.
    """
    by_study: dict[str, list[Image]] = {}
    for image in acknowledged:
        by_study.setdefault(image.study_uid, []).append(image)
    verdict = Verdict(sum(map(len, by_study.values())), len(by_study))
    kept, revised = _kept_paths(ledger), _brought_back(ledger)
    for study_uid, images in by_study.items():
        answers, overlays = answers_of(pacs, study_uid)
        verdict.answers += len(answers)
        if not answers or overlays[FIRST] < len(answers):
            verdict.unanswered.append(study_uid)
        if doubled(answers, revised=study_uid in revised) or max(overlays.values(), default=0) > len(answers):
            verdict.doubled.append(study_uid)
        named = frozenset().union(*(one.images for one in answers))
        verdict.lost += [one.sop_instance_uid for one in images if not _is_safe(one, named, kept, files)]
    verdict.doubled += duplicate_facts(ledger)
    return verdict


def doubled(answers: Iterable[Answer], *, revised: bool = False) -> bool:
    """Tell whether reports of one study say the same thing twice instead of forming one chain."""
    listed = list(answers)
    chain = {one.predecessor for one in listed}
    said = {one.images for one in listed}
    return len(chain) < len(listed) or (len(said) < len(listed) and not revised)


def _brought_back(ledger: Ledger, *why: str) -> set[str]:
    event = schema.event
    with ledger.read() as connection:
        query = select(event.c.study_uid).where(event.c.what.in_(why or ("job_requeued", *MENDED)))
        return set(connection.execute(query).scalars())


def duplicate_facts(ledger: Ledger) -> list[str]:
    """Facts that the timeline tells more than once although nobody asked for them again.

    An image of which a good copy came is examined once more.
    """
    event, mended = schema.event, _brought_back(ledger, *MENDED)
    query = select(event.c.study_uid, event.c.what, event.c.detail).where(event.c.what.in_(ONCE))
    with ledger.read() as connection:
        told = Counter((row.study_uid, row.what, _subject(row.detail)) for row in connection.execute(query))
    twice = [key for key, n in told.items() if n > 1 + (key[1] == "instance_examined" and key[0] in mended)]
    return [f"{what} {subject} of {study_uid}" for study_uid, what, subject in twice]


def _subject(detail: str) -> str:
    """The image, version or peer that an event is about."""
    found = re.findall(r'"(instance_id|version|peer)": *("[^"]*"|\d+)', detail)
    return " ".join(f"{name}={value}" for name, value in sorted(found))


def _kept_paths(ledger: Ledger) -> dict[str, str | None]:
    query = select(schema.instance.c.sop_instance_uid, schema.instance.c.path)
    with ledger.read() as connection:
        return {row.sop_instance_uid: row.path for row in connection.execute(query)}


def _is_safe(image: Image, named: frozenset[str], kept: dict[str, str | None], files: Files) -> bool:
    path = kept.get(image.sop_instance_uid)
    if image.sop_instance_uid not in named or path is None:
        return False
    return files.path(path).exists() and same_pixels(image.path, files.path(path))
