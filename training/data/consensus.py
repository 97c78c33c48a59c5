"""Labels of hands by two readers and their consensus, and what must be settled before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.report import STAGES
from ra_node.errors import Refused

SplitName = Literal["train", "test", ""]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table says of a hand besides its stage; "" and None where it says nothing."""

    patient: str = ""
    site: str = ""
    sex: str = ""
    age_years: int | None = None
    split: SplitName = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One row: what two readers and their consensus say about a hand or one of its joints."""

    row: int
    file: str
    side: Side
    joint: str
    first: int | None
    second: int | None
    consensus: int | None
    facts: Facts

    @property
    def label(self) -> int | None:
        """The stage that counts; None is a discrepancy that is still open."""
        if self.consensus is not None:
            return self.consensus
        return self.first if self.first == self.second else None


@dataclass(frozen=True, slots=True)
class LabelledHand:
    """All readings of one hand of one image."""

    readings: tuple[Reading, ...]

    @property
    def file(self) -> str:
        return self.readings[0].file

    @property
    def side(self) -> Side:
        return self.readings[0].side

    @property
    def row(self) -> int:
        return self.readings[0].row

    @property
    def facts(self) -> Facts:
        return self.readings[0].facts

    @property
    def stage(self) -> int | None:
        """The highest label; None while one of them is open."""
        return highest(reading.label for reading in self.readings)

    @property
    def joints(self) -> dict[str, int]:
        """Stages by joint, none where the hand was labelled as a whole."""
        return {r.joint: r.label for r in self.readings if r.joint and r.label is not None}


def highest(stages: Iterable[int | None]) -> int | None:
    """The highest stage, None where one is unknown."""
    known = list(stages)
    numbers = [stage for stage in known if stage is not None]
    return max(numbers) if len(numbers) == len(known) else None


def open_discrepancies(hands: Sequence[LabelledHand]) -> list[Reading]:
    """The readings without a label, in the order of the table."""
    return sorted((r for hand in hands for r in hand.readings if r.label is None), key=lambda r: r.row)


def described(reading: Reading) -> str:
    """One line about an open discrepancy."""
    joint = f", {reading.joint}" if reading.joint else ""
    said = ["nothing" if stage is None else str(stage) for stage in (reading.first, reading.second)]
    return f"row {reading.row}{joint}: reader 1 says {said[0]}, reader 2 says {said[1]}, no consensus"


def expect_every_class(stages: Sequence[int], where: str) -> None:
    """Raise Refused where a stage 0 to 5 has no hand: nothing can be learnt or measured about it."""
    counts = Counter(stages)
    empty = [str(stage) for stage in STAGES if not counts[stage]]
    if empty:
        found = ", ".join(f"{counts[stage]} of stage {stage}" for stage in STAGES if counts[stage]) or "none"
        raise Refused(
            f"expected hands of every stage 0 to 5 {where}, found none of {', '.join(empty)}; {found}"
        )
