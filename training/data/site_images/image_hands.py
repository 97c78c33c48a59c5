"""Crops the labelled hands of one image of a training set, in a separate process.

Detection, refusal and sides use the node's functions. Of the header this module returns only sex, age and
salted hashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ra_node.domain.laterality.evidence import Convention, sides_of
from ra_node.domain.patient.pseudonym import patient_pseudonym
from ra_node.domain.refusal import Reason
from ra_node.domain.report import HandFinding
from ra_node.imaging.hand_cuts.blanking import Blank, blanked
from ra_node.imaging.hand_cuts.hand_png import coded, cut_out, npy_bytes, png_bytes, upright
from ra_node.imaging.hand_cuts.pixel_digest import pixel_digest
from training.data.consensus import LabelledHand
from training.data.detector import KeptDetector
from training.data.manifest import HANDS, HandRow
from training.data.site_images.source_image import Source, capped, read_source
from training.io.atomic_folder import Write


@dataclass(frozen=True, slots=True)
class Options:
    """The site's options for its images.

    `blank` "surroundings" blanks everything clear of the hand, not only text; images whose header states
    burned-in text are always treated so. The model input is not changed: its mask ends before.
    """

    convention: Convention = "none"
    site: str = ""
    skip_open: bool = False
    allow_empty_classes: bool = False
    blank: Blank = "text"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A hand or an image that is not in the dataset; `row` is its row in the label table, if any."""

    row: int | None
    side: str
    source_sha256: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class ImageHands:
    """The result for one image. Rows have no patient yet: that is assigned when all images are known."""

    header_key: str
    """Salted hash of the Patient ID in the header; "" without one."""
    pixels: str
    """Digest of the decoded pixels; "" where they could not be read."""
    rows: tuple[HandRow, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    readable: bool = True


@dataclass(frozen=True, slots=True)
class ImageTask:
    """One image with its labels; can be pickled."""

    path: Path
    digest: str
    wanted: tuple[LabelledHand, ...]


@dataclass(frozen=True, slots=True)
class Cutter:
    """Crops the hands of images into the folder `HANDS` of `folder`; can be pickled."""

    folder: Path
    salt: bytes
    detector: KeptDetector
    options: Options
    write: Write

    def __call__(self, task: ImageTask) -> ImageHands:
        source = read_source(task.path, self.detector.opened(), self.options.convention)
        if not isinstance(source, Source):
            refused = tuple(rejected(hand, task.digest, source.reason, source.text) for hand in task.wanted)
            return ImageHands("", "", rejections=refused, readable=False)
        found = list(self._hands(task, source))
        return ImageHands(
            header_key=patient_pseudonym(self.salt, source.patient_id) if source.patient_id else "",
            pixels=pixel_digest(source.extraction.radiograph.values),
            rows=tuple(one for one in found if isinstance(one, HandRow)),
            rejections=tuple(one for one in found if isinstance(one, Rejection)),
        )

    def _hands(self, task: ImageTask, source: Source) -> Iterator[HandRow | Rejection]:
        refusal, digest, wanted = source.extraction.refusal, task.digest, task.wanted
        if refusal is not None:
            yield from (rejected(hand, digest, refusal.reason, refusal.text) for hand in wanted)
            return
        found = _with_label_side(source, wanted, self.options.convention)
        by_side = {hand.side.side: hand for hand in found if hand.side.side}
        for hand in wanted:
            seen = by_side.get(hand.side)
            if seen is None:
                conflict = any(one.side.conflict for one in found)
                sides = ", ".join(sorted(by_side)) or ("statements that disagree" if conflict else "none")
                text = f"Expected evidence for a hand of side {hand.side}, found {sides}."
                yield rejected(hand, digest, "side", text)
            else:
                yield self._hand(task, source, seen, hand)
        for side in sorted(set(by_side) - {hand.side for hand in wanted}):
            yield Rejection(None, side, digest, "no_label", f"Expected a label for side {side}, found none.")
        for other in source.extraction.hands:
            if other.refusal is not None and _is_second_view(other):
                yield Rejection(None, "", digest, other.refusal.reason, other.refusal.text)

    def _hand(
        self, task: ImageTask, source: Source, seen: HandFinding, hand: LabelledHand
    ) -> HandRow | Rejection:
        region = seen.region
        for refusal in (seen.refusal, *seen.outside):
            if refusal is not None:
                return rejected(hand, task.digest, refusal.reason, refusal.text)
        if hand.label is None:
            return rejected(hand, task.digest, "open", "Expected one label, found readers who still differ.")
        if hand.stage is None:
            return rejected(hand, task.digest, "not_gradable", "Expected a stage, found a hand not gradable.")
        part, place = cut_out(source.extraction.radiograph.values, region)
        blank: Blank = "surroundings" if source.burned_in else self.options.blank
        clean, blanked_px = blanked(part, place.outline, blank)
        code = coded(clean)
        name = f"{HANDS}/{task.digest[:16]}-{hand.side}"
        words = upright(code.words, region.rotation)
        self.write(self.folder / f"{name}.png", png_bytes(words))
        if code.levels is not None:
            self.write(self.folder / f"{name}.npy", npy_bytes(code.levels))
        facts = hand.facts
        return HandRow(
            image=f"{name}.png",
            patient="",
            side=hand.side.value,
            stage=hand.stage,
            joints=hand.joints,
            source_sha256=task.digest,
            site=facts.site or self.options.site,
            sex=facts.sex or source.sex,
            age_years=source.age_years if facts.age_years is None else capped(facts.age_years),
            split=facts.split,
            rows=words.shape[0],
            columns=words.shape[1],
            rotation=place.rotation,
            box=(place.box.x0, place.box.y0, place.box.x1, place.box.y1),
            outline=tuple((point.x, point.y) for point in place.outline),
            score=place.score,
            joint_places={joint.name: (joint.at.x, joint.at.y, joint.score) for joint in place.joints},
            detector=self.detector.sha256,
            image_pixels=pixel_digest(source.extraction.radiograph.values),
            hand_pixels=pixel_digest(part),
            first=code.first,
            step=code.step,
            levels=None if code.levels is None else f"{name}.npy",
            blanked_px=blanked_px,
        )


def rejected(hand: LabelledHand, digest: str, reason: str, text: str) -> Rejection:
    """The rejection of a labelled hand."""
    return Rejection(hand.row, hand.side.value, digest, str(reason), text)


def _with_label_side(
    source: Source, wanted: Sequence[LabelledHand], convention: Convention
) -> tuple[HandFinding, ...]:
    """The hands of an image without second views.

    Where the header has no side, a single label for a single hand is the evidence of its side.
    """
    hands = tuple(hand for hand in source.extraction.hands if not _is_second_view(hand))
    silent = not (source.side.image_laterality or source.side.laterality)
    if not silent or not len(hands) == len(wanted) == 1:
        return hands
    header = replace(source.side, image_laterality=wanted[0].side.value)
    (side,) = sides_of([hands[0].region.box], header, convention)
    return (replace(hands[0], side=side),)


def _is_second_view(hand: HandFinding) -> bool:
    return hand.refusal is not None and hand.refusal.reason is Reason.SECOND_VIEW
