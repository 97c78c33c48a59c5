"""Builds radiographs with a truth file from marked real hands: singles, compositions, and what is no hand."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.hands_truth import HandTruth, ImageTruth, write_truth
from training.data.dataset import SourceHand, read_source
from training.data.hand_ids import Part, part_of, vetted
from training.phantom.negatives import KINDS, draw_other
from training.phantom.study import ImageRecipe, wrap
from training.simulation.composition import LAYOUTS, Composition, TrueHand, as_it_is, compose, turned
from training.simulation.film_artifacts import FAULTS
from training.simulation.matting import RealHand, real_hand

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to build: of which ids, how many compositions, and from which seed all chance comes."""

    radiographs: Path
    part: Part
    count: int
    seed: int


def build(order: Order, out: Path, report: Report) -> None:
    """Write the pictures and their truth; equal orders give equal files."""
    out.mkdir(parents=True)
    images = []
    for make in (_singles, _changed_singles, _compositions, _others):
        for image in make(order, out):
            images.append(image)
            report(len(images))
    write_truth(out, images)


def _singles(order: Order, out: Path) -> Iterator[ImageTruth]:
    """Every radiograph of the part as it is; boxes of those whose outline is known."""
    marked = {hand.patient: hand for hand in _marked(order)}
    with (order.radiographs / "hands.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if part_of(row["rsna_id"]) == order.part]
    for row in rows:
        name, source = row["rsna_id"], order.radiographs / row["file"]
        content = source.read_bytes()
        (out / f"single-{name}.png").write_bytes(content)
        hand = HandTruth(side="L", rotation=None)
        if name in marked:
            hand = _truth(as_it_is(_read(marked[name])).hands[0])
        yield ImageTruth(f"single-{name}.png", "single", (hand,), ("as it is",))


def _changed_singles(order: Order, out: Path) -> Iterator[ImageTruth]:
    """Radiographs of one hand turned by quarters, under the same faults as compositions."""
    rng = np.random.default_rng((order.seed, 1))
    hands, names = _marked(order), list(FAULTS)
    for number in range(order.count // 2):
        film = as_it_is(_read(hands[int(rng.integers(len(hands)))]))
        turn = int(rng.choice((0, 90, 180, 270)))
        film, fault = turned(film, turn), names[number % len(names)]
        yield _written(film, fault, f"changed-{number:04d}", "single", (f"turned by {turn}",), rng, out)


def _compositions(order: Order, out: Path) -> Iterator[ImageTruth]:
    """Two different hands on one film, all layouts and all faults in turn."""
    rng = np.random.default_rng((order.seed, 2))
    hands, faults = _marked(order), list(FAULTS)
    for number in range(order.count):
        left, right = (_read(hands[int(at)]) for at in rng.choice(len(hands), 2, replace=False))
        layout = LAYOUTS[number % len(LAYOUTS)]
        film = compose(left, right, layout, rng)
        fault = faults[int(rng.integers(len(faults)))] if rng.random() < 0.7 else "plain"
        yield _written(film, fault, f"composed-{number:04d}", "composed", (layout,), rng, out)


def _written(
    film: Composition,
    fault: str,
    name: str,
    kind: str,
    conditions: tuple[str, ...],
    rng: np.random.Generator,
    out: Path,
) -> ImageTruth:
    """Store a film: DICOM of both polarities, with and without evidence of the side, PNG, or a negative."""
    pixels = np.rint(FAULTS[fault](film, rng) * 16).clip(0, 4080).astype(np.uint16)
    hands = tuple(_truth(hand) for hand in film.hands)
    form = rng.choice(("dicom", "monochrome1", "no side", "png", "negative"), p=(0.35, 0.2, 0.25, 0.1, 0.1))
    words = (*conditions, fault, str(form))
    if form in ("png", "negative"):
        grey = (pixels // 16).astype(np.uint8)
        cv2.imwrite(str(out / f"{name}.png"), 255 - grey if form == "negative" else grey)
        return ImageTruth(f"{name}.png", kind, hands, words, negative=form == "negative")
    told = form != "no side"
    (out / f"{name}.dcm").parent.mkdir(exist_ok=True)
    _dicom(film, pixels, name, str(form), told=told).save_as(out / f"{name}.dcm", enforce_file_format=True)
    sideways = len(hands) == 2 and _axis_value(film)[:1] not in ("L", "R")
    return ImageTruth(f"{name}.dcm", kind, hands, words, header_side=told and not sideways)


def _dicom(film: Composition, pixels: NDArray[np.uint16], name: str, form: str, *, told: bool):
    both = len(film.hands) == 2
    header = ImageRecipe(
        name,
        modality="DX" if told else "CR",
        laterality=("B" if both else film.hands[0].side.value) if told else ("B" if both else ""),
        orientation=film.orientation if told else (),
        photometric="MONOCHROME1" if form == "monochrome1" else "MONOCHROME2",
    )
    return wrap(pixels, header, white=4095)


def _axis_value(film: Composition) -> str:
    """The value of PatientOrientation along the axis on which two hands lie apart."""
    a, b = (hand.box.centre for hand in film.hands)
    return film.orientation[0 if abs(a.x - b.x) >= abs(a.y - b.y) else 1]


def _others(order: Order, out: Path) -> Iterator[ImageTruth]:
    """Drawn pictures of other things, and what is left of real radiographs without their hand."""
    rng = np.random.default_rng((order.seed, 3))
    for number in range(order.count // 2):
        kind = KINDS[number % len(KINDS)]
        rows, columns = int(rng.integers(380, 1200)), int(rng.integers(380, 1200))
        picture = draw_other(kind, rows, columns, seed=int(rng.integers(2**31)))
        name = f"other-{number:04d}.png"
        cv2.imwrite(str(out / name), np.rot90(picture // 16, k=int(rng.integers(4))).astype(np.uint8))
        yield ImageTruth(name, "other", (), (kind,))
    hands = _marked(order)
    for number in range(order.count // 10):
        hand = _read(hands[int(rng.integers(len(hands)))])
        for kind, picture in (("forearm alone", _forearm(hand)), ("shuffled", _shuffled(hand.picture, rng))):
            if min(picture.shape) >= 130:
                name = f"left-over-{kind.split()[0]}-{number:03d}.png"
                cv2.imwrite(str(out / name), picture)
                yield ImageTruth(name, "other", (), (kind,))


def _forearm(hand: RealHand) -> NDArray[np.uint8]:
    """The part of an upright radiograph behind the carpus."""
    low = max(hand.joints[f"wrist_{n}"].y for n in (1, 2, 3))
    return hand.picture[int(low) :]


def _shuffled(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The same grey levels and bones in an order that shows no hand."""
    size = min(picture.shape) // 5
    rows, columns = picture.shape[0] // size, picture.shape[1] // size
    tiles = [
        picture[y * size : (y + 1) * size, x * size : (x + 1) * size]
        for y in range(rows)
        for x in range(columns)
    ]
    mixed = [np.rot90(tiles[int(at)], k=int(rng.integers(4))) for at in rng.permutation(len(tiles))]
    return np.vstack([np.hstack(mixed[row * columns : (row + 1) * columns]) for row in range(rows)])


@cache
def _marked(order: Order) -> tuple[SourceHand, ...]:
    """The hands of the part whose true outline was looked at and is right."""
    good = vetted()
    return tuple(
        h for h in read_source(order.radiographs) if part_of(h.patient) == order.part and h.patient in good
    )


_seen: dict[str, RealHand] = {}


def _read(hand: SourceHand) -> RealHand:
    if hand.patient not in _seen:
        picture = cv2.imread(str(hand.path), cv2.IMREAD_GRAYSCALE)
        assert picture is not None, hand.path
        _seen[hand.patient] = real_hand(hand.patient, picture, hand.joints)
    return _seen[hand.patient]


def _truth(hand: TrueHand) -> HandTruth:
    turn = np.deg2rad(hand.turn_deg)
    along = hand.outline @ np.array([np.sin(turn), -np.cos(turn)])
    box = (hand.box.x0, hand.box.y0, hand.box.x1, hand.box.y1)
    joints = {name: (round(point.x, 1), round(point.y, 1)) for name, point in hand.joints.items()}
    turn_deg, length = round(hand.turn_deg % 360, 1), round(float(np.ptp(along)), 1)
    return HandTruth(box, hand.side.value, hand.rotation, turn_deg, joints, length, hand.cut_off)
