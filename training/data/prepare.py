"""Creates a dataset of single hands from a hospital's radiographs and its readers' labels.

Detection, refusal, sides and crops use the node's functions, with the detector of a bundle; hands that the
node would not rate are excluded. Of a header only sex and age are kept, patients become salted hashes, and
everything unused is listed with its reason. Images are processed on all cores; an interrupted preparation is
resumed.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ra_node.domain.patient.pseudonym import patient_pseudonym
from ra_node.errors import Refused
from ra_node.inference.process_map import side_by_side
from training.data.consensus import LabelledHand, expect_both_classes, expect_no_discrepancies
from training.data.detector import KeptDetector, keep_detector
from training.data.label_table.agreement import AGREEMENT, agreements, dumped
from training.data.manifest import ABOUT, HANDS, MANIFEST, REJECTED, HandRow, about, written
from training.data.site_images.image_hands import Cutter, ImageHands, ImageTask, Options, Rejection, rejected
from training.data.site_images.image_journal import ImageJournal
from training.data.site_images.source_image import is_image_file, sha256_of
from training.io.atomic_folder import Write, unfinished_folder, write_synced

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The result for a folder of images."""

    hands: tuple[HandRow, ...]
    rejections: tuple[Rejection, ...]
    known: int = 0
    """Number of images finished by an earlier, interrupted preparation."""


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
    """Create the dataset `out` of the labelled hands in `images`, atomically.

    Raises Refused for open discrepancies, no normal or no diseased hand, an existing `out`, or a patient
    under two keys; Fatal where the disk is full. Finished images are kept for the next call.
    """
    options = options or Options()
    if not options.skip_open:
        expect_no_discrepancies(labels)
    if not options.allow_empty_classes:
        expect_both_classes([hand.stage for hand in labels if hand.stage is not None], "in the label table")
    with unfinished_folder(out) as folder:
        (folder / HANDS).mkdir(exist_ok=True)
        keep_detector(detector, folder, write)
        cutter = Cutter(folder, salt, detector, options, write)
        journal = ImageJournal(cutter)
        tasks, duplicates = _tasks(images, labels)
        done, known = _cut(tasks, cutter, journal, report)
        labelled = {(images / hand.file).resolve() for hand in labels}
        prepared = _joined(images, tasks, done, duplicates, labelled, salt)
        if not options.allow_empty_classes:
            expect_both_classes([hand.stage for hand in prepared.hands], _after(prepared.rejections))
        if not prepared.hands:
            raise Refused(f"expected hands {_after(prepared.rejections)}, found none")
        _remove_others(folder, prepared.hands)
        write(folder / MANIFEST, written(prepared.hands))
        write(folder / AGREEMENT, dumped(agreements(labels)))
        write(folder / REJECTED, rejection_table(prepared.rejections))
        write(folder / ABOUT, about(detector.sha256))
        journal.remove()
    return replace(prepared, known=known)


def _tasks(images: Path, labels: Sequence[LabelledHand]) -> tuple[list[ImageTask], list[Rejection]]:
    """The labelled images, each file once, in the order of their names; rejections of identical copies."""
    groups: dict[str, list[LabelledHand]] = {}
    for hand in labels:
        groups.setdefault(hand.file, []).append(hand)
    tasks: dict[str, ImageTask] = {}
    copies: list[Rejection] = []
    for file, wanted in sorted(groups.items()):
        digest = sha256_of(images / file)
        first = tasks.setdefault(digest, ImageTask(images / file, digest, tuple(wanted)))
        if first.path != images / file:
            text = f"The same file as that of row {first.wanted[0].row} of the label table."
            copies += [rejected(hand, digest, "duplicate", text) for hand in wanted]
    return list(tasks.values()), copies


def _cut(
    tasks: Sequence[ImageTask], cutter: Cutter, journal: ImageJournal, report: Report
) -> tuple[dict[str, ImageHands], int]:
    """Crop the images that no earlier call finished, on all cores.

    Returns the hands by the hash of their image, and the number of known images.
    """
    done = {task.digest: hands for task in tasks if (hands := journal.known(task)) is not None}
    known, left = len(done), [task for task in tasks if task.digest not in done]
    report(known, len(tasks))
    for task, hands in zip(left, side_by_side(cutter, left), strict=True):
        journal.add(task, hands)
        done[task.digest] = hands
        report(len(done), len(tasks))
    return done, known


@dataclass(frozen=True, slots=True)
class _Patients:
    """Assigns patients to hands, and detects contradictions between table and headers."""

    salt: bytes
    stated_of_header: dict[str, tuple[str, int]] = field(default_factory=dict)
    first_row_of_pixels: dict[tuple[str, str], int] = field(default_factory=dict)

    def of(self, task: ImageTask, hands: ImageHands) -> str:
        """The key of the patient, "" where unknown; two keys for one header are refused."""
        hand = task.wanted[0]
        stated = hand.facts.patient
        if stated and hands.header_key:
            earlier, row = self.stated_of_header.setdefault(hands.header_key, (stated, hand.row))
            if earlier != stated:
                raise Refused(
                    f"row {hand.row}, column patient: expected the patient of row {row}, whose header has the"
                    " same Patient ID, found another: both sides of a split could have this patient"
                )
        return patient_pseudonym(self.salt, stated) if stated else hands.header_key

    def assigned(self, task: ImageTask, hands: ImageHands) -> Iterator[HandRow | Rejection]:
        """The rows of an image with its patient, or their rejections."""
        if not hands.readable:
            yield from hands.rejections
            return
        patient, row = self.of(task, hands), task.wanted[0].row
        if not patient:
            text = "Expected a Patient ID in the header or a patient in the label table, found none."
            yield from (rejected(hand, task.digest, "no_patient", text) for hand in task.wanted)
            return
        first = self.first_row_of_pixels.setdefault((patient, hands.pixels), row)
        if first != row:
            text = f"The same image of the same patient as that of row {first} of the label table."
            yield from (rejected(hand, task.digest, "duplicate", text) for hand in task.wanted)
            return
        yield from hands.rejections
        yield from (replace(hand, patient=patient) for hand in hands.rows)


def _joined(
    images: Path,
    tasks: Sequence[ImageTask],
    done: Mapping[str, ImageHands],
    duplicates: Sequence[Rejection],
    labelled: set[Path],
    salt: bytes,
) -> Prepared:
    """The rows of all images in order, and all rejections."""
    patients = _Patients(salt)
    results = [one for task in tasks for one in patients.assigned(task, done[task.digest])]
    return Prepared(
        tuple(one for one in results if isinstance(one, HandRow)),
        (
            *(one for one in results if isinstance(one, Rejection)),
            *duplicates,
            *_unlabelled(images, labelled),
        ),
    )


def _unlabelled(images: Path, labelled: set[Path]) -> Iterator[Rejection]:
    """Images without a row in the label table."""
    for path in sorted(images.rglob("*")):
        if path.is_file() and path.resolve() not in labelled and is_image_file(path):
            text = "Expected a row of the label table for this file, found none."
            yield Rejection(None, "", sha256_of(path), "no_label", text)


def _remove_others(folder: Path, hands: Sequence[HandRow]) -> None:
    """Remove pictures of an earlier call that are not used."""
    used = {folder / name for hand in hands for name in (hand.image, hand.levels) if name}
    for path in (folder / HANDS).iterdir():
        if path not in used:
            path.unlink()


def _after(rejections: Sequence[Rejection]) -> str:
    """Summary of the rejections for a message."""
    counts = Counter(f"{one.reason}" for one in rejections)
    return f"after {len(rejections)} rejections ({', '.join(f'{n} {r}' for r, n in sorted(counts.items()))})"


def rejection_table(rejections: Sequence[Rejection]) -> bytes:
    """Content of `rejected.csv`."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["label_row", "side", "source_sha256", "reason", "text"])
    for one in rejections:
        table.writerow(
            ["" if one.row is None else one.row, one.side, one.source_sha256, one.reason, one.text]
        )
    return text.getvalue().encode()
