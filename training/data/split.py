"""Splits a dataset by patient, and proves of every split that no patient is on two sides.

Patients are ordered by a hash of the seed and their key: the order of rows never counts, and a patient
who joins later moves no other one within the order.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import TypeAdapter, ValidationError

from ra_node.domain.report import STAGES
from ra_node.errors import Refused

Kind = Literal["holdout", "folds", "site", "given"]

TEST_SHARE = 0.3


class Labelled(Protocol):
    """What a split needs to know of a hand; `training.data.manifest.HandRow` is one."""

    @property
    def patient(self) -> str: ...
    @property
    def stage(self) -> int: ...
    @property
    def site(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def source_sha256(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Fold:
    """Patients to learn from and patients to measure on, sorted."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


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
    """Hold out a share of the patients, 0.3 as in the paper, in every stratum as far as they allow.

    A patient's stratum is the highest stage of all hands. A stratum of two patients or more is on both
    sides; a lone patient is learnt from unless the share cannot be reached otherwise.
    """
    strata = _strata(hands, seed)
    counts = _test_counts({stage: len(patients) for stage, patients in strata.items()}, test_share)
    test = [patient for stage, patients in strata.items() for patient in patients[: counts[stage]]]
    return (_fold("holdout", _patients(hands), test),)


def k_folds(hands: Sequence[Labelled], seed: int, k: int) -> tuple[Fold, ...]:
    """Deal the patients of each stratum in turn to k folds; each fold is the test side once."""
    everyone = _patients(hands)
    if not 2 <= k <= len(everyone):
        raise Refused(f"expected 2 to {len(everyone)} folds for {len(everyone)} patients, found {k}")
    dealt = [patient for patients in _strata(hands, seed).values() for patient in patients]
    return tuple(_fold(f"fold {at + 1}", everyone, dealt[at::k]) for at in range(k))


def by_site(hands: Sequence[Labelled]) -> tuple[Fold, ...]:
    """Measure on each site in turn; a patient of two sites is wholly on the test side of both."""
    sites = sorted({hand.site for hand in hands})
    if "" in sites or len(sites) < 2:
        found = f"{len(sites) - ('' in sites)} and hands without one" if "" in sites else f"{len(sites)}"
        raise Refused(f"expected at least two sites and one for every hand, found {found}")
    return tuple(
        _fold(f"site {site}", _patients(hands), [hand.patient for hand in hands if hand.site == site])
        for site in sites
    )


def as_given(hands: Sequence[Labelled]) -> tuple[Fold, ...]:
    """The sides that the label table gives; raises Refused where they tear a patient apart."""
    sides = {name: {hand.patient for hand in hands if hand.split == name} for name in ("train", "test", "")}
    if sides[""]:
        raise Refused(f"expected train or test for every hand, found none for {len(sides[''])} patients")
    return (Fold("given", tuple(sorted(sides["train"])), tuple(sorted(sides["test"]))),)


def parts_of(fold: Fold, hands: Sequence[Labelled]) -> Parts:
    """The hands of a fold, checked: every run gets its data through here; raises Refused."""
    check_no_leak(fold, hands)
    train = set(fold.train)
    places = range(len(hands))
    return Parts(
        tuple(at for at in places if hands[at].patient in train),
        tuple(at for at in places if hands[at].patient not in train),
    )


def check_no_leak(fold: Fold, hands: Sequence[Labelled]) -> None:
    """Raise Refused where a patient or an image is on both sides, on none, or a side is empty."""
    both = set(fold.train) & set(fold.test)
    if both:
        raise Refused(f"LEAK in {fold.name}: expected every patient on one side, found {_some(both)} on both")
    missing = {hand.patient for hand in hands} - set(fold.train) - set(fold.test)
    if missing:
        raise Refused(f"expected every patient in {fold.name}, found {_some(missing)} on no side")
    sources: dict[str, set[str]] = {}
    for hand in hands:
        sources.setdefault(hand.source_sha256, set()).add(
            "train" if hand.patient in set(fold.train) else "test"
        )
    shared = {source for source, sides in sources.items() if len(sides) > 1}
    if shared:
        raise Refused(f"LEAK in {fold.name}: expected every image on one side, found {_some(shared)} on both")
    if not fold.train or not fold.test:
        raise Refused(
            f"expected patients on both sides of {fold.name}, found {len(fold.train)} and {len(fold.test)}"
        )


def class_table(fold: Fold, hands: Sequence[Labelled]) -> str:
    """Hands by stage and patients of each side, for people."""
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
    """Raise Refused where a stage of the dataset is only on the test side: it cannot be learnt."""
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


def _strata(hands: Sequence[Labelled], seed: int) -> dict[int, list[str]]:
    """Patients by their highest stage, each list in the seed's order."""
    highest: dict[str, int] = {}
    for hand in hands:
        highest[hand.patient] = max(hand.stage, highest.get(hand.patient, 0))
    strata: dict[int, list[str]] = {stage: [] for stage in sorted(set(highest.values()))}
    for patient in sorted(highest, key=lambda patient: _place(patient, seed)):
        strata[highest[patient]].append(patient)
    return strata


def _place(patient: str, seed: int) -> bytes:
    """What a patient is ordered by."""
    return hashlib.sha256(f"{seed}:{patient}".encode()).digest()


def _test_counts(sizes: Mapping[int, int], share: float) -> dict[int, int]:
    """Test patients by stratum: the whole share, dealt by largest remainder within what each allows."""
    everyone = sum(sizes.values())
    if everyone < 2:
        raise Refused(f"expected at least two patients to split, found {everyone}")
    if not 0 < share < 1:
        raise Refused(f"expected a test share between 0 and 1, found {share}")
    most = {stage: max(size - 1, 1) for stage, size in sizes.items()}
    wanted = min(max(round(share * everyone), 1), everyone - 1, sum(most.values()))
    counts = {
        stage: 0 if size == 1 else min(max(int(share * size), 1), most[stage])
        for stage, size in sizes.items()
    }
    while sum(counts.values()) < wanted:
        room = [stage for stage in sizes if counts[stage] < most[stage]]
        chosen = min(room, key=lambda stage: (sizes[stage] == 1, counts[stage] - share * sizes[stage], stage))
        counts[chosen] += 1
    return counts


def _fold(name: str, everyone: Sequence[str], test: Sequence[str]) -> Fold:
    held_out = set(test)
    return Fold(name, tuple(one for one in everyone if one not in held_out), tuple(sorted(held_out)))


def _patients(hands: Sequence[Labelled]) -> list[str]:
    return sorted({hand.patient for hand in hands})


def _counted(name: str, hands: Sequence[Labelled]) -> list[str]:
    counts = Counter(hand.stage for hand in hands)
    return [name, *(str(counts[stage]) for stage in STAGES), str(len(hands)), str(len(_patients(hands)))]


def _some(keys: set[str]) -> str:
    """A few keys in full; they are salted hashes, which name nobody."""
    shown = ", ".join(sorted(keys)[:3])
    return f"{len(keys)} ({shown}{', ...' if len(keys) > 3 else ''})"
