"""The truth file of a folder of radiographs: which hands each picture shows.

`truth.json` beside the pictures:

    {"images": [{"file": "0001.dcm",             PNG or DICOM, relative to the folder
                 "kind": "single",               single, composed or other (no hand at all)
                 "conditions": ["tilted", ...],  free words; the table has a row for each
                 "header_side": true,            the header (or evidence in it) tells the sides
                 "negative": false,              bone is dark and no header says so
                 "hands": [{"box": [x0, y0, x1, y1] or null,   half open, pixels; where the hand ends at
                                                               the wrist: training/simulation/true_outline.py
                            "side": "R", "L" or null,
                            "rotation": 0, 90, 180, 270 or null,  clockwise from fingers up
                            "turn_deg": 12.5 or null,             the same, exact
                            "joints": {"mcp_2": [x, y], ...},     may be empty
                            "length_px": 812.0 or null,           wrist's end to the longest finger's tip
                            "cut_off": false}]}]}                 fingers are lost at the edge

What is null is not measured. Only file, kind and hands must be there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

TRUTH = "truth.json"

Kind = Literal["single", "composed", "other"]


@dataclass(frozen=True, slots=True)
class HandTruth:
    box: tuple[int, int, int, int] | None = None
    side: str | None = None
    rotation: int | None = None
    turn_deg: float | None = None
    joints: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    length_px: float | None = None
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class ImageTruth:
    file: str
    kind: Kind
    hands: tuple[HandTruth, ...]
    conditions: tuple[str, ...] = ()
    header_side: bool = False
    negative: bool = False


def write_truth(folder: Path, images: Sequence[ImageTruth]) -> None:
    content = {"images": [asdict(image) for image in images]}
    (folder / TRUTH).write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_truth(folder: Path) -> list[ImageTruth]:
    content = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    return [_image(one) for one in content["images"]]


def _image(one: Mapping[str, Any]) -> ImageTruth:
    hands = tuple(_hand(hand) for hand in one["hands"])
    rest = {key: one[key] for key in ("header_side", "negative") if key in one}
    return ImageTruth(one["file"], one["kind"], hands, tuple(one.get("conditions", ())), **rest)


def _hand(one: Mapping[str, Any]) -> HandTruth:
    box = one.get("box")
    return HandTruth(
        tuple(box) if box else None,
        one.get("side"),
        one.get("rotation"),
        one.get("turn_deg"),
        {name: (float(x), float(y)) for name, (x, y) in (one.get("joints") or {}).items()},
        one.get("length_px"),
        bool(one.get("cut_off", False)),
    )
