"""The report as Encapsulated PDF in the study."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ra_node.dicom.concept_codes import code_item
from ra_node.dicom.pdf_layout import report_pdf
from ra_node.dicom.provenance import Producer
from ra_node.dicom.sop_common import begin_instance
from ra_node.dicom.sr.observation_context import is_referenced
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.result_objects import ObjectKind
from ra_node.domain.texts.report_sentences import hand_sentence
from ra_node.domain.texts.summary_sentence import summary_sentence
from ra_node.domain.texts.translations import Language

SERIES_DESCRIPTION = "AI result - not verified: RA hands (report to print)"
DIAGNOSTIC_REPORT = Code("18748-4", "LN", "Diagnostic imaging report")


def build_pdf(
    report: StudyReport,
    picture: NDArray[np.uint8],
    sources: Mapping[str, Dataset],
    producer: Producer,
    language: Language | None = None,
) -> Dataset:
    """Make the document (PS3.3 A.45.1) of a report with its overlay `picture` (rows, columns, 3).

    No patient is named on its pages, so Burned In Annotation is NO.
    """
    title = summary_sentence(report, language)
    made = begin_instance(
        report,
        sources,
        producer,
        kind=ObjectKind.PDF,
        named="pdf",
        own_text="\n".join([title, *(hand_sentence(hand, language) for hand in report.hands)]),
    )
    made.ConversionType = "WSD"
    made.SeriesDescription = SERIES_DESCRIPTION
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "NO"
    made.RecognizableVisualFeatures = "NO"
    made.DocumentTitle = title[:1024]
    made.ConceptNameCodeSequence = [code_item(DIAGNOSTIC_REPORT)]
    made.VerificationFlag = "UNVERIFIED"
    referenced = [_source(image) for image in report.images if is_referenced(image)]
    if referenced:
        made.SourceInstanceSequence = referenced
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document = report_pdf(report, picture, language)
    made.EncapsulatedDocumentLength = len(document)
    made.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return made


def _source(image: ImageFinding) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.sop_class_uid
    item.ReferencedSOPInstanceUID = image.sop_instance_uid
    return item
