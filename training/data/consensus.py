"""Labels of hands by two readers and their consensus, and the discrepancies that prevent training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ra_node.domain.laterality.evidence import Side
from ra_node.domain.reader_study.labels import NOT_GRADABLE, highest
from ra_node.domain.report import STAGES
from ra_node.errors import Refused

SplitName = Literal["train", "test", ""]


@dataclass(frozen=True, slots=True)
class HandAttributes:
    """Attributes of a hand in the table besides its stage; "" and None where absent."""

    patient: str = ""
    site: str = ""
    sex: str = ""
    age_years: int | None = None
    split: SplitName = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One row: labels of two readers and their consensus for a hand or one of its joints."""

    row: int
    file: str
    side: Side
    joint: str
    first: int | None
    second: int | None
    consensus: int | None
    facts: HandAttributes
    """Stages, NOT_GRADABLE, or None without a label."""

    @property
    def label(self) -> int | None:
        """The final stage, or NOT_GRADABLE; None is an open discrepancy."""
        if self.consensus is not None:
            return self.consensus
        return self.first if self.first == self.second else None


@dataclass(frozen=True, slots=True)
class LabelledHand:
    """All readings of one hand of one image: of the whole hand, of its joints, or of both."""

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
    def facts(self) -> HandAttributes:
        return self.readings[0].facts

    @property
    def whole(self) -> Reading | None:
        """The row of the whole hand; None where only joints were labelled."""
        return next((reading for reading in self.readings if not reading.joint), None)

    @property
    def label(self) -> int | None:
        """The hand's own label or the highest of its joints; NOT_GRADABLE; None while a row is open."""
        if any(reading.label is None for reading in self.readings):
            return None
        return self.whole.label if self.whole else highest(reading.label for reading in self.readings)

    @property
    def stage(self) -> int | None:
        """The stage for training; None for a hand that is open or not gradable."""
        return None if self.label == NOT_GRADABLE else self.label

    @property
    def joints(self) -> dict[str, int]:
        """Stages by joint, of the joints that were labelled and are gradable."""
        labels = ((r.joint, r.label) for r in self.readings if r.joint)
        return {joint: label for joint, label in labels if label is not None and label != NOT_GRADABLE}

    def by_reader(self, reader: Literal["first", "second"]) -> int | None:
        """The label of one reader for the hand, or the highest of its joints."""
        said: list[int | None] = [getattr(reading, reader) for reading in self.readings]
        return getattr(self.whole, reader) if self.whole else highest(said)


def open_discrepancies(hands: Sequence[LabelledHand]) -> list[Reading]:
    """The readings without a label, in the order of the table."""
    return sorted((r for hand in hands for r in hand.readings if r.label is None), key=lambda r: r.row)


def described(reading: Reading) -> str:
    """One line about an open discrepancy."""
    joint = f", {reading.joint}" if reading.joint else ""
    said = [in_words(stage) for stage in (reading.first, reading.second)]
    return f"row {reading.row}{joint}: reader 1 says {said[0]}, reader 2 says {said[1]}, no consensus"


def expect_no_discrepancies(labels: Sequence[LabelledHand]) -> None:
    """Raise Refused with each row where readers differ without consensus."""
    found = open_discrepancies(labels)
    if found:
        lines = "\n".join(described(reading) for reading in found)
        raise Refused(f"expected a consensus for every label, found {len(found)} still open:\n{lines}")


def in_words(label: int | None) -> str:
    """Text of a label for a message."""
    return {None: "nothing", NOT_GRADABLE: "not gradable"}.get(label, str(label))


def expect_both_classes(stages: Sequence[int], where: str) -> None:
    """Raise Refused without a normal or without a diseased hand: recognition needs both classes."""
    counts = Counter(stages)
    if not counts[0] or not counts.total() - counts[0]:
        found = ", ".join(f"{counts[stage]} of stage {stage}" for stage in STAGES if counts[stage]) or "none"
        raise Refused(f"expected hands of stage 0 and of a higher stage {where}, found {found}")


def absent_stages(stages: Iterable[int]) -> list[int]:
    """The stages 0 to 5 without a hand."""
    return sorted(set(STAGES).difference(stages))
