"""Key Object Selection document that marks the overlay as key image."""

from __future__ import annotations

from collections.abc import Mapping

from highdicom.ko import KeyObjectSelection
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom.provenance import Producer
from ra_node.dicom.sop_common import begin_instance
from ra_node.domain.report import StudyReport
from ra_node.domain.result_objects import ObjectKind
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import Language

SERIES_DESCRIPTION = "AI result - not verified: RA hands (key image)"
OF_INTEREST = Code("113000", "DCM", "Of Interest")


def build_key_object(
    report: StudyReport,
    overlay: Dataset,
    sources: Mapping[str, Dataset],
    producer: Producer,
    language: Language | None = None,
) -> Dataset:
    """Make the document (PS3.3 A.35.4, TID 2010) that points to the overlay of the same report."""
    words = summary_sentence(report, language)
    made = begin_instance(
        report,
        sources,
        producer,
        kind=ObjectKind.KEY_OBJECT,
        named="key object",
        own_text=words,
    )
    for keyword in ("SeriesDate", "SeriesTime"):
        del made[keyword]
    made.SeriesDescription = SERIES_DESCRIPTION
    made.ReferencedPerformedProcedureStepSequence = []
    made.update(_content(overlay, words))
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(overlay)]
    return made


def _content(overlay: Dataset, words: str) -> Dataset:
    """The tree; PixelMed does not allow the image a concept name, which the library gives it."""
    selection = KeyObjectSelection(OF_INTEREST, [overlay], description=words)
    root: Dataset = selection[0]
    for item in root.ContentSequence:
        if item.ValueType == "IMAGE" and "ConceptNameCodeSequence" in item:
            del item.ConceptNameCodeSequence
    return root


def _evidence(overlay: Dataset) -> Dataset:
    """The one instance that the document refers to (PS3.3 table C.17-3)."""
    instance = Dataset()
    instance.ReferencedSOPClassUID = overlay.SOPClassUID
    instance.ReferencedSOPInstanceUID = overlay.SOPInstanceUID
    series = Dataset()
    series.SeriesInstanceUID = overlay.SeriesInstanceUID
    series.ReferencedSOPSequence = [instance]
    study = Dataset()
    study.StudyInstanceUID = overlay.StudyInstanceUID
    study.ReferencedSeriesSequence = [series]
    return study
