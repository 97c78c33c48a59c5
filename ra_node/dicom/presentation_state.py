"""Grayscale Softcopy Presentation State for each image, with the result as graphics.

The image is unchanged; a viewer with support for presentation states shows outlines and text over it and
hides them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy

import numpy as np
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    TextJustificationValues,
    TextObject,
)
from pydicom.dataset import Dataset

from ra_node.dicom.provenance import Producer
from ra_node.dicom.sop_common import begin_instance
from ra_node.dicom.sr.observation_context import is_image
from ra_node.dicom.timestamps import write_times
from ra_node.domain.geometry import Box, Point
from ra_node.domain.image_groups import grouped_numbers, groups_of
from ra_node.domain.report import HandFinding, ImageFinding, StudyReport
from ra_node.domain.result_objects import ObjectKind
from ra_node.domain.texts.report_sentences import caveat, hand_sentence, refusal_text
from ra_node.domain.texts.translations import Language

SERIES_DESCRIPTION = "AI result - not verified: RA hands (drawn over the image)"
LAYER = "AI RESULT"

_MODALITY_LUT = ("ModalityLUTSequence", "RescaleIntercept", "RescaleSlope", "RescaleType")
_VOI_LUT = ("VOILUTSequence", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")
_TEXT_LENGTH = 1024
"""Unformatted Text Value is ST."""


def build_presentations(
    report: StudyReport,
    sources: Mapping[str, Dataset],
    producer: Producer,
    language: Language | None = None,
) -> list[Dataset]:
    """Make a presentation state (PS3.3 A.33.1) for each greyscale image of the report, in their order.

    `sources` are the received data sets by SOP Instance UID, pixels not needed. An image whose source is
    missing, or that is not greyscale, has none. Each is a series of its own, because images of one series
    have one laterality. Grouped images without a result have none.
    """
    told_together = grouped_numbers(groups_of(report))
    return [
        _presentation(report, image, source, producer, language)
        for number, image in enumerate(report.images, start=1)
        if number not in told_together
        and (source := sources.get(image.sop_instance_uid)) is not None
        and _can_be_drawn_on(image, source)
    ]


def _can_be_drawn_on(image: ImageFinding, source: Dataset) -> bool:
    greyscale = str(source.get("PhotometricInterpretation", "")) in ("MONOCHROME1", "MONOCHROME2")
    return greyscale and is_image(image)


def _presentation(
    report: StudyReport,
    image: ImageFinding,
    source: Dataset,
    producer: Producer,
    language: Language | None,
) -> Dataset:
    annotations = [*_hand_annotations(image, language), _banner(report, image, language)]
    made = begin_instance(
        report,
        {image.sop_instance_uid: source},
        producer,
        kind=ObjectKind.PRESENTATION_STATE,
        named=f"drawn over {image.sop_instance_uid}",
        own_text=_words(annotations),
    )
    for keyword in (
        "ContentDate",
        "ContentTime",
    ):  # this object has Presentation Creation Date and Time instead
        del made[keyword]
    made.SeriesDescription = SERIES_DESCRIPTION
    made.Laterality = _laterality(image)
    _write_identification(made, report)
    _write_reference(made, image)
    made.GraphicAnnotationSequence = annotations
    made.GraphicLayerSequence = [_layer()]
    made.DisplayedAreaSelectionSequence = [_whole(image, source)]
    _write_greys(made, source)
    return made


def _laterality(image: ImageFinding) -> str | None:
    """R or L where all hands drawn have that side; else empty, because Laterality has no "both"."""
    sides = {hand.side.side for hand in image.hands}
    side = sides.pop() if len(sides) == 1 else None
    return None if side is None else side.value


def _write_identification(made: Dataset, report: StudyReport) -> None:
    """Presentation State Identification (PS3.3 C.11.10); Content Creator's Name is empty."""
    made.ContentLabel = "AI_RESULT"
    made.ContentDescription = "AI result, not verified by a physician"
    made.ContentCreatorName = None
    write_times(made, report.created_at, ("PresentationCreation",))


def _write_reference(made: Dataset, image: ImageFinding) -> None:
    """Presentation State Relationship (PS3.3 C.11.11)."""
    series = Dataset()
    series.SeriesInstanceUID = image.series_instance_uid
    series.ReferencedImageSequence = [_reference(image)]
    made.ReferencedSeriesSequence = [series]


def _reference(image: ImageFinding) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.sop_class_uid
    item.ReferencedSOPInstanceUID = image.sop_instance_uid
    return item


def _hand_annotations(image: ImageFinding, language: Language | None) -> Iterator[GraphicAnnotation]:
    """The outline of each hand with its sentence; only the reason where the image has no hand."""
    for hand in image.hands:
        yield _annotation(image, [_outline(image, hand)], _label(image, hand, hand_sentence(hand, language)))
    if image.refusal is not None:
        whole = Box(0, 0, image.columns, image.rows)
        yield _annotation(image, [], _text(refusal_text(image.refusal, language), _lower_edge(image, whole)))


def _banner(report: StudyReport, image: ImageFinding, language: Language | None) -> GraphicAnnotation:
    """Label, notices and caveat along the upper edge of the image."""
    box = (0.5, 0.5, image.columns - 0.5, max(1.0, image.rows * 0.06))
    return _annotation(image, [], _text(caveat(report, language), box))


def _annotation(image: ImageFinding, graphics: list[GraphicObject], text: TextObject) -> GraphicAnnotation:
    return GraphicAnnotation(
        referenced_images=[_source_of(image)],
        graphic_layer=_layer(),
        graphic_objects=graphics or None,
        text_objects=[text],
    )


def _layer() -> GraphicLayer:
    return GraphicLayer(LAYER, order=1, description="Result of the analysis")


def _source_of(image: ImageFinding) -> Dataset:
    """The source image with the attributes that highdicom requires."""
    item = Dataset()
    item.SOPClassUID = image.sop_class_uid
    item.SOPInstanceUID = image.sop_instance_uid
    item.SeriesInstanceUID = image.series_instance_uid
    item.Rows, item.Columns = image.rows, image.columns
    return item


def _outline(image: ImageFinding, hand: HandFinding) -> GraphicObject:
    """A closed line in pixels, counted from the upper left corner of the first one (PS3.3 C.10.5.1.2)."""
    points = [_inside(image, point) for point in hand.region.outline]
    if len(set(points)) < 3:
        points = [_inside(image, point) for point in hand.region.box.corners()]
    return GraphicObject(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=np.array([*points, points[0]], dtype=np.float32),
        units=AnnotationUnitsValues.PIXEL,
        is_filled=False,
    )


def _inside(image: ImageFinding, point: Point) -> tuple[float, float]:
    return (min(max(point.x, 0.0), image.columns - 0.5), min(max(point.y, 0.0), image.rows - 0.5))


def _label(image: ImageFinding, hand: HandFinding, words: str) -> TextObject:
    """The sentence of a hand across its lower end, where the forearm is."""
    return _text(words, _lower_edge(image, hand.region.box))


def _lower_edge(image: ImageFinding, box: Box) -> tuple[float, float, float, float]:
    """A box (left, top, right, bottom) in pixels along the lower edge of a region, inside the image."""
    bottom = min(float(box.y1), image.rows - 0.5)
    top = max(0.5, bottom - 0.1 * image.rows)
    return (max(0.5, float(box.x0)), top, min(float(box.x1), image.columns - 0.5), bottom)


def _text(words: str, box: tuple[float, float, float, float]) -> TextObject:
    return TextObject(
        text_value=words[:_TEXT_LENGTH],
        units=AnnotationUnitsValues.PIXEL,
        bounding_box=box,
        text_justification=TextJustificationValues.LEFT,
    )


def _words(annotations: list[GraphicAnnotation]) -> str:
    return "\n".join(
        str(text.UnformattedTextValue) for one in annotations for text in one.TextObjectSequence or ()
    )


def _whole(image: ImageFinding, source: Dataset) -> Dataset:
    """Displayed Area (PS3.3 C.10.4): the whole image with its pixel aspect ratio."""
    item = Dataset()
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [image.columns, image.rows]
    item.PresentationSizeMode = "SCALE TO FIT"
    spacing = source.get("PixelSpacing") or source.get("ImagerPixelSpacing")
    if spacing:
        item.PresentationPixelSpacing = list(spacing)
    else:
        item.PresentationPixelAspectRatio = list(source.get("PixelAspectRatio") or (1, 1))
    return item


def _write_greys(made: Dataset, source: Dataset) -> None:
    """Greyscale transformations of the image itself (PS3.3 C.11.1, C.11.8, C.11.6).

    A presentation state ignores the photometric interpretation: for MONOCHROME1 the Presentation LUT Shape is
    INVERSE.
    """
    for keyword in _MODALITY_LUT:
        if keyword in source:
            made[keyword] = deepcopy(source[keyword])
    voi = Dataset()
    for keyword in _VOI_LUT:
        if keyword in source:
            voi[keyword] = deepcopy(source[keyword])
    if "WindowCenter" in voi or "VOILUTSequence" in voi:
        made.SoftcopyVOILUTSequence = [voi]
    inverse = source.PhotometricInterpretation == "MONOCHROME1"
    made.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
