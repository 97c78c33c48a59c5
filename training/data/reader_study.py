"""Creates a dataset from the export of a reader study, whose hands are cut already.

The readers saw the pictures that are trained on, and every label is of a hand by its id. The provenance of
the labels stays in the dataset and in every run on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ra_node.domain.patient.pseudonym import patient_pseudonym
from ra_node.domain.reader_study.provenance import FILE, FORMAT, ReaderStudyProvenance
from ra_node.errors import Refused
from ra_node.imaging.hand_cuts.hand_cut import HandCut, cut_from_json
from training.data.consensus import LabelledHand, expect_both_classes, expect_no_discrepancies
from training.data.detector import KeptDetector, keep_detector, kept_detector
from training.data.label_table.agreement import AGREEMENT, agreements, dumped
from training.data.manifest import ABOUT, HANDS, MANIFEST, REJECTED, HandRow, about, written
from training.data.prepare import Prepared, rejection_table
from training.data.site_images.image_hands import Options, Rejection, rejected
from training.io.atomic_folder import Write, unfinished_folder, write_synced

LABELS = "labels.csv"
"""The label table of an export."""

_PROVENANCE = TypeAdapter(ReaderStudyProvenance)


def is_reader_study(folder: Path) -> bool:
    """Whether a folder is the export of a reader study."""
    return (folder / FILE).is_file()


def read_provenance(folder: Path) -> ReaderStudyProvenance | None:
    """The provenance of the labels of an export, a dataset or a run; None where no reader study made them."""
    path = folder / FILE
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        if json.loads(content).get("format") != FORMAT:
            raise Refused(f'expected "{FORMAT}" in {FILE}, found another format')
        return _PROVENANCE.validate_json(content)
    except (ValueError, AttributeError, ValidationError) as error:
        raise Refused(f"expected a valid {FILE}, found {type(error).__name__}") from error


def prepare_reader_study(
    export: Path,
    labels: Sequence[LabelledHand],
    out: Path,
    salt: bytes,
    options: Options | None = None,
    write: Write = write_synced,
) -> Prepared:
    """Create the dataset `out` of the labelled hands of an export, atomically.

    Raises Refused as `prepare` does, and for hands that another detector cut than the one in the export.
    """
    options = options or Options()
    if not options.skip_open:
        expect_no_discrepancies(labels)
    detector = kept_detector(export)
    with unfinished_folder(out) as folder:
        (folder / HANDS).mkdir(exist_ok=True)
        keep_detector(detector, folder, write)
        found = [_row(export, folder, hand, salt, detector, options, write) for hand in labels]
        prepared = Prepared(
            tuple(one for one in found if isinstance(one, HandRow)),
            tuple(one for one in found if isinstance(one, Rejection)),
        )
        if not prepared.hands:
            raise Refused("expected hands with a stage, found none")
        if not options.allow_empty_classes:
            expect_both_classes([hand.stage for hand in prepared.hands], "in the reader study")
        write(folder / MANIFEST, written(prepared.hands))
        write(folder / AGREEMENT, dumped(agreements(labels)))
        write(folder / FILE, (export / FILE).read_bytes())
        write(folder / REJECTED, rejection_table(prepared.rejections))
        write(folder / ABOUT, about(detector.sha256))
    return prepared


def _row(
    export: Path,
    folder: Path,
    hand: LabelledHand,
    salt: bytes,
    detector: KeptDetector,
    options: Options,
    write: Write,
) -> HandRow | Rejection:
    """The row of a hand, whose picture is copied."""
    cut = _cut(export, hand)
    digest, facts = cut.source_sha256, hand.facts
    if cut.detector != detector.sha256:
        found = cut.detector[:12]
        raise Refused(f"expected hands cut by the detector {detector.sha256[:12]}, found {found}")
    if hand.label is None:
        return rejected(hand, digest, "open", "Expected one label, found readers who still differ.")
    if hand.stage is None:
        return rejected(hand, digest, "not_gradable", "Expected a stage, found a hand not gradable.")
    name = f"{HANDS}/{cut.hand_id}"
    for suffix in _suffixes(cut):
        write(folder / f"{name}{suffix}", _content(export / f"{name}{suffix}"))
    return HandRow(
        image=f"{name}.png",
        patient=patient_pseudonym(salt, facts.patient or cut.patient),
        side=hand.side.value,
        stage=hand.stage,
        joints=hand.joints,
        source_sha256=digest,
        site=facts.site or options.site,
        sex=facts.sex or cut.sex,
        age_years=cut.age_years if facts.age_years is None else facts.age_years,
        split=facts.split,
        rows=cut.rows,
        columns=cut.columns,
        rotation=cut.rotation,
        box=cut.box,
        outline=cut.outline,
        score=cut.score,
        joint_places=cut.joint_places,
        detector=cut.detector,
        image_pixels=cut.image_pixels,
        hand_pixels=cut.hand_pixels,
        first=cut.first,
        step=cut.step,
        levels=f"{name}.npy" if cut.has_levels else None,
        blanked_px=cut.blanked_px,
    )


def _cut(export: Path, hand: LabelledHand) -> HandCut:
    """The geometry of a hand; its label must be of the same hand and side."""
    cut = cut_from_json(_content((export / hand.file).with_suffix(".json")))
    if cut.side != hand.side.value or f"{HANDS}/{cut.hand_id}.png" != hand.file:
        raise Refused(f"row {hand.row}: expected the hand and side of its file, found another")
    return cut


def _suffixes(cut: HandCut) -> Iterator[str]:
    yield ".png"
    if cut.has_levels:
        yield ".npy"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"expected {path.name} in the export, found {type(error).__name__}") from error
