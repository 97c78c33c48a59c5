"""Geometry and facts of one hand that was cut from its image, as kept beside its picture.

The picture is the cut with the node's margin, turned upright, as 16-bit words (`hand_png`). This value holds
what model and data set need besides it: it has no name, no ID and no date; sex and age are the only patient
attributes, which is why it is a file of the data folder and no row of the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from ra_node.domain.geometry import Box, Point, Rotation
from ra_node.domain.report import HandRegion, Joint
from ra_node.errors import Refused

FORMAT = "ra-node hand cut 1"


@dataclass(frozen=True, slots=True)
class HandCut:
    """One hand. `box`, `outline` and `joint_places` (x, y, score) lie in the cut before it was turned.

    `rows` and `columns` are those of the upright picture, `spacing_mm` its (x, y) spacing of pixels, None
    where the header has none. A word w has the value first + step * w, or that of the table of levels.
    `image_pixels` and `hand_pixels` are digests of decoded pixels (`pixel_digest`).
    """

    hand_id: str
    patient: str
    side: str
    side_evidence: str
    view: str
    source: str
    source_sha256: str
    sex: str
    age_years: int | None
    rows: int
    columns: int
    rotation: Rotation
    box: tuple[int, int, int, int]
    outline: tuple[tuple[float, float], ...]
    score: float
    joint_places: dict[str, tuple[float, float, float]]
    detector: str
    image_pixels: str
    hand_pixels: str
    first: float
    step: float
    has_levels: bool = False
    blanked_px: int = 0
    spacing_mm: tuple[float, float] | None = None
    window: tuple[int, int] = (0, 65535)
    """Words that a display shows as black and as white: percentiles 1 and 99.5 inside the outline."""
    format: str = FORMAT

    @property
    def cut_shape(self) -> tuple[int, int]:
        """Rows and columns of the cut before it was turned."""
        return (self.columns, self.rows) if self.rotation in (90, 270) else (self.rows, self.columns)

    @property
    def region(self) -> HandRegion:
        """Region of the hand in its cut."""
        points = tuple(Point(x, y) for x, y in self.outline)
        joints = tuple(Joint(name, Point(x, y), score) for name, (x, y, score) in self.joint_places.items())
        return HandRegion(Box(*self.box), points, self.rotation, self.score, joints)

    def upright_joints(self) -> dict[str, Point]:
        """The detected joints in pixels of the upright picture."""
        shape = self.cut_shape
        return {
            name: to_upright(Point(x, y), self.rotation, shape)
            for name, (x, y, _) in self.joint_places.items()
        }


_CUT = TypeAdapter(HandCut)


def cut_to_json(cut: HandCut) -> bytes:
    """Write a cut as one line of JSON."""
    return _CUT.dump_json(cut)


def cut_from_json(content: bytes) -> HandCut:
    """Read what `cut_to_json` wrote; Refused for anything else."""
    try:
        cut = _CUT.validate_json(content)
    except ValidationError as error:
        raise Refused(f"expected a hand as {FORMAT}, found {error.error_count()} faults") from error
    if cut.format != FORMAT:
        raise Refused(f"expected a hand as {FORMAT}, found {cut.format}")
    return cut


def to_upright(point: Point, rotation: Rotation, shape: tuple[int, int]) -> Point:
    """A point of a cut of shape (rows, columns), in the picture that `hand_png.upright` gives."""
    rows, columns = shape
    if rotation == 90:
        return Point(point.y, columns - point.x)
    if rotation == 180:
        return Point(columns - point.x, rows - point.y)
    if rotation == 270:
        return Point(rows - point.y, point.x)
    return point


def from_upright(point: Point, rotation: Rotation, shape: tuple[int, int]) -> Point:
    """A point of the upright picture, in the cut of shape (rows, columns) before it was turned."""
    rows, columns = shape
    if rotation == 90:
        return Point(columns - point.y, point.x)
    if rotation == 180:
        return Point(columns - point.x, rows - point.y)
    if rotation == 270:
        return Point(point.y, rows - point.x)
    return point
