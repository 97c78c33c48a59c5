"""Composed films: what is said of their hands is where the hands are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ra_node.domain.geometry import Point
from ra_node.domain.laterality.evidence import Side
from training.data.hand_ids import part_of, vetted
from training.phantom.draw import draw_hands
from training.phantom.recipe import HandRecipe, PhantomRecipe
from training.simulation.composition import LAYOUTS, compose, mirrored, turned
from training.simulation.film_artifacts import FAULTS
from training.simulation.matting import RealHand, real_hand


@pytest.fixture(scope="module")
def hand() -> RealHand:
    """A drawn left hand stands for a real one: coarse, so that it is quick."""
    drawn = draw_hands(PhantomRecipe((HandRecipe(Side.LEFT, 0),), rows=300, columns=240, seed=3))
    return real_hand("drawn", (drawn.pixels // 16).astype(np.uint8), drawn.hands[0].joints)


def covered(film, hand) -> float:
    """The share of a hand's outline that is brighter than the film around the hands."""
    mask = np.zeros(film.image.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(hand.outline).astype(np.int32)], 1)
    return float((film.image[mask > 0] > 8).mean())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_hands_are_bright_inside_their_outlines(layout, hand):
    """Both sides are there, boxes hold outlines, and the pixels inside are those of a hand."""
    film = compose(hand, hand, layout, np.random.default_rng(1))
    assert {one.side for one in film.hands} == {Side.LEFT, Side.RIGHT}
    for one in film.hands:
        assert covered(film, one) > 0.9
        assert one.box.clipped(*film.image.shape) == one.box
        assert one.box.x0 <= one.outline[:, 0].min() <= one.outline[:, 0].max() <= one.box.x1
    assert any(one.cut_off for one in film.hands) == (layout == "cut off")


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_film_turns_joints_and_rotation(degrees, hand):
    """Each quarter turn carries the pixels under a joint along with it."""
    film = compose(hand, hand, "apart", np.random.default_rng(2))
    turn = turned(film, degrees)
    for before, after in zip(film.hands, turn.hands, strict=True):
        assert after.rotation == (before.rotation + degrees) % 360
        assert value(turn.image, after.joints["mcp_3"]) == value(film.image, before.joints["mcp_3"])


def test_a_mirrored_film_keeps_its_sides_by_its_orientation(hand):
    """Patient Orientation turns round with the pixels: a right hand stays a right one."""
    film = compose(hand, hand, "apart", np.random.default_rng(3))
    other = mirrored(film)
    assert other.orientation[0] != film.orientation[0]
    assert [one.side for one in other.hands] == [one.side for one in film.hands]
    assert value(other.image, other.hands[0].joints["mcp_3"]) == value(
        film.image, film.hands[0].joints["mcp_3"]
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_the_film_and_not_its_size(fault, hand):
    """Values stay within a picture's range."""
    film = compose(hand, hand, "apart", np.random.default_rng(4))
    changed = FAULTS[fault](film, np.random.default_rng(5))
    assert changed.shape == film.image.shape
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert not np.array_equal(changed, film.image)


def test_the_true_outline_is_that_of_the_hand_that_was_drawn():
    """Found from joints and pixels alone, it agrees with the outline that the phantom was drawn from."""
    drawn = draw_hands(PhantomRecipe((HandRecipe(Side.LEFT, 0),), rows=300, columns=240, seed=3))
    found = real_hand("drawn", (drawn.pixels // 16).astype(np.uint8), drawn.hands[0].joints)
    box = drawn.hands[0].box
    assert np.abs(found.outline[:, 1].min() - box.y0) < 8
    assert np.abs(found.outline[:, 0].min() - box.x0) < 8
    assert np.abs(found.outline[:, 0].max() - box.x1) < 8


def test_the_part_of_an_id_never_changes():
    """A published figure on held-out hands stays one."""
    assert [part_of(name) for name in ("1417", "1563", "10097")] == ["tuning", "tuning", "held-out"]
    assert len(vetted()) > 40


def value(image: np.ndarray, at: Point) -> float:
    return float(image[int(at.y), int(at.x)])
