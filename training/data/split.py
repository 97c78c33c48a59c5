"""Splits a dataset by patient, and checks of every split that no patient is on two sides.

Splits are stratified by stage (`training.data.stratify`) and independent of the order of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import TypeAdapter, ValidationError

from ra_node.domain.report import STAGES
from ra_node.errors import Refused
from training.data.people import people_of
from training.data.stratify import dealt

Kind = Literal["holdout", "folds", "site", "given"]

TEST_SHARE = 0.3

ALL = "all hands"
"""Name of the fold for training on all patients after a cross-validation."""


class Labelled(Protocol):
    """Attributes of a hand that a split needs; `training.data.manifest.HandRow` has them."""

    @property
    def patient(self) -> str: ...
    @property
    def stage(self) -> int: ...
    @property
    def site(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def pictures(self) -> tuple[str, ...]:
        """Hashes of its file and its decoded pixels, "" for none; see training.data.people."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Training patients, test patients, and patients set aside, each sorted."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    aside: tuple[str, ...] = ()
    """Patients of a later test: on neither side."""


@dataclass(frozen=True, slots=True)
class Split:
    """One or more folds of the dataset whose manifest has the given hash."""

    kind: Kind
    seed: int
    dataset_sha256: str
    folds: tuple[Fold, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Indices of the hands of one fold, in the order of the dataset."""

    train: tuple[int, ...]
    test: tuple[int, ...]


def holdout(hands: Sequence[Labelled], seed: int, test_share: float = TEST_SHARE) -> tuple[Fold, ...]:
    """Hold out a share of the patients, 0.3 as in the paper, with that share of the hands of every stage.

    A stage of two patients or more is on both sides as far as their other hands allow; that of a single
    patient is on the training side.
    """
    people = people_of(hands)
    everyone = set(people.values())
    if len(everyone) < 2:
        raise Refused(f"expected at least two patients to split, found {len(everyone)}")
    if not 0 < test_share < 1:
        raise Refused(f"expected a test share between 0 and 1, found {test_share}")
    sides = dealt(_stages(hands, people), (1 - test_share, test_share), seed)
    return (_fold("holdout", people, {person for person, side in sides.items() if side == 1}),)


def k_folds(hands: Sequence[Labelled], seed: int, k: int) -> tuple[Fold, ...]:
    """Assign the patients to k folds stratified by stage; each fold is the test side once."""
    people = people_of(hands)
    everyone = set(people.values())
    if not 2 <= k <= len(everyone):
        raise Refused(f"expected 2 to {len(everyone)} folds for {len(everyone)} patients, found {k}")
    sides = dealt(_stages(hands, people), [1 / k] * k, seed)
    tests = [{person for person, side in sides.items() if side == at} for at in range(k)]
    return tuple(_fold(f"fold {at}", people, test) for at, test in enumerate(tests, start=1))


def by_site(hands: Sequence[Labelled]) -> tuple[Fold, ...]:
    """One fold a site as the test side; a patient of two sites is on the test side of both folds."""
    sites = sorted({hand.site for hand in hands})
    if "" in sites or len(sites) < 2:
        found = f"{len(sites) - ('' in sites)} and hands without one" if "" in sites else f"{len(sites)}"
        raise Refused(f"expected at least two sites and one for every hand, found {found}")
    people = people_of(hands)
    return tuple(
        _fold(f"site {site}", people, {people[hand.patient] for hand in hands if hand.site == site})
        for site in sites
    )


def as_given(hands: Sequence[Labelled]) -> tuple[Fold, ...]:
    """The split of the label table; raises Refused where a patient is on both sides."""
    sides = {name: {hand.patient for hand in hands if hand.split == name} for name in ("train", "test", "")}
    if sides[""]:
        raise Refused(f"expected train or test for every hand, found none for {len(sides[''])} patients")
    return (Fold("given", tuple(sorted(sides["train"])), tuple(sorted(sides["test"]))),)


def parts_of(fold: Fold, hands: Sequence[Labelled]) -> Parts:
    """The hands of a fold after the leakage check; every run uses this function. Raises Refused."""
    check_no_leak(fold, hands)
    train, test = set(fold.train), set(fold.test)
    places = range(len(hands))
    return Parts(
        tuple(at for at in places if hands[at].patient in train),
        tuple(at for at in places if hands[at].patient in test),
    )


def check_no_leak(fold: Fold, hands: Sequence[Labelled]) -> None:
    """Raise Refused where a patient or a picture is on both sides, a patient on none, or a side is empty.

    Pictures are also compared by their decoded pixels: the same hand under two patient keys is a leak.
    """
    side_of = {patient: side for side in ("train", "test", "aside") for patient in getattr(fold, side)}
    both = {patient for patient, n in Counter([*fold.train, *fold.test, *fold.aside]).items() if n > 1}
    if both:
        raise Refused(f"LEAK in {fold.name}: expected every patient on one side, found {_some(both)} on both")
    missing = {hand.patient for hand in hands} - set(side_of)
    if missing:
        raise Refused(f"expected every patient in {fold.name}, found {_some(missing)} on no side")
    shared = _torn(hands, side_of)
    if shared:
        raise Refused(
            f"LEAK in {fold.name}: expected every image on one side, found the same under patients of both:"
            f" {_some(shared)}"
        )
    if not fold.train or (not fold.test and fold.name != ALL):
        raise Refused(
            f"expected patients on both sides of {fold.name}, found {len(fold.train)} and {len(fold.test)}"
        )


def _torn(hands: Sequence[Labelled], side_of: Mapping[str, str]) -> set[str]:
    """Pictures that occur for patients of several sides."""
    first: dict[str, str] = {}
    return {
        picture
        for hand in hands
        for picture in filter(None, hand.pictures)
        if first.setdefault(picture, side_of[hand.patient]) != side_of[hand.patient]
    }


def class_table(fold: Fold, hands: Sequence[Labelled]) -> str:
    """Text table of hands by stage and of patients, for each side."""
    parts = parts_of(fold, hands)
    head = [fold.name, *(f"stage {stage}" for stage in STAGES), "hands", "patients"]
    rows = [
        _counted(name, [hands[at] for at in side])
        for name, side in (("train", parts.train), ("test", parts.test))
    ]
    rows.append(_counted("all", hands))
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    )


def expect_every_class_in_train(fold: Fold, hands: Sequence[Labelled]) -> None:
    """Raise Refused where a stage of the dataset has no training hand."""
    parts = parts_of(fold, hands)
    learnt = {hands[at].stage for at in parts.train}
    unlearnt = sorted({hand.stage for hand in hands} - learnt)
    if unlearnt:
        raise Refused(f"expected every stage on the training side of {fold.name}, found none of {unlearnt}")


def written(split: Split) -> bytes:
    """The content of a split file."""
    return TypeAdapter(Split).dump_json(split, indent=1) + b"\n"


def read_split(path: Path, dataset_sha256: str, hands: Sequence[Labelled]) -> Split:
    """Read a split and check each fold; raises Refused where it is for another dataset or leaks."""
    try:
        split = TypeAdapter(Split).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise Refused(f"expected a split file, found {type(error).__name__}") from error
    if split.dataset_sha256 != dataset_sha256:
        found, expected = split.dataset_sha256[:12], dataset_sha256[:12]
        raise Refused(f"expected a split of the dataset {expected}, found one of {found}")
    for fold in split.folds:
        check_no_leak(fold, hands)
    return split


def _stages(hands: Sequence[Labelled], people: Mapping[str, str]) -> dict[str, list[int]]:
    """The stages of all hands of every person."""
    found: dict[str, list[int]] = {}
    for hand in hands:
        found.setdefault(people[hand.patient], []).append(hand.stage)
    return found


def _fold(name: str, people: Mapping[str, str], test: set[str]) -> Fold:
    """All keys of the persons of `test` on the test side, all others on the training side."""
    sides: dict[bool, list[str]] = {False: [], True: []}
    for patient in sorted(people):
        sides[people[patient] in test].append(patient)
    return Fold(name, tuple(sides[False]), tuple(sides[True]))


def _patients(hands: Sequence[Labelled]) -> list[str]:
    return sorted({hand.patient for hand in hands})


def _counted(name: str, hands: Sequence[Labelled]) -> list[str]:
    counts = Counter(hand.stage for hand in hands)
    return [name, *(str(counts[stage]) for stage in STAGES), str(len(hands)), str(len(_patients(hands)))]


def _some(keys: set[str]) -> str:
    """The first few keys; they are salted hashes, which identify no patient."""
    shown = ", ".join(sorted(keys)[:3])
    return f"{len(keys)} ({shown}{', ...' if len(keys) > 3 else ''})"
