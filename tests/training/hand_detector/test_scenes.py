"""Composed scenes are what they say: joints lie where they are drawn, whatever was bent and turned."""

from __future__ import annotations

import numpy as np
import pytest

from ra_node.inference.hand_detector.preprocessing import AXIS_PX, SIDE_PX
from training.hand_detector.picture_pool import (
    Picture,
    drawn_pictures,
    load_pictures,
    other_pictures,
    save_pictures,
)
from training.hand_detector.scene_sampler import Studio
from training.hand_detector.scenes import KNUCKLE, WRIST, Layers, Placed, Scene, layers_of
from training.hand_detector.targets import near, render, whole


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [*drawn_pictures(4, 3, lambda done, total: None), *other_pictures(3, 3)]


@pytest.fixture(scope="module")
def studio(pictures: list[Picture]) -> Studio:
    stock = [layers_of(picture) for picture in pictures]
    by_hands = {count: [one for one in stock if len(one.picture.joints) == count] for count in (0, 1, 2)}
    return Studio(by_hands[1], by_hands[2], by_hands[0])


def dotted(joints: np.ndarray) -> Layers:
    """A dark picture with a bright spot at every joint."""
    image = np.zeros((512, 400), np.uint8)
    y, x = np.mgrid[0:512, 0:400] + 0.5
    for at in joints:
        spot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 5.0**2))
        image = np.maximum(image, spot.astype(np.uint8))
    return layers_of(Picture("dots", image, joints[None].astype(np.float32), np.zeros_like(image), (False,)))


@pytest.mark.parametrize("seed", range(6))
def test_joints_lie_where_they_are_drawn(studio: Studio, seed: int) -> None:
    """Under a random placement with a bent film, the picture is bright at every joint."""
    rng = np.random.default_rng(seed)
    joints = studio.singles[0].picture.joints[0].astype(np.float64)
    turn, zoom = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.4)
    linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.hstack([linear, (np.array([80, 80]) - linear @ joints.mean(axis=0))[:, None]])
    placed = Placed(dotted(joints), matrix, "all")
    warp = (rng.standard_normal((2, 4, 4)).astype(np.float32), 0.02)
    view = render(Scene(160, 160, 0.0, (placed,), warp=warp), np.eye(2, 3), 160, 160)
    seen = view.hands[0].joints[np.isfinite(view.hands[0].joints).all(axis=1)]
    assert len(seen) >= 8
    levels = [view.grey[int(y), int(x)] for x, y in seen]
    assert min(levels) > 100, levels


def test_a_seed_decides_a_scene(studio: Studio) -> None:
    """The same generator, the same pixels and targets; another one, others."""
    first, again, other = (
        whole(studio.scene(rng), rng) for rng in (np.random.default_rng(seed) for seed in (1, 1, 2))
    )
    assert first is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(first.seen, again.seen)
    assert np.array_equal(first.heat, again.heat)
    assert not np.array_equal(first.seen, other.seen)


def test_targets_of_the_seeker_point_to_hands(studio: Studio) -> None:
    """Each hot cell has a hand of a sensible size; scenes without hands are among them."""
    empty = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scene = whole(studio.scene(rng), rng)
        if scene is None:
            continue
        cells = np.argwhere(scene.heat >= 1)
        empty += len(cells) == 0
        for y, x in cells:
            assert scene.at[y, x]
            assert 3 < 32 * np.hypot(*scene.numbers[2:, y, x]) < 90
            assert np.abs(scene.numbers[:2, y, x]).max() <= 1
    assert 3 <= empty <= 20


def test_the_reader_sees_hands_about_upright_with_their_silhouette(studio: Studio) -> None:
    """Most arrows point up at about their length, and the knuckle lies inside the silhouette."""
    turns, hands = [], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        one = near(studio.scene(rng), rng)
        if one is None or not np.isfinite(one.joints[[WRIST, KNUCKLE]]).all():
            continue
        hands += 1
        arrow = one.joints[KNUCKLE] - one.joints[WRIST]
        turns.append(abs(np.degrees(np.arctan2(arrow[0], -arrow[1]))))
        assert 0.5 * AXIS_PX < np.hypot(*arrow) < 2 * AXIS_PX
        if one.known:
            x, y = (one.joints[KNUCKLE] / 2).astype(int).clip(0, SIDE_PX // 2 - 1)
            assert one.silhouette[y, x] > 0.5
    assert hands > 15
    assert np.median(turns) < 15


def test_pictures_come_back_as_they_were_kept(pictures: list[Picture], tmp_path_factory) -> None:
    """Images, joints and silhouettes, without any pickle."""
    path = tmp_path_factory.mktemp("kept") / "drawn.npz"
    save_pictures(pictures, path)
    for a, b in zip(pictures, load_pictures(path), strict=True):
        assert (a.name, a.outlined) == (b.name, b.outlined)
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.joints, b.joints)
        assert np.array_equal(a.silhouettes, b.silhouettes)
