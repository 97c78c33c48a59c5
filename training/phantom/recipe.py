"""Recipe of a phantom radiograph: one complete, immutable value for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.laterality.evidence import Side
from training.phantom.film import Collimation, Exposure


@dataclass(frozen=True, slots=True)
class HandRecipe:
    """One hand: the patient's side, its stage 0 to 5, and, if wanted, the stage of single joints.

    With `joint_stages` the stage of the hand is the highest of them and `stage` is not used; other joints
    are healthy.
    """

    side: Side = Side.RIGHT
    stage: int = 0
    joint_stages: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class PhantomRecipe:
    """One PA radiograph of one hand, or of two with their thumbs towards each other.

    `hands` go from image left to image right, as seen before `rotation`, which turns the whole picture
    clockwise; `rows` and `columns` are also those before it. The defaults put the patient's right hand
    on the image's left. `spread` is 0 for closed fingers, 1 for widely spread ones, None for what fits.
    """

    hands: tuple[HandRecipe, ...] = (HandRecipe(Side.RIGHT), HandRecipe(Side.LEFT))
    rows: int = 2000
    columns: int = 2400
    rotation: Rotation = 0
    tilt_deg: float = 0.0
    spread: float | None = None
    markers: bool = True
    collimation: Collimation = "none"
    exposure: Exposure = field(default_factory=Exposure)
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.hands) not in (1, 2):
            raise ValueError(f"a phantom shows one or two hands, found {len(self.hands)}")
        if min(self.rows, self.columns) < 64:
            raise ValueError(f"a phantom needs at least 64 rows and columns, found {self.rows, self.columns}")

    @property
    def spacing_mm(self) -> float:
        """The detector's pixel spacing such that the hands fit: 0.143 mm for the default."""
        rows_mm, columns_mm = (286.0, 343.2) if len(self.hands) == 2 else (270.0, 200.0)
        return max(rows_mm / self.rows, columns_mm / self.columns)


@dataclass(frozen=True, slots=True)
class PhantomHand:
    """Ground truth of a hand, in pixels of the returned picture.

    `box` holds the silhouette up to the image's edge, forearm included; `outline` is its polygon without
    a repeated point, at most 200 points; `gaps_mm` are the drawn joint spaces.
    """

    box: Box
    outline: tuple[Point, ...]
    side: Side
    rotation: Rotation
    stage: int
    joint_stages: dict[str, int]
    joints: dict[str, Point]
    gaps_mm: dict[str, float]
