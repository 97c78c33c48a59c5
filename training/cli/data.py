"""The commands of `python -m training` that turn a hospital's images and labels into data to train on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.domain.laterality.evidence import Convention
from ra_node.domain.report import STAGES
from ra_node.errors import Refused
from ra_node.imaging.hand_cuts.blanking import Blank
from training.cli.options import BundleOption, bundle_folder
from training.cli.output import say
from training.data.split import TEST_SHARE, Kind

if TYPE_CHECKING:
    from rich.progress import Progress

    from training.data.consensus import LabelledHand
    from training.data.prepare import Prepared
    from training.data.split import Fold, Labelled

SALT = "patient-key.salt"
"""Salt file beside the datasets of a site, so that all give a patient the same key."""

HINTS = {
    "side": "; if all two-hand images of the site lie the same way round, say so with --two-hand-convention",
    "no_patient": "; add a column patient to the label table",
    "no_label": "; images or hands that no row names",
}
"""What to do about hands that were not used, behind their number."""

Images = Annotated[Path, typer.Option("--images", exists=True, file_okay=False, help="DICOM files or PNGs.")]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", exists=True, dir_okay=False, help="Label table; that of an export by default."),
]
Out = Annotated[Path, typer.Option("--out", help="New folder of the dataset.")]
SplitOut = Annotated[Path, typer.Option("--out", help="The split, JSON.")]
Dataset = Annotated[Path, typer.Option("--dataset", exists=True, file_okay=False, help="What prepare made.")]
SaltFile = Annotated[
    Path | None, typer.Option("--salt-file", help=f"Secret of the patient keys; {SALT} beside the dataset.")
]
TwoHands = Annotated[
    Convention, typer.Option("--two-hand-convention", help="What the site guarantees about two-hand images.")
]
Site = Annotated[str, typer.Option("--site", help="Site of hands whose row names none.")]
SkipOpen = Annotated[bool, typer.Option("--skip-open", help="Leave out hands whose readers still differ.")]
EmptyClasses = Annotated[
    bool,
    typer.Option("--allow-empty-classes", help="Accept a data set without normal or diseased hands."),
]
BlankWhat = Annotated[
    Blank, typer.Option("--blank", help="What to blank beside a hand: text, all surroundings, nothing.")
]
SplitKind = Annotated[
    Kind, typer.Option("--kind", help="Hold out patients, k folds, by site, or as labelled.")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the split.")]
TestShare = Annotated[float, typer.Option("--test-share", help="Of the patients, for holdout.")]
Folds = Annotated[int, typer.Option("--folds", help="How many, for folds.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command(name="labels")(labels_command)
    app.command(name="prepare")(prepare_command)
    app.command(name="split")(split_command)


def labels_command(images: Images, labels: Labels = None) -> None:
    """Check a label table: agreement of the readers and the discrepancies still open."""
    from training.data.consensus import expect_no_discrepancies
    from training.data.label_table.annotations import read_labels

    hands = read_labels(_table(images, labels), images)
    _say_labels(hands)
    expect_no_discrepancies(hands)


def prepare_command(
    images: Images,
    out: Out,
    labels: Labels = None,
    bundle: BundleOption = None,
    salt_file: SaltFile = None,
    two_hand_convention: TwoHands = "none",
    site: Site = "",
    skip_open: SkipOpen = False,  # noqa: FBT002 -- typer's idiom for a flag
    allow_empty_classes: EmptyClasses = False,  # noqa: FBT002
    blank: BlankWhat = "text",
) -> None:
    """Make a dataset from images and labels, or from an exported reader study; no patient data is kept."""
    import torch

    from training.data.consensus import expect_no_discrepancies
    from training.data.detector import bundle_detector
    from training.data.label_table.annotations import read_labels
    from training.data.prepare import prepare
    from training.data.reader_study import is_reader_study, prepare_reader_study
    from training.data.site_images.image_hands import Options
    from training.data.site_images.pseudonym import read_salt

    torch.set_num_threads(1)  # two threads wait for each other in networks this small
    hands = read_labels(_table(images, labels), images)
    _say_labels(hands)
    options = Options(two_hand_convention, site, skip_open, allow_empty_classes, blank)
    if not skip_open:
        expect_no_discrepancies(hands)
    if out.exists():
        raise Refused("expected a new folder in --out, found one that exists")
    salt = read_salt(salt_file or out.parent / SALT, out)
    if is_reader_study(images):
        _say_prepared(prepare_reader_study(images, hands, out, salt, options))
        return
    detector = bundle_detector(bundle_folder(bundle))
    say(f"hands are found by {detector.part.name} ({detector.sha256[:12]})")
    with _progress() as bar:
        task = bar.add_task("images", total=None)
        prepared = prepare(
            images,
            hands,
            out,
            salt,
            detector,
            options,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    _say_prepared(prepared)


def split_command(
    dataset: Dataset,
    out: SplitOut,
    kind: SplitKind = "holdout",
    seed: Seed = 2024,
    test_share: TestShare = TEST_SHARE,
    folds: Folds = 5,
) -> None:
    """Split a dataset by patient, check it for leaks and show the classes of every side."""
    from training.data.manifest import manifest_sha256, read_manifest
    from training.data.people import people_of
    from training.data.split import Split, class_table, expect_every_class_in_train, written
    from training.io.atomic_file import write_whole

    hands = read_manifest(dataset)
    several = Counter(people_of(hands).values())
    if twice := sum(count > 1 for count in several.values()):
        say(f"{twice} people have the same image under several patient keys; each stays on one side")
    made = _folds(hands, kind, seed, test_share, folds)
    for fold in made:
        say(class_table(fold, hands))
        expect_every_class_in_train(fold, hands)
    content = written(Split(kind, seed, manifest_sha256(dataset), made))
    write_whole(out, lambda file: file.write(content))
    say(f"no patient and no image is on two sides; wrote {out}")


def _folds(
    hands: Sequence[Labelled], kind: Kind, seed: int, test_share: float, folds: int
) -> tuple[Fold, ...]:
    from training.data.split import as_given, by_site, holdout, k_folds

    if kind == "folds":
        return k_folds(hands, seed, folds)
    if kind == "site":
        return by_site(hands)
    return as_given(hands) if kind == "given" else holdout(hands, seed, test_share)


def _table(images: Path, labels: Path | None) -> Path:
    """The label table; the export of a reader study has its own."""
    from training.data.reader_study import LABELS, is_reader_study

    if labels is not None:
        return labels
    if not is_reader_study(images):
        raise Refused("expected a label table in --labels, found none, and no export of a reader study")
    return images / LABELS


def _say_labels(hands: Sequence[LabelledHand]) -> None:
    from ra_node.domain.reader_study.labels import NOT_GRADABLE
    from training.data.consensus import absent_stages, described, open_discrepancies
    from training.data.label_table.agreement import agreements

    counts = Counter(hand.label for hand in hands)
    shown = ", ".join(f"stage {stage}: {counts[stage]}" for stage in STAGES)
    say(f"{len(hands)} labelled hands; {shown}; not gradable: {counts[NOT_GRADABLE]}; open: {counts[None]}")
    absent = absent_stages(hand.stage for hand in hands if hand.stage is not None)
    if absent:
        say(f"no hand of stage {', '.join(map(str, absent))}: only a recipe with an ordinal layer fits this")
    for agreement in agreements(hands):
        say(f"readers: {agreement}")
    for reading in open_discrepancies(hands):
        say(f"open: {described(reading)}")


def _say_prepared(prepared: Prepared) -> None:
    patients = len({hand.patient for hand in prepared.hands})
    blanked = sum(hand.blanked_px > 0 for hand in prepared.hands)
    say(f"{len(prepared.hands)} hands of {patients} patients; blanked beside the hand in {blanked}")
    if prepared.known:
        say(f"{prepared.known} images were done already, before this preparation was stopped")
    for reason, count in sorted(Counter(one.reason for one in prepared.rejections).items()):
        say(f"not used: {count} {reason}{HINTS.get(reason, '')}")


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
