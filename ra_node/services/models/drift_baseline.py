"""Results of a bundle on the held-out hands of its card, as baseline for drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from ra_node.domain.report import STAGES
from ra_node.inference.bundles.manifest import Manifest
from ra_node.services.reporting.answer_event import NAMED

Count = Annotated[int, Field(ge=0)]
Stages = Annotated[tuple[Count, ...], Field(min_length=len(STAGES), max_length=len(STAGES))]


@dataclass(frozen=True, slots=True)
class HeldOutBaseline:
    """Results on the held-out hands of a card, with the number of normal hands."""

    stages: tuple[int, ...]
    """Hands by predicted stage, stage 0 first."""
    normal: int
    """Hands with true stage 0."""
    positive: int | None
    """Hands called rheumatoid arthritis; None where the bundle does not state it."""
    bundle: str = ""
    """Prefix of the bundle's SHA-256, as in the events of reports."""

    @property
    def hands(self) -> int:
        return sum(self.stages)


class _HeldOut(BaseModel):
    """Confusion matrices in `training` of a manifest: truth (rows) against prediction (columns)."""

    confusion: Annotated[tuple[Stages, ...], Field(min_length=len(STAGES), max_length=len(STAGES))]
    recognition_confusion: tuple[tuple[Count, Count], tuple[Count, Count]] | None = None


def reference_of(manifest: Manifest, sha256: str) -> HeldOutBaseline | None:
    """Read the results on held-out hands; None for a bundle without them."""
    try:
        told = _HeldOut.model_validate(manifest.training.get("held_out"))
    except ValidationError:
        return None
    stages = _called(told.confusion)
    if not sum(stages):
        return None
    recognition = told.recognition_confusion
    positive = _called(recognition)[1] if recognition and sum(_called(recognition)) == sum(stages) else None
    return HeldOutBaseline(stages, sum(told.confusion[0]), positive, sha256[:NAMED])


def _called(confusion: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*confusion, strict=True))
