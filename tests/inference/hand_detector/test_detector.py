"""A hand is what shows the joints of one; the finder of a bundle is believed only with its hashes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ra_node.domain.geometry import intersection_over_union
from ra_node.domain.joints import JOINTS
from ra_node.domain.laterality.evidence import Side
from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.hand_detector.detector import Finder, is_hand, load_finder
from tests.inference.bundle_builders import (
    DEMO,
    add_random_finder,
    read_manifest,
    write_bundle,
    write_manifest,
)
from training.phantom.draw import draw_hands
from training.phantom.negatives import KINDS, Kind, draw_other
from training.phantom.recipe import HandRecipe, PhantomRecipe

SURE = np.full(len(JOINTS), 0.97)


def drawn_joints(stage: int = 0, seed: int = 1) -> np.ndarray:
    film = draw_hands(PhantomRecipe((HandRecipe(Side.LEFT, stage),), rows=400, columns=320, seed=seed))
    return np.array([[film.hands[0].joints[name].x, film.hands[0].joints[name].y] for name in JOINTS])


@pytest.mark.parametrize("stage", [0, 4, 5])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_joints_of_a_hand_are_those_of_a_hand(stage: int, mirrored: bool) -> None:
    """However ill, of either side and turned."""
    joints = drawn_joints(stage) * ((-1, 1) if mirrored else (1, 1))
    assert is_hand(joints, SURE)
    assert is_hand(joints @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + 30, SURE)


def test_joints_out_of_place_are_no_hand() -> None:
    """Fingers that point back to the wrist, knuckles out of their row, and joints all in one place."""
    joints = drawn_joints()
    backwards, mixed = joints.copy(), joints.copy()
    backwards[1:5] = 2 * joints[6:10] - joints[1:5]
    mixed[[6, 8]] = joints[[8, 6]]
    assert not is_hand(backwards, SURE)
    assert not is_hand(mixed, SURE)
    assert not is_hand(np.ones_like(joints), SURE)


def test_joints_that_were_not_seen_are_no_hand() -> None:
    """Four joints that are missing, the wrist alone, or all of them unsure."""
    joints = drawn_joints()
    missing, wristless = SURE.copy(), SURE.copy()
    missing[:4], wristless[JOINTS.index("wrist_2")] = 0.1, 0.1
    assert not is_hand(joints, missing)
    assert not is_hand(joints, np.full(len(JOINTS), 0.8))
    assert is_hand(joints, np.full(len(JOINTS), 0.8), least_score=0.75)
    assert not is_hand(joints, wristless)
    assert not is_hand(joints, np.full(len(JOINTS), 0.55))


def test_a_bundle_without_detector_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="expected a hand detector in it, found none; export it again"):
        load_finder(load_bundle(write_bundle(tmp_path)))


def test_networks_that_learnt_nothing_find_nothing(tmp_path: Path) -> None:
    """Random joints are not those of a hand."""
    finder = load_finder(load_bundle(add_random_finder(write_bundle(tmp_path))))
    film = draw_hands(PhantomRecipe((HandRecipe(),), rows=400, columns=320))
    assert finder.find(film.pixels.astype(np.float32)) == ()


def test_changed_weights_of_the_finder_are_refused(tmp_path: Path) -> None:
    """The bundle's hash covers them."""
    path = add_random_finder(write_bundle(tmp_path)) / "finder" / "reader.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(Fatal, match=r"reader\.safetensors: expected sha256"):
        load_bundle(tmp_path)


def test_a_finder_for_other_squares_is_refused(tmp_path: Path) -> None:
    """With both sizes."""
    manifest = read_manifest(add_random_finder(write_bundle(tmp_path)))
    manifest["finder"]["side_px"] = 256
    write_manifest(tmp_path, manifest)
    with pytest.raises(Fatal, match="160 px, found 256 px"):
        load_finder(load_bundle(tmp_path))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """The seeker does not take the reader's."""
    folder = add_random_finder(write_bundle(tmp_path)) / "finder"
    with pytest.raises(Fatal, match="expected weights of the hand detector"):
        Finder(folder / "reader.safetensors", folder / "seeker.safetensors")


@pytest.fixture(scope="module")
def shipped() -> Finder:
    return load_finder(load_bundle(DEMO))


@pytest.mark.parametrize(
    ("stages", "spread", "rotation"),
    [((0, 0), None, 0), ((4, 5), None, 180), ((5, 4), 0.0, 90), ((0, 5), 0.0, 0)],
)
def test_the_shipped_finder_finds_ill_turned_and_closed_hands(
    shipped: Finder, stages: tuple[int, int], spread: float | None, rotation: int
) -> None:
    """Both hands of a phantom, which way they point, and their joints within 3 % of a hand's length."""
    pair = (HandRecipe(Side.RIGHT, stages[0]), HandRecipe(Side.LEFT, stages[1]))
    film = draw_hands(
        PhantomRecipe(pair, rows=500, columns=600, spread=spread, rotation=rotation, seed=5)  # type: ignore[arg-type]
    )
    found = shipped.find(film.pixels.astype(np.float32))
    assert len(found) == 2
    for hand in film.hands:
        region = max(found, key=lambda one: intersection_over_union(one.box, hand.box))
        assert region.rotation == rotation
        assert {joint.name for joint in region.joints} == set(JOINTS)
        wrist, knuckle = hand.joints["wrist_2"], hand.joints["mcp_3"]
        length = 2.85 * np.hypot(wrist.x - knuckle.x, wrist.y - knuckle.y)
        for joint in region.joints:
            true = hand.joints[joint.name]
            assert np.hypot(joint.at.x - true.x, joint.at.y - true.y) < 0.03 * length, joint.name


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_finder_finds_no_hand_in_other_things(shipped: Finder, kind: Kind) -> None:
    """Upright and turned."""
    picture = draw_other(kind, seed=77).astype(np.float32)
    assert shipped.find(picture) == ()
    assert shipped.find(np.ascontiguousarray(np.rot90(picture))) == ()


def test_size_and_place_are_those_of_the_image(shipped: Finder) -> None:
    """The same film with twice the pixels gives the same hand at twice the places."""
    film = draw_hands(PhantomRecipe((HandRecipe(),), rows=420, columns=330, seed=2))
    small = film.pixels.astype(np.float32)
    (once,), (twice,) = shipped.find(small), shipped.find(np.kron(small, np.ones((2, 2), np.float32)))
    for a, b in zip(once.joints, twice.joints, strict=True):
        assert (2 * a.at.x, 2 * a.at.y) == pytest.approx((b.at.x, b.at.y), abs=6)
    assert all(0 <= point.x <= 330 and 0 <= point.y <= 420 for point in once.outline)
    assert 3 <= len(once.outline) <= 200
