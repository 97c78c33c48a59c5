"""No patient and no image is ever on two sides, whatever the table looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_node.errors import Refused
from training.data.people import people_of
from training.data.split import (
    Fold,
    Labelled,
    Split,
    as_given,
    by_site,
    check_no_leak,
    class_table,
    expect_every_class_in_train,
    holdout,
    k_folds,
    parts_of,
    read_split,
    written,
)


@dataclass(frozen=True)
class Row:
    """What a split looks at."""

    patient: str
    stage: int
    site: str = "north"
    split: str = ""
    source_sha256: str = ""
    pixels: str = ""

    @property
    def pictures(self) -> tuple[str, ...]:
        return self.source_sha256, self.pixels


def rows(*hands: tuple[int, int]) -> list[Row]:
    """Hands as (patient, stage), each from an image of its own."""
    return [Row(f"p{patient:03}", stage, source_sha256=f"s{at}") for at, (patient, stage) in enumerate(hands)]


tables = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=2, max_size=120).map(
    lambda hands: rows(*hands)
)
several = tables.filter(lambda hands: len({hand.patient for hand in hands}) > 1)


def expect_apart(folds: Sequence[Fold], hands: Sequence[Labelled]) -> None:
    for fold in folds:
        parts = parts_of(fold, hands)
        assert sorted(parts.train + parts.test) == list(range(len(hands)))
        assert not {hands[at].patient for at in parts.train} & {hands[at].patient for at in parts.test}


@settings(deadline=None)  # wall time of a busy machine
@given(several, st.integers(0, 2**31), st.floats(0.05, 0.95), st.randoms())
def test_a_patient_is_on_one_side_and_the_order_of_rows_does_not_count(hands, seed, share, random) -> None:
    folds = holdout(hands, seed, share)
    expect_apart(folds, hands)
    shuffled = list(hands)
    random.shuffle(shuffled)
    assert holdout(shuffled, seed, share) == folds


def people(seed: int, count: int) -> list[Row]:
    """Patients with two hands, both of them near one severity, as in a clinic."""
    rng = np.random.default_rng(seed)
    severity = rng.choice(6, count, p=(0.3, 0.25, 0.2, 0.12, 0.08, 0.05))
    return rows(
        *((n, int(np.clip(k + rng.integers(-2, 2), 0, 5))) for n, k in enumerate(severity) for _ in "RL")
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [30, 120])
def test_the_hands_of_every_stage_are_held_out_in_their_share(seed: int, count: int) -> None:
    """Not only those of the worse hand of each patient: the other one has a stage, too."""
    hands = people(seed, count)
    (fold,) = holdout(hands, seed)
    all_of = Counter(hand.stage for hand in hands)
    test_of = Counter(hands[at].stage for at in parts_of(fold, hands).test)
    for stage, size in all_of.items():
        assert abs(test_of[stage] - 0.3 * size) <= 2
    assert abs(len(fold.test) - 0.3 * count) <= 2


@pytest.mark.parametrize("seed", range(4))
def test_every_fold_holds_out_its_share_of_every_stage(seed: int) -> None:
    hands = people(seed, 60)
    all_of = Counter(hand.stage for hand in hands)
    for fold in k_folds(hands, seed, 5):
        test_of = Counter(hands[at].stage for at in parts_of(fold, hands).test)
        assert all(abs(test_of[stage] - size / 5) <= 2 for stage, size in all_of.items())
        assert all(test_of[stage] for stage, size in all_of.items() if size > 12)


def test_the_only_patient_with_a_stage_is_learnt_from() -> None:
    for seed in range(10):
        hands = [*rows(*((n, n % 3) for n in range(20))), Row("lone", 5, source_sha256="x"), Row("lone", 0)]
        assert "lone" in holdout(hands, seed)[0].train


@settings(deadline=None)  # wall time of a busy machine
@given(several, st.integers(0, 99))
def test_both_sides_have_patients_and_the_larger_share_is_learnt_from(hands, seed) -> None:
    (fold,) = holdout(hands, seed)
    assert fold.train
    assert fold.test
    assert len(fold.test) <= len(fold.train) + 1


def test_the_paper_s_344_hands_split_close_to_its_own_counts() -> None:
    """Table 1 holds out 13, 14, 22, 24, 17 and 14 of 39, 47, 76, 80, 55 and 47 hands."""
    stages = [stage for stage, count in enumerate((39, 47, 76, 80, 55, 47)) for _ in range(count)]
    hands = rows(*((at // 2, stage) for at, stage in enumerate(stages)))
    (fold,) = holdout(hands, 2024)
    held = Counter(hands[at].stage for at in parts_of(fold, hands).test)
    assert all(abs(held[k] - n) <= 4 for k, n in enumerate((13, 14, 22, 24, 17, 14)))
    assert sum(held.values()) == pytest.approx(104, abs=2)


def test_another_seed_gives_another_split() -> None:
    hands = rows(*((at, at % 6) for at in range(60)))
    assert holdout(hands, 1) == holdout(hands, 1)
    assert holdout(hands, 1) != holdout(hands, 2)


@settings(deadline=None)  # wall time of a busy machine
@given(several, st.integers(0, 99), st.integers(2, 10))
def test_each_patient_is_tested_in_one_of_k_folds(hands, seed, k) -> None:
    patients = {hand.patient for hand in hands}
    if k > len(patients):
        with pytest.raises(Refused, match=f"expected 2 to {len(patients)} folds"):
            k_folds(hands, seed, k)
        return
    folds = k_folds(hands, seed, k)
    expect_apart(folds, hands)
    assert sorted(patient for fold in folds for patient in fold.test) == sorted(patients)
    assert all(fold.test for fold in folds)


def test_each_site_is_measured_by_what_other_sites_taught() -> None:
    hands = [replace(row, site="abc"[at % 3]) for at, row in enumerate(rows((1, 0), (2, 1), (3, 2), (1, 3)))]
    hands[3] = replace(hands[3], site="b")
    folds = by_site(hands)
    expect_apart(folds, hands)
    assert [fold.name for fold in folds] == ["site a", "site b", "site c"]
    assert folds[0].test == ("p001",)
    assert folds[1].test == ("p001", "p002")


@pytest.mark.parametrize(
    ("sites", "found"), [("aa", "found 1"), (("a", ""), "found 1 and hands without one")]
)
def test_a_split_by_site_needs_two_sites(sites: Sequence[str], found: str) -> None:
    hands = [replace(row, site=site) for row, site in zip(rows((1, 0), (2, 1)), sites, strict=True)]
    with pytest.raises(Refused, match=found):
        by_site(hands)


def test_a_given_split_that_tears_a_patient_apart_fails_loudly() -> None:
    hands = [
        replace(r, split=s)
        for r, s in zip(rows((1, 0), (2, 0), (1, 3)), ("train", "test", "test"), strict=True)
    ]
    (fold,) = as_given(hands)
    with pytest.raises(Refused, match=r"LEAK in given: expected every patient on one side, found 1 \(p001\)"):
        parts_of(fold, hands)
    with pytest.raises(Refused, match="found none for 1 patients"):
        as_given([*hands, Row("p009", 1)])


def test_one_image_under_two_patients_is_a_leak() -> None:
    """As when a patient was registered twice."""
    hands = [Row("a", 0, source_sha256="same"), Row("b", 0, source_sha256="same")]
    with pytest.raises(Refused, match=r"LEAK in x: .* found the same under patients of both: 1 \(same\)"):
        check_no_leak(Fold("x", ("a",), ("b",)), hands)


@settings(deadline=None)  # wall time of a busy machine
@given(several, st.integers(0, 99), st.lists(st.tuples(st.integers(0, 119), st.integers(0, 119)), max_size=9))
def test_the_same_pixels_under_two_patients_stay_on_one_side(hands, seed, pairs) -> None:
    """Whatever file and key they came under, and however many keys hang together."""
    for at, (a, b) in enumerate(pairs):
        for n in (a % len(hands), b % len(hands)):
            hands[n] = replace(hands[n], pixels=hands[n].pixels or f"pixels{at}")
    people = set(people_of(hands).values())
    if len(people) > 1:
        expect_apart(holdout(hands, seed), hands)
        expect_apart(k_folds(hands, seed, 2), hands)


def test_the_same_pixels_under_patients_of_two_given_sides_are_refused() -> None:
    hands = [
        Row("a", 0, split="train", pixels="x"),
        Row("b", 1, split="test", pixels="x"),
        Row("c", 2, split="test"),
    ]
    with pytest.raises(Refused, match=r"LEAK in given.* found the same under patients of both: 1 \(x\)"):
        parts_of(as_given(hands)[0], hands)


def test_the_time_of_the_leak_check_grows_with_the_hands() -> None:
    """Ten times the rows, ten times the looks at a row: none is compared with all others."""

    def looks(count: int) -> int:
        hands = [
            Counting(f"p{n // 2}", n % 6, source_sha256=f"s{n}", pixels=f"x{n // 3}") for n in range(count)
        ]
        Counting.looks = 0
        check_no_leak(Fold("x", tuple(sorted(people_of(hands))), ("none",)), hands)
        return Counting.looks

    assert looks(5000) <= 10 * looks(500)


class Counting(Row):
    """A row that counts how often it is looked at."""

    looks = 0

    @property
    def pictures(self) -> tuple[str, ...]:
        Counting.looks += 1
        return super().pictures


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (Fold("x", ("p001", "p002"), ("p002",)), r"LEAK in x.*p002"),
        (Fold("x", ("p001",), ("p003",)), r"expected every patient in x, found 1 \(p002\) on no side"),
        (Fold("x", ("p001", "p002"), ()), "expected patients on both sides of x, found 2 and 0"),
    ],
)
def test_a_bad_fold_fails_when_a_run_loads_its_data(fold: Fold, message: str) -> None:
    with pytest.raises(Refused, match=message):
        parts_of(fold, rows((1, 0), (2, 1)))


def test_one_patient_cannot_be_split() -> None:
    with pytest.raises(Refused, match="at least two patients to split, found 1"):
        holdout(rows((1, 0), (1, 5)), 1)


def test_a_stage_that_is_only_tested_is_refused() -> None:
    hands = rows((1, 0), (2, 5))
    with pytest.raises(Refused, match=r"training side of x, found none of \[5\]"):
        expect_every_class_in_train(Fold("x", ("p001",), ("p002",)), hands)


def test_the_class_table_counts_hands_and_patients_of_each_side() -> None:
    hands = rows((1, 0), (1, 2), (2, 5))
    lines = class_table(Fold("holdout", ("p001",), ("p002",)), hands).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["train", "1", "0", "1", "0", "0", "0", "2", "1"],
        ["test", "0", "0", "0", "0", "0", "1", "1", "1"],
        ["all", "1", "0", "1", "0", "0", "1", "3", "2"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_split_file_is_read_again_only_for_its_own_dataset(tmp_path: Path) -> None:
    hands = rows(*((at, at % 6) for at in range(30)))
    split = Split("folds", 7, "ab" * 32, k_folds(hands, 7, 3))
    path = tmp_path / "split.json"
    path.write_bytes(written(split))
    assert read_split(path, "ab" * 32, hands) == split
    with pytest.raises(
        Refused, match="expected a split of the dataset cdcdcdcdcdcd, found one of abababababab"
    ):
        read_split(path, "cd" * 32, hands)
    path.write_bytes(written(replace(split, folds=(Fold("x", ("p001",), ("p001",)),))))
    with pytest.raises(Refused, match="LEAK"):
        read_split(path, "ab" * 32, hands)
    path.write_text("{}")
    with pytest.raises(Refused, match="expected a split file, found ValidationError"):
        read_split(path, "ab" * 32, hands)
