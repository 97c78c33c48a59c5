"""Compares the view that the pixels of a hand show with the one that its header claims.

Of 46 oblique and lateral views of adults without a word in the header 24 were rated as PA while only the
header and the breadth of the knuckles were asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandRegion
from ra_node.domain.study import ImageHeader
from ra_node.domain.view.pixel_view import PixelView, SeenView
from ra_node.domain.view.position import View, view_of

LEAST_AGAINST_HEADER = 0.9
"""Least probability of a view by pixels that contradicts the header."""

LEAST_NAMED = 0.5
"""Least probability of a view that is stated as such; below, it is stated as possible."""

_SHOWN = {
    PixelView.OBLIQUE: "an oblique view",
    PixelView.LATERAL: "a lateral view",
    PixelView.PART: "a part of a hand",
    PixelView.WRIST: "a wrist",
    PixelView.FINGER: "a finger",
    PixelView.FOOT: "a foot",
    PixelView.OTHER: "another part of the body",
}


def view_refusal(seen: SeenView | None, header: ImageHeader | None = None) -> Refusal | None:
    """Refuse a hand that the pixels show in another view than from back or front; None for one that fits.

    The header is named where it says that the hand is seen from back or front.
    """
    if seen is None or seen.view is PixelView.FRONTAL:
        return None
    shown, percent = _SHOWN[seen.view], round(100 * seen.probability)
    if seen.probability < LEAST_NAMED:
        text = (
            "Expected a hand that is surely seen from back or front (PA or AP),"
            f" the image may show {shown} ({percent} % probability)."
        )
        return Refusal(Reason.OTHER_VIEW, text)
    claimed, source = view_of(header) if header is not None else (View.UNKNOWN, "")
    text = (
        f"Expected a hand from back or front (PA or AP), the image shows {shown} ({percent} % probability)."
    )
    if claimed is View.FRONTAL:
        text = (
            "Expected a hand from back or front (PA or AP),"
            f" the image shows {shown} ({percent} % probability); {source} says frontal (PA or AP)."
        )
    return Refusal(Reason.OTHER_VIEW, text)


def against_header(refusal: Refusal, header: ImageHeader, regions: Sequence[HandRegion]) -> Refusal:
    """Add to a header's refusal of a view that all hands of the picture look frontal; it stays refused."""
    views = [region.view for region in regions]
    sure = [view for view in views if view is not None and view.probability >= LEAST_AGAINST_HEADER]
    if not views or len(sure) < len(views) or any(view.view is not PixelView.FRONTAL for view in sure):
        return refusal
    view, source = view_of(header)
    text = (
        f"Expected a hand from back or front (PA or AP), found the {view} view, as {source} says;"
        " the image looks frontal (PA or AP)."
    )
    return Refusal(refusal.reason, text)
