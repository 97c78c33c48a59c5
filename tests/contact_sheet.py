"""Draws the kinds of study as contact sheets: `python -m tests.contact_sheet FOLDER`.

Every first frame at full and at a quarter of its size, sheet.png with all quarters, and the share of each
frame that is radiograph. The hands are phantoms, so no radiograph of a person is drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.dicom.overlay.paint import paint
from ra_node.dicom.overlay.typesetting import pen_of
from ra_node.dicom.overlay.verdict_frame import lay_out_verdict
from ra_node.domain.geometry import Box
from ra_node.domain.laterality.evidence import SideFinding
from ra_node.domain.prior_comparison import comparable_hands
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandFinding, ImageFinding, Prior, Recognition, Staging, StudyReport
from ra_node.domain.texts.translations import load_language
from tests.guide_pictures import AGE, RECIPE, phantom_hand, phantom_report
from training.phantom.draw import Phantom, draw_hands
from training.phantom.recipe import PhantomRecipe

COLUMNS, GAP_PX = 5, 12
HEALTHY = (0.86, 0.1, 0.02, 0.01, 0.005, 0.005)


@dataclass(frozen=True, slots=True)
class Kind:
    """A report, and the display of each of its images by SOP Instance UID."""

    report: StudyReport
    displays: dict[str, NDArray[np.uint8]]
    language: str = "en"


def display_of(drawn: Phantom) -> NDArray[np.uint8]:
    """The phantom as it is shown: 8 bits, bone bright."""
    return np.asarray(cv2.normalize(drawn.pixels, np.empty(0), 0, 255, cv2.NORM_MINMAX), np.uint8)


def one(recipe: PhantomRecipe, *, columns: int, rows: int) -> tuple[StudyReport, NDArray[np.uint8]]:
    """A report of one hand."""
    drawn = draw_hands(replace(recipe, hands=recipe.hands[:1], columns=columns, rows=rows))
    return phantom_report(drawn, phantom_hand(drawn, 0)), display_of(drawn)


def kinds() -> Iterator[tuple[str, Kind]]:
    """The twenty kinds by name."""
    drawn = draw_hands(RECIPE)
    shown = {"2.25.1": display_of(drawn)}
    ill, well = phantom_hand(drawn, 0), phantom_hand(drawn, 1)
    healthy = replace(ill, recognition=Recognition(0.03, 0.51), staging=Staging(HEALTHY))
    both = phantom_report(drawn, ill, well)

    def of(*hands: HandFinding) -> Kind:
        return Kind(phantom_report(drawn, *hands), shown)

    def refused(reason: Reason, text: str) -> Kind:
        refusal = Refusal(reason, text)
        image = replace(both.images[0], hands=(), refusal=refusal)
        return Kind(replace(both, images=(image,), refusal=refusal), shown)

    yield "both healthy", of(healthy, well)
    yield "one diseased", of(ill, well)
    cut = Refusal(Reason.HAND_CUT_OFF, "Fingers cut off at the image edge.")
    yield "one refused", of(ill, replace(well, recognition=None, staging=None, refusal=cut))
    unknown = SideFinding(None, "no evidence")
    yield "side undetermined", of(replace(ill, side=unknown, place="image left"), well)
    yield "laterality conflict", of(replace(ill, side=replace(ill.side, conflict=True)), well)
    yield "no hand", refused(Reason.NO_HAND, "No hand recognised (cast, lateral view or another body part?).")
    yield "four images", _images(both, shown["2.25.1"], 4)
    inverted = "Greyscale was inverted against the header and has been corrected."
    yield "inverted", Kind(replace(both, images=(replace(both.images[0], remarks=(inverted,)),)), shown)
    yield "huge", _single(one(RECIPE, columns=2800, rows=3400))
    yield "tiny", _single(one(RECIPE, columns=220, rows=280))
    yield "dark", Kind(both, {"2.25.1": np.asarray(shown["2.25.1"] // 6, np.uint8)})
    yield "landscape", _single(one(RECIPE, columns=1300, rows=900))
    yield "portrait", _single(one(RECIPE, columns=800, rows=1200))
    yield "follow-up", Kind(_followed(both, healthy, well), shown)
    yield "300 images", _images(both, shown["2.25.1"], 300)
    outside = Refusal(Reason.OUTSIDE_AGES, AGE)
    gone = (replace(hand, recognition=None, staging=None, refusal=outside) for hand in (ill, well))
    yield "outside the domain", Kind(replace(phantom_report(drawn, *gone), refusal=outside), shown)
    yield "inconclusive", of(ill, replace(well, recognition=Recognition(0.69, 0.51)))
    yield (
        "plaster",
        refused(Reason.METAL_OR_CAST, "Joints hidden: metal, cast or overexposure (30 % of the hand)."),
    )
    yield "one hand twice", _twice(both, shown["2.25.1"])
    yield "Chinese", Kind(both, shown, "zh")


def _single(made: tuple[StudyReport, NDArray[np.uint8]]) -> Kind:
    return Kind(made[0], {"2.25.1": made[1]})


def _numbered(image: ImageFinding, number: int) -> ImageFinding:
    return replace(image, sop_instance_uid=f"2.25.{number}")


def _images(report: StudyReport, display: NDArray[np.uint8], count: int) -> Kind:
    """Half of the images rated, the others oblique."""
    oblique = Refusal(Reason.OTHER_VIEW, "Oblique view (Series Description). Only PA and AP are rated.")
    images = [_numbered(report.images[0], n + 1) for n in range(count)]
    images = [image if n % 2 == 0 else replace(image, hands=(), refusal=oblique)
              for n, image in enumerate(images)]  # fmt: skip
    return Kind(replace(report, images=tuple(images)), {image.sop_instance_uid: display for image in images})


def _twice(report: StudyReport, display: NDArray[np.uint8]) -> Kind:
    again = Refusal(Reason.OTHER_IMAGE_COUNTS, "Not used: series 5 shows the same hand and was taken later.")
    image = report.images[0]
    hands = tuple(replace(hand, recognition=None, staging=None, refusal=again) for hand in image.hands)
    images = (image, replace(_numbered(image, 2), hands=hands))
    return Kind(replace(report, images=images), {"2.25.1": display, "2.25.2": display})


def _followed(report: StudyReport, *earlier: HandFinding) -> StudyReport:
    prior = Prior(
        "2.25.11", "2.25.12", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.13", date(2025, 1, 5), "demo 0.3",
        report.bundle.sha256, comparable_hands(earlier),
    )  # fmt: skip
    return replace(report, study_date=date(2026, 1, 1), prior=prior)


def drawn_frames() -> Iterator[tuple[str, NDArray[np.uint8], float]]:
    """Name, first frame, and the share of the frame that is radiograph."""
    for name, kind in kinds():
        layout = lay_out_verdict(kind.report, kind.displays, pen_of(load_language(kind.language)), None)
        area = sum(_area(photo.box) for photo in layout.photos)
        yield name, paint(layout, kind.displays), area / (layout.width_px * layout.height_px)


def _area(box: Box) -> int:
    return box.width_px * box.height_px


def quarter(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture at a quarter of its width and height."""
    size = picture.shape[1] // 4, picture.shape[0] // 4
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def sheet(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures in rows of five on grey."""
    width = max(picture.shape[1] for picture in pictures) + GAP_PX
    rows = [pictures[n : n + COLUMNS] for n in range(0, len(pictures), COLUMNS)]
    heights = [max(picture.shape[0] for picture in row) + GAP_PX for row in rows]
    made = np.full((sum(heights), width * COLUMNS, 3), 90, np.uint8)
    for n, picture in enumerate(pictures):
        y, x = sum(heights[: n // COLUMNS]), width * (n % COLUMNS)
        made[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return made


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    small = []
    for number, (name, picture, share) in enumerate(drawn_frames(), 1):
        stem = f"{number:02}-{name.replace(' ', '-')}"
        small.append(quarter(picture))
        cv2.imwrite(str(folder / f"{stem}.png"), picture[:, :, ::-1])
        cv2.imwrite(str(folder / f"{stem}-quarter.png"), small[-1][:, :, ::-1])
        print(f"{stem:28} {picture.shape[1]} x {picture.shape[0]}  radiograph {share:.0%}")
    cv2.imwrite(str(folder / "sheet.png"), sheet(small)[:, :, ::-1])
