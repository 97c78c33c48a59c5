"""Domain check: refuses what the training data did not contain, such as half a hand, an oblique view, a cast.

Fixed rules on the output of the detector; the view is that of its view head where it has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.joints import JOINTS
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandRegion
from ra_node.domain.study import ImageHeader
from ra_node.domain.view.refusal import view_refusal
from ra_node.imaging.model_input import RIM

NARROWEST_KNUCKLES = 0.64
"""Breadth of the row MCP 2 to 5 over the length from wrist to MCP 3: 0.63 to 0.86 in children's PA views.
Of 68 single hands of adults, marked PA by eye, 7 are narrower, most of them turned a little."""
SURELY_FRONTAL = 0.9
"""Probability of a frontal view from which the knuckles are not checked. Head and knuckles together accept
37 of 38 PA hands of adults and 0 of 12 obliques, the head alone 37 and 2 (tuning part, five folds)."""
LEAST_FOREARM = 0.15
"""Reach of the outline beyond the middle of the wrist, in the same lengths: at least 0.17 in 38 whole hands
of adults, 0.3 in children's; less is an image that ends in the carpus."""
MOST_METAL = 0.015
"""Largest accepted connected saturated piece, as a share of the hand; at most 0.006 in 533 real hands."""
BRIGHTEST_BESIDE = 0.18
"""Upper quartile of a band beside wrist and palm: 0 is the background beside the fingers, 1 the hand's bone.
At most 0.17 for 533 of 535 hands without plaster, typically 0.02; 0.39 for one wrist in a splint."""

_LENGTH_PX = 60
"""Distance from wrist to MCP 3 in the reduced picture in which the band is measured."""
_BAND = (0.04, 0.14)
_WRIST_FROM, _WRIST_TO, _FINGERS_FROM = -0.45, 0.35, 0.9
"""Positions along the axis from wrist to MCP 3, in units of its length."""
_FEWEST_PX = 30
_STEP, _FARTHEST = 0.15, 2.0
"""Step and limit of the search for the end of plaster, along the same axis."""

Values = NDArray[np.float32]


def out_of_domain(
    values: Values, regions: Sequence[HandRegion], header: ImageHeader | None = None
) -> list[tuple[Refusal, ...]]:
    """For each hand in values (rows, columns), bone bright: all reasons; none without named joints.

    The view of the header is used as well.
    """
    whole = (float(values.min()), float(values.max())) if regions else (0.0, 0.0)
    return [tuple(_reasons(values, region, regions, whole, header)) for region in regions]


def _reasons(
    values: Values,
    region: HandRegion,
    regions: Sequence[HandRegion],
    whole: tuple[float, float],
    header: ImageHeader | None,
) -> Iterator[Refusal]:
    places = {joint.name: np.array((joint.at.x, joint.at.y)) for joint in region.joints}
    if not places or len(region.outline) < 3:
        return
    outline = np.array([(point.x, point.y) for point in region.outline])
    yield from _incomplete(region, places, outline)
    if not {"wrist_2", "mcp_2", "mcp_3", "mcp_5"} <= places.keys():
        return
    seen = view_refusal(region.view, header)
    if seen is not None:
        yield seen
    elif region.view is None or region.view.probability < SURELY_FRONTAL:
        yield from _turned(places)
    others = [other for other in regions if other is not region]
    part = _Part(values, region, outline, places)
    yield from _metal(part, whole)
    yield from _plaster(part, others)


def _incomplete(
    region: HandRegion, places: dict[str, NDArray[np.float64]], outline: NDArray[np.float64]
) -> Iterator[Refusal]:
    """Refuse a hand with an undetected joint, one outside outline and rim, or a missing forearm."""
    rim_px = RIM * max(region.box.height_px, region.box.width_px)
    polygon = outline.astype(np.float32)
    inside = {
        name
        for name, (x, y) in places.items()
        if cv2.pointPolygonTest(polygon, (float(x), float(y)), measureDist=True) >= -rim_px
    }
    lost = [name for name in JOINTS if name not in inside]
    if lost:
        words = ", ".join(name.replace("_", " ").upper() for name in lost)
        text = f"Expected a whole hand with its {len(JOINTS)} joints, found an outline without {words}."
        yield Refusal(Reason.HAND_INCOMPLETE, text)
    elif {"wrist_2", "mcp_3"} <= places.keys():
        wrist, arrow = places["wrist_2"], places["mcp_3"] - places["wrist_2"]
        beyond = -float(((outline - wrist) @ arrow).min()) / max(float(arrow @ arrow), 1e-9)
        if beyond < LEAST_FOREARM:
            text = "Expected a whole hand with its wrist, found an outline that ends in the wrist."
            yield Refusal(Reason.HAND_INCOMPLETE, text)


def _turned(places: dict[str, NDArray[np.float64]]) -> Iterator[Refusal]:
    """Refuse a rotated hand, whose MCP joints lie closer together, where the view head is not certain."""
    arrow = places["mcp_3"] - places["wrist_2"]
    across = np.array([-arrow[1], arrow[0]]) / max(float(arrow @ arrow), 1e-9)
    breadth = abs(float((places["mcp_2"] - places["mcp_5"]) @ across))
    if breadth < NARROWEST_KNUCKLES:
        found, least = int(100 * breadth), round(100 * NARROWEST_KNUCKLES)
        text = (
            "Expected a hand from back or front, found the knuckles of an oblique view:"
            f" their breadth is {found} % of the length from wrist to MCP 3, expected at least {least} %."
        )
        yield Refusal(Reason.OTHER_VIEW, text)


class _Part:
    """A hand and its surroundings at a reduced scale, with the position of each pixel along the hand."""

    def __init__(
        self,
        values: Values,
        region: HandRegion,
        outline: NDArray[np.float64],
        places: dict[str, NDArray[np.float64]],
    ) -> None:
        wrist, knuckle = places["wrist_2"], places["mcp_3"]
        self._joints = np.array(list(places.values()))
        self.length_px = max(float(np.hypot(*(knuckle - wrist))), 1.0)
        grown = region.box.grown(0.1).clipped(*values.shape)
        step = max(1, round(self.length_px / _LENGTH_PX))
        cut = np.ascontiguousarray(values[grown.y0 : grown.y1, grown.x0 : grown.x1])
        size = (max(1, cut.shape[1] // step), max(1, cut.shape[0] // step))
        self._at, self._scale = (grown.x0, grown.y0), (size[0] / cut.shape[1], size[1] / cut.shape[0])
        self.values = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.float32)
        self.inside = self.drawn(outline)
        scale = self.length_px * self._scale[0]
        self.away = cv2.distanceTransform(1 - self.inside, cv2.DIST_L2, 5) / scale
        start, end = self.to_part(wrist), self.to_part(knuckle)
        y, x = np.mgrid[: size[1], : size[0]]
        arrow = end - start
        self.along = ((x - start[0]) * arrow[0] + (y - start[1]) * arrow[1]) / max(float(arrow @ arrow), 1e-9)

    def to_part(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((points - self._at) * self._scale, np.float64)

    def joints_on(self, covered: NDArray[np.bool_]) -> int:
        """Number of joints on pixels of the mask."""
        rows, columns = covered.shape
        places = np.floor(self.to_part(self._joints)).astype(int)
        held = places[((places >= 0) & (places < (columns, rows))).all(axis=1)]
        return int(covered[held[:, 1], held[:, 0]].sum())

    def drawn(self, outline: NDArray[np.float64]) -> NDArray[np.uint8]:
        mask = np.zeros(self.values.shape, np.uint8)
        cv2.fillPoly(mask, [np.rint(self.to_part(outline)).astype(np.int32)], 1)
        return mask


def _metal(part: _Part, whole: tuple[float, float]) -> Iterator[Refusal]:
    """Refuse a plate or a nail: one long saturated piece in the hand; a ring is smaller."""
    low, high = whole
    area = max(float(part.inside.sum()), 1.0)
    white = ((part.values >= high - 0.02 * (high - low)) & (part.inside > 0)).astype(np.uint8)
    if float(white.sum()) / area <= MOST_METAL:
        return
    _, labels, stats, _ = cv2.connectedComponentsWithStats(white, connectivity=8)
    share = float(stats[1:, cv2.CC_STAT_AREA].max(initial=0)) / area
    if share > MOST_METAL:
        piece = np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), np.uint8)
        hidden = part.joints_on(cv2.dilate(piece, np.ones((5, 5), np.uint8)) > 0)
        text = (
            f"Expected bone and soft tissue, found {100 * share:.1f} % of the hand white in one piece,"
            f" over {hidden} of {len(JOINTS)} joints: metal or overexposure."
        )
        yield Refusal(Reason.METAL_OR_CAST, text)


def _plaster(part: _Part, others: Sequence[HandRegion]) -> Iterator[Refusal]:
    """Refuse plaster: the band beside the wrist shows bandage or splint instead of background."""
    band = (part.away > _BAND[0]) & (part.away < _BAND[1])
    for other in others:
        grown = cv2.dilate(
            part.drawn(np.array([(p.x, p.y) for p in other.outline])), np.ones((7, 7), np.uint8)
        )
        band &= grown == 0
    wrist = part.values[band & (part.along > _WRIST_FROM) & (part.along < _WRIST_TO)]
    fingers = part.values[band & (part.along > _FINGERS_FROM)]
    if min(wrist.size, fingers.size) < _FEWEST_PX:
        return
    ground = float(np.percentile(fingers, 30))
    bright = float(np.percentile(part.values[part.inside > 0], 95))
    if bright - ground <= 0:
        return
    beside = (float(np.percentile(wrist, 75)) - ground) / (bright - ground)
    if beside > BRIGHTEST_BESIDE:
        hidden = part.joints_on(part.along < _plaster_end(part, band, ground, bright))
        text = (
            f"Expected background beside the wrist, found {100 * beside:.0f} % of the brightness of bone,"
            f" over {hidden} of {len(JOINTS)} joints: plaster or a splint."
        )
        yield Refusal(Reason.METAL_OR_CAST, text)


def _plaster_end(part: _Part, band: NDArray[np.bool_], ground: float, bright: float) -> float:
    """Position along the hand up to which the band beside it is as bright as beside the wrist."""
    end = _WRIST_TO
    while end < _FARTHEST:
        here = part.values[band & (part.along >= end) & (part.along < end + _STEP)]
        if here.size < _FEWEST_PX // 2:
            break
        if (float(np.percentile(here, 75)) - ground) / (bright - ground) <= BRIGHTEST_BESIDE:
            break
        end += _STEP
    return end
