"""What every measurement group consists of (TID 1410): tracking, region, algorithm, comments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import highdicom.sr as hd
import numpy as np
from pydicom.sr.coding import Code

from ra_node.dicom import concept_codes
from ra_node.dicom.sr.content_item import CONTAINS, Item, code, container, item, text
from ra_node.dicom.uids import derive_uid
from ra_node.domain.geometry import Box, Point
from ra_node.domain.report import ImageFinding, StudyReport
from ra_node.domain.texts.percents import coded_percents

EDGE_PX = 0.5
"""Regions keep this far from the far edges: some viewers take a point on them as outside."""


def measurement_group(
    tracking: Item,
    *,
    comments: Iterable[str],
    region: Item,
    finding: Code | None = None,
    site: Item | None = None,
    results: Iterable[Item] = (),
) -> Item:
    """A group in the order of the template."""
    items = [tracking]
    if finding is not None:
        items.append(code(concept_codes.FINDING, finding))
    if site is not None:
        items.append(site)
    items.extend(results)
    items.extend(comment(sentence) for sentence in comments)
    items.append(region)
    return container(concept_codes.MEASUREMENT_GROUP, items, template="1410")


def tracking_of(name: str, image: ImageFinding, what: str) -> Item:
    """TID 4108; the UID stays the same in every version that finds the same region."""
    uid = derive_uid("tracking", image.sop_instance_uid, what)
    return item(hd.TrackingIdentifier, uid=uid, identifier=name)


def algorithm_of(report: StudyReport, task: str, *parameters: str) -> list[Item]:
    """TID 4019 of the model of the task, with the same values as its contributing equipment."""
    model = next((model for model in report.bundle.models if model.task == task), None)
    if model is None:
        return []
    return [
        item(
            hd.AlgorithmIdentification,
            name=model.name,
            version=model.version,
            manufacturer=model.manufacturer,
            parameters=parameters,
        )
    ]


def region_of(image: ImageFinding, outline: Sequence[Point], box: Box) -> Item:
    """A closed POLYLINE inside the image (PS3.3 C.18.6.1.2), its image selected beneath it.

    An outline that is no polygon inside the image gives way to the box.
    """
    inside = _inside(image, outline)
    if len(set(inside)) < 3:
        inside = _inside(image, box.corners())
    if inside[0] != inside[-1]:
        inside.append(inside[0])
    return item(
        _polyline,
        points=tuple(inside),
        sop_class=image.sop_class_uid,
        sop_instance=image.sop_instance_uid,
    )


def _polyline(points: Sequence[tuple[float, float]], sop_class: str, sop_instance: str) -> hd.ImageRegion:
    return hd.ImageRegion(
        graphic_type=hd.GraphicTypeValues.POLYLINE,
        graphic_data=np.array(points, dtype=np.float32),
        source_image=hd.SourceImageForRegion(
            referenced_sop_class_uid=sop_class, referenced_sop_instance_uid=sop_instance
        ),
    )


def _inside(image: ImageFinding, points: Iterable[Point]) -> list[tuple[float, float]]:
    right, bottom = image.columns - EDGE_PX, image.rows - EDGE_PX
    return [(min(max(point.x, 0.0), right), min(max(point.y, 0.0), bottom)) for point in points]


def probability_of(report: StudyReport, task: str, share: float, operating_point: float) -> Item:
    """A probability in whole percent, with its algorithm and operating point beneath it."""
    value, threshold = coded_percents(share, operating_point)
    return item(_percent, algorithm_of(report, task, f"operating point {threshold} %"), digits=f"{value:g}")


def _percent(digits: str) -> hd.NumContentItem:
    """A number as the text that viewers show: highdicom would write 87 as "87.0"."""
    made = hd.NumContentItem(
        name=concept_codes.PROBABILITY,
        value=float(digits),
        unit=concept_codes.PERCENT,
        relationship_type=CONTAINS,
    )
    made.MeasuredValueSequence[0].NumericValue = digits
    return made


def comment(sentence: str, children: Iterable[Item] = ()) -> Item:
    """A comment on the enclosing item."""
    return text(concept_codes.COMMENT, sentence, children=children)
