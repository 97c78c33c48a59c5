"""What a bundle said of the held-out hands of its card: the ground that its present answers stand on."""

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
    """Calls on the held-out hands of a card; how many of them were normal tells how they were chosen."""

    stages: tuple[int, ...]
    """Hands by the stage that they were called, stage 0 first."""
    normal: int
    """Hands that are normal in truth."""
    positive: int | None
    """Hands called rheumatoid arthritis; None where the bundle does not say."""
    bundle: str = ""
    """The beginning of the bundle's SHA-256, as answers name it in their gist."""

    @property
    def hands(self) -> int:
        return sum(self.stages)


class _HeldOut(BaseModel):
    """The part of `training` in a manifest that counts truth (rows) against call (columns)."""

    confusion: Annotated[tuple[Stages, ...], Field(min_length=len(STAGES), max_length=len(STAGES))]
    recognition_confusion: tuple[tuple[Count, Count], tuple[Count, Count]] | None = None


def reference_of(manifest: Manifest, sha256: str) -> HeldOutBaseline | None:
    """Read the calls on held-out hands; None for a bundle that does not tell them."""
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
