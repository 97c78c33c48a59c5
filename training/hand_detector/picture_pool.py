"""Training pictures of the hand detector with joints and outlines, reduced to fit in memory.

Real hands of one part of the split and drawn ones, each picture at most `SIDE_PX` long. Outlines of real
hands come from their joints (training.simulation.true_outline); an outline that misses a joint is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Point
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.imaging.pixels import read_png
from training.data.dataset import SourceHand, read_source
from training.data.hand_ids import Part, part_of
from training.io.atomic_file import write_whole
from training.phantom.draw import draw_hands
from training.phantom.negatives import KINDS, draw_other
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.simulation.lesions import simulate
from training.simulation.true_outline import WRIST_REACH, true_outline, unit_of

SIDE_PX = 512
_ILL = (3, 4, 5)
_REACH = (1.75, 2.6)
"""Range in which a plausible outline ends beyond the wrist, in distances from wrist to MCP 3."""

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One radiograph, image (rows, columns), with the joints (hands, 13, 2) of up to two hands.

    `silhouettes` (rows, columns) has bit 1 for the first hand and bit 2 for the second; `outlined` says for
    each hand whether it is known there.
    """

    name: str
    image: Grey
    joints: NDArray[np.float32]
    silhouettes: Grey
    outlined: tuple[bool, ...]


def real_pictures(
    folder: Path, part: Part, seed: int, report: Callable[[int, int], None]
) -> Iterator[Picture]:
    """The hands of one part with known joints, each unedited and once with simulated disease."""
    hands = [hand for hand in read_source(folder) if part_of(hand.patient) == part]
    for done, hand in enumerate(hands, start=1):
        yield from _real(hand, np.random.default_rng((seed, int(hand.patient))), ill=part == "tuning")
        report(done, len(hands))


def _real(hand: SourceHand, rng: np.random.Generator, *, ill: bool) -> Iterator[Picture]:
    values = read_png(hand.path).values
    image, scale = shrunk(values)
    joints = np.array([[hand.joints[name].x, hand.joints[name].y] for name in JOINTS])
    silhouette, known = _silhouette(as_bytes(values), hand.joints, scale, image.shape)
    small = (joints * scale)[None].astype(np.float32)
    yield Picture(hand.patient, as_bytes(image), small, silhouette, (known,))
    if ill:
        places = {name: Point(float(x), float(y)) for name, (x, y) in zip(JOINTS, small[0], strict=True)}
        changed = simulate(image, places, int(rng.choice(_ILL)), rng)
        yield Picture(f"{hand.patient} ill", as_bytes(changed), small, silhouette, (known,))


def drawn_pictures(count: int, seed: int, report: Callable[[int, int], None]) -> Iterator[Picture]:
    """Phantoms of one or two hands, of all stages, with fingers from closed to spread."""
    for number in range(count):
        rng = np.random.default_rng((seed, 1, number))
        sides = (Side.RIGHT, Side.LEFT) if number % 3 == 0 else (Side.LEFT if number % 2 else Side.RIGHT,)
        hands = tuple(HandRecipe(side, int(rng.choice((0, 1, 2, 3, 4, 4, 5, 5)))) for side in sides)
        drawn = draw_hands(
            PhantomRecipe(
                hands,
                rows=480,
                columns=580 if len(hands) == 2 else 380,
                spread=float(rng.uniform(0, 0.8)) if number % 2 else 0.0,
                markers=bool(rng.random() < 0.6),
                collimation=("none", "shutter", "lead")[int(rng.integers(3))],
                seed=int(rng.integers(2**31)),
            )
        )
        image, scale = shrunk(drawn.pixels.astype(np.float32))
        joints = np.array(
            [[[hand.joints[name].x, hand.joints[name].y] for name in JOINTS] for hand in drawn.hands]
        )
        silhouettes = np.zeros(image.shape, np.uint8)
        for at, hand in enumerate(drawn.hands):
            filled = _filled([(point.x, point.y) for point in hand.outline], scale, image.shape)
            places = {name: Point(point.x * scale, point.y * scale) for name, point in hand.joints.items()}
            silhouettes |= np.asarray(to_wrist(filled, places) << at, np.uint8)
        yield Picture(
            f"phantom {number}",
            as_bytes(image),
            (joints * scale).astype(np.float32),
            silhouettes,
            (True,) * len(hands),
        )
        report(number + 1, count)


def other_pictures(count: int, seed: int) -> Iterator[Picture]:
    """Drawn pictures without a hand."""
    for number in range(count):
        rng = np.random.default_rng((seed, 2, number))
        rows, columns = int(rng.integers(200, 420)), int(rng.integers(200, 420))
        pixels = draw_other(KINDS[number % len(KINDS)], rows, columns, seed=int(rng.integers(2**31)))
        empty = np.zeros(pixels.shape, np.uint8)
        yield Picture(
            f"other {number}",
            as_bytes(pixels.astype(np.float32)),
            np.zeros((0, 13, 2), np.float32),
            empty,
            (),
        )


def shrunk(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Reduce values to at most `SIDE_PX` a side; also returns the scale."""
    scale = min(1.0, SIDE_PX / max(values.shape))
    image = cv2.resize(values, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.float32), scale


def as_bytes(image: NDArray[np.float32]) -> Grey:
    """Scale an image to 0..255."""
    low, high = float(image.min()), float(image.max())
    return np.asarray(np.rint((image - low) / max(high - low, 1e-6) * 255), np.uint8)


def _silhouette(
    picture: Grey, joints: Mapping[str, Point], scale: float, shape: tuple[int, ...]
) -> tuple[Grey, bool]:
    """The silhouette of a real hand, and whether it is plausible."""
    outline = true_outline(picture, joints)
    mask = _filled([(float(x), float(y)) for x, y in outline], scale, shape)
    return mask, _credible(mask, {name: Point(at.x * scale, at.y * scale) for name, at in joints.items()})


def _credible(mask: Grey, joints: Mapping[str, Point]) -> bool:
    """Whether a silhouette contains every joint and ends within `_REACH`."""
    held = all(
        mask[min(int(at.y), mask.shape[0] - 1), min(int(at.x), mask.shape[1] - 1)] for at in joints.values()
    )
    if not held or not mask.any():
        return False
    along = _along(np.argwhere(mask)[:, ::-1].astype(np.float32), joints)
    return bool(_REACH[0] < along.max() < _REACH[1])


def _along(points: NDArray[np.float32], joints: Mapping[str, Point]) -> NDArray[np.float32]:
    """Positions of points (N, 2) along the axis from the wrist (0) to MCP 3 (1)."""
    wrist, towards, length = unit_of(joints)
    return np.asarray((points - wrist) @ towards / length, np.float32)


def to_wrist(mask: Grey, joints: Mapping[str, Point]) -> Grey:
    """A silhouette without the forearm, cut where outlines of real hands end."""
    place = np.argwhere(mask)
    behind = place[_along(place[:, ::-1].astype(np.float32), joints) < -WRIST_REACH]
    mask = mask.copy()
    mask[behind[:, 0], behind[:, 1]] = 0
    return mask


def _filled(outline: Sequence[tuple[float, float]], scale: float, shape: tuple[int, ...]) -> Grey:
    mask = np.zeros(shape, np.uint8)
    corners = np.array(outline) * scale - 0.5
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    return mask


def save_pictures(pictures: Sequence[Picture], path: Path) -> None:
    """Write pictures as .npz atomically."""
    held: dict[str, NDArray[np.generic]] = {
        "names": np.array([picture.name for picture in pictures], np.str_)
    }
    for at, picture in enumerate(pictures):
        held[f"image_{at}"], held[f"silhouettes_{at}"] = picture.image, picture.silhouettes
        held[f"joints_{at}"], held[f"outlined_{at}"] = picture.joints, np.array(picture.outlined, np.bool_)
    write_whole(path, lambda file: np.savez_compressed(file, **held))  # type: ignore[arg-type]  # its stub


def load_pictures(path: Path) -> list[Picture]:
    """Read a file of `save_pictures`; pickled objects are not loaded."""
    with np.load(path, allow_pickle=False) as held:
        return [
            Picture(
                str(name),
                held[f"image_{at}"],
                held[f"joints_{at}"],
                held[f"silhouettes_{at}"],
                tuple(map(bool, held[f"outlined_{at}"])),
            )
            for at, name in enumerate(held["names"])
        ]
