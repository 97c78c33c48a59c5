"""Cuts the hands of one image for a reader study, in a separate process: the one cut of training and node.

Cut first, label after: what readers see and what is trained on is the same 16-bit picture. Everything clear
of the hand is blanked, because names are burned in there; the model input ends before and does not change.
Where a person drew the box and the detector sees no hand in it, everything outside the box is blanked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter
from pydicom import Dataset

from ra_node.domain.geometry import Box
from ra_node.domain.patient.pseudonym import patient_pseudonym
from ra_node.domain.refusal import Reason, Refusal
from ra_node.domain.report import HandFinding, HandRegion
from ra_node.domain.study import ImageHeader
from ra_node.filesystem.durable_write import write_atomically
from ra_node.imaging.hand_cuts.blanking import REACH, blanked
from ra_node.imaging.hand_cuts.hand_cut import HandCut, cut_to_json
from ra_node.imaging.hand_cuts.hand_png import coded, cut_out, npy_bytes, png_bytes, upright
from ra_node.imaging.hand_cuts.pixel_digest import pixel_digest
from ra_node.imaging.hand_extraction import Extraction
from ra_node.ledger.reader_studies.studies import HandRecord, ImageRecord
from ra_node.ledger.storage.durable_files import sha256_of, sha256_of_file
from ra_node.services.reader_studies.adjudication import ModelAnswer
from ra_node.services.reader_studies.image_reading import (
    DrawnBox,
    LoadedModel,
    display_window,
    model_answers,
    pixel_spacing_mm,
    read_image_hands,
    region_in,
    region_of_box,
)

OLDEST_YEARS = 90
"""Greater ages are capped to this one, because few patients have them (de-identification)."""
NO_SIDE = "no_side"
"""Code of a hand whose side nothing states; it can be added by its box and its side."""
FILE_GONE = "file_gone"


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image of the source; `source` is what the sampling plan calls its source."""

    path: Path
    number: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class CutImage:
    """The result for one image: its row, and the rows of its hands, whose files are written."""

    image: ImageRecord
    hands: tuple[HandRecord, ...]


_ANSWER = TypeAdapter(ModelAnswer)


@dataclass(frozen=True, slots=True)
class StudyCutter:
    """Cuts images into `folder` (in the data folder `data_dir`) under deterministic names; can be pickled.

    `open_model` loads the model once a process. `side` is what the site states of single hands whose image
    has no side. `placeholders` are Patient IDs that name nobody.
    """

    study_id: str
    data_dir: Path
    folder: Path
    salt: bytes
    open_model: Callable[[], LoadedModel]
    side: str = ""
    placeholders: tuple[str, ...] = ()

    def __call__(self, source: SourceImage) -> CutImage:
        model = self.open_model()
        try:
            digest = sha256_of_file(source.path)
            found = read_image_hands(source.path, model.rules)
        except OSError as error:
            name = hashlib.sha256(str(source.path).encode()).hexdigest()
            return self._refused(name, source, FILE_GONE, f"expected a file, found {type(error).__name__}")
        if isinstance(found, Refusal):
            return self._refused(digest, source, found.reason, found.text)
        extraction, header, dataset = found
        if extraction.refusal is not None:
            return self._refused(digest, source, extraction.refusal.reason, extraction.refusal.text)
        answers = iter(model_answers(extraction, model))
        hands: list[HandRecord] = []
        refusals: list[tuple[str, str]] = []
        for number, hand in enumerate(extraction.hands):
            answer = None if hand.refusal is not None else next(answers)
            side = self._side(hand, header, extraction)
            refusal = next((one for one in (hand.refusal, *hand.outside) if one is not None), None)
            if refusal is not None and refusal.reason is Reason.SECOND_VIEW:
                continue
            if refusal is not None:
                refusals.append((str(refusal.reason), refusal.text))
            elif not side:
                refusals.append((NO_SIDE, "Expected evidence for the side of this hand, found none."))
            else:
                cut = self._cut(source, digest, extraction, header, dataset, hand.region, side, number, model)
                hands.append(replace(cut, model_json=_json(answer)))
        reason, text = refusals[0] if refusals else ("", "")
        image = ImageRecord(self.study_id, digest, source.number, len(hands), reason, text)
        return CutImage(image, tuple(hands))

    def draw(self, hand: HandRecord, path: Path, drawn: DrawnBox) -> HandRecord:
        """Cut a hand out of the box that a lead drew; Refused-like problems are in the row.

        The detector looks for the hand in the box; where it sees none the box itself is the outline,
        beyond which nothing stays visible, and the readers place the joints.
        """
        model = self.open_model()
        try:
            digest = sha256_of_file(path)
            found = read_image_hands(path, model.rules)
        except OSError as error:
            return replace(hand, problem=f"expected the file of this image, found {type(error).__name__}")
        if digest != hand.image_id:
            return replace(hand, problem="expected the file of this image, found another one in its place")
        if isinstance(found, Refusal):
            return replace(hand, problem=found.text)
        extraction, header, dataset = found
        rows, columns = extraction.radiograph.values.shape
        x0, y0, x1, y1 = drawn.box
        box = Box(round(x0 * columns), round(y0 * rows), round(x1 * columns), round(y1 * rows))
        box = box.clipped(rows, columns)
        seen = region_in(extraction.radiograph.values, box, model.rules)
        region, reach = (region_of_box(box, drawn.rotation), 0.0) if seen is None else (seen, REACH)
        source = SourceImage(path, hand.number, hand.source)
        number = int(hashlib.sha256(hand.hand_id.encode()).hexdigest()[:6], 16)
        cut = self._cut(source, digest, extraction, header, dataset, region, drawn.side, number, model, reach)
        return replace(
            cut, hand_id=hand.hand_id, chosen=True, added_by=hand.added_by, request_json=hand.request_json
        )

    def _refused(self, image_id: str, source: SourceImage, reason: str, text: str) -> CutImage:
        return CutImage(ImageRecord(self.study_id, image_id, source.number, 0, str(reason), text), ())

    def _side(self, hand: HandFinding, header: ImageHeader, extraction: Extraction) -> str:
        if hand.side.side is not None:
            return str(hand.side.side.value)
        stated = header.side.image_laterality or header.side.laterality
        alone = len(extraction.hands) == 1 and not stated and not hand.side.conflict
        return self.side if alone else ""

    def _cut(
        self,
        source: SourceImage,
        digest: str,
        extraction: Extraction,
        header: ImageHeader,
        dataset: Dataset | None,
        region: HandRegion,
        side: str,
        number: int,
        model: LoadedModel,
        reach: float = REACH,
    ) -> HandRecord:
        """Write picture and geometry of one hand; the same input gives the same files.

        Beyond `reach` of the outline, a share of the crop's longer side, all is blanked.
        """
        values = extraction.radiograph.values
        part, place = cut_out(values, region)
        clean, blanked_px = blanked(part, place.outline, "surroundings", reach)
        code = coded(clean)
        words = upright(code.words, place.rotation)
        hand_id = hashlib.sha256(f"{self.study_id} {digest} {number}".encode()).hexdigest()[:20]
        patient = self._patient(dataset, digest)
        pixels = pixel_digest(part)
        cut = HandCut(
            hand_id=hand_id,
            patient=patient,
            side=side,
            side_evidence="",
            view=str(region.view.view) if region.view else "",
            source=source.source,
            source_sha256=digest,
            sex=_sex(dataset),
            age_years=None if header.age.years is None else min(int(header.age.years), OLDEST_YEARS),
            rows=words.shape[0],
            columns=words.shape[1],
            rotation=place.rotation,
            box=(place.box.x0, place.box.y0, place.box.x1, place.box.y1),
            outline=tuple((point.x, point.y) for point in place.outline),
            score=place.score,
            joint_places={joint.name: (joint.at.x, joint.at.y, joint.score) for joint in place.joints},
            detector=model.detector,
            image_pixels=pixel_digest(values),
            hand_pixels=pixels,
            first=code.first,
            step=code.step,
            has_levels=code.levels is not None,
            blanked_px=blanked_px,
            spacing_mm=pixel_spacing_mm(dataset, extraction),
            window=display_window(code.words, place),
        )
        picture = self._write(f"{hand_id}.png", png_bytes(words))
        levels = ("", "") if code.levels is None else self._write(f"{hand_id}.npy", npy_bytes(code.levels))
        path = self._write(f"{hand_id}.json", cut_to_json(cut))
        return HandRecord(
            self.study_id,
            hand_id,
            digest,
            source.number,
            patient,
            source.source,
            side,
            chosen=False,
            pixels=pixels,
            model_json=None,
            path=path[0],
            sha256=path[1],
            picture_path=picture[0],
            picture_sha256=picture[1],
            levels_path=levels[0] or None,
            levels_sha256=levels[1] or None,
        )

    def _patient(self, dataset: Dataset | None, digest: str) -> str:
        """The pseudonym of the patient; an image without a usable Patient ID is a patient of its own."""
        found = "" if dataset is None else str(dataset.get("PatientID") or "").strip(" \0")
        if not found or found.upper() in {one.upper() for one in self.placeholders}:
            return patient_pseudonym(self.salt, f"image {digest}")
        return patient_pseudonym(self.salt, found)

    def _write(self, name: str, content: bytes) -> tuple[str, str]:
        path = self.folder / name
        write_atomically(path, content)
        return path.relative_to(self.data_dir).as_posix(), sha256_of(content)


def _sex(dataset: Dataset | None) -> str:
    found = "" if dataset is None else str(dataset.get("PatientSex") or "").strip(" \0").upper()
    return found if found in ("M", "F", "O") else ""


def _json(answer: ModelAnswer | None) -> str | None:
    return None if answer is None else _ANSWER.dump_json(answer).decode()
