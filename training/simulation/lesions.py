"""Draws changes of rheumatoid arthritis at the joints of a real, healthy hand, by stage and seed.

No available public data set has whole hands with stages, so the demonstration bundle is trained on these.
Every joint of every hand is resampled by the same small warps, diseased or not: a network that only detects
editing gains nothing. Joint stages are similar to Larsen's: 1 osteopenia and a narrower joint space, 2 and 3
erosions, 4 subluxation, 5 ankylosis or destruction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from ra_node.domain.geometry import Point

Image = NDArray[np.float32]
"""(rows, columns), any scale, bone bright."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Axes of a joint: `along` points to the finger tip, `across` to its right in the image."""

    centre: Point
    along: tuple[float, float]
    half_width_px: float
    """Half the width of the bones at this joint: the unit of all lengths below."""
    carpal: bool = False

    @property
    def across(self) -> tuple[float, float]:
        return (-self.along[1], self.along[0])


@dataclass(frozen=True, slots=True)
class Lesion:
    """Parameters of one joint stage; lengths in half widths of the joint, others are fractions."""

    osteopenia: float
    """Share of the bone's brightness that is lost around the joint."""
    narrowing: float
    """Approach of the bone ends in half widths."""
    filling: float
    """Filled share of the remaining dark gap."""
    erosions: int
    erosion_radius: float
    slip: float
    """Sideways shift of the distal bone."""
    bridging: float
    """Bony bridging; 1 is a joint without a gap."""


LESIONS = (
    Lesion(0.00, 0.00, 0.00, 0, 0.00, 0.00, 0.0),
    Lesion(0.28, 0.12, 0.40, 0, 0.00, 0.00, 0.0),
    Lesion(0.36, 0.18, 0.60, 2, 0.32, 0.00, 0.0),
    Lesion(0.42, 0.24, 0.80, 4, 0.44, 0.10, 0.0),
    Lesion(0.50, 0.30, 0.95, 5, 0.56, 0.65, 0.0),
    Lesion(0.55, 0.34, 1.00, 4, 0.60, 0.40, 1.0),
)
"""By joint stage, 0 to 5."""

AFFECTED_SHARE = ((0.0, 0.0), (0.25, 0.6), (0.4, 0.75), (0.5, 0.85), (0.6, 0.95), (0.7, 1.0))
"""Smallest and largest share of the joints that are diseased, by hand stage."""

BONE_SPREAD, JOINT_SPREAD = 0.04, 0.05
"""Standard deviations of bone density, as a share, between healthy hands and between their joints."""

SHAM_WARP = 0.02
"""Standard deviation in half widths of the warp that every joint undergoes."""

UPSAMPLING = 3
"""Factor of the upsampling before a warp. Odd, so that every pixel of the image is also one of the finer
image, and a warp by nothing changes nothing. Without upsampling a warp halved the power above 0.35 cycles a
pixel, which a probe on joint crops detected (AUC 0.615 by a hand's joints)."""


def joint_frames(joints: Mapping[str, Point]) -> dict[str, Frame]:
    """Axes of every joint; the middle proximal phalanx is the unit of length of the hand."""
    phalanx_px = _distance(joints["mcp_3"], joints["pip_3"])
    frames = {}
    for finger in range(1, 6):
        distal = "ip_1" if finger == 1 else f"pip_{finger}"
        proximal = f"mcp_{finger}"
        along = _direction(joints[proximal], joints[distal])
        thin = 0.88 if finger in (1, 5) else 1.0
        frames[proximal] = Frame(joints[proximal], along, 0.19 * phalanx_px * thin)
        frames[distal] = Frame(joints[distal], along, 0.15 * phalanx_px * thin)
    for name in ("wrist_1", "wrist_2", "wrist_3"):
        along = _direction(joints["wrist_2"], joints["mcp_3"])
        frames[name] = Frame(joints[name], along, 0.24 * phalanx_px, carpal=True)
    return frames


def joint_stages(hand_stage: int, names: Sequence[str], rng: np.random.Generator) -> dict[str, int]:
    """Choose the diseased joints; the highest joint stage is the stage of the hand.

    A third of the diseased joints have the highest stage, at least two, so that it is visible.
    """
    stages = dict.fromkeys(names, 0)
    if hand_stage == 0:
        return stages
    low, high = AFFECTED_SHARE[hand_stage]
    count = max(3, round(rng.uniform(low, high) * len(names)))
    chosen = list(rng.permutation(list(names))[:count])
    top = max(2, round(count / 3))
    for place, name in enumerate(chosen):
        lower = max(1, hand_stage - int(rng.integers(1, 3)))
        stages[str(name)] = hand_stage if place < top else lower
    return stages


def simulate(image: Image, joints: Mapping[str, Point], hand_stage: int, rng: np.random.Generator) -> Image:
    """Return a copy of a healthy hand with the disease of `hand_stage` (0 is the sham: edited, unchanged)."""
    return simulate_joints(image, joints, joint_stages(hand_stage, sorted(joint_frames(joints)), rng), rng)


def simulate_joints(
    image: Image, joints: Mapping[str, Point], stages: Mapping[str, int], rng: np.random.Generator
) -> Image:
    """Return a copy of a healthy hand with these joint stages; other joints stay healthy, but edited."""
    frames = joint_frames(joints)
    density = rng.normal(0, BONE_SPREAD)
    asked = (
        _planned(image.shape, frames[name], _varied(LESIONS[stages.get(name, 0)], density, rng), rng)
        for name in sorted(frames)
    )
    edits = [edit for edit in asked if edit is not None]
    result = _warped(image, edits)
    for edit in edits:
        _draw_joint(result, edit, rng)
    return result


def _varied(lesion: Lesion, density: float, rng: np.random.Generator) -> Lesion:
    """Random variation of a lesion: each strength by a fifth, and the density of healthy bone."""
    strength = rng.uniform(0.8, 1.2, size=5)
    return Lesion(
        osteopenia=lesion.osteopenia * strength[0] + density + rng.normal(0, JOINT_SPREAD),
        narrowing=lesion.narrowing * strength[1],
        filling=min(1.0, lesion.filling * strength[2] + rng.normal(0, 0.04)),
        erosions=max(0, lesion.erosions + int(rng.integers(-1, 2))) if lesion.erosions else 0,
        erosion_radius=lesion.erosion_radius * strength[3],
        slip=lesion.slip * strength[4] * rng.choice((-1, 1)),
        bridging=lesion.bridging * float(rng.random() < 0.7),
    )


@dataclass(frozen=True, slots=True)
class _Patch:
    """A window of the image around a joint with the joint's coordinates `u` (along) and `v` (across)."""

    rows: slice
    columns: slice
    u: Image
    v: Image


@dataclass(frozen=True, slots=True)
class _Edit:
    """The lesion of one joint, drawn before any pixel is changed."""

    frame: Frame
    lesion: Lesion
    patch: _Patch
    jitter: tuple[float, float]
    """The sham displacement along and across, in half widths."""


def _planned(shape: tuple[int, ...], frame: Frame, lesion: Lesion, rng: np.random.Generator) -> _Edit | None:
    """The edit of a joint; None where it is outside the image."""
    patch = _patch(shape, frame, 5.0)
    if patch is None:
        return None
    along, across = rng.normal(0, SHAM_WARP, size=2)
    return _Edit(frame, lesion, patch, (float(along), float(across)))


def _draw_joint(image: Image, edit: _Edit, rng: np.random.Generator) -> None:
    """Change the surroundings of one joint in place."""
    patch, frame, lesion = edit.patch, edit.frame, edit.lesion
    changed = image[patch.rows, patch.columns]
    soft = _soft_level(changed, patch, frame)
    changed = _thinned(changed, soft, patch, lesion.osteopenia)
    changed = _filled(changed, patch, frame, lesion.filling)
    if lesion.bridging > 0:
        changed = _bridged(changed, patch, frame)
    for _ in range(lesion.erosions):
        changed = _bitten(changed, patch, frame, rng, soft=soft, radius=lesion.erosion_radius)
    image[patch.rows, patch.columns] = changed


def _patch(shape: tuple[int, ...], frame: Frame, reach: float) -> _Patch | None:
    """The part of the image within `reach` half widths of a joint, None where it is outside the image."""
    radius = reach * frame.half_width_px
    top, left = int(max(0, frame.centre.y - radius)), int(max(0, frame.centre.x - radius))
    bottom = int(min(shape[0], frame.centre.y + radius))
    right = int(min(shape[1], frame.centre.x + radius))
    if bottom - top < 8 or right - left < 8:
        return None
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    dx, dy = (x - frame.centre.x) / frame.half_width_px, (y - frame.centre.y) / frame.half_width_px
    u = dx * frame.along[0] + dy * frame.along[1]
    v = dx * frame.across[0] + dy * frame.across[1]
    return _Patch(slice(top, bottom), slice(left, right), u.astype(np.float32), v.astype(np.float32))


def _bump(distance: Image) -> Image:
    """A smooth weight: 1 at distance 0, 0 from distance 1 on."""
    return np.asarray(np.clip(1 - distance**2, 0, 1) ** 2, np.float32)


def _thinned(here: Image, soft: float, patch: _Patch, share: float) -> Image:
    """Periarticular osteopenia: bone loses `share` of its brightness above the soft tissue."""
    near = np.sqrt(_bump(np.hypot(patch.u / 2.6, patch.v / 2.0)))
    return np.asarray(here - share * near * np.maximum(here - soft, 0), np.float32)


def _warped(image: Image, edits: Sequence[_Edit]) -> Image:
    """Narrow the spaces, shift the distal bones, and displace every joint a little (the sham), in a copy.

    All displacements are added and the image is resampled once, also where the patches of joints overlap: by
    repeated resampling a probe recognised the joints in the middle of the hand.
    """
    result = image.copy()
    if not edits:
        return result
    top, bottom = min(e.patch.rows.start for e in edits), max(e.patch.rows.stop for e in edits)
    left, right = min(e.patch.columns.start for e in edits), max(e.patch.columns.stop for e in edits)
    part = image[top:bottom, left:right]
    dx, dy = np.zeros_like(part), np.zeros_like(part)
    for edit in edits:
        patch, frame = edit.patch, edit.frame
        du, dv = _displaced(edit)
        rows = slice(patch.rows.start - top, patch.rows.stop - top)
        columns = slice(patch.columns.start - left, patch.columns.stop - left)
        dx[rows, columns] += frame.half_width_px * (du * frame.along[0] + dv * frame.across[0])
        dy[rows, columns] += frame.half_width_px * (du * frame.along[1] + dv * frame.across[1])
    y, x = np.mgrid[0 : bottom - top, 0 : right - left].astype(np.float32)
    moved = (dx != 0) | (dy != 0)
    result[top:bottom, left:right] = np.where(moved, _read(part, x + dx, y + dy), part)
    return result


def _displaced(edit: _Edit) -> tuple[Image, Image]:
    """Displacement of a patch along and across, in half widths: where each pixel is read from."""
    patch, lesion = edit.patch, edit.lesion
    fade = _bump(patch.u / 4.6) * _bump(patch.v / 3.0)
    together = lesion.narrowing * 0.5 * np.tanh(patch.u / 0.12)
    du = (together + edit.jitter[0]) * fade
    skin_bends = 0.15 + 0.5 * np.maximum(np.abs(patch.v) - 0.9, 0)
    distal = 0.5 * (1 + np.tanh(patch.u / skin_bends)) - 0.25
    dv = (lesion.slip * (0.0 if edit.frame.carpal else 1.0) * distal + edit.jitter[1]) * fade
    return np.asarray(du, np.float32), np.asarray(dv, np.float32)


def _sampled(here: Image, patch: _Patch, frame: Frame, u: Image, v: Image) -> Image:
    """Read the patch at joint coordinates (u, v) of the same shape."""
    return _read(here, *_pixels(patch, frame, u, v))


def _read(here: Image, x: Image, y: Image) -> Image:
    """Read columns `x` and rows `y` of the same shape; frequencies up to Nyquist's are preserved."""
    read = cv2.remap(
        _upsampled(here),
        _finer(x),
        _finer(y),
        interpolation=cv2.INTER_LANCZOS4,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(read, np.float32)


def _strip(here: Image, patch: _Patch, frame: Frame, u: Image, v: Image) -> Image:
    """Read grey levels at a few joint coordinates (u, v), for measuring edges: by cubic interpolation."""
    maps = _pixels(patch, frame, u, v)
    read = cv2.remap(here, *maps, interpolation=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32)


def _pixels(patch: _Patch, frame: Frame, u: Image, v: Image) -> tuple[Image, Image]:
    """Columns and rows in the patch of joint coordinates (u, v)."""
    size = frame.half_width_px
    x = frame.centre.x + size * (u * frame.along[0] + v * frame.across[0]) - patch.columns.start
    y = frame.centre.y + size * (u * frame.along[1] + v * frame.across[1]) - patch.rows.start
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _upsampled(here: Image) -> Image:
    """The patch with `UPSAMPLING` times the pixels: cosine transform with zeros for the new frequencies."""
    rows, columns = here.shape
    spectrum = np.zeros((UPSAMPLING * rows, UPSAMPLING * columns), np.float32)
    spectrum[:rows, :columns] = dctn(here, norm="ortho") * UPSAMPLING
    return np.asarray(idctn(spectrum, norm="ortho"), np.float32)


def _finer(place: Image) -> Image:
    """The same place in pixels of the upsampled patch; both count from the centre of the first pixel."""
    return np.asarray((place + 0.5) * UPSAMPLING - 0.5, np.float32)


def _filled(here: Image, patch: _Patch, frame: Frame, share: float) -> Image:
    """Close the dark gap between the bone ends by `share`."""
    side = max(3, round(0.75 * frame.half_width_px)) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(here, cv2.MORPH_CLOSE, disc)
    reach = (1.4, 1.6) if frame.carpal else (0.9, 1.15)
    near = share * np.sqrt(_bump(np.hypot(patch.u / reach[0], patch.v / reach[1])))
    return np.asarray(here + near * (closed - here), np.float32)


def _bridged(here: Image, patch: _Patch, frame: Frame) -> Image:
    """Ankylosis: extend the bone of both ends across the joint, with the original grain."""
    half = 0.75
    ends = [_sampled(here, patch, frame, np.full_like(patch.u, end), patch.v) for end in (-half, half)]
    mix = np.clip((patch.u + half) / (2 * half), 0, 1)
    bone = np.maximum(ends[0] * (1 - mix) + ends[1] * mix, here)
    near = np.clip(3 * _bump(patch.u / 0.95), 0, 1) * np.clip(3 * _bump(patch.v / 1.2), 0, 1)
    return np.asarray(here + near * (bone - here), np.float32)


def _bitten(
    here: Image, patch: _Patch, frame: Frame, rng: np.random.Generator, *, soft: float, radius: float
) -> Image:
    """A marginal erosion: soft tissue replaces bone in a small soft-edged area at its margin."""
    side = float(rng.choice((-1, 1)))
    u = float(rng.choice((-1, 1)) * rng.uniform(0.15, 0.55))
    margin = rng.uniform(0.2, 1.2) if frame.carpal else _margin(here, patch, frame, u, side)[0] - 0.1
    stretch = rng.uniform(0.7, 1.3)
    distance = np.hypot((patch.u - u) / (radius * stretch), (patch.v - side * margin) / (radius / stretch))
    bite = rng.uniform(0.6, 0.95) * np.clip(2.5 * _bump(distance / 1.25), 0, 1)
    return np.asarray(here - bite * np.maximum(here - soft, 0), np.float32)


def _margin(here: Image, patch: _Patch, frame: Frame, u: float, side: float) -> tuple[float, float]:
    """Edge of the bone beside the axis at `u`, and grey level of the soft tissue beyond it."""
    along, across = np.meshgrid(np.linspace(u - 0.2, u + 0.2, 5), np.linspace(0.4, 1.8, 29), indexing="ij")
    strip = _strip(here, patch, frame, along.astype(np.float32), (side * across).astype(np.float32))
    profile = strip.mean(axis=0)
    edge = int(np.argmin(profile[6:18] - profile[4:16])) + 5
    return float(across[0, edge]), float(profile[edge + 4])


def _soft_level(here: Image, patch: _Patch, frame: Frame) -> float:
    """Grey level of the soft tissue at a joint: beside the bone, or between the carpal bones."""
    if frame.carpal:
        return float(np.percentile(here[np.hypot(patch.u, patch.v) < 1.1], 15))
    places = [(u, side) for u in (-0.6, -0.25, 0.25, 0.6) for side in (-1.0, 1.0)]
    return float(np.median([_margin(here, patch, frame, u, side)[1] for u, side in places]))


def _distance(a: Point, b: Point) -> float:
    return float(np.hypot(b.x - a.x, b.y - a.y))


def _direction(a: Point, b: Point) -> tuple[float, float]:
    length = max(_distance(a, b), 1e-6)
    return ((b.x - a.x) / length, (b.y - a.y) / length)
