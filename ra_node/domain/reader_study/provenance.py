"""Where the labels of a data set come from: who read, blinded or not, when, how long, what agreement.

Written by the export of a reader study, kept by `training` in data set and run, printed by report and card.
Readers are pseudonyms: a keyed hash of the account, the same in every reader study of a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ra_node.domain.statistics.agreement import Agreement

FILE = "reader-study.json"
FORMAT = "ra-node reader study 1"


@dataclass(frozen=True, slots=True)
class ReaderProvenance:
    """One reader. Times are UTC seconds since 1970, `seconds` the median time for a hand."""

    pseudonym: str
    duty: str
    hands: int
    repeats: int
    seconds: float | None
    began_at: float | None
    closed_at: float | None
    revised: int
    """Hands whose labels he changed after he saw both marks."""
    repeat_agreement: Agreement | None
    model_seen: int
    """Judgements of his, second opinions aside, for which he had seen the model's answer."""


@dataclass(frozen=True, slots=True)
class ReaderStudyProvenance:
    """A reader study, as its data set keeps it.

    `signatures` counts those who signed the final labels, `labels_sha256` is the hash of these labels.
    `before` and `after` are the agreements before and after the revision.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_inf_nan": "strings"}
    """An undefined kappa is "NaN" in JSON, as in an agreement file."""

    study_id: str
    name: str
    by_joint: bool
    blinded: bool
    threshold: int
    sampling: str
    seed: int
    repeats: float
    detector: str
    node_version: str
    created_at: float
    exported_at: float
    images: int
    refused_images: int
    hands: int
    readers: tuple[ReaderProvenance, ...]
    before: tuple[Agreement, ...]
    after: tuple[Agreement, ...]
    discrepant: int
    consensus: int
    """Hands decided by consensus or by the third reader."""
    decided_by: str
    signatures: int
    labels_sha256: str
    format: str = FORMAT

    def sentences(self) -> tuple[str, ...]:
        """What report and card say of it."""
        unit = "the thirteen joints of each hand" if self.by_joint else "each hand as a whole"
        blinded = "blinded to each other, to the model and to the patient" if self.blinded else "not blinded"
        apart = "one stage" if self.threshold == 1 else f"{self.threshold} stages"
        images = f"{self.images} images ({self.refused_images} with a refusal)"
        decided = f"{self.consensus} decided by {self.decided_by}, {self.signatures} signatures"
        return (
            f"Two readers staged {unit} of {self.hands} hands from {images}, {blinded}.",
            *(_of_reader(one) for one in self.readers),
            *(f"Before the revision: {one}." for one in self.before),
            *(f"After it: {one}." for one in self.after),
            f"{self.discrepant} hands differed by {apart} or more at first; {decided}.",
        )


def _of_reader(one: ReaderProvenance) -> str:
    seconds = "" if one.seconds is None else f", {one.seconds:.0f} s a hand (median)"
    revised = f", {one.revised} revised after seeing both marks" if one.duty == "reader" else ""
    again = "" if one.repeat_agreement is None else f"; on hidden repeats {one.repeat_agreement}"
    seen = f"; had seen the model's result {one.model_seen} times" if one.model_seen else ""
    name = f"Reader {one.pseudonym}" if one.duty == "reader" else f"Third reader {one.pseudonym}"
    return f"{name}: {one.hands} hands{seconds}{revised}{again}{seen}."


def median_seconds(spent_ms: Sequence[int]) -> float | None:
    """The median time for a hand in seconds; None where none was measured."""
    known = sorted(one / 1000 for one in spent_ms if one)
    if not known:
        return None
    middle = len(known) // 2
    return known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2
