"""Makes a dataset of single hands from a hospital's radiographs and its readers' labels.

Hands are found, refused, given their sides and cut by the node's own functions, with the detector of a
bundle; a hand that the node would not rate is not learnt from. Nothing of a header but sex and age leaves,
patients become salted hashes, and whatever is not used is listed with its reason.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.laterality.evidence import Convention, sides_of
from ra_node.domain.patient.pseudonym import patient_pseudonym
from ra_node.domain.report import HandFinding, Reason
from ra_node.errors import Refused
from training.data.agreement import AGREEMENT, agreements, dumped
from training.data.blanking import Blank, blanked
from training.data.consensus import (
    LabelledHand,
    expect_both_classes,
    expect_no_discrepancies,
)
from training.data.detector import KeptDetector, keep_detector
from training.data.hand_png import coded, cut_out, upright
from training.data.manifest import ABOUT, HANDS, MANIFEST, REJECTED, HandRow, about, written
from training.data.pixel_digest import pixel_digest
from training.data.source_image import Source, capped, is_image_file, read_source, sha256_of
from training.io.atomic_folder import Write, new_folder, write_synced

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What the site decides about its images.

    `blank` "surroundings" empties everything clear of the hand, not only text, and so do images whose
    header says that they have burned-in text. No crop changes by it: a crop's mask ends before.
    """

    convention: Convention = "none"
    site: str = ""
    skip_open: bool = False
    allow_empty_classes: bool = False
    blank: Blank = "text"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A hand or an image that is not in the dataset; `row` is that of the label table, if it has one."""

    row: int | None
    side: str
    source_sha256: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a folder of images."""

    hands: tuple[HandRow, ...]
    rejections: tuple[Rejection, ...]


def prepare(
    images: Path,
    labels: Sequence[LabelledHand],
    out: Path,
    salt: bytes,
    detector: KeptDetector,
    options: Options | None = None,
    report: Report = lambda _done, _total: None,
    write: Write = write_synced,
) -> Prepared:
    """Make the dataset `out` of the labelled hands in `images`; it appears whole or not at all.

    Raises Refused for open discrepancies, an empty class, an existing `out`, or a patient under two keys;
    Fatal where the disk is full.
    """
    options = options or Options()
    if not options.skip_open:
        expect_no_discrepancies(labels)
    if not options.allow_empty_classes:
        expect_both_classes([hand.stage for hand in labels if hand.stage is not None], "in the label table")
    with new_folder(out) as folder:
        (folder / HANDS).mkdir()
        keep_detector(detector, folder, write)
        maker = _Maker(images, folder, salt, detector, options, write, {}, {}, {})
        prepared = maker.prepared(labels, report)
        if not options.allow_empty_classes:
            expect_both_classes([hand.stage for hand in prepared.hands], _after(prepared.rejections))
        if not prepared.hands:
            raise Refused(f"expected hands {_after(prepared.rejections)}, found none")
        write(folder / MANIFEST, written(prepared.hands))
        write(folder / AGREEMENT, dumped(agreements(labels)))
        write(folder / REJECTED, _table_of(prepared.rejections))
        write(folder / ABOUT, about(detector.sha256))
    return prepared


@dataclass(frozen=True, slots=True)
class _Picture:
    """One image with the hash of its file, the key of its patient and the digest of its pixels."""

    source: Source
    digest: str
    patient: str
    pixels: str


@dataclass(frozen=True, slots=True)
class _Maker:
    """The making of one dataset; the mappings remember what was seen, to notice contradictions."""

    images: Path
    folder: Path
    salt: bytes
    detector: KeptDetector
    options: Options
    write: Write
    first_row_of_source: dict[str, int]
    first_row_of_pixels: dict[tuple[str, str], int]
    stated_of_header: dict[str, tuple[str, int]]

    def prepared(self, labels: Sequence[LabelledHand], report: Report) -> Prepared:
        groups: dict[str, list[LabelledHand]] = {}
        for hand in labels:
            groups.setdefault(hand.file, []).append(hand)
        results: list[HandRow | Rejection] = []
        for done, (file, wanted) in enumerate(sorted(groups.items()), start=1):
            results += self._of_file(self.images / file, wanted)
            report(done, len(groups))
        results += self._unlabelled(set(groups))
        return Prepared(
            tuple(result for result in results if isinstance(result, HandRow)),
            tuple(result for result in results if isinstance(result, Rejection)),
        )

    def _of_file(self, path: Path, wanted: Sequence[LabelledHand]) -> Iterator[HandRow | Rejection]:
        digest = sha256_of(path)
        row = self.first_row_of_source.setdefault(digest, wanted[0].row)
        if row != wanted[0].row:
            text = f"The same file as that of row {row} of the label table."
            yield from (_rejected(hand, digest, "duplicate", text) for hand in wanted)
            return
        source = read_source(path, self.detector.opened(), self.options.convention)
        if not isinstance(source, Source):
            yield from (_rejected(hand, digest, source.reason, source.text) for hand in wanted)
            return
        patient = self._patient(source, wanted[0])
        if not patient:
            text = "Expected a Patient ID in the header or a patient in the label table, found none."
            yield from (_rejected(hand, digest, "no_patient", text) for hand in wanted)
            return
        picture = _Picture(source, digest, patient, pixel_digest(source.extraction.radiograph.values))
        row = self.first_row_of_pixels.setdefault((patient, picture.pixels), wanted[0].row)
        if row != wanted[0].row:
            text = f"The same picture of the same patient as that of row {row} of the label table."
            yield from (_rejected(hand, digest, "duplicate", text) for hand in wanted)
            return
        yield from self._of_picture(picture, wanted)

    def _of_picture(self, picture: _Picture, wanted: Sequence[LabelledHand]) -> Iterator[HandRow | Rejection]:
        refusal, digest = picture.source.extraction.refusal, picture.digest
        if refusal is not None:
            yield from (_rejected(hand, digest, refusal.reason, refusal.text) for hand in wanted)
            return
        found = _with_label_side(picture.source, wanted, self.options.convention)
        by_side = {hand.side.side: hand for hand in found if hand.side.side}
        for hand in wanted:
            seen = by_side.get(hand.side)
            if seen is None:
                conflict = any(one.side.conflict for one in found)
                sides = ", ".join(sorted(by_side)) or ("statements that disagree" if conflict else "none")
                text = f"Expected evidence for a hand of side {hand.side}, found {sides}."
                yield _rejected(hand, digest, "side", text)
            else:
                yield self._of_hand(picture, seen, hand)
        for side in sorted(set(by_side) - {hand.side for hand in wanted}):
            yield Rejection(None, side, digest, "no_label", f"Expected a label for side {side}, found none.")
        for other in picture.source.extraction.hands:
            if other.refusal is not None and _is_second_view(other):
                yield Rejection(None, "", digest, other.refusal.reason, other.refusal.text)

    def _of_hand(self, picture: _Picture, seen: HandFinding, hand: LabelledHand) -> HandRow | Rejection:
        source, digest, region = picture.source, picture.digest, seen.region
        for refusal in (seen.refusal, *seen.outside):
            if refusal is not None:
                return _rejected(hand, digest, refusal.reason, refusal.text)
        if hand.label is None:
            return _rejected(hand, digest, "open", "Expected one label, found readers who still differ.")
        if hand.stage is None:
            return _rejected(hand, digest, "not_gradable", "Expected a stage, found a hand not gradable.")
        part, place = cut_out(source.extraction.radiograph.values, region)
        blank: Blank = "surroundings" if source.burned_in else self.options.blank
        clean, blanked_px = blanked(part, place.outline, blank)
        code = coded(clean)
        name = f"{HANDS}/{digest[:16]}-{hand.side}"
        words = upright(code.words, region.rotation)
        self.write(self.folder / f"{name}.png", _png(words))
        if code.levels is not None:
            self.write(self.folder / f"{name}.npy", _npy(code.levels))
        facts = hand.facts
        return HandRow(
            image=f"{name}.png",
            patient=picture.patient,
            side=hand.side.value,
            stage=hand.stage,
            joints=hand.joints,
            source_sha256=digest,
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
            image_pixels=picture.pixels,
            hand_pixels=pixel_digest(part),
            first=code.first,
            step=code.step,
            levels=None if code.levels is None else f"{name}.npy",
            blanked_px=blanked_px,
        )

    def _patient(self, source: Source, hand: LabelledHand) -> str:
        """The key of the patient, "" where nothing names one; two keys for one header are refused."""
        stated, known = hand.facts.patient, source.patient_id
        if stated and known:
            earlier, row = self.stated_of_header.setdefault(known, (stated, hand.row))
            if earlier != stated:
                raise Refused(
                    f"row {hand.row}, column patient: expected the patient of row {row}, whose header has the"
                    " same Patient ID, found another: both sides of a split could have this patient"
                )
        return patient_pseudonym(self.salt, stated or known) if stated or known else ""

    def _unlabelled(self, labelled: set[str]) -> Iterator[Rejection]:
        """Images that no row names."""
        known = {(self.images / file).resolve() for file in labelled}
        for path in sorted(self.images.rglob("*")):
            if path.is_file() and path.resolve() not in known and is_image_file(path):
                text = "Expected a row of the label table for this file, found none."
                yield Rejection(None, "", sha256_of(path), "no_label", text)


def _with_label_side(
    source: Source, wanted: Sequence[LabelledHand], convention: Convention
) -> tuple[HandFinding, ...]:
    """The hands of an image without second views.

    Where the header is silent, the only label of an only hand is its evidence of the side.
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


def _rejected(hand: LabelledHand, digest: str, reason: str, text: str) -> Rejection:
    return Rejection(hand.row, hand.side.value, digest, str(reason), text)


def _after(rejections: Sequence[Rejection]) -> str:
    """What happened to the others, for a message."""
    counts = Counter(f"{one.reason}" for one in rejections)
    return f"after {len(rejections)} rejections ({', '.join(f'{n} {r}' for r, n in sorted(counts.items()))})"


def _table_of(rejections: Sequence[Rejection]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["label_row", "side", "source_sha256", "reason", "text"])
    for one in rejections:
        table.writerow(
            ["" if one.row is None else one.row, one.side, one.source_sha256, one.reason, one.text]
        )
    return text.getvalue().encode()


def _png(words: NDArray[np.uint16]) -> bytes:
    done, data = cv2.imencode(".png", words, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise Refused(f"a hand of shape {words.shape} could not be encoded as PNG")
    return bytes(data)


def _npy(levels: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, levels, allow_pickle=False)
    return stream.getvalue()
