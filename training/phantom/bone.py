"""Attenuation of the bones of a hand in addition to soft tissue.

A bone is a shell of cortex around marrow with trabeculae: a ray near its edge has a long path in the shell,
which gives the bright rim of a radiograph.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ra_node.domain.geometry import Box
from training.phantom.lesions import DrawnLesion, Erosion
from training.phantom.raster import blurred, depth_inside, filled, looked_up, resized, rounded
from training.phantom.skeleton import HandSkeleton, OutlinedBone, TubularBone
from training.phantom.transform import MillimetreTransform

Array = NDArray[np.float32]

CORTEX_PER_MM = 0.115
MARROW_PER_MM = 0.026
"""Attenuation of cortex and marrow minus that of the displaced soft tissue at about 50 kV, per mm."""
_TEXTURE_PX, _TEXTURE_PER_MM = 512, 8.0


class Texture:
    """Trabeculae as noise with mean 0 and deviation 1, and a smooth noise for ragged edges."""

    def __init__(self, rng: np.random.Generator) -> None:
        grain = rng.standard_normal((2, _TEXTURE_PX, _TEXTURE_PX), dtype=np.float32)
        self._fibres = _network(_wrapped_blur(grain[0], 1.5, 6.0) - _wrapped_blur(grain[0], 4.0, 9.0))
        self._mesh = _unit(_wrapped_blur(grain[1], 2.0, 2.6) - _wrapped_blur(grain[1], 4.5, 5.5))
        self._net = _network(self._mesh)

    def along(self, u: Array, s: Array) -> Array:
        """Fibres at u mm across and s mm along a bone, each (rows, columns)."""
        return _looked_up(self._fibres, u, s)

    def net(self, x: Array, y: Array) -> Array:
        """A lattice at (x, y) in mm, each (rows, columns)."""
        return _looked_up(self._net, x, y)

    def ragged(self, x: Array, y: Array) -> Array:
        """Smooth noise at (x, y) in mm, each (rows, columns)."""
        return _looked_up(self._mesh, x, y)


def _network(field: Array) -> Array:
    """Thin bright lines at the zero crossings of noise, similar to trabeculae in projection."""
    return _unit(np.exp(-((_unit(field) / 0.5) ** 2)))


def _wrapped_blur(field: Array, across: float, along: float) -> Array:
    pad = 16
    wide = np.pad(field, pad, mode="wrap")
    return blurred(wide, across, along)[pad:-pad, pad:-pad]


def _unit(field: Array) -> Array:
    result: Array = ((field - field.mean()) / field.std()).astype(np.float32)
    return result


def _looked_up(field: Array, x: Array, y: Array) -> Array:
    columns = np.mod(x * np.float32(_TEXTURE_PER_MM), _TEXTURE_PX - 1)
    rows = np.mod(y * np.float32(_TEXTURE_PER_MM), _TEXTURE_PX - 1)
    return looked_up(field, columns, rows)


def add_bones(
    shadow: Array,
    hand: HandSkeleton,
    lesions: tuple[DrawnLesion, ...],
    frame: MillimetreTransform,
    rng: np.random.Generator,
) -> None:
    """Add the attenuation of all bones (mu times thickness) to a map (rows, columns)."""
    texture = Texture(rng)
    for tube in hand.tubes:
        _add_tube(shadow, tube, lesions, frame, texture)
    for plate in hand.plates:
        _add_plate(shadow, plate, lesions, frame, texture)
    for lesion in lesions:
        if lesion.fused:
            _add_bridge(shadow, lesion, frame, texture)


def _add_tube(
    shadow: Array,
    tube: TubularBone,
    lesions: tuple[DrawnLesion, ...],
    frame: MillimetreTransform,
    texture: Texture,
) -> None:
    base, head = np.array(tube.base, np.float32), np.array(tube.head, np.float32)
    box = frame.window(np.stack([base, head]), max(tube.widths_mm) + 2.5)
    if box is None:
        return
    x, y = frame.grid_mm(box)
    length = float(np.linalg.norm(head - base))
    axis = (head - base) / np.float32(length)
    s = (x - base[0]) * axis[0] + (y - base[1]) * axis[1]
    u = (x - base[0]) * axis[1] - (y - base[1]) * axis[0]
    cortex, marrow = _tube_chords(tube, u, s, length)
    ends = np.exp(-((np.minimum(s, length - s) / (0.16 * length)).clip(0) ** 2))
    grain = texture.along(u, s) * (0.08 + 0.10 * ends) + texture.net(u, s) * (0.03 + 0.19 * ends)
    mass = CORTEX_PER_MM * cortex + MARROW_PER_MM * marrow * (1 + grain) * (0.45 + 0.75 * ends)
    _add(shadow, box, mass * _wear(x, y, lesions, texture))


def _tube_chords(tube: TubularBone, u: Array, s: Array, length: float) -> tuple[Array, Array]:
    """The length of each ray in cortex and in marrow, mm."""
    t = (s / np.float32(length)).clip(0, 1)
    wide = _profile(tube, t)
    v = (u / wide).clip(-1, 1)
    from_base = s + tube.hollow_mm * v * v
    from_head = length - s - _head_curve(tube, v)
    round_base, round_head = 0.3 * tube.widths_mm[0], _head_round(tube)
    wide = wide - _corner(from_base, round_base) - _corner(from_head, round_head)
    flare = np.exp(-((np.minimum(t, 1 - t) / 0.13) ** 2))
    wall = (0.36 * tube.widths_mm[1] * (1 - flare) + 0.32).astype(np.float32)
    end = np.minimum(from_base, from_head)
    depth = 0.85 * wide
    outer = _chord(u, wide, depth, end, 1.1)
    rim = tube.rim_mm * np.exp(-(((from_base - 1.0 - tube.hollow_mm * (1 - v * v)) / 0.3) ** 2)) * (outer > 0)
    inner = _chord(u, wide - wall, depth - wall, end - (0.35 + 0.15 * flare), 1.1)
    return outer - np.minimum(inner, outer) + rim, inner


def _profile(tube: TubularBone, t: Array) -> Array:
    """Half width in mm at the share t of a bone's length: flared ends, narrower between them."""
    base, middle, head = tube.widths_mm
    flare = (1 - t / 0.52).clip(0, 1) ** 2.2 * (1 + 0.9 * (t / 0.52))
    swell = (1 - (1 - t) / 0.34).clip(0, 1)
    swell = swell * swell * (3 - 2 * swell)
    result: Array = (middle + (base - middle) * flare + (head - middle) * swell).astype(np.float32)
    return result


def _head_curve(tube: TubularBone, v: Array) -> Array:
    notch, dome = tube.dip_mm * np.exp(-((v / 0.35) ** 2)), -1.4 * tube.dip_mm * v * v
    result: Array = (notch if tube.dip_mm > 0 else dome).astype(np.float32)
    return result


def _head_round(tube: TubularBone) -> float:
    if tube.tuft:
        return 0.95 * tube.widths_mm[2]
    return (0.85 if tube.dip_mm < 0 else 0.4) * tube.widths_mm[2]


def _corner(away: Array, radius: float) -> Array:
    """Reduction of the half width by a rounded corner at a distance from the bone's end."""
    left = (1 - away / np.float32(radius)).clip(0, 1)
    result: Array = np.float32(radius) * (1 - np.sqrt(1 - left * left))
    return result


def _chord(u: Array, wide: Array, depth: Array, end: Array, dome_mm: float) -> Array:
    """Path length of a ray through a body with elliptical sections and a domed end, mm."""
    v = np.abs(u) / np.maximum(wide, 0.05)
    section = np.sqrt((1 - v * v).clip(0))
    cap = (1 - end / np.float32(dome_mm)).clip(0, 1)
    result: Array = 2 * depth.clip(0) * section * np.sqrt(1 - cap * cap) * (end > 0)
    return result


def _add_plate(
    shadow: Array,
    plate: OutlinedBone,
    lesions: tuple[DrawnLesion, ...],
    frame: MillimetreTransform,
    texture: Texture,
) -> None:
    box = frame.window(plate.outline, 1.0)
    if box is None:
        return
    inside = _depth_inside(plate, frame, box)
    x, y = frame.grid_mm(box)
    wall, dome = _wall(plate, y), 5.0 if plate.shaft else min(3.2, 0.5 * plate.depth_mm)
    outer = _dome(inside, plate.depth_mm, dome)
    inner = np.minimum(outer, _dome(inside - wall, plate.depth_mm - 0.6 * wall, dome))
    grain = 0.11 * texture.net(x, y) + 0.06 * texture.along(x, y)
    cortex = 0.8 if plate.shaft else 0.62
    mass = cortex * CORTEX_PER_MM * (outer - inner) + MARROW_PER_MM * inner * (1 + grain)
    _add(shadow, box, mass * _wear(x, y, lesions, texture))


def _wall(plate: OutlinedBone, y: Array) -> Array:
    """Thickness of the cortex in mm: thin in carpals and at the distal forearm, thick along its shaft."""
    up = (-(y + 18) / 30).clip(0, 1) if plate.shaft else np.zeros_like(y)
    near = 0.6 * np.exp(-(((y + 12) / 6) ** 2)) if plate.shaft else 0.0
    result: Array = (plate.cortex_mm + near + 2.2 * up).astype(np.float32)
    return result


def _depth_inside(plate: OutlinedBone, frame: MillimetreTransform, box: Box) -> Array:
    """Depth of each pixel inside a smooth outline, mm; 0 outside."""
    fine = 2
    points = rounded(frame.to_px(plate.outline)) - np.array([box.x0, box.y0], np.float32)
    away = depth_inside(filled(points * fine, fine * box.height_px, fine * box.width_px))
    small = resized(blurred(away, 1.0), box.height_px, box.width_px)
    result: Array = small / np.float32(fine * frame.px_per_mm)
    return result


def _dome(inside: Array, depth_mm: Array | float, radius_mm: float) -> Array:
    rise = 1 - (inside / np.float32(radius_mm)).clip(0, 1)
    result: Array = np.asarray(depth_mm, np.float32).clip(0) * np.sqrt(1 - rise * rise) * (inside > 0)
    return result


def _wear(x: Array, y: Array, lesions: tuple[DrawnLesion, ...], texture: Texture) -> Array:
    """Remaining share of bone at each position."""
    left = np.ones(x.shape, np.float32)
    for lesion in lesions:
        reach = 9.0 if not lesion.joint.startswith("wrist") else 14.0
        away = (x - lesion.place[0]) ** 2 + (y - lesion.place[1]) ** 2
        if float(away.min()) > (2.5 * reach) ** 2:
            continue
        left *= 1 - lesion.thinned * np.exp(-away / (reach * reach))
        for bite in lesion.bites:
            left *= _unbitten(x, y, bite, texture, 0.5 if lesion.joint.startswith("wrist") else 0.25)
    return left


def _unbitten(x: Array, y: Array, bite: Erosion, texture: Texture, floor: float) -> Array:
    """Remaining share of bone at one erosion: `floor` in its middle, an irregular edge."""
    away = np.sqrt((x - bite.x_mm) ** 2 + (y - bite.y_mm) ** 2)
    ragged = texture.ragged(x / np.float32(7), y / np.float32(7))
    edge = away - np.float32(bite.radius_mm) * (1 + 0.28 * ragged)
    result: Array = floor + (1 - floor) * (0.5 + edge / 0.9).clip(0, 1)
    return result


def _add_bridge(shadow: Array, lesion: DrawnLesion, frame: MillimetreTransform, texture: Texture) -> None:
    """Add bone across a fused joint."""
    reach = 8.0 if lesion.joint.startswith("wrist") else 3.2
    box = frame.window(np.array([lesion.place], np.float32), 2 * reach)
    if box is None:
        return
    x, y = frame.grid_mm(box)
    place = np.array(lesion.place, np.float32)
    away: Array = np.hypot(x - place[0], y - place[1]) / np.float32(reach)
    healed = 1 / (1 + np.exp(8 * (away - 1)))
    part = shadow[box.y0 : box.y1, box.x0 : box.x1]
    level = MARROW_PER_MM * 11 * (1 + 0.15 * texture.net(x, y))
    part += healed * np.maximum(level - part, 0)


def _add(shadow: Array, box: Box, mass: Array) -> None:
    shadow[box.y0 : box.y1, box.x0 : box.x1] += mass
